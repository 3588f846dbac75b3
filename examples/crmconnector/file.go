package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/examples/internal/tomlfile"
	"github.com/connects-go/connects/ici"
)

// file is the configuration file. connector.sample.toml explains every key.
type file struct {
	Instance  string `toml:"instance"`
	Instances int    `toml:"instances"`

	Log       logSection       `toml:"log"`
	Listen    listenSection    `toml:"listen"`
	Store     storeSection     `toml:"store"`
	Systems   []systemSection  `toml:"system"`
	Links     []linkSection    `toml:"link"`
	Agent     agentSection     `toml:"agent"`
	Call      callSection      `toml:"call"`
	Dialing   dialingSection   `toml:"dialing"`
	Attached  attachedSection  `toml:"attached"`
	Languages languagesSection `toml:"languages"`
	Events    eventsSection    `toml:"events"`
	Limits    limitsSection    `toml:"limits"`
	Queues    []queueSection   `toml:"queue"`
	People    []personSection  `toml:"person"`
}

type logSection struct {
	Level  tomlfile.Level `toml:"level"`
	Format string         `toml:"format"`
}

type listenSection struct {
	Address       string            `toml:"address"`
	Console       string            `toml:"console"`
	Certificate   string            `toml:"certificate"`
	Key           string            `toml:"key"`
	ClientCA      string            `toml:"client_ca"`
	RequireClient bool              `toml:"require_client_certificate"`
	DrainDelay    tomlfile.Duration `toml:"drain_delay"`
	InactiveAfter tomlfile.Duration `toml:"inactive_after"`
	CallTimeout   tomlfile.Duration `toml:"call_timeout"`
	MaxCalls      int               `toml:"max_calls"`
	MaxBody       int64             `toml:"max_body"`
}

type storeSection struct {
	File        string            `toml:"file"`
	KeyFile     string            `toml:"key_file"`
	SideA       string            `toml:"side_a"`
	SideB       string            `toml:"side_b"`
	Token       secret            `toml:"token"`
	TLS         bool              `toml:"tls"`
	CA          string            `toml:"ca"`
	Certificate string            `toml:"certificate"`
	Key         string            `toml:"key"`
	OwnerLease  tomlfile.Duration `toml:"owner_lease"`
}

type systemSection struct {
	Name             string            `toml:"name"`
	Path             string            `toml:"path"`
	Logins           []loginSection    `toml:"login"`
	Certificates     []string          `toml:"certificates"`
	LoginAndCert     bool              `toml:"login_and_certificate"`
	EventHosts       []string          `toml:"event_hosts"`
	EventNetworks    []string          `toml:"event_networks"`
	EventUser        string            `toml:"event_user"`
	EventPassword    secret            `toml:"event_password"`
	EventCA          string            `toml:"event_ca"`
	EventCertificate string            `toml:"event_certificate"`
	EventKey         string            `toml:"event_key"`
	Users            map[string]string `toml:"users"`
}

type loginSection struct {
	User     string `toml:"user"`
	Password secret `toml:"password"`
}

type linkSection struct {
	Name           string              `toml:"name"`
	SideA          string              `toml:"side_a"`
	SideB          string              `toml:"side_b"`
	ClientID       string              `toml:"client_id"`
	Password       secret              `toml:"password"`
	Versions       []int               `toml:"versions"`
	Charset        string              `toml:"charset"`
	TLS            bool                `toml:"tls"`
	CA             string              `toml:"ca"`
	Certificate    string              `toml:"certificate"`
	Key            string              `toml:"key"`
	ServerName     string              `toml:"server_name"`
	Heartbeat      tomlfile.Duration   `toml:"heartbeat"`
	DialTimeout    tomlfile.Duration   `toml:"dial_timeout"`
	OpenTimeout    tomlfile.Duration   `toml:"open_timeout"`
	RequestTimeout tomlfile.Duration   `toml:"request_timeout"`
	MaxBackoff     tomlfile.Duration   `toml:"max_backoff"`
	Peripherals    []peripheralSection `toml:"peripheral"`
}

