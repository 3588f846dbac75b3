// Package cti speaks the Cisco CTI server protocol (GED-188) of Unified Contact Center Enterprise:
// all messages of versions 13 to 25, a client, a session that survives the loss of a server, and
// the server's half for simulators and proxies.
//
// # Overview
//
// A CTI server reports what agents and calls do and carries out what clients ask for. A connector
// opens one session that sees everything ("bridge", all events):
//
//	var mux cti.Mux
//	cti.Handle(&mux, func(ctx context.Context, e *cti.AgentStateEvent) { ... })
//	cti.Handle(&mux, func(ctx context.Context, e *cti.CallDeliveredEvent) { ... })
//
//	s, err := cti.NewSession(&cti.SessionOptions{
//		A: cti.Endpoint{Addr: "pg-a:42027"}, B: cti.Endpoint{Addr: "pg-b:43027"},
//		ClientID: "connector", Handler: &mux, Charset: charmap.Windows1252,
//	})
//	...
//	err = s.Start()
//	defer s.Close()
//	conf, err := s.SetAgentState(ctx, &cti.SetAgentStateReq{ ... })
//
// The types, by what they are for:
//
//   - messages: AGENT_STATE_EVENT is [AgentStateEvent], SET_AGENT_STATE_REQ is [SetAgentStateReq] with
//     the answer [SetAgentStateConf]; a number that is not known is [Raw]. [AppendMessage],
//     [DecodeMessage] and [FrameReader] work without a connection;
//   - [Client]: one connection to one server; [Dial] opens it;
//   - [Session]: one session to whichever of two servers is there, for ever;
//   - [Requests]: a typed method per request, embedded in both;
//   - [Server]: accepts sessions, for simulators (package ctitest) and proxies;
//   - [Window]: many requests at a pace that the server bears.
//
// # Session life cycle
//
// A [Session] tries side A, then B, then pauses, then A again, and so on without end; the pause
// grows to 10 s and is random in part. After a loss it starts with A at once. A server that
// announces its end (FAILURE_EVENT, maintenance mode) sends it to the other side. A side whose
// connections die young twice in a row loses its turn, so that a sick side cannot hold on to
// the session.
//
// The version is negotiated by trying from the newest down, each on a new connection, because a
// server only says that it does not know a version; what it took is tried first the next time.
//
// What the [Handler] sees of each connection, in this order:
//
//	SessionUp    requests work from here on; what is known of agents and calls is out of date
//	             (the Resync function runs now and reads it again; events wait)
//	Resynced     the state is good from here on
//	events       as they came on the wire, those from before Resynced included
//	SessionDown  the last one of this connection
//
// The protocol replays nothing: what happened while no session was open is lost, except for what
// Resync finds. ACTIVE_MAINTENANCE_REQ is accepted at once by the reader, because one late client
// keeps a gateway from its maintenance.
//
// With SessionOptions.Standby and a gateway that offers it (version 24, active/standby) the session
// holds a second connection to the standby side and takes it over when that side becomes active, which
// makes a planned change of sides a matter of milliseconds.
//
// Heartbeats go out when nothing was sent or nothing was received for an interval (5 s). A server
// that leaves three of them unconfirmed is dead. Events that arrive before OPEN_CONF are kept and
// delivered after it.
//
// # Errors
//
//	error                what it says                                    repeat the request?
//	*StatusError         FAILURE_CONF: refused by the CTI server          depends on Status
//	*ControlError        CONTROL_FAILURE_CONF: refused by the peripheral  depends on Code
//	ErrDown, ErrBusy     not sent                                        yes, later
//	ErrInterrupted       the connection was lost meanwhile               look at the state first
//	ErrRequestTimeout    no answer in time                               look at the state first
//	context errors       the caller gave up; a late answer is ignored    look at the state first
//	*EncodeError         the request does not fit the protocol version   no
//	*DecodeError         the answer was broken                           look at the state first
//
// errors.Is finds the code: errors.Is(err, cti.StatusCodeInvalidCallID). [IsRetryable] and
// [IsTimeout] answer the two usual questions. A connection that could not be opened is a
// *[ConnectError]; a stream that is out of step ends its connection with a *[ProtocolError] or
// *[DecodeError]. A message whose body is broken does not end the connection: the handler gets
// it as [Raw], a request gets the error as its answer.
//
// # Concurrency
//
// Clients, sessions and servers may be used from any goroutine. Handlers and Resync functions are
// called one at a time by a goroutine that is not the reader: they may send requests on the
// same session and wait. Between reader and handler lies a queue of 65536 events and 64 MiB that
// never drops: when it is full, the connection ends with [ErrSlowConsumer], and the session
// comes back and reads everything again. A message belongs to whoever got it.
//
// # Fields
//
// A message is its fixed part and floating fields in any order. Structs hold both in the order of
// the specification; a list is a slice, and its count is written from its length. A floating field
// that is empty or zero is not written unless it is required or marked:
//
//	r := &cti.SetCallDataReq{ ... , CallVariable2: "gold"}
//	r.Mark(cti.TagCallVar1) // on the wire as an empty text: clears the variable
//
// What was decoded is encoded to the same bytes, with fields that the version does not define
// ([Floating].Extra), unknown values, missing fields and another order of fields, except where the
// input bends a rule that writing keeps: a text gets exactly one NUL, a BOOL is 0 or 1, a count is
// that of the entries, packed elements become a field each, CTIClientSignature of AGENT_STATE_EVENT
// gets tag 3. Values are as long as the guides allow; a longer one is an *[EncodeError] when it is
// written, never when it is read. The file ledger.txt says for each message how sure its layout is.
//
// # Versions
//
// The version of OPEN_REQ decides the layout of all messages of the session, OPEN_REQ included:
// tags and lengths of floating fields have one byte up to 19 and two from 20 on, messages at most
// 4329 or 12500 bytes, and fields come and go. [AppendMessage] leaves out what a version lacks.
// Strings are bytes of the one code page of the CCE instance: with Options.Charset they are UTF-8
// here, without it they are left alone.
//
// # Assumed
//
// What the session does without a guide that says so; layouts have their own table, see
// [MessageInfo]:
//
//	events before OPEN_CONF are kept, at most 1024
//	with two sides the first attempts wait 10 s for OPEN_CONF, later ones longer
//	a heartbeat is also sent when only the receiving direction is silent
//	FAILURE_CONF with invoke id 0 answers a configuration request, which has none
//	the invoke id of messages without a public layout is their first four bytes
//	a server in maintenance gets STOPPING_REQUESTS_TO_THIS_SIDE_IND from clients without
//	standby session too; they then open a session with the other side
//	a standby side that says nothing for 30 s after the loss of the active one is opened anew
//	a server refuses an unknown version with the 8 byte form of FAILURE_CONF
//
// # Testing
//
// Package ctitest is a peripheral gateway in memory or on TCP, with both sides, agents, queues
// and calls. Sessions work inside testing/synctest. Options.Trace sees every message; so does
// the program examples/sniff between a client and a server.
package cti
