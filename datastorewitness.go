package connects

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/connects-go/connects/ds104"
)

// WitnessConfig configures a [DataStoreWitness].
type WitnessConfig struct {
	// Name is its name as a voter; needed, and no connector may have it.
	Name string
	// A and B are the addresses of the two data stores; needed.
	A, B string
	// Token is that of the data stores, and TLS is for the connections; nil = none.
	Token ds104.Secret
	TLS   *tls.Config
	// HeartbeatInterval is as of ds104.ClientOptions; 0 = its default.
	HeartbeatInterval time.Duration
	// Dial replaces the dialler of TCP connections.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Validate reports every problem, joined, each a [*ConfigError].
func (c *WitnessConfig) Validate() error {
	var errs []error
	bad := func(field string, v any, reason string) {
		errs = append(errs, &ConfigError{"DataStoreWitness." + field, v, reason})
	}
	if c.Name == "" || len(c.Name) > ds104.MaxOrigin {
		bad("Name", c.Name, fmt.Sprintf("must have 1 to %d bytes, and be no connector's", ds104.MaxOrigin))
	}
	for _, f := range []struct{ name, addr string }{{"A", c.A}, {"B", c.B}} {
		if _, _, err := net.SplitHostPort(f.addr); err != nil {
			bad(f.name, f.addr, "must be host:port")
		}
	}
	if c.A != "" && c.A == c.B {
		bad("B", c.B, "must be another address than A")
	}
	if h := c.HeartbeatInterval; h != 0 && (h < 10*time.Millisecond || h > time.Hour) {
		bad("HeartbeatInterval", h, "must be between 10ms and 1h")
	}
	return errors.Join(errs...)
}

// DataStoreWitness returns a component that is the third voter for a pair of data stores
// with a connector beside each: with it on a third machine, the end of one machine does
// not stop the other. See ds104.Pair, Layouts.
//
// It is ACTIVE while a side decides, else INACTIVE; degraded while one side cannot be
// reached, and failing while none can.
func DataStoreWitness(cfg WitnessConfig) Factory {
	return func(h Host) (Component, error) {
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
		return &witness{cfg: cfg, host: h}, nil
	}
}

// witness is the component.
type witness struct {
	cfg    WitnessConfig
	host   Host
	w      atomic.Pointer[ds104.Witness] // Links may come before Start
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start implements Component. It does not wait for the data stores.
func (c *witness) Start(context.Context) error {
	w, err := ds104.NewWitness(ds104.PairOptions{
		A: c.cfg.A, B: c.cfg.B, Logger: c.host.Logger(),
		Client: ds104.ClientOptions{
			Name: c.cfg.Name, Token: c.cfg.Token, TLS: c.cfg.TLS, Conns: 1, HeartbeatInterval: c.cfg.HeartbeatInterval,
			Dial: c.cfg.Dial, Logger: c.host.Logger(),
		},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.w.Store(w)
	c.cancel = cancel
	c.host.SetState(StateInactive)
	c.host.SetCondition(ConditionDegraded, errors.New("data stores are not yet connected"))
	begun := time.Now()
	Go(c.host, &c.wg, func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				c.look(w.Stats(), time.Since(begun) > 5*time.Second)
			}
		}
	})
	return nil
}

// look reports how the pair stands; late says that the sides had time to connect.
func (c *witness) look(st ds104.PairStats, late bool) {
	if st.Lead == ds104.Alone {
		c.host.SetState(StateInactive)
	} else {
		c.host.SetState(StateActive)
	}
	down := ""
	n := 0
	for _, s := range st.Sides {
		if !s.Up {
			n++
			down = s.Side.String()
		}
	}
	switch {
	case n == 0:
		c.host.SetCondition(ConditionOK, nil)
	case n == 1:
		c.host.SetCondition(ConditionDegraded, fmt.Errorf("data store %s cannot be reached", down))
	case late:
		c.host.SetCondition(ConditionFailing, errors.New("no data store can be reached"))
	}
}

// Stop implements Component.
func (c *witness) Stop(context.Context) error {
	w := c.w.Load()
	if w == nil {
		return nil
	}
	c.cancel()
	c.wg.Wait()
	return w.Close()
}

// Links implements LinkReporter.
func (c *witness) Links() []Link {
	w := c.w.Load()
	if w == nil {
		return nil
	}
	var out []Link
	for _, s := range w.Stats().Sides {
		l := Link{Name: "data store", Side: s.Side.String(), State: "down", Since: s.Since, Detail: s.Addr}
		switch err := s.Client.LastError; {
		case s.Up:
			l.State = "up"
		case s.Wrong:
			l.Detail += ": is not the other side of this pair"
		case err != nil:
			l.Detail += ": " + err.Error()
		}
		out = append(out, l)
	}
	return out
}