type peripheralSection struct {
	ID             uint32   `toml:"id"`
	DevicePrefixes []string `toml:"device_prefixes"`
	AgentPrefixes  []string `toml:"agent_prefixes"`
}

type agentSection struct {
	LoginType             int               `toml:"login_type"`
	DefaultPassword       secret            `toml:"default_password"`
	AllowShadowLogin      bool              `toml:"allow_shadow_login"`
	NotReadyOffset        int               `toml:"not_ready_offset"`
	DefaultNotReadyReason uint16            `toml:"default_not_ready_reason"`
	LogoutReason          uint16            `toml:"logout_reason"`
	ResendWrapUp          bool              `toml:"resend_wrap_up_after_set_state"`
	Gone                  string            `toml:"when_sap_is_gone"`
	GoneGrace             tomlfile.Duration `toml:"gone_grace"`
	Lost                  string            `toml:"when_switch_forgot"`
	LogonTimeout          tomlfile.Duration `toml:"logon_timeout"`
	WrapUpWait            tomlfile.Duration `toml:"wrap_up_wait"`
	RequestConfiguration  bool              `toml:"request_configuration"`
}

type callSection struct {
	DenyWhileReady    bool              `toml:"deny_make_call_while_ready"`
	RejectTo          string            `toml:"reject_to"`
	NoConference      bool              `toml:"no_conference"`
	ArbitraryTransfer bool              `toml:"arbitrary_transfer"`
	RequestTimeout    tomlfile.Duration `toml:"request_timeout"`
}

type dialingSection struct {
	InternalLength int    `toml:"internal_length"`
	InternalPrefix string `toml:"internal_prefix"`
	National       string `toml:"national"`
	International  string `toml:"international"`
	Outside        string `toml:"outside"`
	DialPlus       bool   `toml:"dial_plus"`
	Anonymous      string `toml:"anonymous"`
}

type attachedSection struct {
	ECC   []string      `toml:"ecc"`
	Rules []ruleSection `toml:"rule"`
}

type ruleSection struct {
	Application string `toml:"application"`
	Element     string `toml:"element"`
	Target      string `toml:"target"`
}

type languagesSection struct {
	Directory string `toml:"directory"`
}

type eventsSection struct {
	Timeout     tomlfile.Duration   `toml:"timeout"`
	RetryDelays []tomlfile.Duration `toml:"retry_delays"`
	QueueEvents int                 `toml:"queue_events"`
	MaxConns    int                 `toml:"max_connections"`
}

type limitsSection struct {
	Agents       int `toml:"agents"`
	Calls        int `toml:"calls"`
	Items        int `toml:"calls_per_agent"`
	AttachedData int `toml:"attached_data"`
}

type queueSection struct {
	ID     uint32 `toml:"id"`
	Name   string `toml:"name"`
	Number string `toml:"number"`
}

type personSection struct {
	Peripheral uint32 `toml:"peripheral"`
	AgentID    string `toml:"agent_id"`
	FirstName  string `toml:"first_name"`
	LastName   string `toml:"last_name"`
	LoginName  string `toml:"login_name"`
	Extension  string `toml:"extension"`
}

// loadFile reads a configuration file; see [tomlfile.Read] for its errors.
func loadFile(name string) (*file, error) {
	f := newFile()
	if err := tomlfile.Read(name, f); err != nil {
		return nil, err
	}
	f.fill()
	return f, nil
}

