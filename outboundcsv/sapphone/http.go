package sapphone

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/connects-go/connects/outboundcsv"
)

// Defaults of [HTTPOptions].
const (
	DefaultBodyLimit   = 512 << 20       // bytes of one request
	DefaultHTTPTimeout = 5 * time.Minute // of one request
	DefaultMaxRequests = 16              // at a time
)

// Login is a user who may call. It prints without the password.
type Login struct {
	User     string
	Password outboundcsv.Secret
}

// HTTPOptions configure [NewHTTP].
type HTTPOptions struct {
	// Addr is where to listen, such as ":8443"; Listener wins.
	Addr     string
	Listener net.Listener
	TLS      *tls.Config
	// Logins, or Certificates (subject names of verified client certificates), say
	// who may call. Without both only a loopback address is accepted.
	Logins       []Login
	Certificates []string
	// Definitions encode answers; the handler has the same.
	Definitions *Definitions
	// Service takes lists directly, see [HTTP]; nil switches that off.
	Service     Service
	SpillDir    string        // for rows while they arrive
	BodyLimit   int64         // bytes; 0 = DefaultBodyLimit
	Timeout     time.Duration // of one request; 0 = DefaultHTTPTimeout
	MaxRequests int           // at a time; 0 = DefaultMaxRequests
	Logger      *slog.Logger
}

// HTTP is the transport that needs nothing of SAP but an HTTP client. It takes
//
//	POST /                      RFC-SOAP or xRFC: text/xml, application/soap+xml, application/x-sap.rfc
//	POST /rfc/{FUNCTION}        JSON: {"system":..,"client":..,"parameters":{..},"tables":{"CALLS":[{..}]}}
//	POST /lists/{CAMPAIGN}      JSON array of planned calls, as outboundcsv.ReadCalls reads it
//	DELETE /lists/{CAMPAIGN}    all planned calls of a campaign, or those of {"ids":[..]}
//	GET /ping                   200
//
// The header Idempotency-Key identifies a delivery. Answers: 200; 401; 404 unknown
// function; 413 too large; 422 an ABAP exception ({"exception":..,"text":..}) or a list of
// which every row was rejected; 503 with Retry-After; 500 everything else. SOAP callers
// get 200 or a SOAP fault with 500.
type HTTP struct {
	o     HTTPOptions
	slots chan struct{}

	mu   sync.Mutex
	link Link
	ln   net.Listener
	h    Handler
}

// NewHTTP checks the options. Errors name everything that is wrong.
func NewHTTP(o *HTTPOptions) (*HTTP, error) {
	t := &HTTP{}
	if o != nil {
		t.o = *o
	}
	if t.o.BodyLimit == 0 {
		t.o.BodyLimit = DefaultBodyLimit
	}
	if t.o.Timeout == 0 {
		t.o.Timeout = DefaultHTTPTimeout
	}
	if t.o.MaxRequests == 0 {
		t.o.MaxRequests = DefaultMaxRequests
	}
	if t.o.Logger == nil {
		t.o.Logger = slog.New(slog.DiscardHandler)
	}
	if t.o.Definitions == nil {
		t.o.Definitions = &Definitions{}
	}
	var errs []error
	if t.o.BodyLimit < 0 || t.o.Timeout < 0 || t.o.MaxRequests < 0 {
		errs = append(errs, stderrors.New("sapphone: BodyLimit, Timeout and MaxRequests must not be negative"))
	}
	if len(t.o.Certificates) > 0 && (t.o.TLS == nil || t.o.TLS.ClientCAs == nil) {
		errs = append(errs, stderrors.New("sapphone: Certificates need TLS with ClientCAs"))
	}
	if t.o.Listener == nil {
		host, _, err := net.SplitHostPort(t.o.Addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("sapphone: Addr=%q: want host:port", t.o.Addr))
		} else if !t.auth() && !loopback(host) {
			errs = append(errs, fmt.Errorf("sapphone: Addr=%q: without Logins or Certificates only a loopback address is accepted", t.o.Addr))
		}
	}
	for _, l := range t.o.Logins {
		if l.User == "" || l.Password == "" {
			errs = append(errs, stderrors.New("sapphone: Logins: user and password must not be empty"))
		}
	}
	t.slots = make(chan struct{}, max(t.o.MaxRequests, 0))
	return t, stderrors.Join(errs...)
}

