// Package cpic is a registered RFC server in pure Go: it dials an SAP gateway,
// registers under a Program ID and answers the calls that SAP sends there.
//
// It is experimental. Everything in it was built from published descriptions of the
// gateway and the classic RFC protocol (Wireshark's dissectors, OWASP/pysap,
// saprfclib and their captures) and is tested against a simulated gateway
// (package gatewaytest). It has never seen a real one. What nobody has published is
// a choice: see [Strategy].
//
//	srv, err := cpic.New(&cpic.Options{Gateway: "sapgw.example.com:3300", Program: "connects.OB1", Definitions: defs})
//	...
//	err = srv.Serve(ctx, handler)
//
// In SAP: SM59, type T, Registered Server Program, the same Program ID (case
// matters), gateway host and service filled in, communication type Unicode,
// serializer "Classic serializer". The file reginfo of the gateway has to permit the
// Program ID and this host (line "P TP=connects.OB1 HOST=...").
//
// The protocol neither encrypts nor authenticates the gateway. Run it inside the
// server network, or through a tunnel; SNC is left out.
package cpic
