package nwrfc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/connects-go/connects/internal/backoff"
	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// Server is a registered server; it implements sapphone.Transport.
//
// Each registration is a connection of its own, on which one thread waits
// (RfcRegisterServer, RfcListenAndDispatch). The SDK also has servers that hold several
// registrations and register again by themselves (RfcCreateServer). They are not used: they
// tell why they are down, and since when, only to a listener; they wait between attempts
// as they like; and when they ask for the interface of a function, they do not say for
// which server.
type Server struct {
	o     Options
	retry time.Duration // the first waiting time

	mu       sync.Mutex
	ways     []way // one for each registration
	since    time.Time
	state    sapphone.LinkState
	lastCall time.Time
	calls    int64
}

// way is the state of a registration.
type way struct {
	state sapphone.LinkState
	err   error
}

// Name implements sapphone.Transport.
func (s *Server) Name() string { return "nwrfc" }

// Link implements sapphone.Transport. It is the best state of the registrations; Err says
// how many of them are down, and why the first one is.
func (s *Server) Link() sapphone.Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := sapphone.Link{State: s.state, Since: s.since, LastCall: s.lastCall, Calls: s.calls, Detail: s.o.Program + " at " + s.o.Gateway}
	down := 0
	for _, w := range s.ways {
		if w.err != nil {
			if down++; l.Err == nil {
				l.Err = w.err
			}
		}
	}
	if n := len(s.ways); n > 1 {
		l.Detail += fmt.Sprintf(", %d of %d registrations", s.registered(), n)
		if down > 0 {
			l.Err = fmt.Errorf("%d of %d registrations: %w", down, n, l.Err)
		}
	}
	return l
}

// registered counts the registrations that SAP can call, or calls.
func (s *Server) registered() (n int) {
	for _, w := range s.ways {
		if w.state >= sapphone.Registered {
			n++
		}
	}
	return n
}

// set changes the state of a registration.
func (s *Server) set(i int, state sapphone.LinkState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ways[i] = way{state, err}
	best := sapphone.Down
	for _, w := range s.ways {
		best = max(best, w.state)
	}
	if best != s.state || s.since.IsZero() {
		s.state, s.since = best, time.Now()
	}
}

// callBegins counts a call.
func (s *Server) callBegins(i int) {
	s.mu.Lock()
	s.calls++
	s.lastCall = time.Now()
	s.mu.Unlock()
	s.set(i, sapphone.InCall, nil)
}

// outcome is how waiting for a call ended.
type outcome int

const (
	quiet  outcome = iota // nobody called
	served                // a call was answered
	spent                 // a call failed in SAP, and the SDK closed the connection with that
	lost                  // the connection is gone
)

// library is the SDK.
type library interface {
	// register returns a new registration, which belongs to the thread that calls. It
	// reports every call that arrives to begin.
	register(begin func()) (connection, error)
	close()
}

// connection is a registration at the gateway.
type connection interface {
	// listen waits for one call, about a second, and answers it. The error is that of the
	// connection, when it is lost. After spent and lost it is closed.
	listen(ctx context.Context, h sapphone.Handler) (outcome, error)
	close()
}

// Serve implements sapphone.Transport: it registers, each registration again after its
// loss (1 s, doubled up to 60 s, with jitter), and answers as many calls at a time as there
// are registrations. It returns after the calls under way have ended; an attempt to
// register at an address that does not answer ends only when the SDK gives up. A Server
// serves once at a time.
func (s *Server) Serve(ctx context.Context, h sapphone.Handler) error {
	lib, err := open(s)
	if err != nil {
		for i := range s.ways {
			s.set(i, sapphone.Down, err)
		}
		return err
	}
	defer lib.close()
	var wg sync.WaitGroup
	for i := range s.ways {
		wg.Go(func() { s.keep(ctx, i, lib, h) })
	}
	wg.Wait()
	return ctx.Err()
}

// keep holds one registration until ctx ends.
func (s *Server) keep(ctx context.Context, i int, lib library, h sapphone.Handler) {
	runtime.LockOSThread() // a registration stays with its thread
	defer runtime.UnlockOSThread()
	wait := backoff.Backoff{Min: s.retry, Max: time.Minute, Factor: 2}
	log := s.o.Logger.With(slog.String("gateway", s.o.Gateway), slog.String("program", s.o.Program), slog.Int("registration", i+1))
	defer s.set(i, sapphone.Down, nil)
	for ctx.Err() == nil {
		s.mu.Lock()
		last := s.ways[i].err
		s.mu.Unlock()
		s.set(i, sapphone.Registering, last)
		calls, err := s.session(ctx, i, lib, h, log)
		if ctx.Err() != nil {
			return
		}
		if calls > 0 {
			wait.Reset()
		}
		if errors.Is(err, errAnew) {
			continue
		}
		s.set(i, sapphone.Down, err)
		log.Warn("not registered at the gateway", slog.String("err", err.Error()))
		if wait.Wait(ctx) != nil {
			return
		}
	}
}

// errAnew ends a session that is to be followed by another at once.
var errAnew = errors.New("nwrfc: register anew")

// session registers and serves; it returns how many calls were answered.
func (s *Server) session(ctx context.Context, i int, lib library, h sapphone.Handler, log *slog.Logger) (calls int, err error) {
	c, err := lib.register(func() { s.callBegins(i) })
	if err != nil {
		return 0, err
	}
	log.Info("registered at the gateway")
	for ctx.Err() == nil {
		s.set(i, sapphone.Registered, nil)
		o, err := c.listen(ctx, h)
		switch o {
		case served:
			calls++
		case spent:
			return calls + 1, errAnew
		case lost:
			return calls, err
		}
	}
	c.close()
	return calls, ctx.Err()
}
