package ctitest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/connects-go/connects/internal/secret"

	"golang.org/x/text/encoding"
)

// Defaults and limits. Sources: CTI Server Message Reference Guide (session rules), Solution
// Design Guide for Unified CCE (clients per peripheral gateway), Staging and reporting guides
// (reservation, wrap-up data). What no guide states is marked "assumed".
const (
	// DefaultPeripheralID is the peripheral of the simulated agents.
	DefaultPeripheralID = 5000
	// DefaultAllEventsLimit is how many all-events sessions one gateway grants; 7 on small machines.
	DefaultAllEventsLimit = 20
	// DefaultReservation is how long an agent stays reserved for a routed call that does not arrive.
	DefaultReservation = 30 * time.Second
	// DefaultCallDataHold is how long call data may be written after a call has ended.
	DefaultCallDataHold = 2 * time.Minute
	// DefaultExternalAnswer is when an outside party answers (assumed).
	DefaultExternalAnswer = 2 * time.Second
	// DefaultOpenTimeout is how long a connection may live without an open session (assumed).
	DefaultOpenTimeout = time.Minute
	// DefaultMaxQueuedBytes is how much output waits for a client that does not read before its
	// connection is cut (assumed).
	DefaultMaxQueuedBytes = 16 << 20
	// DefaultMaxCalls is how many calls may exist at once (assumed).
	DefaultMaxCalls = 20000
	// MinVersion and MaxVersion are the protocol versions that the simulator speaks by default.
	MinVersion = 13
	MaxVersion = 25
)

// SideID names one of the two sides of a gateway.
type SideID int

// The sides.
const (
	A SideID = iota
	B
)

// String returns "A" or "B".
func (s SideID) String() string {
	switch s {
	case A:
		return "A"
	case B:
		return "B"
	}
	return fmt.Sprintf("SideID(%d)", int(s))
}

// Other returns the other side.
func (s SideID) Other() SideID { return B - s }

// Duplex says how the two sides share the work.
type Duplex int

// Ways to share the work.
const (
	// Classic is the ordinary pair: one side is active and accepts sessions, the other refuses them
	// as Config.Standby says. When the active side stops, the other becomes active; there is no fail-back.
	Classic Duplex = iota
	// ActiveStandby is Classic, but clients of protocol version 24 and later that ask for the service
	// ACTIVE_STANDBY may hold a session with the standby side too.
	ActiveStandby
	// BothActive lets both sides accept sessions and send all events. No real gateway does so; it
	// helps tests of clients that take events from two sides.
	BothActive
)

// Refusal says how a standby side treats a client that it does not take. The guide does not say
// which of them a classic standby uses.
type Refusal int

// Ways to refuse a client at a standby side.
const (
	// RefuseOffline answers OPEN_REQ with E_CTI_CTI_SERVER_OFFLINE.
	RefuseOffline Refusal = iota
	// RefuseNotMaster answers OPEN_REQ with E_CTI_SERVER_NOT_MASTER.
	RefuseNotMaster
	// RefuseClose closes the connection without a word.
	RefuseClose
)

