// Package ctitest simulates a Cisco peripheral gateway with its CTI server: two sides, agents,
// phones, skill groups, queues and calls. It is what net/http/httptest is for HTTP: a peer for
// tests and demonstrations that behaves like the real one, made from its documentation and not
// from what our client expects.
//
//	pg := ctitest.Start(t, ctitest.DefaultConfig(10))
//	addr := pg.Side(ctitest.A).Addr()
//	... connect a client, log agents in ...
//	id, err := pg.CustomerCall(ctx, ctitest.CallSpec{From: "+41315550100", To: "5001"})
//
// # The parts
//
// [New] makes a gateway from a [Config]; [DefaultConfig] has a set-up to play with. [PG.Side] gives
// its two CTI servers, which can be stopped, started, stalled and changed over ([PG.Switch],
// [PG.Maintain]). The model behind them - agents, phones, calls - is one and survives all of that,
// as a phone switch does. It is looked at with [PG.Agents], [PG.Calls], [PG.SkillGroups] and
// [PG.Sides], and moved by customers ([PG.CustomerCall], [PG.CustomerHangUp]), by hands on phones
// ([PG.PhoneAnswer] and others) and by supervisors ([PG.SetAgentState] and others).
//
// # Faults
//
// [PG.Control] decides what happens to the next message of a type in either direction: it may pass,
// be answered otherwise, refused, delayed, dropped, replaced by raw bytes, or cost the connection.
// [PG.Observe] sees every message. [Quirks] vary what the guides leave open, so that a client can
// be tried against all of it.
//
// # Sources
//
// Messages, session rules and masks: Cisco CTI Server Message Reference Guide, protocol versions
// 13 to 25. Event sequences: CTI OS Developer Guide 12.6 ("events received"), combined with that
// guide's rules. Agent behaviour (states, pending states, wrap-up, ring no answer, reservation):
// Database Schema Handbook, Finesse and CCE administration guides 12.5 to 15.0. Limits: Solution
// Design Guide for Unified CCE.
//
// Assumed, because no guide says it: the order of events within one action (see Quirks), which codes
// refuse what where several fit, that an event about a connection comes once per phone of a call,
// that the call which a transfer leaves keeps the id of the first call, the exact text of
// connection ids, and everything that a comment in this package marks so. The phone switch is the
// simplest that the guides allow: a phone has one line, at most one active and one held call, and is
// busy for further calls.
//
// # What it does not do
//
//   - Supervisor functions (SUPERVISE_CALL, team messages; assist and emergency calls are refused
//     with E_CTI_SUPERVISOR_NOT_FOUND), recording, agent greetings, services of server applications,
//     session monitors, SET_APP_DATA, SET_DEVICE_ATTRIBUTES: refused with
//     E_CTI_FUNCTION_NOT_AVAILABLE, never ignored.
//   - Agent reporting and management (ARM), tasks, routing clients: their layouts are not public.
//     The services are not granted.
//   - Outbound Option, preview and predictive calls, translation routes, VRU legs, network transfer.
//   - Several lines, shared lines, non-ACD lines; nailed and call-by-call connections of mobile agents
//     (the login form is understood, the agent's remote phone is not called).
//   - Agent teams and CONFIG_SERVICE, CALL_TYPE, TERMINAL and DESK_SETTINGS records.
//   - CLEAR_CALL, which CCE does not support, and the single step conference.
//   - The history of a call's CTI clients (NumCTIClients is 0), half-hour and text SYSTEM_EVENTs, the option
//     that client-mode sessions get no events before their agent logs in.
//   - Congestion control and the delays of a real gateway.
//   - Checks of a client's certificate beyond what Config.TLS asks for.
//
// # Concurrency
//
// All methods may be called from any goroutine. The model has one owner at a time: actions of
// clients, timers and callers of methods are worked on one after the other, and no lock is held
// while something is read or written. The package works inside testing/synctest; it uses the clock
// of the runtime and no random numbers, so a scenario gives the same ids and events every time.
// A gateway has two goroutines per connection and one per listening side, and none otherwise.
package ctitest
