package ctitest

import "time"

// AgentInfo is a snapshot of an agent.
type AgentInfo struct {
	ID        string `json:"id"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	// Device is the phone where the agent is logged in, else the one where he usually is.
	Device string `json:"device"`
	// State is the name of the state without prefix: LOGOUT, NOT_READY, AVAILABLE, RESERVED,
	// TALKING, HOLD, WORK_READY, WORK_NOT_READY.
	State string `json:"state"`
	// Reason of NOT_READY or LOGOUT.
	Reason uint16 `json:"reason"`
	// Pending is the state that follows when the call or wrap-up ends; "" = none asked for.
	Pending string `json:"pending,omitempty"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// SkillGroups by number.
	SkillGroups []uint32 `json:"skillGroups"`
	// Calls at the agent's phone, oldest first.
	Calls []uint32 `json:"calls"`
}

// CallInfo is a snapshot of a call.
type CallInfo struct {
	// ID is the ConnectionCallID.
	ID uint32 `json:"id"`
	// From is the caller's number, To the number that he dialled.
	From string `json:"from"`
	To   string `json:"to"`
	// State is QUEUED, ROUTED, RINGING, ANSWERED, HELD or DIALING: the most advanced state of a party.
	State   string      `json:"state"`
	Since   time.Time   `json:"since"`
	Parties []PartyInfo `json:"parties"`
	// Variables holds the call variables that are set, "CV01" to "CV10".
	Variables map[string]string `json:"variables"`
	// ECC and ECCArrays hold the expanded call variables that are set.
	ECC       map[string]string   `json:"ecc"`
	ECCArrays map[string][]string `json:"eccArrays,omitempty"`
	Wrapup    string              `json:"wrapup,omitempty"`
	// ConsultOf is the call that this one was made from, 0 = none.
	ConsultOf uint32 `json:"consultOf,omitempty"`
	// RouterKey is "day-callid-sequence", "" for calls that were not routed.
	RouterKey string `json:"routerKey,omitempty"`
	// DTMF are the tones that were sent.
	DTMF string `json:"dtmf,omitempty"`
}

// PartyInfo is a party of a call.
type PartyInfo struct {
	// Device is an extension, a queue's number or an outside number.
	Device string `json:"device"`
	// Kind is agent, phone, queue or external.
	Kind string `json:"kind"`
	// Agent is logged in at the device, "" = none.
	Agent string `json:"agent,omitempty"`
	// State is INITIATE, ALERTING, CONNECT, HOLD or QUEUED.
	State string `json:"state"`
}

// SkillGroupInfo is a snapshot of a skill group.
type SkillGroupInfo struct {
	Number       uint32 `json:"number"`
	Name         string `json:"name"`
	DialedNumber string `json:"dialedNumber"`
	LoggedOn     int    `json:"loggedOn"`
	Available    int    `json:"available"`
	// Queued are the waiting calls, the longest waiting first.
	Queued []uint32 `json:"queued"`
}

// SideInfo is a snapshot of a side.
type SideInfo struct {
	Side     string        `json:"side"`
	Addr     string        `json:"addr"`
	Running  bool          `json:"running"`
	Stalled  bool          `json:"stalled"`
	Active   bool          `json:"active"`
	Sessions []SessionInfo `json:"sessions"`
}

// SessionInfo is a snapshot of a client connection.
type SessionInfo struct {
	// Conn is the number of the connection, ID of the session (0 = not open yet).
	Conn     uint64 `json:"conn"`
	ID       uint32 `json:"id"`
	Remote   string `json:"remote"`
	Client   string `json:"client"`
	Version  int    `json:"version"`
	Services uint32 `json:"services"`
	// Device of a session in client mode.
	Device string `json:"device,omitempty"`
	// Monitors that are set.
	Monitors int `json:"monitors"`
}

// CallSpec describes a call that a customer makes.
type CallSpec struct {
	// From is the caller's number; "" = the caller withheld it.
	From string `json:"from"`
	// To is what he dialled: a skill group's number, an extension or a phone.
	To string `json:"to"`
	// Variables are call variables, "CV01" to "CV10", at most 40 bytes each.
	Variables map[string]string `json:"variables"`
	// ECC and ECCArrays are expanded call variables; they must be configured.
	ECC       map[string]string   `json:"ecc"`
	ECCArrays map[string][]string `json:"eccArrays"`
	// CallerEnteredDigits, DNIS and UserToUserInfo as the network brings them; DNIS "" = To.
	CallerEnteredDigits string `json:"ced"`
	DNIS                string `json:"dnis"`
	UserToUserInfo      []byte `json:"uui"`
	// NeverArrives lets the routed call get lost on its way to the agent.
	NeverArrives bool `json:"neverArrives"`
	// RouterKey continues a call that came to another peripheral before, "day-callid-sequence" as in
	// CallInfo: the router sends it here, and it keeps its key across the enterprise (CTI reference,
	// section 13). "" = a new call. CustomerCall only.
	RouterKey string `json:"routerKey"`
}