// Config describes a simulated peripheral gateway. The zero value is a gateway without agents.
// New copies what it needs; later changes of the struct have no effect.
type Config struct {
	// PeripheralID of all agents and calls; 0 = DefaultPeripheralID.
	PeripheralID uint32
	// Agents who may log in. Ids and extensions must be unique.
	Agents []AgentConfig
	// Devices are phones that belong to no agent but to the same switch; calls at them are seen.
	Devices []DeviceConfig
	// SkillGroups with the number that reaches their queue.
	SkillGroups []SkillGroupConfig
	// ECC lists the configured expanded call variables. Others are refused.
	ECC []ECCConfig
	// Desk is used for agents without desk settings of their own.
	Desk DeskSettings
	// External says what happens when somebody dials a number outside; numbers without an entry
	// get DefaultExternal, and when that is nil, answer after DefaultExternalAnswer.
	External map[string]External
	// DefaultExternal is the behaviour of all other outside numbers.
	DefaultExternal *External

	// WritableVariables holds one letter per call variable 1 to 10, "y" = clients may write it,
	// as the "/CTI" part of a CallControlVariableMap does. Empty = all.
	WritableVariables string
	// Clients maps client ids to passwords. Nil = every client is welcome, which is what the Cisco
	// server does by default.
	Clients map[string]string
	// MinVersion and MaxVersion bound the protocol versions; 0 = the package's constants.
	MinVersion, MaxVersion int
	// AllEventsLimit bounds all-events sessions over both sides; 0 = DefaultAllEventsLimit, < 0 = none.
	AllEventsLimit int
	// NoCallControl grants the service AGENT_STATE_CONTROL_ONLY instead of CLIENT_CONTROL.
	NoCallControl bool
	// Charset is how text is written on the wire; nil = UTF-8.
	Charset encoding.Encoding

	// Listen opens the listener of a side when Side.Start is called. Nil = the address of the last
	// Serve again, or a free port of 127.0.0.1.
	Listen func(side SideID) (net.Listener, error)
	// TLS, when set, secures both sides. The protocol inside is the same.
	TLS *tls.Config
	// Duplex is how the sides share the work.
	Duplex Duplex
	// Standby is how the standby side refuses clients.
	Standby Refusal
	// FailoverDelay is how long after a stop of the active side the other becomes active.
	FailoverDelay time.Duration

	// FirstRouterKey is the call part of the first router key that the router gives here; 0 = 1. Gateways
	// of one enterprise have one router, which gives no key twice: they need ranges that do not meet.
	FirstRouterKey uint32
	// RouteDelay is the time between the choice of an agent and the arrival of the call at the phone.
	RouteDelay time.Duration
	// Reservation is how long an agent waits for a routed call; 0 = DefaultReservation.
	Reservation time.Duration
	// CallDataHold is how long call data may be written after a call; 0 = DefaultCallDataHold.
	CallDataHold time.Duration
	// OpenTimeout bounds the time until OPEN_REQ; 0 = DefaultOpenTimeout.
	OpenTimeout time.Duration
	// MaxQueuedBytes bounds the output waiting for one client; 0 = DefaultMaxQueuedBytes.
	MaxQueuedBytes int
	// MaxCalls bounds the calls that exist at once; 0 = DefaultMaxCalls.
	MaxCalls int

	// Quirks vary what the guides leave open.
	Quirks Quirks
	// Logger gets session life-cycle and refusals, never call data; nil = silence.
	Logger *slog.Logger
	// Observe sees every message; see PG.Observe.
	Observe func(Observation)
}

// Quirks vary what the guides leave open or where peripherals differ. A client has to work with
// every combination.
type Quirks struct {
	// Confirm is the place of a control confirmation among the events of its request.
	Confirm ConfirmOrder
	// AgentStateFirst sends AGENT_STATE_EVENT before the call event of the same action, not after it.
	AgentStateFirst bool
	// RTPFirst sends RTP_STARTED_EVENT before CALL_ESTABLISHED_EVENT and CALL_RETRIEVED_EVENT.
	RTPFirst bool
	// LoginEvent sends AGENT_STATE_EVENT(LOGIN) before the first state of a login.
	LoginEvent bool
	// DuplicateAgentStates sends every agent state twice to sessions that did not ask to ignore
	// duplicates.
	DuplicateAgentStates bool
	// OpaqueConnectionIDs uses connection ids that do not contain the extension.
	OpaqueConnectionIDs bool
	// LateEndCall sends END_CALL_EVENT to an agent's device only when the wrap-up has ended.
	LateEndCall bool
	// TransferKeepsConsultID lets the call that a transfer or conference leaves carry the id of the
	// consultation call, not of the first call.
	TransferKeepsConsultID bool
	// ShortFailureConf uses the 8 byte FAILURE_CONF in versions 24 and 25 too.
	ShortFailureConf bool
	// LingerOffline keeps calls through a peripheral outage instead of ending them all.
	LingerOffline bool
	// FailoverResetsAgents applies the table of agent states after a gateway failover when the
	// active side changes: wrap-up ends, reserved agents become available.
	FailoverResetsAgents bool
	// NoPreCall leaves out AGENT_PRE_CALL_EVENT.
	NoPreCall bool
	// NoReject refuses CLEAR_CONNECTION_REQ for a phone that rings. Without it a routed call goes back
	// to its queue and another one ends.
	NoReject bool
	// DialOnlyNotReady lets agents make calls in NOT_READY only, as CCE did before 12.5(1).
	DialOnlyNotReady bool
	// PartialECC sends only the changed ECC variables in CALL_DATA_UPDATE_EVENT from version 22 on
	// too. Before 22 that is the rule.
	PartialECC bool
}

