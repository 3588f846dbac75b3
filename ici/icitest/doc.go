// Package icitest is a simulated SAP CRM for the Integrated Communication Interface (ICI), for integrators who have no
// SAP system at hand, for demonstrations and for tests.
//
// A [SAP] plays one SAP system with any number of users. It sends requests to a connector, as the Interaction Center
// WebClient (IC WebClient) of each user would, and has the HTTP end point to which the connector posts events:
//
//	sap, err := icitest.New(&icitest.Config{Connector: "http://127.0.0.1:8080/"})
//	...
//	meier, err := sap.Logon(ctx, icitest.UserSpec{User: "MEIER", Language: "DE", Workcenter: "1001;pw1001;2001"})
//	err = meier.SetWorkmode(ctx, ici.WorkmodeReady)
//	call, err := meier.WaitCall(ctx, "", ici.PhoneCallStatusOffered)
//	err = meier.AcceptCall(ctx, call.ID)
//
// # Sessions
//
// A [Session] is what one logon of a user amounts to: the communication session, which alone speaks ICI and owns the
// event URL, and up to six business sessions, one for each interaction. An offered item for which no business session
// is free is rejected at once by SAP itself. The state of a session (work mode, calls, chats, action items) comes from
// events only, as in SAP; the Wait methods wait until it is as wanted.
//
// The methods of a Session that stand for a button of the toolbar refuse with a [ToolbarError] what the capabilityList
// of the item does not allow at that moment. The embedded [Client] has the same methods without that check.
//
// # What is checked
//
// Every event is parsed with encoding/xml, not with the codec of package ici, and compared with the interface
// reference: envelope, namespaces, application ids, array sizes, members, codes, telephone numbers, attached data, one
// event at a time, completeness, no call that comes back from the dead. What is wrong is a [Violation]; a test asserts
// that [SAP.Violations] is empty. Answers to requests are checked the same way. An event of a dead session is answered
// with 400 (the session) or 401 (the application id); an event that SAP cannot understand with a Fault.
//
// # Faults
//
// [SAP.SetTrouble] and [Session.SetTrouble] make the end point hang, answer slowly, with any status, a Fault, garbage, a
// redirect, half an answer, or reset the connection. [SAP.Down] and [SAP.Up] take the whole end point away and back.
// [Session.Kill] ends a session silently, [Session.Restart] is the restart of an IC WebClient.
//
// # What it does not do
//
// It keeps no business partners, transactions or other CRM data, has no user interface, does not identify accounts by
// telephone number, does not write interaction records and does not interpret attached data or monitor forms. It has no
// time-outs of its own for requests (SAP's are unknown) beyond Config.RequestTimeout, and never repeats a request. It
// speaks the ABAP variant's URLs; the Java variant differs in paths only. The order in which the IC WebClient calls the
// operations, and most operation names, are assumed by the reference and not verified; both come from the profile of
// package ici and from the scenarios named at each method.
//
// Sources: the ICI reference of this project, sections 4 to 10 (scenarios S01 to S20), and the session limits of SAP
// Notes 1597836 and 1628185 as cited there.
package icitest
