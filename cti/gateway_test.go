package cti_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/internal/testnet"
)

// gateway starts a simulated gateway whose sides are a:1 and b:1.
func gateway(t *testing.T, cfg *ctitest.Config) (*ctitest.PG, *testnet.Net) {
	t.Helper()
	n := testnet.New()
	cfg.Listen = func(s ctitest.SideID) (net.Listener, error) {
		return n.Listen(map[ctitest.SideID]string{ctitest.A: "a:1", ctitest.B: "b:1"}[s])
	}
	pg := ctitest.Start(t, cfg)
	t.Cleanup(pg.Close)
	return pg, n
}

func login(t *testing.T, s *cti.Session, pg *ctitest.PG, i int) {
	t.Helper()
	_, err := s.SetAgentState(t.Context(), &cti.SetAgentStateReq{
		PeripheralID: pg.PeripheralID(), AgentState: cti.AgentStateLogin,
		AgentID: fmt.Sprint(1000 + i), AgentInstrument: fmt.Sprint(2000 + i), AgentPassword: fmt.Sprintf("pw%d", 1000+i),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resync asks for the state of n agents with a window.
func resync(s **cti.Session, n int, states map[string]cti.AgentState) func(context.Context, *cti.SessionUp) (cti.ResyncStats, error) {
	w := &cti.Window{}
	return func(ctx context.Context, up *cti.SessionUp) (cti.ResyncStats, error) {
		found := make([]cti.AgentState, n)
		err := w.Each(ctx, n, func(ctx context.Context, i int) error {
			conf, err := (*s).QueryAgentState(ctx, &cti.QueryAgentStateReq{PeripheralID: 5000, AgentID: fmt.Sprint(1001 + i)})
			if err != nil {
				return err
			}
			found[i] = conf.AgentState
			return nil
		})
		for i, st := range found {
			states[fmt.Sprint(1001+i)] = st
		}
		return cti.ResyncStats{Agents: n}, err
	}
}

func TestAgentsAreReadAgainAfterAFailover(t *testing.T) {
	for _, standby := range []ctitest.Refusal{ctitest.RefuseOffline, ctitest.RefuseNotMaster, ctitest.RefuseClose} {
		synctest.Test(t, func(t *testing.T) {
			const agents = 50
			cfg := ctitest.DefaultConfig(agents)
			cfg.Standby, cfg.FailoverDelay = standby, 5*time.Second
			cfg.PeripheralID = 5000
			pg, n := gateway(t, cfg)
			var s *cti.Session
			states := map[string]cti.AgentState{}
			rec := &recorder{}
			ready := make(chan struct{})
			s = startSession(t, n, func(o *cti.SessionOptions) {
				o.Versions, o.Handler = nil, rec
				read := resync(&s, agents, states)
				o.Resync = func(ctx context.Context, up *cti.SessionUp) (cti.ResyncStats, error) {
					<-ready
					if up.Generation == 1 { // nobody is logged in yet
						return cti.ResyncStats{}, nil
					}
					return read(ctx, up)
				}
			})
			close(ready)
			if err := s.WaitUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= agents; i++ {
				login(t, s, pg, i)
			}
			time.Sleep(time.Minute)
			pg.Side(ctitest.A).Stop()
			synctest.Wait()
			if err := s.WaitUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if st := s.State(); st.Side != cti.SideB || st.Version != cti.Version25 {
				t.Errorf("state %+v", st)
			}
			for i := 1; i <= agents; i++ {
				if got := states[fmt.Sprint(1000+i)]; got != cti.AgentStateNotReady {
					t.Errorf("agent %d: %v", 1000+i, got)
				}
			}
			// Back to A.
			pg.Side(ctitest.A).Start()
			time.Sleep(time.Minute)
			pg.Side(ctitest.B).Stop()
			synctest.Wait()
			if err := s.WaitUp(t.Context()); err != nil || s.State().Side != cti.SideA {
				t.Errorf("%v, %+v", err, s.State())
			}
			if st := s.Stats(); st.Losses != 2 || st.Connects != 3 || st.DecodeErrors != 0 || st.Orphans != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestCallWithNonASCIITextThroughAGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg, n := gateway(t, ctitest.DefaultConfig(2))
		var calls []string
		var mux cti.Mux
		cti.Handle(&mux, func(_ context.Context, e *cti.BeginCallEvent) { calls = append(calls, "begin "+e.CallVariable1) })
		cti.Handle(&mux, func(_ context.Context, e *cti.CallDeliveredEvent) { calls = append(calls, "delivered") })
		cti.Handle(&mux, func(_ context.Context, e *cti.EndCallEvent) { calls = append(calls, "end") })
		s := startSession(t, n, func(o *cti.SessionOptions) { o.Handler = &mux })
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		login(t, s, pg, 1)
		if _, err := s.SetAgentState(t.Context(), &cti.SetAgentStateReq{
			PeripheralID: pg.PeripheralID(), AgentState: cti.AgentStateAvailable, AgentInstrument: "2001", AgentID: "1001",
		}); err != nil {
			t.Fatal(err)
		}
		id, err := pg.CustomerCall(t.Context(), ctitest.CallSpec{From: "+41315550100", To: "5001", Variables: map[string]string{"CV01": "Müller"}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if err := pg.CustomerHangUp(id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := cmp.Diff([]string{"begin Müller", "delivered", "end"}, calls); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestStalledGatewayIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := ctitest.DefaultConfig(1)
		cfg.Duplex = ctitest.BothActive
		pg, n := gateway(t, cfg)
		s := startSession(t, n, func(o *cti.SessionOptions) { o.OpenTimeout = 5 * time.Second })
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		pg.Side(ctitest.A).Stall(true)
		start := time.Now()
		waitForB(s)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("left after %v", took)
		}
		pg.Side(ctitest.A).Stall(false)
	})
}
