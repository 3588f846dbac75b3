package ici

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Handler answers the calls of SAP. ServeICI is called from many goroutines at once, one per call. It should return
// quickly and report the outcome of longer actions by event. A *Fault is sent as it is; any other error becomes
// FaultGeneric, or FaultTimeout when it is context.DeadlineExceeded. A nil Value is an empty string.
type Handler interface {
	ServeICI(ctx context.Context, r *Request) (Value, error)
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, r *Request) (Value, error)

// ServeICI calls f.
func (f HandlerFunc) ServeICI(ctx context.Context, r *Request) (Value, error) { return f(ctx, r) }

// System is one SAP system that calls us. Systems are told apart by the first part of the URL path, which is the path
// prefix of the RFC destination in SAP.
type System struct {
	Name       string   // unique; handed to the handler in Request.System
	PathPrefix string   // "" or "/" takes every path that no longer prefix takes
	Profile    *Profile // names on the wire; nil = Default()
	Auth       Auth     // the zero value lets everybody in
}

// Defaults of [ServerOptions].
const (
	DefaultReadTimeout    = 30 * time.Second // whole request body
	DefaultHandlerTimeout = 25 * time.Second // one call of the handler
	DefaultWriteTimeout   = 30 * time.Second // whole answer
	DefaultMaxConcurrent  = 4096             // calls at the same time
	DefaultLearnNames     = 100              // unknown operations and parameters whose call is logged whole
)

// ServerOptions configure a [Server]. The zero value of each field means its default; nil options are all defaults.
type ServerOptions struct {
	Systems        []System      // none = one system named "" at "/"
	Limits         *Limits       // size, depth and count of requests
	ReadTimeout    time.Duration // DefaultReadTimeout
	HandlerTimeout time.Duration // DefaultHandlerTimeout; the context of the handler ends then
	WriteTimeout   time.Duration // DefaultWriteTimeout
	MaxConcurrent  int           // DefaultMaxConcurrent; more are answered 503
	LearnNames     int           // DefaultLearnNames; calls with other unknown names are logged without their content
	// StatusPage answers GET on the base path of a system; nil = a plain built-in page.
	StatusPage http.Handler
	// FaultText gives the text of a fault without text in the agent's language, "" = the English one of the profile.
	FaultText func(language string, c FaultCode) string
	// Logger gets one record per problem; nil = silent.
	Logger *slog.Logger
	// Trace, if set, is called with every call and its answer as sent. It must be fast and must not keep the slices.
	Trace func(r *Request, in, out []byte, d time.Duration)
}

func (o *ServerOptions) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("ici: "+format, args...)) }
	names, prefixes := map[string]bool{}, map[string]bool{}
	for i := range o.Systems {
		s := &o.Systems[i]
		if names[s.Name] {
			bad("Systems[%d].Name=%q stands twice", i, s.Name)
		}
		names[s.Name] = true
		if s.PathPrefix != "" && !strings.HasPrefix(s.PathPrefix, "/") {
			bad("Systems[%d].PathPrefix=%q does not begin with /", i, s.PathPrefix)
		}
		prefix := strings.TrimRight(s.PathPrefix, "/")
		if prefixes[prefix] {
			bad("Systems[%d].PathPrefix=%q stands twice", i, s.PathPrefix)
		}
		prefixes[prefix] = true
		if err := s.Auth.validate(); err != nil {
			bad("Systems[%d].Auth: %w", i, err)
		}
	}
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"ReadTimeout", o.ReadTimeout}, {"HandlerTimeout", o.HandlerTimeout}, {"WriteTimeout", o.WriteTimeout}} {
		if d.v < 0 {
			bad("%s=%v is negative", d.name, d.v)
		}
	}
	if o.MaxConcurrent < 0 {
		bad("MaxConcurrent=%d is negative", o.MaxConcurrent)
	}
	if o.LearnNames < 0 {
		bad("LearnNames=%d is negative", o.LearnNames)
	}
	errs = append(errs, o.Limits.validate())
	return errors.Join(errs...)
}

