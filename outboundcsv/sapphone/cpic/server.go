package cpic

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/internal/backoff"
	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// Strategy is what follows an answer. What a real gateway wants is not published.
type Strategy int

// Strategies.
const (
	// Auto is Accept until the gateway closes the connection after an answer, and
	// Reconnect from then on.
	Auto Strategy = iota
	// Accept: DEALLOCATE, UNACCPTP, ACCPTP.
	Accept
	// Reregister: DEALLOCATE, UNACCPTP, then function D0 and wait for REGTP, as the
	// one public server does.
	Reregister
	// Reconnect: DEALLOCATE, drop the connection, register anew.
	Reconnect
)

// Options configure a [Server].
type Options struct {
	Gateway     string // host:port; 33NN with the instance number NN
	Program     string // Program ID of SM59, 1 to 64 characters without * and blanks
	Host        string // own name that SMGW shows; empty = that of the machine
	Definitions *sapphone.Definitions
	Strategy    Strategy
	SpillDir    string // for rows while they arrive
	MaxFrame    int    // bytes; 0 = DefaultMaxFrame
	MaxCall     int64  // bytes; 0 = DefaultMaxCall
	// CallTimeout bounds the silence within a call; 0 = 5 minutes. A registration that
	// nobody calls may be silent for ever.
	CallTimeout time.Duration
	DialTimeout time.Duration // 0 = 10 s
	Dial        func(ctx context.Context, network, addr string) (net.Conn, error)
	Logger      *slog.Logger
}

// Server is a registered server; it implements sapphone.Transport.
type Server struct {
	o        Options
	mu       sync.Mutex
	link     sapphone.Link
	strategy Strategy
}

