package cti

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/text/encoding"
)

// Defaults of [Options] and [SessionOptions].
const (
	// DefaultHeartbeatInterval suits a bridge (guide: at least 5 s; desktops 90 s and more).
	DefaultHeartbeatInterval = 5 * time.Second
	// HeartbeatsToDeath is the number of unconfirmed heartbeats after which a session is dead
	// (guide, Heartbeat).
	HeartbeatsToDeath = 3
	// DefaultRequestTimeout is 15 s, which control requests may take by the guide, and a margin.
	DefaultRequestTimeout = 18 * time.Second
	// DefaultDialTimeout bounds the connection set-up, TLS included.
	DefaultDialTimeout = 5 * time.Second
	// DefaultOpenTimeout is how long OPEN_CONF may take (guide: at least 30 s).
	DefaultOpenTimeout = 30 * time.Second
	// DefaultCloseTimeout is how long CLOSE_CONF may take (guide: 5 s).
	DefaultCloseTimeout = 5 * time.Second
	// DefaultWriteTimeout bounds one write to the connection.
	DefaultWriteTimeout = 15 * time.Second
	// DefaultResyncTimeout bounds the Resync function of a session.
	DefaultResyncTimeout = 5 * time.Minute
	// DefaultQueueLimit is the number of events that may wait for the handler. Together they
	// may have at most DefaultQueueBytes on the wire.
	DefaultQueueLimit = 65536
	DefaultQueueBytes = 64 << 20
	// DefaultWriteLimit is the number of bytes that may wait to be written; further requests
	// wait for their turn.
	DefaultWriteLimit = 1 << 20
	// DefaultMaxPending is the number of requests that may be outstanding at once.
	DefaultMaxPending = 4096
	// DefaultMaxBackoff is the longest pause between two rounds of connection attempts.
	DefaultMaxBackoff = 10 * time.Second
	// DefaultStableAfter is how long a connection must have lived before its loss counts as
	// the first one: shorter lives make the session alternate and back off.
	DefaultStableAfter = 10 * time.Second

	minHeartbeatInterval = time.Second
	maxEarlyMessages     = 1024 // events kept before OPEN_CONF
)

// What a session asks for when Services is 0: the bridge mode of a CRM connector.
const (
	DefaultServices = CTIServiceMaskAllEvents | CTIServiceMaskCallDataUpdate |
		CTIServiceMaskClientControl | CTIServiceMaskIgnoreDuplicateAgentEvents
	DefaultCallMsgMask    CallEventMask  = 0x001FFFFF // call events without RTP, greeting, recording
	DefaultAgentStateMask AgentStateMask = 0x00003FFF // all states
)

// Options of a [Client]. nil and the zero value of every field mean the default.
type Options struct {
	// Versions are the protocol versions to offer, in this order, each on a new connection
	// until the server takes one ([Dial] and [Session]; [NewClient] has one connection and
	// offers the first). nil = all, newest first.
	Versions []Version

	// What OPEN_REQ says. ClientID and Password are required fields of the protocol but may be
	// empty; CCE knows no user store for them.
	ClientID        string
	ClientSignature string
	Password        Secret
	// PeripheralID, AgentID, AgentExtension and AgentInstrument are for agent mode
	// (CTI_SERVICE_CLIENT_EVENTS). PeripheralID 0 means none (0xFFFFFFFF) as a bridge needs it.
	PeripheralID                             uint32
	AgentID, AgentExtension, AgentInstrument string
	// ApplicationPathID is for ARM (CTI_SERVICE_AGENT_REPORTING); 0 = not sent.
	ApplicationPathID int32
	// UniqueInstanceID is for CTI_SERVICE_ACTIVE_STANDBY, from version 24 on. No guide prints the
	// number of its tag: it is sent only when UniqueInstanceTag is the number that the site knows.
	UniqueInstanceID  string
	UniqueInstanceTag Tag
	// Services requested, and the masks that filter events. When Services is 0, Services and
	// the masks that are 0 too get the defaults of a bridge; else all are taken as they are.
	Services       CTIServiceMask
	CallMsgMask    CallEventMask
	AgentStateMask AgentStateMask
	ConfigMsgMask  ConfigMask

	// TLS, when set, secures the connection. TLS 1.2 is the minimum; the server asks for our
	// certificate (Certificates or GetClientCertificate).
	TLS *tls.Config
	// Dial opens connections; nil = net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Charset of the strings on the wire: the one Windows code page of the CCE instance, e.g.
	// charmap.Windows1252. Strings of messages are then UTF-8 in this program. nil = strings
	// are the bytes as they are on the wire.
	Charset encoding.Encoding

	// HeartbeatInterval is how long nothing is sent before a heartbeat is. OPEN_REQ asks for
	// an idle timeout of 4 intervals (at least 20 s). Negative = no heartbeats, no idle timeout.
	HeartbeatInterval time.Duration
	RequestTimeout    time.Duration // for a confirmation; negative = only the caller's context counts
	DialTimeout       time.Duration
	OpenTimeout       time.Duration
	CloseTimeout      time.Duration
	WriteTimeout      time.Duration

	QueueLimit int // events waiting for the handler
	QueueBytes int // their bytes on the wire
	WriteLimit int // bytes waiting to be written
	MaxPending int // requests outstanding

	// Handler receives the events. nil = they are dropped.
	Handler Handler
	// Logger gets life-cycle messages (Info), trouble (Warn); nil = silent.
	Logger *slog.Logger
	// Trace gets every message; nil = no cost.
	Trace TraceFunc

	standby bool // ask for CTI_SERVICE_ACTIVE_STANDBY where the version has it
}

