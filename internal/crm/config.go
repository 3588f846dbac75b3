package crm

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/connects-go/connects/internal/secret"

	"golang.org/x/text/encoding"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// Defaults of [Config].
const (
	// DefaultNotReadyOffset is added to a not-ready reason of the ACD to make
	// a work mode of SAP (b+s "SAP Work Modes").
	DefaultNotReadyOffset = 1000
	// DefaultRequestTimeout bounds one request to the switch (GED-188 guide:
	// control requests may take 10 to 15 s).
	DefaultRequestTimeout = 15 * time.Second
	// DefaultLogonTimeout bounds how long a log on waits for the ACD.
	DefaultLogonTimeout = 12 * time.Second
	// DefaultOwnerLease is how long an agent's ownership lives without renewal.
	DefaultOwnerLease = 30 * time.Second
	// DefaultGoneGrace is how long SAP may be away before GonePolicy acts.
	DefaultGoneGrace = 60 * time.Second
	// DefaultWrapUpWait is how long a finished call waits for the ACD to say
	// whether the agent goes to wrap-up.
	DefaultWrapUpWait = 1500 * time.Millisecond
	// DefaultMaxAgents and DefaultMaxCalls bound memory.
	DefaultMaxAgents = 10000
	DefaultMaxCalls  = 50000
	// DefaultMaxAttachedData is the longest document that setAttachedData takes, in bytes.
	DefaultMaxAttachedData = 64 << 10
	// DefaultMaxItems is the most calls one agent may have at once.
	DefaultMaxItems = 16
)

// GonePolicy says what happens to an agent whose SAP session is gone.
type GonePolicy int

// Values of [GonePolicy].
const (
	// GoneKeep leaves the agent as he is; a new SAP session finds him so.
	GoneKeep GonePolicy = iota
	// GoneNotReady sets the agent not ready after the grace time.
	GoneNotReady
	// GoneLogoff logs the agent off from the ACD after the grace time.
	GoneLogoff
)

// String returns keep, notready or logoff.
func (p GonePolicy) String() string {
	switch p {
	case GoneKeep:
		return "keep"
	case GoneNotReady:
		return "notready"
	case GoneLogoff:
		return "logoff"
	}
	return fmt.Sprintf("GonePolicy(%d)", int(p))
}

// LostPolicy says what SAP is told about an agent whom the switch, after a
// reconnection, does not know as logged on any more. Logging him on again is
// not possible: the connector keeps no passwords.
type LostPolicy int

// Values of [LostPolicy].
const (
	// LostLoggedOff shows work mode 1; the agent has to log on again.
	LostLoggedOff LostPolicy = iota
	// LostNotReady shows work mode 3 until the switch reports a state or the
	// agent acts; for peripherals that read their agents late.
	LostNotReady
)

// String returns loggedoff or notready.
func (p LostPolicy) String() string {
	switch p {
	case LostLoggedOff:
		return "loggedoff"
	case LostNotReady:
		return "notready"
	}
	return fmt.Sprintf("LostPolicy(%d)", int(p))
}

// LinkConfig names one CTI session and the peripherals behind it.
type LinkConfig struct {
	// Name is used in logs, metrics and by [Connector.Link]. Required, unique.
	Name string
	// Peripherals are the agent peripherals of the session. At least one.
	Peripherals []PeripheralConfig
}

// PeripheralConfig is one ACD.
type PeripheralConfig struct {
	// ID is the CCE PeripheralID.
	ID uint32
	// DevicePrefixes and AgentPrefixes choose the peripheral of an agent who
	// logs on: the first peripheral with a matching prefix. Both empty: any.
	DevicePrefixes []string
	AgentPrefixes  []string
}

// SystemConfig is one SAP system. Its name is that of the ICI server's system.
type SystemConfig struct {
	// Name as in ici.Request.System. Unique; may be empty for a single system.
	Name string
	// Users maps SAP user names (upper case) to agent ids, for work-centre
	// texts without an agent id. A user that is not in it is his own agent id.
	Users map[string]string
}

// Person is a known agent's name, for presence before the ACD's configuration arrives.
type Person struct {
	Peripheral uint32
	AgentID    string
	FirstName  string
	LastName   string
	// LoginName resolves work-centre texts with an agent name.
	LoginName string
	// Extension is the number to dial when the agent is not logged on; optional.
	Extension string
}

