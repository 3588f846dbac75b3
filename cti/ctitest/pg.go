package ctitest

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// PG is a simulated peripheral gateway. Its methods may be called from any goroutine, also from
// Control and Observe functions unless a method says otherwise.
type PG struct {
	cfg    Config
	log    *slog.Logger
	own    owner
	m      *model
	sides  [2]*Side
	closed atomic.Bool

	controls controls
	lastConn atomic.Uint64

	obsMu     sync.Mutex
	obs       []observer
	obsSeq    atomic.Uint64
	observers atomic.Pointer[[]observer]

	// On the owner:
	active    int // index of the active side, -1 = none
	takeover  *time.Timer
	upkeeping *maintenance
}

// New returns a gateway whose sides do not listen yet: use Side.Serve or Side.Start. It panics when
// the configuration is wrong, because that is a mistake of the program; use Config.Validate for
// configurations that come from outside. Close ends the gateway.
func New(cfg *Config) *PG {
	if cfg == nil {
		cfg = &Config{}
	}
	if err := cfg.Validate(); err != nil {
		panic(err)
	}
	pg := &PG{cfg: *cfg, active: -1}
	c := &pg.cfg
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.Reservation, DefaultReservation)
	def(&c.CallDataHold, DefaultCallDataHold)
	def(&c.OpenTimeout, DefaultOpenTimeout)
	for v, d := range map[*int]int{&c.MinVersion: MinVersion, &c.MaxVersion: MaxVersion,
		&c.AllEventsLimit: DefaultAllEventsLimit, &c.MaxQueuedBytes: DefaultMaxQueuedBytes, &c.MaxCalls: DefaultMaxCalls} {
		if *v == 0 {
			*v = d
		}
	}
	if c.PeripheralID == 0 {
		c.PeripheralID = DefaultPeripheralID
	}
	pg.log = c.Logger
	if pg.log == nil {
		pg.log = slog.New(slog.DiscardHandler)
	}
	if c.Observe != nil {
		pg.Observe(c.Observe)
	}
	pg.m = newModel(pg, c)
	pg.sides = [2]*Side{newSide(pg, A), newSide(pg, B)}
	return pg
}

// TB is what Start needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start returns a gateway with both sides listening, on free ports of 127.0.0.1 when Config.Listen
// does not say otherwise. It is closed when the test ends.
func Start(t TB, cfg *Config) *PG {
	t.Helper()
	pg := New(cfg)
	t.Cleanup(pg.Close)
	for _, s := range pg.sides {
		if err := s.Start(); err != nil {
			t.Fatalf("ctitest: side %v: %v", s.ID(), err)
		}
	}
	return pg
}

// Side returns side A or B.
func (pg *PG) Side(id SideID) *Side { return pg.sides[id] }

// PeripheralID returns the peripheral of the agents and calls.
func (pg *PG) PeripheralID() uint32 { return pg.cfg.PeripheralID }

// Close stops both sides and all timers. It returns when no goroutine of the gateway runs any more.
// It must not be called from a Control or Observe function.
func (pg *PG) Close() {
	if pg.closed.Swap(true) {
		return
	}
	for _, s := range pg.sides {
		s.stop()
	}
	for _, s := range pg.sides {
		s.wg.Wait()
		s.serves.Wait()
	}
}

// act runs f on the owner, with everything that follows from it.
func (pg *PG) act(f func()) {
	pg.own.do(func() {
		f()
		pg.m.settle()
	})
}

// afterFunc runs f on the owner after d.
func (pg *PG) afterFunc(d time.Duration, f func()) *time.Timer {
	return time.AfterFunc(d, func() {
		if !pg.closed.Load() {
			pg.act(f)
		}
	})
}

// encode turns text into the bytes of the wire; what the character set lacks becomes its
// substitute.
func (pg *PG) encode(s string) string {
	if pg.cfg.Charset == nil || s == "" {
		return s
	}
	out, err := replaceUnsupported(pg.cfg.Charset).String(s)
	if err != nil {
		return s
	}
	return out
}

// decode turns bytes of the wire into text.
func (pg *PG) decode(s string) string {
	if pg.cfg.Charset == nil || s == "" {
		return s
	}
	out, err := pg.cfg.Charset.NewDecoder().String(s)
	if err != nil {
		return s
	}
	return out
}
