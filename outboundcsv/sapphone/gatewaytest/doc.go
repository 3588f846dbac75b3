// Package gatewaytest simulates an SAP gateway with an ABAP system behind it: it
// takes registrations, and calls functions of the programs that registered.
//
//	gw := gatewaytest.New(nil)
//	go gw.Serve(ln)
//	answer, err := gw.Call(ctx, "connects.OB1", &gatewaytest.Call{Func: "Z_PING", Wanted: []string{"ECHO"}})
//
// Everything was built from published layouts, separately from package cpic, and
// behaves as they say, not as our server expects. Where they contradict each
// other, [Options] chooses.
package gatewaytest
