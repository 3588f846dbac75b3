package crm

// capSet is a set of what an agent may do with a call, or with himself, now.
// The bits stand in the order in which SAP gets them.
type capSet uint32

const (
	capMakeCall capSet = 1 << iota
	capAccept
	capReject
	capDrop
	capHold
	capRetrieve
	capToggle
	capConsult
	capWarmTransfer
	capBlindTransfer
	capConference
	capLeaveConference
	capSendDTMF
	capWrapUpRequired
)

// status is the state of a call at one agent's desktop. The values are the
// codes of PhoneCallStatus in the ICI reference, section 7 (assumed there).
type status uint8

const (
	statusNone       status = 0
	statusOffered    status = 1
	statusDialing    status = 2
	statusRinging    status = 3
	statusConnected  status = 4
	statusHeld       status = 5
	statusConference status = 6
	statusWrapUp     status = 7
	statusEnded      status = 8
	statusFailed     status = 9
)

// alive: the agent has a connection in the call, or is getting one.
func (s status) alive() bool { return s >= statusOffered && s <= statusConference }

// talking: the agent hears the other party.
func (s status) talking() bool { return s == statusConnected || s == statusConference }

// final: nothing happens to the item any more.
func (s status) final() bool { return s == statusEnded || s == statusFailed }

func (s status) String() string {
	switch s {
	case statusOffered:
		return "offered"
	case statusDialing:
		return "dialing"
	case statusRinging:
		return "ringing"
	case statusConnected:
		return "connected"
	case statusHeld:
		return "held"
	case statusConference:
		return "conference"
	case statusWrapUp:
		return "wrapup"
	case statusEnded:
		return "ended"
	case statusFailed:
		return "failed"
	}
	return "none"
}

// situation is what decides about the capabilities of one item beside its own state.
type situation struct {
	// consult: the item is a consultation call, and its original call is alive.
	consult bool
	// consulted: the item is the original call of a living consultation call.
	consulted bool
	// partner is the state of the other call of the pair, or of any other
	// living call of the agent when there is no pair.
	partner status
	// paired: the switch can join the item and the partner.
	paired       bool
	noConference bool
	// controller: the agent set up the conference and may add a party.
	controller bool
}

// baseCaps is what a state allows when the agent has no other call.
var baseCaps = [...]capSet{
	statusOffered:    capAccept | capReject,
	statusDialing:    capDrop,
	statusRinging:    capDrop,
	statusConnected:  capDrop | capHold | capConsult | capBlindTransfer | capSendDTMF | capWrapUpRequired,
	statusHeld:       capRetrieve | capDrop | capWrapUpRequired,
	statusConference: capDrop | capLeaveConference | capHold | capSendDTMF | capWrapUpRequired,
	statusWrapUp:     0,
	statusEnded:      0,
	statusFailed:     0,
}

// itemCaps computes what the agent may do with an item in state s. The table of
// states and the rules for pairs follow the ICI reference, scenarios S04 to S10,
// and the CTI reference, section 15: a consultation needs an active call, a
// transfer or conference needs one held and one talking call.
func itemCaps(s status, in situation) capSet {
	if int(s) >= len(baseCaps) {
		return 0
	}
	caps := baseCaps[s]
	switch s {
	case statusConnected, statusConference:
		if s == statusConference && in.controller && !in.noConference {
			caps |= capConsult
		}
		if in.consult {
			// A consultation is for the original call: it is neither the start of
			// another consultation nor given away by itself.
			caps &^= capConsult | capBlindTransfer
		}
		switch in.partner {
		case statusHeld:
			caps |= capToggle
			caps &^= capHold | capConsult
			if in.paired {
				caps |= capWarmTransfer | capConference
			}
		case statusDialing, statusRinging, statusConnected, statusConference:
			caps &^= capConsult
		}
	case statusHeld:
		switch in.partner {
		case statusConnected, statusConference:
			caps |= capToggle
			caps &^= capRetrieve
			if in.paired {
				caps |= capWarmTransfer | capConference
			}
		case statusDialing, statusRinging:
			// The phone has one line to talk on: first drop the new call.
			caps &^= capRetrieve
		}
	}
	if in.noConference {
		caps &^= capConference
	}
	return caps
}