// New checks the options.
func New(o *Options) (*Server, error) {
	s := &Server{}
	if o != nil {
		s.o = *o
	}
	var errs []error
	if _, _, err := net.SplitHostPort(s.o.Gateway); err != nil {
		errs = append(errs, fmt.Errorf("cpic: Gateway=%q: want host:port", s.o.Gateway))
	}
	if p := s.o.Program; p == "" || len(p) > 64 || strings.ContainsAny(p, "* \t\x00") {
		errs = append(errs, fmt.Errorf("cpic: Program=%q: 1 to 64 characters without * and blanks", p))
	}
	if s.o.Definitions == nil {
		s.o.Definitions = &sapphone.Definitions{}
	}
	if s.o.Host == "" {
		s.o.Host, _ = os.Hostname() // without one the field stays blank
	}
	if s.o.MaxFrame < 0 || s.o.MaxCall < 0 || s.o.CallTimeout < 0 || s.o.DialTimeout < 0 || s.o.Strategy < Auto || s.o.Strategy > Reconnect {
		errs = append(errs, errors.New("cpic: limits must not be negative, Strategy one of the constants"))
	}
	for _, d := range []struct {
		v   *int64
		def int64
	}{{&s.o.MaxCall, DefaultMaxCall}, {(*int64)(&s.o.CallTimeout), int64(5 * time.Minute)}, {(*int64)(&s.o.DialTimeout), int64(10 * time.Second)}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if s.o.MaxFrame == 0 {
		s.o.MaxFrame = DefaultMaxFrame
	}
	if s.o.Dial == nil {
		s.o.Dial = new(net.Dialer).DialContext
	}
	if s.o.Logger == nil {
		s.o.Logger = slog.New(slog.DiscardHandler)
	}
	s.strategy = s.o.Strategy
	return s, errors.Join(errs...)
}

// Name implements sapphone.Transport.
func (s *Server) Name() string { return "cpic" }

// Link implements sapphone.Transport.
func (s *Server) Link() sapphone.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

func (s *Server) set(state sapphone.LinkState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.State != state || s.link.Since.IsZero() {
		s.link.Since = time.Now()
	}
	s.link.State, s.link.Err, s.link.Detail = state, err, s.o.Program+" at "+s.o.Gateway
}

// Serve implements sapphone.Transport: it registers, again after every loss (1 s,
// doubled up to 60 s, with jitter), and answers one call at a time.
func (s *Server) Serve(ctx context.Context, h sapphone.Handler) error {
	wait := backoff.Backoff{Min: time.Second, Max: time.Minute, Factor: 2}
	for {
		calls, err := s.session(ctx, h)
		if ctx.Err() != nil {
			s.set(sapphone.Down, nil)
			return ctx.Err()
		}
		if calls > 0 {
			wait.Reset()
		}
		if errors.Is(err, errReconnect) {
			continue
		}
		s.set(sapphone.Down, err)
		s.o.Logger.Warn("not registered at the gateway", slog.String("gateway", s.o.Gateway), slog.String("program", s.o.Program), slog.String("err", err.Error()))
		if wait.Wait(ctx) != nil {
			return ctx.Err()
		}
	}
}

// errReconnect ends a session that is to be followed by another at once.
var errReconnect = errors.New("cpic: register anew")

// session is one connection to the gateway.
type session struct {
	s       *Server
	conn    net.Conn
	r       *bufio.Reader
	buf     []byte
	conv    [8]byte
	big     bool
	calling bool

	registered atomic.Bool // read when the server is stopped
}

// session registers and serves; it returns how many calls were answered.
func (s *Server) session(ctx context.Context, h sapphone.Handler) (calls int, err error) {
	s.set(sapphone.Registering, s.Link().Err)
	dial, cancel := context.WithTimeout(ctx, s.o.DialTimeout)
	conn, err := s.o.Dial(dial, "tcp", s.o.Gateway)
	cancel()
	if err != nil {
		return 0, err
	}
	x := &session{s: s, conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() {
		if x.registered.Load() { // best effort: SMGW forgets us sooner
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write(appendFrame(nil, control(fnUnregTP, [8]byte{})))
		}
		_ = conn.Close()
	})
	defer stop()
	if err := x.register(); err != nil {
		return 0, err
	}
	x.registered.Store(true)
	s.set(sapphone.Registered, nil)
	s.o.Logger.Info("registered at the gateway", slog.String("gateway", s.o.Gateway), slog.String("program", s.o.Program))
	for {
		err := x.serveCall(ctx, h)
		if err == io.EOF && calls > 0 && s.strategy == Auto {
			s.o.Logger.Info("the gateway closes after an answer: registering anew for each call")
			s.strategy = Reconnect
			return calls, errReconnect
		}
		if err != nil {
			return calls, err
		}
		calls++
		if err := x.again(); err != nil {
			return calls, err
		}
		s.set(sapphone.Registered, nil)
	}
}

func (x *session) write(payload []byte) error {
	if err := x.conn.SetWriteDeadline(time.Now().Add(x.s.o.CallTimeout)); err != nil {
		return err
	}
	_, err := x.conn.Write(appendFrame(nil, payload))
	return err
}

// frame reads the next frame that is not a ping.
func (x *session) frame() ([]byte, error) {
	for {
		var deadline time.Time
		if x.calling {
			deadline = time.Now().Add(x.s.o.CallTimeout)
		}
		if err := x.conn.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		b, err := readFrame(x.r, x.buf, x.s.o.MaxFrame)
		if err != nil {
			return nil, err
		}
		x.buf = b
		switch string(b) {
		case niPing:
			if err := x.write([]byte(niPong)); err != nil {
				return nil, err
			}
			continue
		case niPong:
			continue
		}
		return b, nil
	}
}

func (x *session) register() error {
	var ip [4]byte
	if a, ok := x.conn.LocalAddr().(*net.TCPAddr); ok {
		copy(ip[:], a.IP.To4())
	}
	x.calling = true // the gateway has to answer in time
	defer func() { x.calling = false }()
	if err := x.write(registerRequest(x.s.o.Program, x.s.o.Host, ip)); err != nil {
		return err
	}
	b, err := x.frame()
	if err != nil {
		return err
	}
	page, err := registerAnswer(b)
	if err != nil {
		return err
	}
	switch page {
	case "4103":
	case "4102":
		x.big = true
	default:
		return fmt.Errorf("%w: code page %q; only Unicode systems (4103, 4102) are supported", ErrRefused, page)
	}
	if err := x.write(registerNames(x.s.o.Program, x.s.o.Host)); err != nil {
		return err
	}
	return x.write(acceptTP())
}

// serveCall waits for a call, reads it whole, and answers it.
func (x *session) serveCall(ctx context.Context, h sapphone.Handler) error {
	var first []byte
	for first == nil {
		b, err := x.frame()
		if err != nil {
			return err
		}
		head, err := parseAPPC(b)
		if err != nil {
			return err
		}
		if head.errorLen > 0 || head.appcRC != 0 {
			return fmt.Errorf("%w: %s", ErrRefused, head.problem(b))
		}
		if head.conv != ([8]byte{}) {
			x.conv = head.conv
		}
		switch head.function {
		case fnRegTP, fnPing: // announcement or keep-alive
		case fnCancelTP, fnUnregTP:
			return fmt.Errorf("%w: cancelled by the gateway (SMGW or reginfo)", ErrRefused)
		case fnAccept, fnSend, fnASend, fnSAPSend, fnASAPSend:
			first = b[appcHeader:]
		case fnDeallocate, fnUnacceptTP:
		default:
			x.s.o.Logger.Warn("frame ignored", slog.Int("function", int(head.function)))
		}
		if len(first) == 0 {
			first = nil // accepted without data: it follows
		}
	}
	x.calling = true
	defer func() { x.calling = false }()
	x.s.set(sapphone.InCall, nil)
	x.s.mu.Lock()
	x.s.link.Calls++
	x.s.link.LastCall = time.Now()
	x.s.mu.Unlock()
	c, err := readCall(&dataReader{x: x, rest: first}, x.big, x.s.o.SpillDir, x.s.o.MaxCall)
	defer c.close()
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrAborted, err)
	}
	if errors.Is(err, ErrAborted) {
		x.s.o.Logger.Warn("call broken off", slog.String("err", err.Error()))
		return err
	}
	fatal := err != nil // we no longer know where the next call begins
	var res *sapphone.Result
	if err == nil {
		c.c.Caller.Host = x.conn.RemoteAddr().String()
		res, err = h(ctx, c.c)
	}
	if err != nil {
		x.s.o.Logger.Warn("call failed", slog.String("function", c.c.Func), slog.String("err", err.Error()))
	}
	answer := reply(c, x.s.o.Definitions, res, err)
	for len(answer) > 0 {
		n := min(len(answer), maxAnswer)
		if err := x.write(sendData(x.conv, answer[:n])); err != nil {
			return err
		}
		answer = answer[n:]
	}
	if fatal {
		_ = x.write(control(fnDeallocate, x.conv))
		return err
	}
	return nil
}

// maxAnswer is the buffer size that gateways announce (28,000).
const maxAnswer = 0x6D60

// again follows an answer, so that the next call can come.
func (x *session) again() error {
	if err := x.write(control(fnDeallocate, x.conv)); err != nil {
		return err
	}
	if x.s.strategy == Reconnect {
		return errReconnect
	}
	if err := x.write(control(fnUnacceptTP, x.conv)); err != nil {
		return err
	}
	if x.s.strategy == Reregister {
		return x.write(control(fnUnregTP, x.conv))
	}
	return x.write(acceptTP())
}

// dataReader is the data of one call over as many frames as it takes.
type dataReader struct {
	x    *session
	rest []byte
}

func (d *dataReader) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		b, err := d.x.frame()
		if err != nil {
			return 0, err
		}
		head, err := parseAPPC(b)
		if err != nil {
			return 0, err
		}
		switch head.function {
		case fnAccept, fnSend, fnASend, fnSAPSend, fnASAPSend:
			d.rest = b[appcHeader:]
		case fnPing:
		default:
			return 0, fmt.Errorf("%w: %s", ErrAborted, head.problem(b))
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}
