package cti_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/internal/testnet"
)

// pair starts an active/standby gateway and a session that keeps both sides.
func pair(t *testing.T, change func(*ctitest.Config, *cti.SessionOptions)) (*ctitest.PG, *testnet.Net, *cti.Session, *recorder) {
	t.Helper()
	cfg := ctitest.DefaultConfig(3)
	cfg.Duplex = ctitest.ActiveStandby
	rec := &recorder{}
	so := cti.SessionOptions{Standby: true}
	if change != nil {
		change(cfg, &so)
	}
	pg, n := gateway(t, cfg)
	s := startSession(t, n, func(o *cti.SessionOptions) {
		o.Versions, o.Handler, o.Standby = so.Versions, rec, so.Standby
	})
	if err := s.WaitUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return pg, n, s, rec
}

// wantSides compares which side is connected and which is held in reserve ("-" = none).
func wantSides(t *testing.T, s *cti.Session, connected, standby string) {
	t.Helper()
	synctest.Wait()
	c, r := "-", "-"
	for _, sd := range s.State().Sides {
		if sd.Connected {
			c = sd.Side.String()
		}
		if sd.Standby {
			r = sd.Side.String()
		}
	}
	if c != connected || r != standby {
		t.Errorf("connected %s, standby %s, want %s and %s", c, r, connected, standby)
	}
}

func TestStandbySessionIsHeldAndTakenOverInAPlannedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg, n, s, rec := pair(t, nil)
		wantSides(t, s, "A", "B")
		login(t, s, pg, 1)
		time.Sleep(time.Minute)
		for range 2 { // there and back
			before := len(n.Dials())
			start := time.Now()
			if err := pg.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.WaitUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("the change took %v", took)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := len(n.Dials()) - before; got != 1 { // the new standby session
				t.Errorf("%d connections in a planned change", got)
			}
			if _, err := s.QueryAgentState(t.Context(), &cti.QueryAgentStateReq{PeripheralID: pg.PeripheralID(), AgentID: "1001"}); err != nil {
				t.Errorf("a request after the change: %v", err)
			}
		}
		wantSides(t, s, "A", "B")
		var boundaries []string
		var generations []uint64
		for _, e := range rec.all() {
			switch e := e.(type) {
			case *cti.SessionUp:
				generations = append(generations, e.Generation)
			case *cti.SessionDown, *cti.Resynced:
			default:
				continue
			}
			boundaries = append(boundaries, eventName(e))
		}
		want := []string{"up(A)", "resynced(A)", "down(A)", "up(B)", "resynced(B)", "down(B)", "up(A)", "resynced(A)"}
		if d := cmp.Diff(want, boundaries); d != "" {
			t.Errorf("boundaries (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]uint64{1, 2, 3}, generations); d != "" {
			t.Errorf("generations (-want +got):\n%s", d)
		}
	})
}

func TestStandbySessionIsTakenOverAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg, n, s, _ := pair(t, func(c *ctitest.Config, _ *cti.SessionOptions) { c.FailoverDelay = 3 * time.Second })
		time.Sleep(time.Minute)
		start := time.Now()
		pg.Side(ctitest.A).Stop()
		synctest.Wait()
		wantSides(t, s, "-", "B")
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("up %v after the failure", took)
		}
		for _, d := range n.Dials()[2:] {
			if d.Addr == "b:1" {
				t.Errorf("side B was dialled again at %v", d.At.Sub(start))
			}
		}
		wantSides(t, s, "B", "-")
		pg.Side(ctitest.A).Start()
		time.Sleep(11 * time.Second)
		wantSides(t, s, "B", "A")
	})
}

func TestStandbyThatIsMetFirstIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg, n, s, _ := pair(t, nil)
		s.Close()
		if err := pg.Switch(); err != nil { // now B is the active side
			t.Fatal(err)
		}
		before := len(n.Dials())
		s2 := startSession(t, n, func(o *cti.SessionOptions) { o.Standby = true })
		start := time.Now()
		if err := s2.WaitUp(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wantSides(t, s2, "B", "A")
		if got := dialled(n)[before:]; got != "ab" {
			t.Errorf("dialled %s", got)
		}
	})
}

func TestLostStandbySessionIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg, n, s, rec := pair(t, nil)
		n.Cut("b:1")
		synctest.Wait()
		time.Sleep(time.Second)
		wantSides(t, s, "A", "B")
		pg.Side(ctitest.B).Stop()
		time.Sleep(time.Minute)
		wantSides(t, s, "A", "-")
		pg.Side(ctitest.B).Start()
		time.Sleep(11 * time.Second)
		wantSides(t, s, "A", "B")
		if got := rec.names(); got[len(got)-1] != "fyi(5000)" && len(got) > 4 {
			t.Logf("events: %v", got)
		}
		for _, e := range rec.all() {
			if _, down := e.(*cti.SessionDown); down {
				t.Error("the handler saw a loss of the standby session")
			}
		}
		if got := n.Conns("a:1"); got != 1 {
			t.Errorf("%d connections to side A", got)
		}
	})
}

func TestStandbyIsNotUsedWithoutTheOptionOrBelowVersion24(t *testing.T) {
	for name, change := range map[string]func(*ctitest.Config, *cti.SessionOptions){
		"no option":  func(_ *ctitest.Config, o *cti.SessionOptions) { o.Standby = false },
		"version 23": func(_ *ctitest.Config, o *cti.SessionOptions) { o.Versions = []cti.Version{cti.Version23} },
		"classic":    func(c *ctitest.Config, _ *cti.SessionOptions) { c.Duplex = ctitest.Classic },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pg, n, s, _ := pair(t, change)
				time.Sleep(time.Minute)
				wantSides(t, s, "A", "-")
				if got := n.Conns("b:1"); got != 0 {
					t.Errorf("%d connections to side B", got)
				}
				if err := pg.Switch(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if err := s.WaitUp(t.Context()); err != nil {
					t.Fatal(err)
				}
				wantSides(t, s, "B", "-")
			})
		})
	}
}

func TestStandbyThatNobodyAskedForIsARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		a, b := newPeer(t, n, "a:1"), newPeer(t, n, "b:1")
		go func() {
			c := a.accept()
			conf := openConfV25(id(c.want(openReq)))
			conf[len(conf)-1] = 2 // SessionType standby
			c.send(conf)
			c.serve(nil)
		}()
		b.serveAll(func(c *peerConn) { c.serve(nil) })
		s := startSession(t, n, nil)
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantSides(t, s, "B", "-")
		if got := n.Conns("a:1"); got != 0 {
			t.Errorf("%d connections to side A", got)
		}
	})
}

func TestCloseEndsBothSessionsOfAPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n, s, _ := pair(t, nil)
		start := time.Now()
		if err := s.Close(); err != nil || time.Since(start) > 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if n.Conns("a:1")+n.Conns("b:1") != 0 {
			t.Error("connections are left")
		}
	})
}

func TestStandbyThatNeverBecomesActiveIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		a, b := newPeer(t, n, "a:1"), newPeer(t, n, "b:1")
		open := func(p *peer, sessionType byte) *peerConn {
			c := p.accept()
			conf := openConfV25(id(c.want(openReq)))
			conf[8+4] |= 0x02 // ServicesGranted: ACTIVE_STANDBY
			conf[len(conf)-1] = sessionType
			c.send(conf)
			go c.serve(nil)
			return c
		}
		s := startSession(t, n, func(o *cti.SessionOptions) { o.Standby = true })
		active := open(a, 1)
		open(b, 2)
		wantSides(t, s, "A", "B")
		a.ln.Close()
		active.Close()
		start := time.Now()
		open(b, 1) // without STANDBY_ACTIVE_EVENT on the old one
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 30*time.Second || took > 45*time.Second {
			t.Errorf("a new session after %v", took)
		}
		wantSides(t, s, "B", "-")
		if got := n.Conns("b:1"); got != 1 {
			t.Errorf("%d connections to side B", got)
		}
	})
}