// Endpoint is the address of a CTI server.
type Endpoint struct {
	Addr string // host:port; empty = this side does not exist
	// TLS, when set, secures the connection. TLS 1.2 is the minimum; the server asks for our
	// certificate (Certificates or GetClientCertificate).
	TLS *tls.Config
}

// SessionOptions of a [Session]. At least one of A and B is required; the zero value of every
// other field means the default.
type SessionOptions struct {
	// A and B are the two sides.
	A, B Endpoint

	// Versions are the protocol versions to offer, in this order, each on a new connection
	// until the server takes one; what it took is tried first the next time. nil = all, newest
	// first.
	Versions []Version

	// What OPEN_REQ says. ClientID and Password are required fields of the protocol but may be
	// empty; CCE knows no user store for them.
	ClientID        string
	ClientSignature string
	Password        Secret
	// PeripheralID, AgentID, AgentExtension and AgentInstrument are for agent mode
	// (CTI_SERVICE_CLIENT_EVENTS). PeripheralID 0 means none (0xFFFFFFFF) as a bridge needs it.
	PeripheralID                             uint32
	AgentID, AgentExtension, AgentInstrument string
	// ApplicationPathID is for ARM (CTI_SERVICE_AGENT_REPORTING); 0 = not sent.
	ApplicationPathID int32
	// UniqueInstanceID is for CTI_SERVICE_ACTIVE_STANDBY, from version 24 on. No guide prints the
	// number of its tag: it is sent only when UniqueInstanceTag is the number that the site knows.
	UniqueInstanceID  string
	UniqueInstanceTag Tag
	// Services requested, and the masks that filter events. When Services is 0, Services and
	// the masks that are 0 too get the defaults of a bridge; else all are taken as they are.
	Services       CTIServiceMask
	CallMsgMask    CallEventMask
	AgentStateMask AgentStateMask
	ConfigMsgMask  ConfigMask

	// Dial opens connections; nil = net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Charset of the strings on the wire: the one Windows code page of the CCE instance, e.g.
	// charmap.Windows1252. Strings of messages are then UTF-8 in this program. nil = strings
	// are the bytes as they are on the wire.
	Charset encoding.Encoding

	// HeartbeatInterval is how long nothing is sent before a heartbeat is. OPEN_REQ asks for
	// an idle timeout of 4 intervals (at least 20 s). Negative = no heartbeats, no idle timeout.
	HeartbeatInterval time.Duration
	RequestTimeout    time.Duration // for a confirmation; negative = only the caller's context counts
	DialTimeout       time.Duration
	OpenTimeout       time.Duration // for OPEN_CONF; with two sides the first rounds wait less
	CloseTimeout      time.Duration
	WriteTimeout      time.Duration

	QueueLimit int // events waiting for the handler
	QueueBytes int // their bytes on the wire
	WriteLimit int // bytes waiting to be written
	MaxPending int // requests outstanding

	// Handler receives the events, [SessionUp], [Resynced] and [SessionDown] among them. nil =
	// they are dropped.
	Handler Handler
	// Logger gets life-cycle messages (Info), trouble (Warn); nil = silent.
	Logger *slog.Logger
	// Trace gets every message; nil = no cost.
	Trace TraceFunc

	// Resync, when set, is called after every [SessionUp] by the handler's goroutine. Requests
	// on the session work meanwhile, events wait in the queue. When it returns nil, [Resynced]
	// is delivered and then the waiting events; an error ends the connection, and the session
	// tries again. ctx ends with the connection and after ResyncTimeout.
	Resync        func(ctx context.Context, up *SessionUp) (ResyncStats, error)
	ResyncTimeout time.Duration

	// Standby keeps a second session with the standby side of a pair that offers
	// CTI_SERVICE_ACTIVE_STANDBY (version 24 and later) and takes it over when that side becomes
	// active, by a planned change or a failure. The handler sees SessionDown and SessionUp as
	// after any loss. A gateway may count both sessions against its limit of all-events clients.
	Standby bool

	MaxBackoff  time.Duration // longest pause between rounds of attempts
	StableAfter time.Duration // life of a connection after which its loss is not held against its side
}

