package ici

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Defaults of [NotifierOptions].
const (
	// DefaultEventTimeout is how long SAP may take for one event (reference ICI 4.1, verified
	// for the product of another vendor).
	DefaultEventTimeout = 30 * time.Second
	// DefaultQueueEvents is the number of events of one subscription that may wait.
	DefaultQueueEvents = 256
	// DefaultQueueBytes is the size of the events of one subscription that may wait.
	DefaultQueueBytes = 1 << 20
	// DefaultTotalBytes is the size of all events that may wait.
	DefaultTotalBytes = 256 << 20
	// DefaultMaxSubscriptions is the number of subscriptions.
	DefaultMaxSubscriptions = 20000
	// DefaultMaxConns is the number of events that may be on the wire at the same time.
	DefaultMaxConns = 4096
	// DefaultMaxIdlePerHost is the number of connections to one host that are kept open.
	DefaultMaxIdlePerHost = 64
	// DefaultIdleTimeout is how long an unused connection is kept; shorter than the 60 s after
	// which SAP's internet communication manager closes it (assumed).
	DefaultIdleTimeout = 50 * time.Second
	// DefaultMaxAnswer is the size of an answer, header and body each, in bytes.
	DefaultMaxAnswer = 64 << 10
)

// DefaultRetryDelays are the waiting times after the first, second ... failure in a row
// (reference ICI 4.7, assumed).
func DefaultRetryDelays() []time.Duration {
	return []time.Duration{1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second}
}

// EventSystem says how the events of one SAP system are delivered, and where they may go.
type EventSystem struct {
	// Name is the name that [Subscription.System] refers to.
	Name string

	// AllowHosts lists where event URLs may point to, because the URL comes with a request and
	// nobody may use the connector to reach what he cannot reach himself. An entry is a host
	// name, "*.domain" (every host below the domain), an IP address, a network in CIDR form, or
	// "*"; each may be followed by ":port" (an IPv6 address then stands in brackets). Empty
	// means this machine only: localhost and loopback addresses.
	//
	// The address that a name resolves to is checked again when the connection is made.
	// Loopback, link-local, multicast and unspecified addresses are refused unless AllowHosts
	// names them as address or network ("localhost" allows loopback for that name).
	AllowHosts []string

	// AllowNetworks, when not empty, are the only networks that a host may resolve to.
	AllowNetworks []netip.Prefix

	// Username and Password are sent as Basic authentication; no user name means none.
	Username string
	Password Secret

	// Style is how events are written; the default is rpc/encoded.
	Style Style

	// Profile gives the wire names; nil is that of NotifierOptions.
	Profile *Profile

	// TLS is used for https event URLs: root certificates, client certificate. Nil means the
	// roots of the machine. ServerName is set from the URL when empty.
	TLS *tls.Config
}

// NotifierOptions are the options of [NewNotifier]. The zero value and nil mean the defaults.
type NotifierOptions struct {
	// Systems are the SAP systems by name. When empty, every system name is accepted and
	// events go to this machine only.
	Systems []EventSystem

	// Profile gives the wire names of systems that have none of their own; nil is the default profile.
	Profile *Profile

	// Timeout limits one attempt, from connecting to the end of the answer.
	Timeout time.Duration
	// RetryDelays are the waiting times after the first, second ... failure in a row.
	RetryDelays []time.Duration
	// RetryLimit is how many failures in a row are followed by another attempt; the failure
	// after that ends the subscription. 0 means len(RetryDelays), a negative value means for
	// ever; beyond the end of RetryDelays the last one is repeated.
	RetryLimit int

	QueueEvents      int   // events of one subscription that may wait
	QueueBytes       int   // bytes of one subscription that may wait
	TotalBytes       int64 // bytes of all subscriptions that may wait
	MaxSubscriptions int
	MaxConns         int // events on the wire at the same time; more wait
	MaxIdlePerHost   int
	IdleTimeout      time.Duration
	MaxAnswer        int // bytes of the header and of the body of an answer

	// DialContext replaces the dialler, for tests and special networks. The address check then
	// looks at the remote address of the connection.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// UserAgent is sent with every event; "" means "connects".
	UserAgent string

	// Gone is told when a subscription ends without the connector's wish: SAP says that the
	// session is gone, the retries are used up, or the queue is full. The error is a
	// *GoneError. It is called once per subscription, after the subscription was removed.
	Gone func(Subscription, error)

	// Refused is told about every event that SAP does not want. The subscription goes on. The
	// error is a *DeliveryError.
	Refused func(sub Subscription, op Op, item string, err error)

	// Trace is told about every attempt. It must be fast.
	//
	// Gone, Refused and Trace are called from the goroutine that delivers the subscription,
	// without a lock held; they may use the notifier except Shutdown and Close.
	Trace func(*Delivery)

	// Logger is where the notifier logs; nil discards.
	Logger *slog.Logger
}

// withDefaults returns a copy with defaults filled in, and all problems joined.
func (o *NotifierOptions) withDefaults() (NotifierOptions, error) {
	var c NotifierOptions
	if o != nil {
		c = *o
	}
	var errs []error
	positive := func(name string, v, def int64) int64 {
		switch {
		case v == 0:
			return def
		case v < 0:
			errs = append(errs, fmt.Errorf("ici: NotifierOptions.%s=%d is negative", name, v))
		}
		return v
	}
	c.Timeout = time.Duration(positive("Timeout", int64(c.Timeout), int64(DefaultEventTimeout)))
	c.QueueEvents = int(positive("QueueEvents", int64(c.QueueEvents), DefaultQueueEvents))
	c.QueueBytes = int(positive("QueueBytes", int64(c.QueueBytes), DefaultQueueBytes))
	c.TotalBytes = positive("TotalBytes", c.TotalBytes, DefaultTotalBytes)
	c.MaxSubscriptions = int(positive("MaxSubscriptions", int64(c.MaxSubscriptions), DefaultMaxSubscriptions))
	c.MaxConns = int(positive("MaxConns", int64(c.MaxConns), DefaultMaxConns))
	c.MaxIdlePerHost = int(positive("MaxIdlePerHost", int64(c.MaxIdlePerHost), DefaultMaxIdlePerHost))
	c.IdleTimeout = time.Duration(positive("IdleTimeout", int64(c.IdleTimeout), int64(DefaultIdleTimeout)))
	c.MaxAnswer = int(positive("MaxAnswer", int64(c.MaxAnswer), DefaultMaxAnswer))
	if len(c.RetryDelays) == 0 {
		c.RetryDelays = DefaultRetryDelays()
	}
	c.RetryDelays = slices.Clone(c.RetryDelays)
	for i, d := range c.RetryDelays {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("ici: NotifierOptions.RetryDelays[%d]=%v is not positive", i, d))
		}
	}
	if c.RetryLimit == 0 {
		c.RetryLimit = len(c.RetryDelays)
	}
	if c.UserAgent == "" {
		c.UserAgent = "connects"
	}
	if strings.ContainsAny(c.UserAgent, "\r\n") {
		errs = append(errs, fmt.Errorf("ici: NotifierOptions.UserAgent=%q has a line break", c.UserAgent))
	}
	seen := map[string]bool{}
	for i := range c.Systems {
		s := &c.Systems[i]
		if seen[s.Name] {
			errs = append(errs, fmt.Errorf("ici: NotifierOptions.Systems: name %q occurs twice", s.Name))
		}
		seen[s.Name] = true
		if strings.ContainsAny(s.Username, ":\r\n") {
			errs = append(errs, fmt.Errorf("ici: NotifierOptions.Systems %q: user name has a colon or a line break", s.Name))
		}
		if s.Username == "" && s.Password != "" {
			errs = append(errs, fmt.Errorf("ici: NotifierOptions.Systems %q: password without user name", s.Name))
		}
		if s.Style > Literal {
			errs = append(errs, fmt.Errorf("ici: NotifierOptions.Systems %q: Style=%d is unknown", s.Name, s.Style))
		}
		if _, err := newAllowList(s.AllowHosts, s.AllowNetworks); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(errs...)
}