// ConfirmOrder is the place of a control confirmation.
type ConfirmOrder int

// Places of a confirmation.
const (
	// ConfirmAsListed sends it first, but after the events of a transfer or conference.
	ConfirmAsListed ConfirmOrder = iota
	// ConfirmFirst always sends it before the events.
	ConfirmFirst
	// ConfirmLast always sends it after the events.
	ConfirmLast
)

// AgentConfig describes an agent.
type AgentConfig struct {
	// ID is the login id (peripheral number), at most 11 digits.
	ID string
	// FirstName, LastName and LoginName as configuration events carry them; LoginName "" = ID.
	FirstName, LastName, LoginName string
	// Password for the login.
	Password Secret
	// Extension is the phone where the agent usually logs in. It is created as a device.
	Extension string
	// SkillGroups by number. The first one counts calls that were not routed.
	SkillGroups []uint32
	// SkillTargetID is the ICM agent id; 0 = one is assigned.
	SkillTargetID int32
	// Desk overrides Config.Desk.
	Desk *DeskSettings
	// Supervisor marks a supervisor in configuration events.
	Supervisor bool
	// Locked refuses logins with CF_AGENT_ACCOUNT_LOCKED_OUT.
	Locked bool
	// SSO lets the agent log in without a password (SSOEnabled of SET_AGENT_STATE_REQ).
	SSO bool
}

// Secret is a password. However it is printed, logged or marshalled, it shows as "****"; Reveal gives
// the text.
type Secret = secret.Text

// DeviceConfig describes a phone that belongs to no agent.
type DeviceConfig struct {
	// Extension of the phone.
	Extension string
	// Name is a description for configuration events.
	Name string
}

// SkillGroupConfig describes a skill group and its queue.
type SkillGroupConfig struct {
	// Number is the peripheral number of the group, ID the CCE id; 0 = 100000 + Number.
	Number, ID uint32
	// Name of the group.
	Name string
	// DialedNumber reaches the queue of the group from inside and outside.
	DialedNumber string
}

// ECCConfig describes a configured expanded call variable.
type ECCConfig struct {
	// Name with its "user." prefix, at most 32 characters.
	Name string
	// MaxLength of a value in bytes, 1 to 210.
	MaxLength int
	// Size is 0 for a scalar, else the number of array elements, at most 255.
	Size int
}

// WrapupMode says what happens when a call ends (desk settings, Agent Desk Settings table).
type WrapupMode int

// Wrap-up modes with the numbers of the desk settings table.
const (
	WrapupRequired         WrapupMode = 0
	WrapupOptional         WrapupMode = 1
	WrapupNotAllowed       WrapupMode = 2
	WrapupRequiredWithData WrapupMode = 3
)

