package crm

import (
	"strings"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/crm/attached"
)

// nullCall is the id of no call (GED-188, special values).
const nullCall = 0xFFFFFFFF

// callKey names a call at an ACD.
type callKey struct {
	peripheral uint32
	id         uint32
}

// connection is a party's end of a call. Requests repeat it as it came.
type connection struct {
	Call uint32                     `json:"id"`
	Type cti.ConnectionDeviceIDType `json:"t,omitempty"`
	Dev  string                     `json:"dev,omitempty"`
}

// routerKey identifies a call across the enterprise; zero: none.
type routerKey struct{ day, call uint32 }

func (k routerKey) valid() bool {
	return k.day != 0 && k.day != nullCall || k.call != 0 && k.call != nullCall
}

// call is one call of the switch. It belongs to the strand.
type call struct {
	key   callKey
	per   *peripheral
	data  callData
	begun []string // connection device ids of the BEGIN_CALL_EVENTs
	items []*item
	// parties are the devices known to be connected; at most 16 (GED-188).
	parties []string
	// calling and called are the devices of the last delivery.
	calling, called string
	// parent is the call for which this one is a consultation.
	parent *call
	// version counts changes of the attached data.
	version int
	ended   bool
	// left are the phones of our agents who were in the call; at most 16.
	left []string
	// seen is when an event named the call last.
	seen time.Time
	// asked: other connectors' data of the call were looked for.
	asked bool
	// shared is the entry of its router key; nil while the connector is alone.
	shared *sharedCall
	// ringing: as far as read, somebody is still being called.
	ringing bool
	docText string // the attached data as last written
	// joined is the transfer or conference that was applied last: every party
	// may be told of it.
	joined joinKey
}

// item is one call at one agent's desktop. It belongs to the strand.
type item struct {
	id   string
	ag   *agent
	call *call // nil: started here, the switch has not told an id yet
	conn connection
	// guessed: the switch has not named the connection yet; conn holds what it
	// most likely is, the phone's number.
	guessed bool

	status status
	// closing: the connection is gone, and the ACD still has to say whether the
	// agent goes to wrap-up; SAP sees the last state until then.
	closing   bool
	closeText string
	timer     *time.Timer

	out         bool // started by this agent
	established bool // was connected once
	controller  bool // set up the conference
	rejected    bool // the agent refused it
	direction   string
	reason      int
	remote      []string
	dialed      string
	queue       string
	partner     *item // the other half of a consultation
	isConsult   bool  // the item is the new call of that pair
	wrapUp      bool
	created     time.Time
	endedAt     time.Time
	note        string // text shown instead of the state's, once set
	noteOnce    string // text shown with the next event only
	force       bool   // tell SAP even when nothing changed
	told        itemView
	toldValid   bool
	wantData    *attached.Document // attached data given with makeCall, until bound
}

// itemView is what decides whether SAP has to be told of a change.
type itemView struct {
	status  status
	caps    capSet
	reason  int
	note    string
	remote  string
	partner string
	queue   string
	dialed  string
	version int
}

// itemRecord is the saved form of an item and of what is needed of its call.
type itemRecord struct {
	ID        string     `json:"id"`
	Conn      connection `json:"conn"`
	Status    status     `json:"st"`
	Out       bool       `json:"out,omitempty"`
	Est       bool       `json:"est,omitempty"`
	Ctl       bool       `json:"ctl,omitempty"`
	Direction string     `json:"dir,omitempty"`
	Reason    int        `json:"rsn,omitempty"`
	Remote    []string   `json:"rem,omitempty"`
	Dialed    string     `json:"dial,omitempty"`
	Queue     string     `json:"q,omitempty"`
	Partner   string     `json:"pair,omitempty"`
	Consult   bool       `json:"cons,omitempty"`
	WrapUp    bool       `json:"wrap,omitempty"`
	Created   int64      `json:"at,omitempty"`
	Doc       string     `json:"doc,omitempty"`
	Customer  string     `json:"cust,omitempty"`
	ANI       string     `json:"ani,omitempty"`
	DNIS      string     `json:"dnis,omitempty"`
	Calling   string     `json:"from,omitempty"`
	Called    string     `json:"to,omitempty"`
	Router    [2]uint32  `json:"key,omitzero"`
	Vars      []string   `json:"cv,omitempty"`
	// ECC holds the expanded variables as name, index, value.
	ECC        []savedECC   `json:"ecc,omitempty"`
	WrapUpData string       `json:"wud,omitempty"`
	CED        string       `json:"ced,omitempty"`
	DialedDN   string       `json:"dn,omitempty"`
	Type       cti.CallType `json:"ct,omitempty"`
	Parties    []string     `json:"pty,omitempty"`
}

