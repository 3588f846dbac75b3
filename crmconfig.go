package connects

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

// Defaults of [CRMConfig].
const (
	// DefaultCRMListen is where SAP calls (port 8080 is the product's, R133).
	DefaultCRMListen = ":8080"
	// DefaultCRMConsole is the product's port for the console (R138).
	DefaultCRMConsole = "127.0.0.1:42031"
	// DefaultCRMInstance names a connector that is alone.
	DefaultCRMInstance = "connects"
	// DefaultCTIPortA and DefaultCTIPortB are the product's ports of the CTI server
	// sides (R134, R135).
	DefaultCTIPortA = 42027
	DefaultCTIPortB = 43027
	// DefaultInactiveAfter is how long SAP may be silent before a connector shows
	// INACTIVE again.
	DefaultInactiveAfter = 15 * time.Minute
	// DefaultNotReadyOffset is what is added to a reason of the ACD to make a work mode.
	DefaultNotReadyOffset = crm.DefaultNotReadyOffset
	// DefaultInternalLength is how many digits an internal number has at most.
	DefaultInternalLength = 5
	// Defaults of the fields of [CRMConfig] with these names: times, and how many agents,
	// calls, and items of one agent; DefaultMaxAttachedData is in bytes of one item.
	DefaultOwnerLease      = crm.DefaultOwnerLease      // 30 s
	DefaultGoneGrace       = crm.DefaultGoneGrace       // 60 s
	DefaultRequestTimeout  = crm.DefaultRequestTimeout  // 15 s
	DefaultLogonTimeout    = crm.DefaultLogonTimeout    // 12 s
	DefaultWrapUpWait      = crm.DefaultWrapUpWait      // 1.5 s
	DefaultMaxAgents       = crm.DefaultMaxAgents       // 10,000
	DefaultMaxCalls        = crm.DefaultMaxCalls        // 50,000
	DefaultMaxItems        = crm.DefaultMaxItems        // 16
	DefaultMaxAttachedData = crm.DefaultMaxAttachedData // 64 KiB
)

// GonePolicy says what happens to an agent whose SAP session is gone.
type GonePolicy = crm.GonePolicy

// Values of [GonePolicy].
const (
	GoneKeep     = crm.GoneKeep     // stays as he is; a new SAP session finds him so
	GoneNotReady = crm.GoneNotReady // is set not ready after GoneGrace
	GoneLogoff   = crm.GoneLogoff   // is logged off from the ACD after GoneGrace
)

// LostPolicy says what SAP is told about an agent whom the switch does not know as
// logged on any more after a reconnection.
type LostPolicy = crm.LostPolicy

// Values of [LostPolicy].
const (
	LostLoggedOff = crm.LostLoggedOff // work mode 1; the agent has to log on again
	LostNotReady  = crm.LostNotReady  // work mode 3 until the switch reports a state
)