// withDefaults returns a copy of o in which no zero value is left, after a check.
func (o *Options) withDefaults() (*Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var problems []error
	duration := func(name string, d *time.Duration, def time.Duration, negativeOK bool) {
		switch {
		case *d == 0:
			*d = def
		case *d < 0 && !negativeOK:
			problems = append(problems, fmt.Errorf("cti: option %s=%v is negative", name, *d))
		}
	}
	count := func(name string, n *int, def int) {
		switch {
		case *n == 0:
			*n = def
		case *n < 0:
			problems = append(problems, fmt.Errorf("cti: option %s=%d is negative", name, *n))
		}
	}
	duration("HeartbeatInterval", &c.HeartbeatInterval, DefaultHeartbeatInterval, true)
	if c.HeartbeatInterval > 0 && c.HeartbeatInterval < minHeartbeatInterval {
		problems = append(problems, fmt.Errorf("cti: option HeartbeatInterval=%v is below %v", c.HeartbeatInterval, minHeartbeatInterval))
	}
	duration("RequestTimeout", &c.RequestTimeout, DefaultRequestTimeout, true)
	duration("DialTimeout", &c.DialTimeout, DefaultDialTimeout, false)
	duration("OpenTimeout", &c.OpenTimeout, DefaultOpenTimeout, false)
	duration("CloseTimeout", &c.CloseTimeout, DefaultCloseTimeout, false)
	duration("WriteTimeout", &c.WriteTimeout, DefaultWriteTimeout, false)
	count("QueueLimit", &c.QueueLimit, DefaultQueueLimit)
	count("QueueBytes", &c.QueueBytes, DefaultQueueBytes)
	count("WriteLimit", &c.WriteLimit, DefaultWriteLimit)
	count("MaxPending", &c.MaxPending, DefaultMaxPending)

	if len(c.Versions) == 0 {
		for v := MaxVersion; v >= MinVersion; v-- {
			c.Versions = append(c.Versions, v)
		}
	} else {
		c.Versions = append([]Version(nil), c.Versions...)
		for _, v := range c.Versions {
			if v < MinVersion || v > MaxVersion {
				problems = append(problems, fmt.Errorf("cti: option Versions=%d is not between %d and %d", v, MinVersion, MaxVersion))
			}
		}
	}
	if c.PeripheralID == 0 {
		c.PeripheralID = NullPeripheralID
	}
	if c.Services == 0 {
		c.Services = DefaultServices
		if c.CallMsgMask == 0 {
			c.CallMsgMask = DefaultCallMsgMask
		}
		if c.AgentStateMask == 0 {
			c.AgentStateMask = DefaultAgentStateMask
		}
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &c, errors.Join(problems...)
}

func (o *SessionOptions) withDefaults() (*SessionOptions, error) {
	if o == nil {
		return nil, errors.New("cti: SessionOptions with at least one side are required")
	}
	c := *o
	base, err := o.client().withDefaults()
	c.setClient(base)
	problems := []error{err}
	if c.A.Addr == "" && c.B.Addr == "" {
		problems = append(problems, errors.New("cti: option A.Addr and B.Addr are empty"))
	}
	for _, d := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"ResyncTimeout", &c.ResyncTimeout, DefaultResyncTimeout},
		{"MaxBackoff", &c.MaxBackoff, DefaultMaxBackoff},
		{"StableAfter", &c.StableAfter, DefaultStableAfter},
	} {
		if *d.v == 0 {
			*d.v = d.def
		} else if *d.v < 0 {
			problems = append(problems, fmt.Errorf("cti: option %s=%v is negative", d.name, *d.v))
		}
	}
	return &c, errors.Join(problems...)
}