// savedECC is one expanded call variable; index -1 is a scalar.
type savedECC struct {
	Name  string `json:"n"`
	Index int    `json:"i"`
	Value string `json:"v"`
}

// Codes of CallDirection and CallReason (ICI reference, section 7, assumed there).
const (
	dirIn       = "IN"
	dirOut      = "OUT"
	dirInternal = "INT"

	reasonDirect      = 1
	reasonQueue       = 2
	reasonConsult     = 3
	reasonTransferred = 4
	reasonConference  = 5
	reasonCallback    = 6
)

// alive returns the number of items that still have a connection in the call.
func (c *call) alive() int {
	n := 0
	for _, it := range c.items {
		if it.status.alive() {
			n++
		}
	}
	return n
}

func (c *call) addParty(dev string) {
	if dev == "" || len(c.parties) >= 16 {
		return
	}
	for _, p := range c.parties {
		if p == dev {
			return
		}
	}
	c.parties = append(c.parties, dev)
}

func (c *call) dropParty(dev string) {
	for i, p := range c.parties {
		if p == dev {
			c.parties = append(c.parties[:i], c.parties[i+1:]...)
			return
		}
	}
}

func (it *item) situation(cfg *Config) situation {
	in := situation{noConference: cfg.NoConference, controller: it.controller}
	if p := it.partner; p != nil && p.status.alive() {
		in.consult, in.consulted = it.isConsult, !it.isConsult
		in.partner, in.paired = p.status, true
		return in
	}
	for _, o := range it.ag.items {
		if o == it || !o.status.alive() || o.closing {
			continue
		}
		// The call that matters most is the one that talks, then a held one.
		if o.status.talking() || in.partner == statusNone || in.partner == statusOffered {
			in.partner = o.status
		}
	}
	in.paired = cfg.ArbitraryTransfer
	return in
}

// view is the state of the item as SAP is told it.
func (it *item) view(cfg *Config) itemView {
	v := itemView{
		status: it.status, reason: it.reason, note: it.note, queue: it.queue, dialed: it.dialed,
		remote: strings.Join(it.remote, "\x00"),
	}
	if !it.closing {
		v.caps = itemCaps(it.status, it.situation(cfg))
	} else {
		v.caps = it.told.caps
	}
	if it.partner != nil {
		v.partner = it.partner.id
	}
	if it.call != nil {
		v.version = it.call.version
	}
	return v
}

// routedTo notes the skill group that an event about a call names. Calls that
// were not routed count on the agent's first skill group (CCE reference, section
// 11.1), so for them the group is not the queue in which the caller waited.
func (c *Connector) routedTo(cl *call, group uint32) {
	if !cl.data.router.valid() {
		switch cl.data.typ {
		case cti.CallTypeOtherIn, cti.CallTypeAgentInside, cti.CallTypeAgentOut, cti.CallTypeOut, cti.CallTypeNonACD,
			cti.CallTypeConsult, cti.CallTypeConsultOfferred:
			return
		}
	}
	c.setQueue(cl, group)
}

// setQueue notes the queue of a call.
func (c *Connector) setQueue(cl *call, group uint32) {
	if group == nullCall || group == 0 {
		return
	}
	if name := c.queueName(cl.key.peripheral, group); name != "" && cl.data.queue != name {
		cl.data.queue = name
		for _, it := range cl.items {
			if it.queue == "" && !it.out {
				it.queue = name
				c.touch(it.ag)
			}
		}
	}
}