// DeskSettings are the rules of an agent's desktop. The zero value means: wrap-up required after
// every call without a time limit; DefaultConfig uses DefaultDesk instead.
type DeskSettings struct {
	// WrapupIncoming and WrapupOutgoing; WrapupRequiredWithData exists for incoming calls only.
	WrapupIncoming, WrapupOutgoing WrapupMode
	// WrapupTime ends the wrap-up by itself; 0 = never.
	WrapupTime time.Duration
	// LogoutReasonRequired and IdleReasonRequired make reason codes compulsory.
	LogoutReasonRequired, IdleReasonRequired bool
	// RingNoAnswerTime takes a ringing routed call away from the agent; 0 = never.
	RingNoAnswerTime time.Duration
	// AvailableAfterRNA leaves the agent AVAILABLE after a call that he did not answer.
	AvailableAfterRNA bool
	// LogoutNonActivityTime logs out an agent who is NOT_READY for so long; 0 = never.
	LogoutNonActivityTime time.Duration
	// AutoAnswer answers routed calls at once.
	AutoAnswer bool
}

// DefaultDesk are desk settings with optional wrap-up and nothing compulsory.
func DefaultDesk() DeskSettings {
	return DeskSettings{WrapupIncoming: WrapupOptional, WrapupOutgoing: WrapupOptional}
}

// External is how a number outside behaves when it is called.
type External struct {
	// AnswerAfter is the time from the network to the answer; 0 = DefaultExternalAnswer, < 0 = never.
	AnswerAfter time.Duration
	// Busy and Unreachable let the call fail, after the delay of AnswerAfter when it is positive.
	Busy, Unreachable bool
	// HangUpAfter ends an answered call; 0 = never.
	HangUpAfter time.Duration
	// Routed: the number is one of the router's, which sends a call that is dialled to it to another
	// peripheral. It gets a router key, and goes on there with CallSpec.RouterKey.
	Routed bool
}

// Validate reports everything that is wrong with the configuration, joined; nil when nothing is.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("ctitest: "+format, args...))
	}
	min, max := c.MinVersion, c.MaxVersion
	if min == 0 {
		min = MinVersion
	}
	if max == 0 {
		max = MaxVersion
	}
	if min < MinVersion || max > MaxVersion || min > max {
		bad("versions %d to %d are not within %d to %d", min, max, MinVersion, MaxVersion)
	}
	if v := c.WritableVariables; v != "" && (len(v) != 10 || strings.Trim(v, "yn") != "") {
		bad("WritableVariables %q is not ten letters y or n", v)
	}
	groups := map[uint32]bool{}
	numbers := map[string]string{}
	claim := func(number, what string) {
		if number == "" {
			bad("%s has no number", what)
		} else if other, taken := numbers[number]; taken {
			bad("number %q of %s already belongs to %s", number, what, other)
		}
		numbers[number] = what
	}
	for _, g := range c.SkillGroups {
		if groups[g.Number] {
			bad("skill group %d exists twice", g.Number)
		}
		groups[g.Number] = true
		claim(g.DialedNumber, fmt.Sprintf("skill group %d", g.Number))
	}
	ids := map[string]bool{}
	for i := range c.Agents {
		a := &c.Agents[i]
		if a.ID == "" || len(a.ID) > 11 || ids[a.ID] {
			bad("agent id %q is empty, longer than 11 or used twice", a.ID)
		}
		ids[a.ID] = true
		claim(a.Extension, "agent "+a.ID)
		if len(a.Extension) > 15 {
			bad("extension %q is longer than 15", a.Extension)
		}
		for _, g := range a.SkillGroups {
			if !groups[g] {
				bad("agent %s: skill group %d does not exist", a.ID, g)
			}
		}
		if len(a.SkillGroups) > 20 {
			bad("agent %s has more than 20 skill groups", a.ID)
		}
	}
	for _, d := range c.Devices {
		claim(d.Extension, "device")
	}
	names := map[string]bool{}
	for _, e := range c.ECC {
		if e.Name == "" || len(e.Name) > 32 || names[e.Name] {
			bad("ECC variable name %q is empty, longer than 32 or used twice", e.Name)
		}
		names[e.Name] = true
		if e.MaxLength < 1 || e.MaxLength > 210 || e.Size < 0 || e.Size > 255 {
			bad("ECC variable %s: length %d is not 1 to 210 or size %d not 0 to 255", e.Name, e.MaxLength, e.Size)
		}
	}
	return errors.Join(errs...)
}