// idleTimeout is the value of OPEN_REQ: 4 intervals in seconds, at least 20, or none.
func (o *Options) idleTimeout() uint32 {
	if o.HeartbeatInterval < 0 {
		return NoIdleTimeout
	}
	return max(20, uint32((4*o.HeartbeatInterval+time.Second-1)/time.Second))
}

// client returns the options of one connection to a side.
func (o *SessionOptions) client() *Options {
	return &Options{
		Versions:          o.Versions,
		ClientID:          o.ClientID,
		ClientSignature:   o.ClientSignature,
		Password:          o.Password,
		PeripheralID:      o.PeripheralID,
		AgentID:           o.AgentID,
		AgentExtension:    o.AgentExtension,
		AgentInstrument:   o.AgentInstrument,
		ApplicationPathID: o.ApplicationPathID,
		UniqueInstanceID:  o.UniqueInstanceID,
		UniqueInstanceTag: o.UniqueInstanceTag,
		Services:          o.Services,
		CallMsgMask:       o.CallMsgMask,
		AgentStateMask:    o.AgentStateMask,
		ConfigMsgMask:     o.ConfigMsgMask,
		Dial:              o.Dial,
		Charset:           o.Charset,
		HeartbeatInterval: o.HeartbeatInterval,
		RequestTimeout:    o.RequestTimeout,
		DialTimeout:       o.DialTimeout,
		OpenTimeout:       o.OpenTimeout,
		CloseTimeout:      o.CloseTimeout,
		WriteTimeout:      o.WriteTimeout,
		QueueLimit:        o.QueueLimit,
		QueueBytes:        o.QueueBytes,
		WriteLimit:        o.WriteLimit,
		MaxPending:        o.MaxPending,
		Handler:           o.Handler,
		Logger:            o.Logger,
		Trace:             o.Trace,
	}
}

// setClient is the reverse of client.
func (o *SessionOptions) setClient(c *Options) {
	o.Versions = c.Versions
	o.ClientID = c.ClientID
	o.ClientSignature = c.ClientSignature
	o.Password = c.Password
	o.PeripheralID = c.PeripheralID
	o.AgentID = c.AgentID
	o.AgentExtension = c.AgentExtension
	o.AgentInstrument = c.AgentInstrument
	o.ApplicationPathID = c.ApplicationPathID
	o.UniqueInstanceID = c.UniqueInstanceID
	o.UniqueInstanceTag = c.UniqueInstanceTag
	o.Services = c.Services
	o.CallMsgMask = c.CallMsgMask
	o.AgentStateMask = c.AgentStateMask
	o.ConfigMsgMask = c.ConfigMsgMask
	o.Dial = c.Dial
	o.Charset = c.Charset
	o.HeartbeatInterval = c.HeartbeatInterval
	o.RequestTimeout = c.RequestTimeout
	o.DialTimeout = c.DialTimeout
	o.OpenTimeout = c.OpenTimeout
	o.CloseTimeout = c.CloseTimeout
	o.WriteTimeout = c.WriteTimeout
	o.QueueLimit = c.QueueLimit
	o.QueueBytes = c.QueueBytes
	o.WriteLimit = c.WriteLimit
	o.MaxPending = c.MaxPending
	o.Handler = c.Handler
	o.Logger = c.Logger
	o.Trace = c.Trace
}