// Config is what a [Connector] needs. It is copied by New; the maps and slices
// in it must not change afterwards.
type Config struct {
	// Instance names this connector in the store, stable over restarts and
	// unique among the connectors that share the store. Default "connects".
	Instance string
	// Links are the CTI sessions. At least one.
	Links []LinkConfig
	// Systems are the SAP systems; nil: one with an empty name.
	Systems []SystemConfig
	// Store keeps what a restart must not forget. Required.
	Store ds104.Store
	// OwnerLease is the lease of an agent's ownership record; default 30 s.
	OwnerLease time.Duration

	// AgentLoginType is the form of the work-centre text: 0, 1, 5 or 21 (b+s "Agent Login").
	AgentLoginType int
	// AgentDefaultPassword is used when the agent types none.
	AgentDefaultPassword Secret
	// AllowShadowLogin admits the letters SL in the media part.
	AllowShadowLogin bool
	// NotReadyOffset makes work modes of ACD reasons; default 1000.
	NotReadyOffset int
	// DefaultNotReadyReason replaces reason 0 when an agent chooses plain not ready.
	DefaultNotReadyReason uint16
	// LogoutReason is sent when an agent logs off; ICI cannot carry one.
	LogoutReason uint16
	// ResendWrapUpAfterSetState sends a requested wrap-up again when the agent
	// chooses another work mode during the same call
	// (b+s TpiReSendWrapupReqAfterSetState = 1).
	ResendWrapUpAfterSetState bool
	// DenyMakeCallWhileReady refuses makeCall in work mode ready
	// (the opposite of b+s CtiAllowMakeCallWhileReady, so that the zero value is its default).
	DenyMakeCallWhileReady bool
	// RejectTo is where a rejected call is deflected to; empty: the alerting
	// connection is cleared and the switch routes again.
	RejectTo string
	// NoConference and ArbitraryTransfer describe the switch: NoConference
	// hides conferences; ArbitraryTransfer allows to join two calls of which
	// none is a consultation of the other (CF 284 says that a switch cannot).
	NoConference      bool
	ArbitraryTransfer bool

	// Dialing are the rules for telephone numbers.
	Dialing DialingConfig
	// Attached says which data travel between SAP and the ACD.
	Attached AttachedConfig
	// Languages is a directory with *.lfg files; empty: built-in English.
	// LanguageFiles, when not nil, is used instead of the directory.
	Languages     string
	LanguageFiles fs.FS
	// People are agents known without the ACD's configuration.
	People []Person
	// RequestConfiguration asks the ACD for its agents and skill groups after
	// each connection, so that presence knows names and numbers.
	RequestConfiguration bool
	// Queues names the skill groups that are shown to SAP, beside those of the ACD.
	Queues []QueueConfig

	// Gone and GoneGrace say what happens when SAP is away.
	Gone      GonePolicy
	GoneGrace time.Duration
	// Lost says what SAP sees of agents whom the switch has forgotten.
	Lost LostPolicy

	// RequestTimeout, LogonTimeout and WrapUpWait: see the default constants.
	RequestTimeout time.Duration
	LogonTimeout   time.Duration
	WrapUpWait     time.Duration
	// MaxAgents, MaxCalls, MaxItems and MaxAttachedData are limits; zero: the
	// default constants.
	MaxAgents       int
	MaxCalls        int
	MaxItems        int
	MaxAttachedData int

	// Profile gives the wire names; nil: the built-in one.
	Profile *ici.Profile
	// Vendor, Product, Version are told to SAP by exchangeProductInformation.
	Vendor, Product, Version string
	// Logger gets what operators must know; nil: nothing.
	Logger *slog.Logger
}