// Server receives the calls of SAP. It is an http.Handler, safe for concurrent use; [Server.HTTPServer] wraps it in an
// http.Server with safe limits.
type Server struct {
	handler Handler
	opts    ServerOptions
	limits  Limits
	systems []System // longest prefix first
	log     *slog.Logger
	slots   chan struct{}
	learn   learner
	sparing sparing // of lines about unreadable requests
	stats   stats
	buffers sync.Pool
}

// NewServer makes a server that hands calls to h. All problems of the options are reported together.
func NewServer(h Handler, opts *ServerOptions) (*Server, error) {
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	if h == nil {
		return nil, errors.New("ici: handler is nil")
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	defaultDuration(&o.ReadTimeout, DefaultReadTimeout)
	defaultDuration(&o.HandlerTimeout, DefaultHandlerTimeout)
	defaultDuration(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.MaxConcurrent, DefaultMaxConcurrent)
	setDefault(&o.LearnNames, DefaultLearnNames)
	s := &Server{handler: h, opts: o, limits: o.Limits.withDefaults(), log: o.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.systems = sortedSystems(o.Systems)
	s.slots = make(chan struct{}, o.MaxConcurrent)
	s.learn.limit = o.LearnNames
	s.buffers.New = func() any { return new(buffers) }
	return s, nil
}

func defaultDuration(v *time.Duration, def time.Duration) {
	if *v == 0 {
		*v = def
	}
}

// HTTPServer makes an http.Server around s with limits on headers and idle connections. The caller starts and stops it,
// and sets TLSConfig, for example to what [ServerTLS] returns.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP answers one HTTP request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sys := s.system(r.URL.Path)
	if sys == nil {
		s.refuse(w, r, http.StatusNotFound, "no system at this path")
		return
	}
	if foreignOrigin(r) {
		s.refuse(w, r, http.StatusForbidden, "requests from web pages are not accepted")
		return
	}
	switch r.Method {
	case http.MethodPost:
	case http.MethodGet, http.MethodHead:
		s.serveGet(w, r, sys)
		return
	default:
		w.Header().Set("Allow", "POST, GET, HEAD")
		s.refuse(w, r, http.StatusMethodNotAllowed, "method is not allowed")
		return
	}
	if !sys.Auth.allows(r) {
		sys.Auth.challenge(w)
		s.refuse(w, r, http.StatusUnauthorized, "authentication failed")
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		s.refuse(w, r, http.StatusServiceUnavailable, "too many calls at the same time")
		return
	}
	s.servePost(w, r, sys)
}

// refuse answers a request that never became a SOAP call.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	s.stats.refused.Add(1)
	s.log.LogAttrs(r.Context(), slog.LevelWarn, "ici request refused", slog.Int("status", status), slog.String("reason", text),
		slog.String("method", clip(r.Method)), slog.String("path", clip(r.URL.Path)), slog.String("peer", r.RemoteAddr))
	http.Error(w, text, status)
}

func (s *Server) servePost(w http.ResponseWriter, hr *http.Request, sys *System) {
	start := time.Now()
	s.stats.calls.Add(1)
	s.stats.active.Add(1)
	defer s.stats.active.Add(-1)
	buf := s.buffers.Get().(*buffers)
	defer s.recycle(buf)

	body, status, err := s.readBody(buf, w, hr)
	if err != nil {
		s.unreadable(w, hr, sys, buf, status, err)
		return
	}
	r, err := sys.Profile.ParseRequest(body, &ParseOptions{ContentType: hr.Header.Get("Content-Type"), Path: hr.URL.Path, Limits: &s.limits})
	if err != nil {
		s.unreadable(w, hr, sys, buf, http.StatusInternalServerError, err)
		return
	}
	if hr.URL.RawQuery != "" && hr.URL.Query().Has(literalQuery) {
		r.Style = Literal
	}
	r.System, r.Remote = sys.Name, hr.RemoteAddr
	status = s.answer(hr, r, buf)
	s.write(w, hr, buf, status)
	if s.opts.Trace != nil {
		s.opts.Trace(r, body, buf.out, time.Since(start))
	}
	s.stats.observe(time.Since(start))
	s.runAfter(hr.Context(), r)
}

