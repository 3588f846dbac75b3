package crm

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/connects-go/connects/cti"
)

// Link is one CTI session as the connector sees it. It is the session's
// handler, and its Resync is the session's Resync function.
type Link struct {
	c    *Connector
	name string
	pers []*peripheral
	sw   atomic.Pointer[switchBox]
	// window finds out how many requests the server bears; kept over reconnections.
	window cti.Window

	// The following belong to the strand.
	up      bool // a session is open
	ready   bool // and the state of the switch has been read
	side    string
	version cti.Version
	gen     uint64
	// perParty: the peripheral begins and ends calls once per party; learned
	// when a call begins a second time, and then for ever.
	perParty bool
	err      error
}

type switchBox struct{ Switch }

// Name returns the configured name.
func (l *Link) Name() string { return l.name }

// Bind sets the session that takes the link's requests. Call it before Start.
func (l *Link) Bind(s Switch) { l.sw.Store(&switchBox{s}) }

func (l *Link) do(ctx context.Context, r cti.Request) (cti.Confirm, error) {
	b := l.sw.Load()
	if b == nil {
		return nil, ErrNotBound
	}
	return b.Do(ctx, r)
}

// HandleEvent takes one event of the session. The session calls it from one
// goroutine in the order of the wire; it does not wait for anything.
func (l *Link) HandleEvent(_ context.Context, e cti.Event) {
	c := l.c
	c.stats.events.Add(1)
	c.apply(func() {
		if c.stopping {
			return
		}
		switch e := e.(type) {
		case *cti.SessionUp:
			l.up, l.ready, l.err = true, false, nil
			l.side, l.gen = e.Side.String(), uint64(e.Generation)
			l.version = e.Version
			c.log.Info("crm: link is up, reading the switch", slog.String("link", l.name), slog.String("side", l.side))
		case *cti.SessionDown:
			l.down(e.Err)
		case *cti.Resynced:
			l.resynced()
		default:
			c.event(l, e)
		}
	})
}

// down keeps everything and marks it stale.
func (l *Link) down(err error) {
	if !l.up && !l.ready {
		return
	}
	l.up, l.ready, l.err = false, false, err
	text := ""
	if err != nil {
		text = err.Error()
	}
	l.c.log.Warn("crm: link is down, answering from the last known state",
		slog.String("link", l.name), slog.String("err", text))
	for _, a := range l.c.agents {
		if a.per != nil && a.per.link == l {
			a.stale = true
			a.failWaits()
		}
	}
	l.c.stats.linkLosses.Add(1)
}