func (t *HTTP) auth() bool { return len(t.o.Logins) > 0 || len(t.o.Certificates) > 0 }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name implements [Transport].
func (t *HTTP) Name() string { return "http" }

// Listen binds the address, so that a taken port shows at once; Serve does it otherwise.
func (t *HTTP) Listen(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ln != nil {
		return nil
	}
	ln := t.o.Listener
	if ln == nil {
		var err error
		if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", t.o.Addr); err != nil {
			return err
		}
	}
	if t.o.TLS != nil {
		c := t.o.TLS.Clone()
		if len(t.o.Certificates) > 0 && c.ClientAuth == tls.NoClientCert {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
		c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
		ln = tls.NewListener(ln, c)
	}
	t.ln = ln
	t.link = Link{State: Registered, Since: time.Now(), Detail: ln.Addr().String()}
	return nil
}

// Close releases the address of a Listen without Serve.
func (t *HTTP) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ln == nil {
		return nil
	}
	err := t.ln.Close()
	t.ln = nil
	return err
}

// Serve implements [Transport].
func (t *HTTP) Serve(ctx context.Context, h Handler) error {
	if err := t.Listen(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	ln := t.ln
	t.h = h
	t.mu.Unlock()
	srv := &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: t.o.Timeout, WriteTimeout: t.o.Timeout + time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(t.o.Logger.Handler(), slog.LevelDebug)}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		// The grace of a running call is short: what it stored stays.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(ln)
	if !stop() {
		<-done
	}
	t.mu.Lock()
	t.ln = nil
	t.link.State = Down
	t.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Link implements [Transport].
func (t *HTTP) Link() Link {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.link
	if len(t.slots) > 0 && l.State == Registered {
		l.State = InCall
	}
	return l
}

// ServeHTTP implements http.Handler.
func (t *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		http.Error(w, "not for browsers", http.StatusForbidden)
		return
	}
	if !t.allowed(r) {
		if len(t.o.Logins) > 0 {
			w.Header().Set("WWW-Authenticate", `Basic realm="connects", charset="UTF-8"`)
		}
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/ping" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return
	}
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many calls at a time", http.StatusServiceUnavailable)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, t.o.BodyLimit)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/lists/") && t.o.Service != nil:
		t.serveList(w, r, strings.TrimPrefix(path, "/lists/"))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
	case strings.HasPrefix(path, "/rfc/") && kind == "application/json":
		t.serveJSON(w, r, strings.TrimPrefix(path, "/rfc/"))
	case slices.Contains([]string{"text/xml", "application/xml", "application/soap+xml", "application/x-sap.rfc"}, kind):
		t.serveSOAP(w, r)
	default:
		http.Error(w, "want RFC-SOAP as text/xml, or JSON at /rfc/FUNCTION", http.StatusUnsupportedMediaType)
	}
}