// answer runs the handler and writes what it returns into buf.out. A panic in either becomes a fault.
func (s *Server) answer(hr *http.Request, r *Request, buf *buffers) (status int) {
	ctx := hr.Context()
	defer func() {
		if x := recover(); x != nil {
			s.panicked(ctx, r, "ici handler panicked", x)
			status = s.appendFault(ctx, r, buf, &Fault{Code: FaultGeneric})
		}
	}()
	if r.Op == OpUnknown {
		s.stats.unknown.Add(1)
		s.learnOperation(ctx, r, hr)
		buf.out = r.Profile.AppendResponse(buf.out[:0], r, nil)
		return http.StatusOK
	}
	if r.strange > 0 {
		s.learnElements(ctx, r, hr)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.HandlerTimeout)
	defer cancel()
	v, err := s.handler.ServeICI(ctx, r)
	if err != nil {
		return s.appendFault(ctx, r, buf, err)
	}
	buf.out = r.Profile.AppendResponse(buf.out[:0], r, v)
	return http.StatusOK
}

func (s *Server) panicked(ctx context.Context, r *Request, msg string, x any) {
	s.stats.panics.Add(1)
	s.log.LogAttrs(ctx, slog.LevelError, msg, slog.String("op", r.Profile.OpFullName(r.Op)), slog.String("panic", fmt.Sprint(x)),
		slog.String("stack", string(debug.Stack())))
}

func (s *Server) appendFault(ctx context.Context, r *Request, buf *buffers, err error) (status int) {
	f := s.fault(ctx, r, err)
	buf.out = r.Profile.AppendFault(buf.out[:0], f)
	if f.Status != 0 {
		return f.Status
	}
	return http.StatusInternalServerError
}

// fault turns the error of a handler into what the caller gets, and logs it.
func (s *Server) fault(ctx context.Context, r *Request, err error) *Fault {
	s.stats.faults.Add(1)
	var f *Fault
	if !errors.As(err, &f) {
		f = &Fault{Code: FaultGeneric, Err: err}
		if errors.Is(err, context.DeadlineExceeded) {
			f.Code = FaultTimeout
		}
	}
	out := *f
	if out.Text == "" && s.opts.FaultText != nil {
		out.Text = s.opts.FaultText(r.Language, out.Code)
	}
	level := slog.LevelInfo
	if out.Code == FaultGeneric || out.Code == FaultUnknown {
		level = slog.LevelWarn
	}
	s.log.LogAttrs(ctx, level, "ici fault", slog.String("op", r.Profile.OpFullName(r.Op)), slog.String("code", r.Profile.FaultName(out.Code)),
		slog.String("user", r.User), slog.String("system", r.System), slog.String("err", err.Error()))
	return &out
}

func (s *Server) runAfter(ctx context.Context, r *Request) {
	r.served = true
	defer func() {
		if x := recover(); x != nil {
			s.panicked(ctx, r, "ici handler panicked after the answer", x)
		}
	}()
	for i := 0; i < len(r.after); i++ {
		r.after[i]()
	}
}

// write sends an answer and pushes it onto the wire, so that what runs after it comes after it.
func (s *Server) write(w http.ResponseWriter, hr *http.Request, buf *buffers, status int) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(s.opts.WriteTimeout)) // not every ResponseWriter has one
	h := w.Header()
	h["Content-Type"] = contentTypeXML
	out := buf.out
	if len(out) >= gzipThreshold && acceptsGzip(hr) {
		if z, ok := buf.compress(out); ok {
			h.Set("Content-Encoding", "gzip")
			h.Set("Vary", "Accept-Encoding")
			out = z
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(status)
	_, _ = w.Write(out) // a caller that has gone is not our error
	_ = rc.Flush()
}

var contentTypeXML = []string{"text/xml; charset=utf-8"}