// CRMConfig configures [CRMConnector]. The zero value of a field means its
// default; required is at least one link with one peripheral. The struct is copied,
// the slices and maps in it must not change afterwards.
type CRMConfig struct {
	// Instance names this connector in the store: stable over restarts, unique
	// among the connectors that share the store. Default DefaultCRMInstance.
	Instance string
	// Instances is how many connectors serve these agents. More than one need a
	// store that they share (R33); the connector warns and is degraded when there
	// is none. Default 1.
	Instances int
	// Store keeps what a restart must not forget. Nil means a store in memory of
	// this connector's own, which forgets. The caller closes the store he gives.
	Store ds104.Store
	// OwnerLease is how long an agent belongs to a connector that does not renew it:
	// what another one waits before it takes over. Default DefaultOwnerLease.
	OwnerLease time.Duration

	// Listen is the TCP address where SAP calls; default DefaultCRMListen. The
	// same listener answers /health, /live, /ready and /metrics.
	Listen string
	// Console is the TCP address of the console for operators, such as
	// DefaultCRMConsole; empty means none. It takes connections of this machine
	// only, wherever it listens.
	Console string
	// Listener, when not nil, is used instead of Listen, and closed by Stop.
	Listener net.Listener
	// TLS secures the listener, see ici.ServerTLS; nil means plain HTTP.
	TLS *tls.Config
	// Systems are the SAP systems; nil means one named "" that takes every path,
	// lets everybody in and gets events on this machine only.
	Systems []CRMSystem
	// Profile gives the wire names of ICI; nil means those built in.
	Profile *ici.Profile
	// Server has further options of the listener. Systems, Logger and FaultText are
	// set by the connector.
	Server ici.ServerOptions
	// Notifier has further options of the events to SAP. Systems, Profile, Gone and
	// Logger are set by the connector.
	Notifier ici.NotifierOptions
	// InactiveAfter is how long SAP may be silent before the state is INACTIVE
	// again; negative means for ever. Default DefaultInactiveAfter.
	InactiveAfter time.Duration

	// Links are the CTI sessions, one per peripheral gateway. At least one.
	Links []CRMLink

	// AgentLoginType is the form of the work-centre text: 0 agentid;password;device,
	// 1 password;device, 5 agentname;password;device, 21 device (b+s "Agent Login").
	AgentLoginType int
	// AgentDefaultPassword is used for agents who type none.
	AgentDefaultPassword cti.Secret
	// AllowShadowLogin admits the letters SL in the media part of the text.
	AllowShadowLogin bool
	// NotReadyOffset is added to a not-ready reason of the ACD to make a work mode
	// of SAP; at least 1000 (b+s "SAP Work Modes").
	NotReadyOffset int
	// DefaultNotReadyReason replaces reason 0 when an agent chooses plain not ready.
	DefaultNotReadyReason uint16
	// LogoutReason is sent when an agent logs off; ICI cannot carry one.
	LogoutReason uint16
	// ResendWrapUpAfterSetState sends a requested wrap-up again when the agent
	// chooses another work mode during the same call.
	ResendWrapUpAfterSetState bool
	// DenyMakeCallWhileReady refuses calls of agents who are ready.
	DenyMakeCallWhileReady bool
	// RejectTo is where a rejected call is deflected to; empty: the switch routes
	// it again.
	RejectTo string
	// NoConference says that the switch has no conferences.
	NoConference bool
	// ArbitraryTransfer says that the switch joins two calls of which none is a
	// consultation of the other.
	ArbitraryTransfer bool

	// Dialing are the rules for telephone numbers.
	Dialing CRMDialing
	// ECC are the expanded call variables that are sent to SAP: ECC.<name>, and
	// ECCA.<name> for arrays (b+s "Call Data Processing").
	ECC []string
	// AttachedRules take values from SAP to the ACD; at most 5.
	AttachedRules []CRMAttachedRule
	// Languages is a directory with language files (EN.lfg, DE.lfg ...); empty
	// means built-in English. LanguageFiles, when not nil, is used instead.
	Languages     string
	LanguageFiles fs.FS
	// Reload, when not nil, makes the connector read the language files again with
	// every value received, for example on SIGHUP. Errors are logged, and the old
	// texts stay.
	Reload <-chan struct{}
	// People are agents known without the ACD's configuration, for presence.
	People []CRMPerson
	// RequestConfiguration asks the ACD for its agents and skill groups after each
	// connection.
	RequestConfiguration bool
	// Queues are shown to SAP beside the skill groups of the ACD.
	Queues []CRMQueue

	// Gone and GoneGrace (DefaultGoneGrace) say what happens when SAP is away.
	Gone      GonePolicy
	GoneGrace time.Duration
	// Lost says what SAP sees of agents whom the switch has forgotten.
	Lost LostPolicy

	// RequestTimeout bounds one request to the switch, LogonTimeout the wait of a
	// log on for the ACD, WrapUpWait the wait of a finished call for wrap-up.
	RequestTimeout time.Duration
	LogonTimeout   time.Duration
	WrapUpWait     time.Duration
	// MaxAgents, MaxCalls and MaxItems (calls of one agent) bound memory;
	// MaxAttachedData is the longest document from SAP in bytes.
	MaxAgents       int
	MaxCalls        int
	MaxItems        int
	MaxAttachedData int

	// Vendor, Product and Version are told to SAP.
	Vendor, Product, Version string
}

// CRMLink is one CTI session and the peripherals behind it.
type CRMLink struct {
	// Name is used in logs, metrics and health. Required, unique.
	Name string
	// Session has the two sides and every other option. Handler, Resync and Logger
	// are set by the connector; a nil Charset means windows-1252 here, the code page
	// of a western CCE instance.
	Session cti.SessionOptions
	// Peripherals are the agent peripherals of the session. At least one.
	Peripherals []CRMPeripheral
}