// allowed compares in constant time.
func (t *HTTP) allowed(r *http.Request) bool {
	if !t.auth() {
		return true
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 && slices.ContainsFunc(t.o.Certificates, func(n string) bool { return names(r.TLS.PeerCertificates[0], n) }) {
		return true
	}
	user, password, _ := r.BasicAuth()
	ok := 0
	for _, l := range t.o.Logins {
		a, b := sha256.Sum256([]byte(user+"\x00"+password)), sha256.Sum256([]byte(l.User+"\x00"+string(l.Password)))
		ok |= subtle.ConstantTimeCompare(a[:], b[:])
	}
	return ok == 1
}

func names(c *x509.Certificate, name string) bool {
	return c.Subject.CommonName == name || slices.Contains(c.DNSNames, name)
}

// call runs the handler and counts.
func (t *HTTP) call(r *http.Request, c *Call) (*Result, error) {
	c.Caller.Host, _, _ = net.SplitHostPort(r.RemoteAddr)
	if u, _, ok := r.BasicAuth(); ok {
		c.Caller.User = u
	}
	c.Key = r.Header.Get("Idempotency-Key")
	t.mu.Lock()
	h := t.h
	t.link.Calls++
	t.link.LastCall = time.Now()
	t.mu.Unlock()
	if h == nil {
		return nil, ErrBusy
	}
	ctx, cancel := context.WithTimeout(r.Context(), t.o.Timeout)
	defer cancel()
	return h(ctx, c)
}

// status maps an error to a status of HTTP.
func status(err error) int {
	var ex *ABAPException
	var large *http.MaxBytesError
	var syntax *outboundcsv.SyntaxError
	var call *CallError
	switch {
	case stderrors.As(err, &ex):
		return http.StatusUnprocessableEntity
	case stderrors.Is(err, ErrUnknownFunction), stderrors.Is(err, ErrNoMapping):
		return http.StatusNotFound
	case stderrors.As(err, &large), stderrors.Is(err, ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case stderrors.Is(err, ErrBusy):
		return http.StatusServiceUnavailable
	case stderrors.As(err, &syntax), stderrors.As(err, &call), stderrors.Is(err, errSyntax), stderrors.Is(err, io.ErrUnexpectedEOF):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func (t *HTTP) answer(w http.ResponseWriter, code int, v any) {
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the caller went away: nobody to tell
}

func (t *HTTP) refuse(w http.ResponseWriter, err error) {
	t.o.Logger.Warn("call refused", slog.String("err", err.Error()))
	var ex *ABAPException
	if stderrors.As(err, &ex) {
		t.answer(w, status(err), map[string]string{"exception": ex.Key, "text": ex.Text})
		return
	}
	t.answer(w, status(err), map[string]string{"text": err.Error()})
}

// serveList takes planned calls without any definition.
func (t *HTTP) serveList(w http.ResponseWriter, r *http.Request, campaign string) {
	q := r.URL.Query()
	switch r.Method {
	case http.MethodPost:
		a, err := t.o.Service.Upload(r.Context(), Delivery{System: q.Get("system"), Client: q.Get("client"), Campaign: campaign, Key: r.Header.Get("Idempotency-Key"), Rows: outboundcsv.ReadCalls(r.Body)})
		t.note()
		if err != nil {
			t.refuse(w, err)
			return
		}
		code := http.StatusOK
		if a.Rows > 0 && a.Rejected == a.Rows {
			code = http.StatusUnprocessableEntity
		}
		rejects := []map[string]any{}
		for _, x := range a.Rejects {
			rejects = append(rejects, map[string]any{"id": x.ID, "codes": x.Codes})
		}
		t.answer(w, code, map[string]any{"list": a.ID, "rows": a.Rows, "rejected": a.Rejected, "repeated": a.Repeated, "rejects": rejects})
	case http.MethodDelete:
		var in struct {
			IDs []string `json:"ids"`
		}
		b, err := io.ReadAll(r.Body)
		if err == nil && len(strings.TrimSpace(string(b))) > 0 {
			if err = json.Unmarshal(b, &in); err == nil && len(in.IDs) == 0 {
				err = stderrors.New("ids is empty")
			}
			if err != nil {
				t.refuse(w, fmt.Errorf("%w: %w", errSyntax, err))
				return
			}
		}
		var d Deletion
		if err == nil {
			d, err = t.o.Service.Delete(r.Context(), q.Get("system"), q.Get("client"), campaign, in.IDs)
		}
		t.note()
		if err != nil {
			t.refuse(w, err)
			return
		}
		t.answer(w, http.StatusOK, map[string]int{"removed": d.Removed, "tooLate": d.Late, "notFound": d.Unknown})
	default:
		w.Header().Set("Allow", "POST, DELETE")
		http.Error(w, "POST or DELETE", http.StatusMethodNotAllowed)
	}
}

func (t *HTTP) note() {
	t.mu.Lock()
	t.link.Calls++
	t.link.LastCall = time.Now()
	t.mu.Unlock()
}
