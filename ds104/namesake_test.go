package ds104_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
)

// A copied configuration makes two voters of one name. Counted as one they could vote for
// both sides.
func TestNamesakeDoesNotVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		first := p.connect(t, "c1", nil)
		ready(t, first)
		second := p.connect(t, "c1", nil)
		for range 600 {
			<-time.After(10 * time.Millisecond)
			for i, srv := range p.srv {
				if c := srv.Stats().Council; c.Voters != 1 || c.Connected != 1 || c.Deciding != (i == 0) {
					t.Fatalf("side %d: %+v", i, c)
				}
			}
		}
		for i, s := range second.Stats().Sides {
			if s.Up || !errors.Is(s.Client.LastError, ds104.ErrNameInUse) {
				t.Errorf("side %d: up %v, %v; want ErrNameInUse", i, s.Up, s.Client.LastError)
			}
		}
		mustPut(t, first, "k", "v")
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		ready(t, second) // now the name is free
		mustGet(t, second, "k", "v")
	})
}

// One that was killed does not keep its successor out for longer than it takes to notice.
func TestSuccessorOfOneThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		dead := p.split(t, "c1", nil)
		ready(t, dead)
		p.cut("a-for-c1", true)
		p.cut("b-for-c1", true)
		begin := time.Now()
		next := p.connect(t, "c1", nil)
		ready(t, next)
		// The servers drop a client after three heartbeats; attempts are at most two seconds apart.
		if took, most := time.Since(begin), 3*ds104.DefaultHeartbeatInterval+2*time.Second+500*time.Millisecond; took > most {
			t.Errorf("the successor was ready after %v, want %v at most", took, most)
		}
	})
}

func TestHigherTermOfThePartnerEndsADecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		ready(t, p.connect(t, "c1", nil))
		is := p.srv[0].Stats().Council
		if !is.Deciding {
			t.Fatalf("A does not decide: %+v", is)
		}
		p.srv[0].HearTerm(is.Term) // nothing new
		if c := p.srv[0].Stats().Council; c != is {
			t.Errorf("%+v, want %+v", c, is)
		}
		p.srv[0].HearTerm(is.Term + 1)
		if c := p.srv[0].Stats().Council; c.Deciding || c.Term != is.Term+1 {
			t.Errorf("after a higher term: %+v", c)
		}
		eventually(t, "a side decides in a higher term", func() bool {
			for _, srv := range p.srv {
				if c := srv.Stats().Council; c.Deciding && c.Term > is.Term {
					return true
				}
			}
			return false
		})
	})
}
