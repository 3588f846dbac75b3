// Package ici speaks SAP's Integrated Communication Interface (ICI): SOAP calls from the Interaction Center of SAP CRM to
// a communication system, and events back.
//
// # Overview
//
// SAP calls first. A [Server] receives its calls and hands each to a [Handler] as a [Request]; the handler answers with a
// [Value] or a [Fault]. When an agent logs on, SAP hands over the URL and the application id to which events for that
// agent go; a [Notifier] sends them, in order.
//
//	SAP CRM  --- getAttributes, subscribe, setCurrentWorkcenter, accept ... -->  Server --> Handler
//	SAP CRM  <-- userChanged, phoneCallChanged, chatChanged ...             ---  Notifier
//
// [Profile.AppendRequest] and [Profile.ParseResponse] are the other half, for whoever plays the role of SAP; package
// icitest is a whole simulated SAP CRM, with a reader and a writer of its own.
//
// # A session
//
// One call with its answer and the event that it causes (this is the example of [Server]):
//
//	handler := ici.HandlerFunc(func(ctx context.Context, r *ici.Request) (ici.Value, error) {
//		switch r.Op {
//		case ici.OpUserGetAttributes:
//			return &ici.User{UserID: r.User, CurrentWorkmode: r.Profile.Element(ici.WorkmodeReady, "Ready")}, nil
//		case ici.OpUserSetCurrentWorkmode:
//			if r.Profile.CodeOf(ici.EnumWorkmode, r.Text(ici.ParamWorkmodeID)) == ici.CodeUnknown {
//				return nil, &ici.Fault{Code: ici.FaultWorkmodeInvalid}
//			}
//			r.After(func() { fmt.Println("now the event userChanged is sent") })
//			return ici.Text(""), nil
//		}
//		return nil, &ici.Fault{Code: ici.FaultNotSupported}
//	})
//	server, err := ici.NewServer(handler, nil)
//
// # The profile
//
// SAP has published no specification of ICI. Every name that goes over the wire stands in one file, profile.txt, with the
// grade of its certainty: verified, verified indirectly, derived or assumed; most operation names of telephony and most
// parameter names are assumed. The code uses constants that are generated from the file ([OpUserGetAttributes],
// [ParamWorkmodeID], [WorkmodeReady] ...) and a [Profile] to turn them into names. A site whose SAP system differs
// loads an override file at start-up, see [Profile.Override]; different systems may have different profiles.
//
// To find out what a system calls, connect it and read the log: a call of an unknown operation is logged once with
// everything in it but passwords, and answered with an empty response so that the agent's desktop goes on. Unknown
// parameters of known operations are logged the same way.
//
// # What is understood
//
// SOAP 1.1, rpc/encoded and document/literal; elements by local name, with other upper and lower case where nothing else
// fits; arrays with any row name and repeated elements; href and id; xsi:nil; booleans true, false, 1, 0, X and empty; the
// character sets of the WHATWG list by byte order mark, content type or XML declaration, UTF-16 included; HTTP/1.0, chunked
// and gzip bodies. Operations are found by namespace or URL path and name or alias, else by the parameters that a call
// brings. SOAPAction is ignored. Answers come in the style of the call. Document type declarations, entities of their own
// and everything beyond the [Limits] are refused with a fault that says where the message is wrong.
//
// A GET on the path of a service with ?wsdl gives a WSDL that foreign SOAP toolkits can call; other GETs give a status page.
//
// # Events
//
// A [Notifier] keeps the events of each subscription in order and one at a time, and no subscription waits for another.
// While SAP is slow or away, only the newest state of an item is kept; postings and action items all are. Failed attempts
// are repeated after 1, 2, 5, 10 and 30 s. An event is never left out silently: a subscription whose event cannot be
// delivered ends, and NotifierOptions.Gone is told. Event URLs are used byte for byte, and only hosts that the
// configuration names are reached.
//
// # Errors
//
// Reading gives *[ParseError] with one of [ErrSyntax], [ErrTooLarge], [ErrCharset], [ErrVersion], [ErrEnvelope];
// [Profile.ParseResponse] gives *[Fault] for a refused call. None of them is worth a retry. What the caller of a [Server]
// gets:
//
//	401 wrong login or certificate    404 no such path        405 neither POST nor GET
//	403 sent by a web page            408 body too slow       413 body or XML exceeds a limit
//	415 content encoding unknown      400 broken gzip         503 too many calls at once
//	500 a SOAP fault, as SOAP 1.1 wants: unreadable message or refused by the handler
//
// # Concurrency
//
// A [Profile], a [Server] and a [Request] may be used from many goroutines, except where a method says otherwise. The
// handler runs on the goroutine of the HTTP request, so calls of one agent may run side by side.
//
// # Speed
//
// Reading a call takes six allocations whatever its length, writing none when the buffer has room: no reflection, tags are
// rendered once per profile, and rows of big answers can be written in advance ([Profile.EncodeRow], [Rows]).
package ici