// CRMPeripheral is one ACD.
type CRMPeripheral struct {
	// ID is the CCE PeripheralID.
	ID uint32
	// DevicePrefixes and AgentPrefixes choose the peripheral of an agent who logs
	// on: the first one with a matching prefix. Both empty: any.
	DevicePrefixes []string
	AgentPrefixes  []string
}

// CRMSystem is one SAP system.
type CRMSystem struct {
	// Name is used in logs and in the store. Unique; a single system may have "".
	Name string
	// PathPrefix is the path prefix of the RFC destination in SAP; "" or "/" takes
	// every path that no longer prefix takes.
	PathPrefix string
	// Auth says who may call as this system; the zero value lets everybody in.
	Auth ici.Auth
	// Events says where events may go and how; its Name is set by the connector.
	// The event URL comes with a request: AllowHosts has to name SAP's hosts,
	// otherwise events go to this machine only.
	Events ici.EventSystem
	// Users maps SAP user names (upper case) to agent ids, for work-centre texts
	// without one. A user that is not in it is his own agent id.
	Users map[string]string
}

// CRMDialing are the number rules (b+s "Dialing Scheme").
type CRMDialing struct {
	// InternalLength is the longest internal number, 1 to 16; default
	// DefaultInternalLength.
	InternalLength int
	// InternalPrefix is put before internal numbers towards SAP, for example
	// "4131555".
	InternalPrefix string
	// National is "X,Y": a leading X becomes Y, for example "0,41".
	National string
	// International is the same for international numbers, for example "00,".
	International string
	// Outside is dialled before numbers that leave the switch, for example "0".
	Outside string
	// DialPlus dials numbers outside as +E.164 instead of their national or
	// international form.
	DialPlus bool
	// Anonymous is what SAP sees of a caller without a number; default "0".
	Anonymous string
}

// CRMAttachedRule takes one value from SAP's attached data to the ACD.
type CRMAttachedRule struct {
	// Application and Element name the value in ItemAttachedData.
	Application, Element string
	// Target is CV01 to CV10, ECC.<name> or WrapUpData.
	Target string
}

// CRMPerson is a known agent.
type CRMPerson struct {
	// Peripheral and AgentID are his numbers at the ACD.
	Peripheral uint32
	AgentID    string
	// FirstName and LastName are what colleagues see.
	FirstName string
	LastName  string
	// LoginName resolves work-centre texts with an agent name.
	LoginName string
	// Extension is the number to dial while the agent is not logged on; optional.
	Extension string
}

// CRMQueue is a queue that agents can dial or be shown.
type CRMQueue struct {
	// ID is the skill group number of the ACD, Name its text, Number what to dial.
	ID     uint32
	Name   string
	Number string
}

// withDefaults returns a copy in which what this package decides is filled in;
// the parts fill in the rest.
func (c *CRMConfig) withDefaults() CRMConfig {
	var o CRMConfig
	if c != nil {
		o = *c
	}
	if o.Instance == "" {
		o.Instance = DefaultCRMInstance
	}
	if o.Instances == 0 {
		o.Instances = 1
	}
	if o.Listen == "" {
		o.Listen = DefaultCRMListen
	}
	if o.InactiveAfter == 0 {
		o.InactiveAfter = DefaultInactiveAfter
	}
	if len(o.Systems) == 0 {
		o.Systems = []CRMSystem{{}}
	}
	links := make([]CRMLink, len(o.Links))
	for i, l := range o.Links {
		if l.Session.Charset == nil {
			l.Session.Charset = charmap.Windows1252
		}
		links[i] = l
	}
	o.Links = links
	return o
}

// validate reports what this package can know; the parts report the rest.
func (c *CRMConfig) validate() error {
	var errs []error
	bad := func(field string, value any, reason string) {
		errs = append(errs, &ConfigError{field, value, reason})
	}
	if c.Instances < 0 {
		bad("Instances", c.Instances, "must not be negative")
	}
	if c.Console != "" {
		if _, _, err := net.SplitHostPort(c.Console); err != nil {
			bad("Console", c.Console, "must be host:port")
		}
	}
	if c.Listener == nil {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			bad("Listen", c.Listen, "must be host:port")
		}
	}
	if c.Server.Systems != nil || c.Server.Logger != nil || c.Server.FaultText != nil {
		bad("Server", "...", "Systems, Logger and FaultText are set by the connector")
	}
	if n := &c.Notifier; n.Systems != nil || n.Logger != nil || n.Gone != nil || n.Profile != nil {
		bad("Notifier", "...", "Systems, Profile, Gone and Logger are set by the connector")
	}
	for i := range c.Systems {
		if name := c.Systems[i].Events.Name; name != "" && name != c.Systems[i].Name {
			bad(fmt.Sprintf("Systems[%d].Events.Name", i), name, "is set by the connector")
		}
	}
	for i := range c.Links {
		if s := &c.Links[i].Session; s.Handler != nil || s.Resync != nil || s.Logger != nil {
			bad(fmt.Sprintf("Links[%d].Session", i), "...", "Handler, Resync and Logger are set by the connector")
		}
	}
	return errors.Join(errs...)
}

