package cti_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/testnet"
)

func eventName(e cti.Event) string {
	switch e := e.(type) {
	case *cti.SessionUp:
		return fmt.Sprintf("up(%s)", e.Side)
	case *cti.SessionDown:
		return fmt.Sprintf("down(%s)", e.Side)
	case *cti.Resynced:
		return fmt.Sprintf("resynced(%s)", e.Side)
	case *cti.SystemEvent:
		return fmt.Sprintf("fyi(%d)", e.SystemEventArg1)
	case *cti.Raw:
		return fmt.Sprintf("raw(%d)", uint32(e.MessageType))
	case cti.Message:
		return e.Type().String()
	}
	return fmt.Sprintf("%T", e)
}

// startSession starts a session to a:1 (side A) and b:1 (side B) of n.
func startSession(t *testing.T, n *testnet.Net, change func(*cti.SessionOptions)) *cti.Session {
	t.Helper()
	o := &cti.SessionOptions{
		A: cti.Endpoint{Addr: "a:1"}, B: cti.Endpoint{Addr: "b:1"},
		Dial:     n.DialContext,
		Versions: []cti.Version{cti.Version25},
		ClientID: "test",
		Password: "secret",
	}
	if change != nil {
		change(o)
	}
	s, err := cti.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dialled(n *testnet.Net) string {
	s := ""
	for _, d := range n.Dials() {
		s += d.Addr[:1]
	}
	return s
}

func TestSidesAreTriedAThenBWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		s := startSession(t, n, nil)
		time.Sleep(time.Hour)
		got := dialled(n)
		for i, c := range got {
			if want := rune("ab"[i%2]); c != want {
				t.Fatalf("attempt %d went to %c, want %c: %s", i, c, want, got[:i+1])
			}
		}
		// At most 10 s between rounds, and not a busy loop either.
		if rounds := len(got) / 2; rounds < 360 || rounds > 760 {
			t.Errorf("%d rounds in an hour", rounds)
		}
		var longest time.Duration
		d := n.Dials()
		for i := 1; i < len(d); i++ {
			longest = max(longest, d[i].At.Sub(d[i-1].At))
		}
		if longest > 10*time.Second {
			t.Errorf("a pause of %v", longest)
		}
		st := s.State()
		if st.Phase != cti.PhaseConnecting || st.LastError == nil || st.Sides[1].Failures == 0 {
			t.Errorf("state %+v", st)
		}
		// Recovery.
		p := newPeer(t, n, "b:1")
		go func() { p.open().serve(nil) }()
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := s.State(); st.Side != cti.SideB || !st.Sides[1].Connected || st.Sides[0].Connected {
			t.Errorf("state %+v", st)
		}
	})
}

func TestAfterALossSideAIsTriedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		b := newPeer(t, n, "b:1")
		rec := &recorder{}
		s := startSession(t, n, func(o *cti.SessionOptions) { o.Handler = rec })
		c := b.open()
		go c.serve(nil)
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		a := newPeer(t, n, "a:1")
		go func() { a.open().serve(nil) }()
		n.Cut("b:1")
		synctest.Wait()
		if err := s.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := dialled(n); got != "aba" {
			t.Errorf("dialled %s, want aba", got)
		}
		want := []string{"up(B)", "resynced(B)", "down(B)", "up(A)", "resynced(A)"}
		if d := cmp.Diff(want, rec.names()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		down := rec.all()[2].(*cti.SessionDown)
		if down.Err == nil || down.Generation != rec.all()[0].(*cti.SessionUp).Generation {
			t.Errorf("%+v", down)
		}
	})
}

func TestRequestsWhileDownFailAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSession(t, testnet.New(), nil)
		start := time.Now()
		_, err := s.Do(context.Background(), &cti.QueryAgentStateReq{})
		if !errors.Is(err, cti.ErrDown) || !cti.IsRetryable(err) || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// waitForB waits until the session is up on side B.
func waitForB(s *cti.Session) {
	for {
		changed := s.Changed()
		if st := s.State(); st.Side == cti.SideB && st.Phase == cti.PhaseUp {
			return
		}
		<-changed
	}
}
