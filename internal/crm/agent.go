package crm

import (
	"strings"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// Work modes that SAP fixes (ICI reference, section 7); own not-ready reasons
// begin above 999.
const (
	modeLoggedOff = 1
	modeReady     = 2
	modeNotReady  = 3
	modeWrapUp    = 4 // assumed there
)

// agentKey names an agent: user ids are unique within one SAP system only.
type agentKey struct{ system, user string }

// acdKey names an agent or a device at an ACD.
type acdKey struct {
	peripheral uint32
	id         string
}

// peripheral is one ACD as the connector sees it.
type peripheral struct {
	cfg  PeripheralConfig
	link *Link
	// offline: the ACD itself told that it is away (SYSTEM_EVENT 4).
	offline bool
}

// up tells whether requests to the ACD make sense.
func (p *peripheral) up() bool { return p.link.ready && !p.offline }

// record is what an agent's session is: the plain value that the store keeps.
// Everything that a restart must not forget is in here.
type record struct {
	V      int    `json:"v"`
	System string `json:"sys,omitempty"`
	User   string `json:"user"`
	Lang   string `json:"lang,omitempty"`
	// AppID and AppURL are the subscription; empty when there is none.
	AppID  string `json:"appId,omitempty"`
	AppURL string `json:"appUrl,omitempty"`

	// Peripheral to LoggedOn are the log on at the ACD. LoggedOn is kept over
	// a restart: the ACD keeps the agent, so must we.
	Peripheral uint32 `json:"per,omitempty"`
	AgentID    string `json:"agent,omitempty"`
	Device     string `json:"dev,omitempty"`
	Extension  string `json:"ext,omitempty"`
	Workcenter string `json:"wc,omitempty"`
	LoggedOn   bool   `json:"on,omitempty"`
	Shadow     bool   `json:"shadow,omitempty"`

	Channels []string `json:"chan,omitempty"`
	Queues   []string `json:"queues,omitempty"`

	// Mode is the work mode that SAP shows; during a call it is the one the
	// agent returns to. Pending is what he asked for during the call, 0 none.
	Mode    int `json:"mode,omitempty"`
	Pending int `json:"pend,omitempty"`
	// Reason is the ACD's reason code of a mode that is not in SAP's list.
	Reason uint16 `json:"rsn,omitempty"`
	// Event counts what SAP was told.
	Event uint64 `json:"ev,omitempty"`

	Items []itemRecord `json:"items,omitempty"`
}

// agent is one user of one SAP system. It belongs to the strand.
type agent struct {
	key agentKey
	rec record
	per *peripheral // nil: never logged on

	items []*item // living ones and those ended a short time ago, oldest first

	// acd and reason are what the ACD said last; acdKnown false: nothing yet.
	acd      cti.AgentState
	reason   uint16
	acdKnown bool
	// stale: the link is down, what is known is the last known.
	stale bool

	sub        ici.SubscriptionKey
	subscribed bool
	told       userView // last User told to SAP
	toldValid  bool

	reqs    []func() // waiting requests to the switch
	reqBusy bool
	logon   *logon
	waits   []*wait

	goneTimer *time.Timer
	goneGen   int

	dirty, saving bool
	rev           ds104.Revision // of the session record
	ownRev        ds104.Revision // of the ownership record, 0: not owned
	touched       bool
	logoffAfter   bool // log off when the last call has ended
	wrapUpAsked   bool // optional wrap-up was asked for the running call
	removed       bool
	lost          bool   // another connector owns him: nothing is written any more
	seq           uint64 // counts what touched him
}

// userView is what decides whether SAP has to be told of a change.
type userView struct {
	mode     int
	note     uint16
	pending  bool
	caps     capSet
	wc       string
	channels string
	queues   string
}

// loggedOn tells whether the agent is logged on at the ACD, as far as known.
func (a *agent) loggedOn() bool { return a.rec.LoggedOn }

// living returns the number of calls in which the agent is or gets a connection.
func (a *agent) living() int {
	n := 0
	for _, it := range a.items {
		if it.status.alive() {
			n++
		}
	}
	return n
}

// inCall tells whether a mode asked for now is applied only after the call.
func (a *agent) inCall() bool {
	for _, it := range a.items {
		if it.status.talking() || it.status == statusHeld || it.status == statusDialing || it.status == statusRinging {
			return true
		}
	}
	return false
}

// item returns the living item of the agent in the call, or nil.
func (a *agent) item(c *call) *item {
	for _, it := range a.items {
		if it.call == c && (it.status.alive() || it.status == statusFailed || it.closing) {
			return it
		}
	}
	return nil
}

// everIn tells whether the agent has, or had a moment ago, an item in the call.
func (a *agent) everIn(c *call) bool {
	for _, it := range a.items {
		if it.call != nil && it.call.key == c.key {
			return true
		}
	}
	for _, d := range c.left {
		if d == a.rec.Device {
			return true
		}
	}
	return false
}

// unbound returns the oldest call that the agent started and of which the
// switch has not told an id yet.
func (a *agent) unbound() *item {
	for _, it := range a.items {
		if it.call == nil && it.status == statusDialing {
			return it
		}
	}
	return nil
}

// mode of the ACD's state: 0 when the state says nothing about the work mode
// (reserved, talking, hold ...), because SAP then keeps showing the mode to
// which the agent returns.
func (c *Connector) modeOf(s cti.AgentState, reason uint16) (mode int, note uint16) {
	switch s {
	case cti.AgentStateLogout:
		return modeLoggedOff, 0
	case cti.AgentStateAvailable:
		return modeReady, 0
	case cti.AgentStateWorkReady, cti.AgentStateWorkNotReady:
		return modeWrapUp, 0
	case cti.AgentStateNotReady, cti.AgentStateLogin:
		if reason == 0 || s == cti.AgentStateLogin || reason == c.cfg.DefaultNotReadyReason {
			return modeNotReady, 0
		}
		id := int(reason) + c.cfg.NotReadyOffset
		if c.texts.hasMode(id) || !c.texts.hasModes() && reason < systemReasons {
			return id, 0
		}
		return modeNotReady, reason
	}
	return 0, 0
}

// systemReasons is where the reason codes that CCE sets itself begin
// (CTI reference, section 18; 20001 to 20003 and 999 are in the CCE reference,
// section 14, and fall to the text of plain not ready when not configured).
const systemReasons = 20000

// reasonOffHook is set by CCE while an agent dials from available; he returns
// to available by himself (CCE reference, section 11.1).
const reasonOffHook = 50006

// fold makes a key of a user name: SAP user names are upper case.
func fold(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }
