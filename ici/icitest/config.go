package icitest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/connects-go/connects/ici"
)

// Defaults of [Config].
const (
	// DefaultSessionLimit is the number of business sessions of a user (SAP Note 1597836).
	DefaultSessionLimit = 6
	// DefaultRequestTimeout is how long the simulator waits for the answer to a request.
	DefaultRequestTimeout = 30 * time.Second
	// DefaultKeepEvents is the number of events that a session remembers.
	DefaultKeepEvents = 256
)

// Config is the configuration of a simulated SAP system. The zero value and nil mean the defaults.
type Config struct {
	// Name is the name of the SAP system, part of the event URLs; "" means "CRM".
	Name string

	// Connector is the address of the connector's ICI service for this system, for example
	// "http://127.0.0.1:8080/". It may be set later with [SAP.SetConnector].
	Connector string
	// BarePath sends all requests to the path of Connector itself. Otherwise the path of the service is appended, as
	// the Java variant does.
	BarePath bool
	// Username and Password are sent with every request as Basic authentication.
	Username string
	Password ici.Secret
	// DialContext replaces the dialler for requests.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is used for requests to an https Connector: roots, client certificate.
	TLS *tls.Config
	// RequestTimeout limits one request, in addition to its context.
	RequestTimeout time.Duration
	// NewConnections makes every request use a new TCP connection.
	NewConnections bool
	// Style is how requests are written: rpc/encoded (default) or document/literal.
	Style ici.Style

	// Addr is where the event end point listens; "" means "127.0.0.1:0", "none" means nowhere: the [SAP] is then
	// mounted as an http.Handler somewhere else, and EventURL must be set.
	Addr string
	// Listen replaces net.Listen for the event end point.
	Listen func(addr string) (net.Listener, error)
	// EventTLS makes the event end point speak TLS.
	EventTLS *tls.Config
	// EventURL is the address of the event end point as the connector sees it, without path; "" is made of the
	// listener's address.
	EventURL string
	// EventUsername and EventPassword are required from the connector as Basic authentication.
	EventUsername string
	EventPassword ici.Secret

	// Profile gives the wire names; nil is the default profile.
	Profile *ici.Profile
	// Client is the number of the SAP client in event URLs; "" means "100".
	Client string
	// SessionLimit is the number of business sessions of a user.
	SessionLimit int
	// KeepEvents is the number of events that a session remembers; the oldest are forgotten.
	KeepEvents int
	// AnonymousNumbers are values of remoteNumbers that need not be E.164 numbers, because they stand for a caller
	// without number. Nil means "0" and "+0" (reference ICI 8.2).
	AnonymousNumbers []string

	// Observe sees every request and every event with its answer. It must be fast; it is called from many goroutines.
	Observe func(*Message)
	// Logger is where violations and life-cycle are logged; nil discards.
	Logger *slog.Logger
}

// Message is one HTTP exchange between SAP and the connector, for [Config.Observe].
type Message struct {
	Time     time.Time
	Event    bool // an event from the connector; otherwise a request to it
	System   string
	User     string
	Op       string // service and operation as in the profile, or the element name when it is unknown
	URL      string
	Request  []byte
	Response []byte
	Status   int // 0 when there was no answer
	Duration time.Duration
	Err      error
}

func (c *Config) withDefaults() (Config, error) {
	var o Config
	if c != nil {
		o = *c
	}
	var errs []error
	if o.Name == "" {
		o.Name = "CRM"
	}
	if o.Connector != "" {
		if err := checkURL("Connector", o.Connector); err != nil {
			errs = append(errs, err)
		}
	}
	if o.EventURL != "" {
		if err := checkURL("EventURL", o.EventURL); err != nil {
			errs = append(errs, err)
		}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Addr == "none" && o.EventURL == "" {
		errs = append(errs, errors.New("icitest: Config.EventURL is needed when Addr is none"))
	}
	if o.Listen == nil {
		o.Listen = func(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = DefaultRequestTimeout
	}
	if o.SessionLimit == 0 {
		o.SessionLimit = DefaultSessionLimit
	}
	if o.KeepEvents == 0 {
		o.KeepEvents = DefaultKeepEvents
	}
	for name, v := range map[string]int{"RequestTimeout": int(o.RequestTimeout), "SessionLimit": o.SessionLimit, "KeepEvents": o.KeepEvents} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("icitest: Config.%s=%d is negative", name, v))
		}
	}
	if o.Style > ici.Literal {
		errs = append(errs, fmt.Errorf("icitest: Config.Style=%d is unknown", o.Style))
	}
	if o.Client == "" {
		o.Client = "100"
	}
	if o.Profile == nil {
		o.Profile = ici.Default()
	}
	if o.AnonymousNumbers == nil {
		o.AnonymousNumbers = []string{"0", "+0"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(errs...)
}

func checkURL(name, s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("icitest: Config.%s=%q is no http or https URL", name, s)
	}
	return nil
}