// Validate reports everything that is wrong with the configuration, joined. It
// opens nothing and starts nothing; language files are read.
func (c *CRMConfig) Validate() error {
	_, err := newCRMParts(c.withDefaults(), nil, nil, nil)
	return err
}

// Warnings returns what is allowed but hardly meant, for people.
func (c *CRMConfig) Warnings() []string {
	o := c.withDefaults()
	var out []string
	if o.Instances > 1 && !o.shared() {
		out = append(out, fmt.Sprintf("%d connectors without a shared store: attached data does not travel between them, "+
			"and none can take over the agents of another", o.Instances))
	}
	for _, s := range o.Systems {
		if len(s.Events.AllowHosts) == 0 {
			out = append(out, fmt.Sprintf("SAP system %q names no event hosts: events go to this machine only", s.Name))
		}
		if len(s.Auth.Basic) == 0 && len(s.Auth.Certificates) == 0 {
			out = append(out, fmt.Sprintf("SAP system %q has no authentication: whoever reaches the port can call", s.Name))
		}
	}
	return out
}

// shared reports whether other connectors can see the store. One in memory or in a
// file of this machine cannot be theirs.
func (c *CRMConfig) shared() bool {
	switch c.Store.(type) {
	case nil, *ds104.Memory, *ds104.Bolt:
		return false
	}
	return true
}

// domain returns the configuration of the connector's domain.
func (c *CRMConfig) domain() crm.Config {
	d := crm.Config{
		Instance: c.Instance, Store: c.Store, OwnerLease: c.OwnerLease,
		AgentLoginType: c.AgentLoginType, AgentDefaultPassword: crm.Secret(c.AgentDefaultPassword),
		AllowShadowLogin: c.AllowShadowLogin, NotReadyOffset: c.NotReadyOffset,
		DefaultNotReadyReason: c.DefaultNotReadyReason, LogoutReason: c.LogoutReason,
		ResendWrapUpAfterSetState: c.ResendWrapUpAfterSetState, DenyMakeCallWhileReady: c.DenyMakeCallWhileReady,
		RejectTo: c.RejectTo, NoConference: c.NoConference, ArbitraryTransfer: c.ArbitraryTransfer,
		Dialing: crm.DialingConfig(c.Dialing), Attached: crm.AttachedConfig{ECC: c.ECC},
		Languages: c.Languages, LanguageFiles: c.LanguageFiles, RequestConfiguration: c.RequestConfiguration,
		Gone: c.Gone, GoneGrace: c.GoneGrace, Lost: c.Lost,
		RequestTimeout: c.RequestTimeout, LogonTimeout: c.LogonTimeout, WrapUpWait: c.WrapUpWait,
		MaxAgents: c.MaxAgents, MaxCalls: c.MaxCalls, MaxItems: c.MaxItems, MaxAttachedData: c.MaxAttachedData,
		Profile: c.Profile, Vendor: c.Vendor, Product: c.Product, Version: c.Version,
	}
	for i, l := range c.Links {
		if i == 0 {
			// One code page per CCE instance (CCE reference, section 14).
			d.Attached.Charset = l.Session.Charset
		}
		link := crm.LinkConfig{Name: l.Name}
		for _, p := range l.Peripherals {
			link.Peripherals = append(link.Peripherals, crm.PeripheralConfig(p))
		}
		d.Links = append(d.Links, link)
	}
	for _, s := range c.Systems {
		d.Systems = append(d.Systems, crm.SystemConfig{Name: s.Name, Users: s.Users})
	}
	for _, r := range c.AttachedRules {
		d.Attached.Rules = append(d.Attached.Rules, crm.AttachedRule(r))
	}
	for _, p := range c.People {
		d.People = append(d.People, crm.Person(p))
	}
	for _, q := range c.Queues {
		d.Queues = append(d.Queues, crm.QueueConfig(q))
	}
	return d
}
