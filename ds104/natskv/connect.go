package natskv

import (
	"context"
	"crypto/tls"
	stderrors "errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/pkg/errors"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/backoff"
)

// Defaults of [ConnectOptions].
const (
	DefaultDialTimeout = 2 * time.Second
	DefaultMinBackoff  = 100 * time.Millisecond
	DefaultMaxBackoff  = 5 * time.Second
)

// ConnectOptions say where the servers are and who we are.
type ConnectOptions struct {
	// Servers are addresses of servers: "host", "host:port", "nats://host:port" or
	// "tls://host:port"; the port is 4222 unless given. At least one, at most 64; the
	// other servers of the cluster are learned from it. No user and password here.
	Servers []string
	// Name tells the servers who this is, in their listings; at most 128 bytes.
	Name string
	// CredentialsFile has a user's JWT and key (a .creds file); it is read at every
	// connect. At most one of CredentialsFile, User and Token.
	CredentialsFile string
	// User and Password log in.
	User     string
	Password ds104.Secret
	// Token logs in.
	Token ds104.Secret
	// TLS, when set, is demanded; with Certificates for mutual TLS.
	TLS *tls.Config
	// DialTimeout is how long connecting to one server may take, to log in included;
	// 0 = DefaultDialTimeout.
	DialTimeout time.Duration
	// MinBackoff and MaxBackoff bound the waiting time after all servers were tried: it
	// grows from the one to the other, and attempts go on for ever.
	// 0 = DefaultMinBackoff and DefaultMaxBackoff.
	MinBackoff, MaxBackoff time.Duration
	// Logger gets connections and losses; nil discards them.
	Logger *slog.Logger
}

func (o *ConnectOptions) validate() error {
	var errs []error
	bad := func(name string, v any, want string) {
		errs = append(errs, fmt.Errorf("natskv: option %s=%v: must be %s", name, v, want))
	}
	if len(o.Servers) == 0 || len(o.Servers) > 64 {
		bad("Servers", len(o.Servers), "1 to 64 addresses")
	}
	for i, a := range o.Servers {
		switch u, err := parseServer(a); {
		case err != nil: // its text may hold a password
			bad(fmt.Sprintf("Servers[%d]", i), "...", "host, host:port, nats://host:port or tls://host:port")
		case u.User != nil:
			bad(fmt.Sprintf("Servers[%d]", i), "...", "without user and password; use User and Password, or Token")
		}
	}
	if len(o.Name) > ds104.MaxOrigin {
		bad("Name", "...", "at most 128 bytes")
	}
	ways := 0
	for _, set := range []bool{o.CredentialsFile != "", o.User != "", o.Token != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		bad("CredentialsFile, User and Token", "...", "one of them, or none")
	}
	if o.Password != "" && o.User == "" {
		bad("Password", "...", "empty without User")
	}
	if o.CredentialsFile != "" {
		if _, err := os.ReadFile(o.CredentialsFile); err != nil {
			errs = append(errs, errors.Wrap(err, "natskv: option CredentialsFile"))
		}
	}
	for name, d := range map[string]time.Duration{"DialTimeout": o.DialTimeout, "MinBackoff": o.MinBackoff, "MaxBackoff": o.MaxBackoff} {
		if d < 0 || d > time.Hour {
			bad(name, d, "between 0 and 1h")
		}
	}
	if o.MaxBackoff != 0 && o.MaxBackoff < o.MinBackoff {
		bad("MaxBackoff", o.MaxBackoff, "at least MinBackoff")
	}
	return stderrors.Join(errs...)
}

// parseServer returns the address of a server as a URL.
func parseServer(a string) (*url.URL, error) {
	if !strings.Contains(a, "://") {
		a = "nats://" + a
	}
	u, err := url.Parse(a)
	if err != nil {
		return nil, err
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return nil, stderrors.New("natskv: port")
		}
	}
	if u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(a, ", ") {
		return nil, stderrors.New("natskv: address")
	}
	return u, nil
}

func (o *ConnectOptions) setDefaults() {
	for p, d := range map[*time.Duration]time.Duration{
		&o.DialTimeout: DefaultDialTimeout, &o.MinBackoff: DefaultMinBackoff, &o.MaxBackoff: max(DefaultMaxBackoff, o.MinBackoff),
	} {
		if *p == 0 {
			*p = d
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// nats returns the options of the client library.
func (o *ConnectOptions) nats() []nats.Option {
	log := o.Logger
	opts := []nats.Option{
		nats.Name(o.Name), nats.Timeout(o.DialTimeout), nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(attempts int) time.Duration {
			d := o.MinBackoff << min(max(attempts-1, 0), 20)
			d = min(d, o.MaxBackoff)
			b := backoff.Backoff{Min: d, Max: d}
			return b.Next()
		}),
		nats.ReconnectBufSize(-1), // what was not sent is not sent later, when nobody waits for it
		nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort(), // a password may be wrong for a while
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("natskv: connection lost", "err", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("natskv: connected again", "server", nc.ConnectedServerName()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("natskv: connection", "err", err) }),
	}
	switch {
	case o.CredentialsFile != "":
		opts = append(opts, nats.UserCredentials(o.CredentialsFile))
	case o.User != "":
		opts = append(opts, nats.UserInfo(o.User, string(o.Password)))
	case o.Token != "":
		opts = append(opts, nats.Token(string(o.Token)))
	}
	if o.TLS != nil {
		opts = append(opts, nats.Secure(o.TLS.Clone()))
	}
	return opts
}

// Connect connects to one of the servers. It tries all of them until ctx ends, and fails
// at once only when options are wrong or a server refuses who we are. From then on the
// connection comes back by itself, for ever. The caller closes it, after the Stores.
func Connect(ctx context.Context, o *ConnectOptions) (*nats.Conn, error) {
	var opts ConnectOptions
	if o != nil {
		opts = *o
	}
	if err := opts.validate(); err != nil {
		return nil, err
	}
	opts.setDefaults()
	urls := make([]string, len(opts.Servers))
	for i, a := range opts.Servers {
		u, err := parseServer(a)
		if err != nil {
			return nil, err
		}
		urls[i] = u.String()
	}
	wait := backoff.Backoff{Min: opts.MinBackoff, Max: opts.MaxBackoff}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		nc, err := nats.Connect(strings.Join(urls, ","), opts.nats()...)
		if err == nil {
			return nc, nil
		}
		refused := stderrors.Is(err, nats.ErrAuthorization) || stderrors.Is(err, nats.ErrAuthExpired) ||
			stderrors.Is(err, nats.ErrSecureConnWanted) || stderrors.Is(err, nats.ErrSecureConnRequired)
		if refused || wait.Wait(ctx) != nil {
			return nil, errors.Wrapf(err, "natskv: connect to %s", strings.Join(urls, ", "))
		}
		opts.Logger.Warn("natskv: no server answers", "servers", urls, "err", err)
	}
}