// DialingConfig are the number rules (b+s "Dialing Scheme").
type DialingConfig struct {
	// InternalLength is the longest internal number, 1 to 16; default 5.
	InternalLength int
	// InternalPrefix is put before internal numbers towards SAP.
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

// AttachedConfig says which data travel (b+s "Call Data Processing").
type AttachedConfig struct {
	// ECC are the expanded call variables sent to SAP: ECC.<name> and ECCA.<name>.
	ECC []string
	// Rules map elements of SAP's documents to the ACD.
	Rules []AttachedRule
	// Charset is the code page of the ACD, by which values are cut and
	// characters replaced; nil: UTF-8.
	Charset encoding.Encoding
}

// AttachedRule is one mapping of a value from SAP to the ACD.
type AttachedRule struct {
	// Application and Element name the value in ItemAttachedData; an empty
	// Application is SAP-IC.
	Application, Element string
	// Target is CV01 to CV10, ECC.<name>, ECCA.<name>[index] or WrapUpData.
	Target string
}

// QueueConfig is one queue that agents can dial or be shown.
type QueueConfig struct {
	// ID is the skill group number of the ACD, Name its text, Number what to dial.
	ID     uint32
	Name   string
	Number string
}

// Secret is a password. However it is printed, logged or marshalled, it shows as "****"; Reveal gives
// the text.
type Secret = secret.Text

func (c *Config) validate() error {
	var errs []error
	bad := func(field string, value any, why string) {
		errs = append(errs, fmt.Errorf("crm: config %s=%v: %s", field, value, why))
	}
	if c.Store == nil {
		bad("Store", nil, "required")
	}
	if len(c.Links) == 0 {
		bad("Links", 0, "at least one is required")
	}
	links, pers := map[string]bool{}, map[uint32]bool{}
	for _, l := range c.Links {
		if l.Name == "" || links[l.Name] {
			bad("Links.Name", l.Name, "required and unique")
		}
		links[l.Name] = true
		if len(l.Peripherals) == 0 {
			bad("Links.Peripherals", l.Name, "at least one is required")
		}
		for _, p := range l.Peripherals {
			if pers[p.ID] {
				bad("Links.Peripherals.ID", p.ID, "named twice")
			}
			pers[p.ID] = true
		}
	}
	systems := map[string]bool{}
	for _, s := range c.Systems {
		if systems[s.Name] {
			bad("Systems.Name", s.Name, "named twice")
		}
		systems[s.Name] = true
	}
	switch c.AgentLoginType {
	case 0, 1, 5, 21:
	default:
		bad("AgentLoginType", c.AgentLoginType, "0, 1, 5 or 21")
	}
	if c.NotReadyOffset < 1000 {
		bad("NotReadyOffset", c.NotReadyOffset, "at least 1000")
	}
	if c.Gone < GoneKeep || c.Gone > GoneLogoff {
		bad("Gone", int(c.Gone), "unknown policy")
	}
	if c.Lost < LostLoggedOff || c.Lost > LostNotReady {
		bad("Lost", int(c.Lost), "unknown policy")
	}
	for name, d := range map[string]time.Duration{
		"OwnerLease": c.OwnerLease, "GoneGrace": c.GoneGrace, "RequestTimeout": c.RequestTimeout,
		"LogonTimeout": c.LogonTimeout, "WrapUpWait": c.WrapUpWait,
	} {
		if d < 0 {
			bad(name, d, "negative")
		}
	}
	if c.OwnerLease > 0 && c.OwnerLease < time.Second {
		bad("OwnerLease", c.OwnerLease, "at least 1s")
	}
	return errors.Join(errs...)
}

func (c *Config) setDefaults() {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	num := func(d *int, v int) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.OwnerLease, DefaultOwnerLease)
	def(&c.GoneGrace, DefaultGoneGrace)
	def(&c.RequestTimeout, DefaultRequestTimeout)
	def(&c.LogonTimeout, DefaultLogonTimeout)
	def(&c.WrapUpWait, DefaultWrapUpWait)
	num(&c.MaxAgents, DefaultMaxAgents)
	num(&c.MaxCalls, DefaultMaxCalls)
	num(&c.MaxItems, DefaultMaxItems)
	num(&c.MaxAttachedData, DefaultMaxAttachedData)
	num(&c.NotReadyOffset, DefaultNotReadyOffset)
	num(&c.Dialing.InternalLength, 5)
	if c.Instance == "" {
		c.Instance = "connects"
	}
	if c.Dialing.Anonymous == "" {
		c.Dialing.Anonymous = "0"
	}
	if c.Vendor == "" {
		c.Vendor = "connects"
	}
	if c.Product == "" {
		c.Product = "connects"
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	if len(c.Systems) == 0 {
		c.Systems = []SystemConfig{{}}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}