// newFile returns a file in which every setting outside arrays has its default.
func newFile() *file {
	f := &file{Instance: connects.DefaultCRMInstance, Instances: 1}
	f.Log = logSection{Level: tomlfile.Level(slog.LevelInfo), Format: "text"}
	f.Listen = listenSection{
		Address: connects.DefaultCRMListen, Console: connects.DefaultCRMConsole, InactiveAfter: tomlfile.Duration(connects.DefaultInactiveAfter),
		CallTimeout: tomlfile.Duration(ici.DefaultHandlerTimeout), MaxCalls: ici.DefaultMaxConcurrent, MaxBody: ici.DefaultBodyLimit,
	}
	f.Store.OwnerLease = tomlfile.Duration(connects.DefaultOwnerLease)
	f.Agent = agentSection{
		NotReadyOffset: connects.DefaultNotReadyOffset, Gone: connects.GoneKeep.String(), GoneGrace: tomlfile.Duration(connects.DefaultGoneGrace),
		Lost: connects.LostLoggedOff.String(), LogonTimeout: tomlfile.Duration(connects.DefaultLogonTimeout), WrapUpWait: tomlfile.Duration(connects.DefaultWrapUpWait),
	}
	f.Call.RequestTimeout = tomlfile.Duration(connects.DefaultRequestTimeout)
	f.Dialing = dialingSection{InternalLength: connects.DefaultInternalLength, Anonymous: "0"}
	f.Events = eventsSection{Timeout: tomlfile.Duration(ici.DefaultEventTimeout), QueueEvents: ici.DefaultQueueEvents, MaxConns: ici.DefaultMaxConns}
	for _, d := range ici.DefaultRetryDelays() {
		f.Events.RetryDelays = append(f.Events.RetryDelays, tomlfile.Duration(d))
	}
	f.Limits = limitsSection{
		Agents: connects.DefaultMaxAgents, Calls: connects.DefaultMaxCalls, Items: connects.DefaultMaxItems,
		AttachedData: connects.DefaultMaxAttachedData,
	}
	return f
}

// fill gives the settings inside arrays their defaults.
func (f *file) fill() {
	f.Store.SideA = withPort(f.Store.SideA, ds104.DefaultPort)
	f.Store.SideB = withPort(f.Store.SideB, ds104.DefaultPort)
	for i := range f.Links {
		l := &f.Links[i]
		l.SideA = withPort(l.SideA, connects.DefaultCTIPortA)
		l.SideB = withPort(l.SideB, connects.DefaultCTIPortB)
		if l.Charset == "" {
			l.Charset = "windows-1252"
		}
		for _, d := range []struct {
			d   *tomlfile.Duration
			def time.Duration
		}{
			{&l.Heartbeat, cti.DefaultHeartbeatInterval}, {&l.DialTimeout, cti.DefaultDialTimeout}, {&l.OpenTimeout, cti.DefaultOpenTimeout},
			{&l.RequestTimeout, cti.DefaultRequestTimeout}, {&l.MaxBackoff, cti.DefaultMaxBackoff},
		} {
			if *d.d == 0 {
				*d.d = tomlfile.Duration(d.def)
			}
		}
	}
	if len(f.Systems) == 0 {
		f.Systems = []systemSection{{}}
	}
	for i := range f.Systems {
		if f.Systems[i].Path == "" {
			f.Systems[i].Path = "/"
		}
	}
}

// withPort adds the product's port to an address without one.
func withPort(addr string, port int) string {
	bare := strings.Trim(addr, "[]")
	if addr == "" || strings.Count(addr, ":") == 1 || strings.Contains(addr, "]:") {
		return addr
	}
	if strings.Contains(bare, ":") { // an IPv6 address
		return fmt.Sprintf("[%s]:%d", bare, port)
	}
	return fmt.Sprintf("%s:%d", bare, port)
}

// secret is a password, or "file:" and the path of a file that has it. It prints
// as ****.
type secret string

func (secret) String() string               { return "****" }
func (secret) GoString() string             { return "****" }
func (secret) LogValue() slog.Value         { return slog.StringValue("****") }
func (secret) MarshalText() ([]byte, error) { return []byte("****"), nil }

func (s *secret) UnmarshalText(text []byte) error {
	path, ok := strings.CutPrefix(string(text), "file:")
	if !ok {
		*s = secret(text)
		return nil
	}
	b, err := os.ReadFile(path)
	*s = secret(strings.TrimRight(string(b), "\r\n"))
	return err
}

func (l *logSection) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: l.Level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "devel"
}
