package ds104_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
)

// machines is a pair on two machines: side A with connector c1 and side B with c2, and
// perhaps a witness on a third one.
type machines struct {
	*pair
	c1, c2  *ds104.Pair
	witness *ds104.Witness
}

func startMachines(t *testing.T, tieAfter time.Duration, witness bool) *machines {
	t.Helper()
	m := &machines{pair: &pair{n: startPair(t, nil).n}}
	for i, addr := range []string{"x:1", "y:1"} {
		side := ds104.SideA + ds104.Side(i)
		m.stores[i] = ds104.NewMemory(&ds104.MemoryOptions{Side: side})
		m.srv[i] = serve(t, m.n, addr, m.stores[i], &ds104.ServerOptions{Side: side, TieAfter: tieAfter})
	}
	m.c1, m.c2 = m.split(t, "c1", nil), m.split(t, "c2", nil)
	if witness {
		p := m.ways(t, "w")
		w, err := ds104.NewWitness(ds104.PairOptions{A: p[0], B: p[1], Client: ds104.ClientOptions{Name: "w", Dial: m.n.DialContext}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		m.witness = w
		if err := w.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ready(t, m.c1, m.c2)
	eventually(t, "everybody votes at both sides", func() bool {
		want := 2
		if witness {
			want = 3
		}
		return m.srv[0].Stats().Council.Connected == want && m.srv[1].Stats().Council.Connected == want
	})
	return m
}

// machineEnds takes machine A away without a word: its side and its connector.
func (m *machines) machineEnds() {
	for _, way := range []string{"a-for-c1", "b-for-c1", "a-for-c2", "a-for-w"} {
		m.cut(way, true)
	}
}

// deciding counts the sides that decide.
func (m *machines) deciding() (n int) {
	for _, s := range m.srv {
		if s.Stats().Council.Deciding {
			n++
		}
	}
	return n
}

// swaps makes compare-and-swaps until one succeeds and returns how long that took, or
// ErrUndecided when none did for a minute.
func swaps(t *testing.T, c *ds104.Pair, key string) (time.Duration, error) {
	t.Helper()
	begin := time.Now()
	for {
		_, err := c.Put(t.Context(), key, []byte("me"), ds104.PutOptions{IfAbsent: true})
		if err == nil || !errors.Is(err, ds104.ErrUndecided) || time.Since(begin) > time.Minute {
			return time.Since(begin), err
		}
	}
}

// Bounds of what a network without delay takes when a machine ends without a word, by the
// heartbeat of the options, H. They are what the code guarantees, to the nanosecond in the
// time of a bubble.
const (
	beat = ds104.DefaultHeartbeatInterval
	// silence is when a client has given up a server that fell silent. Every H it looks
	// whether the last byte came more than 4 H ago; of such looks, H apart, the first one
	// is at most 5 H after that byte, which came before the silence.
	silence = 5 * beat
	// election is when another side decides that has the votes. A voter votes as soon as
	// it has given the silent side up, and again every ElectionTick. The vote that makes
	// the majority is one of the former, for every voter has the same 5 H; who voted
	// before learns of the decision from his next vote.
	election = silence + ds104.ElectionTick
	// absence is when a server has given up a connector that fell silent: 3 H after the
	// last thing it read.
	absence = 3 * beat
)

func TestWitnessOutlivesAMachine(t *testing.T) {
	for _, tc := range []struct {
		name     string
		witness  bool
		tieAfter time.Duration
		within   time.Duration // 0 = never
	}{
		{"two machines", false, 0, 0},
		{"two machines and a witness", true, 0, election},
		// The time runs from when B has given c1 up; c2 has long been voting then.
		{"two machines and a time", false, 5 * time.Second, absence + 5*time.Second + ds104.ElectionTick},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := startMachines(t, tc.tieAfter, tc.witness)
				if lead := m.c2.Stats().Lead; lead != ds104.SideA {
					t.Fatalf("%v decides, want A", lead)
				}
				mustPut(t, m.c1, "k", "v")
				m.machineEnds()
				took, err := swaps(t, m.c2, "owner")
				switch {
				case tc.within == 0 && !errors.Is(err, ds104.ErrUndecided):
					t.Errorf("%v, want ErrUndecided", err)
				case tc.within > 0 && (err != nil || took > tc.within):
					t.Errorf("after %v: %v; want success within %v", took, err, tc.within)
				}
				t.Log("after", took)
				mustGet(t, m.c2, "k", "v")
				mustPut(t, m.c2, "call", "data") // calls keep their data in any case
			})
		})
	}
}

func TestWitnessInASplit(t *testing.T) {
	for _, tc := range []struct {
		name           string
		reachA, reachB bool // by the witness
		decides        ds104.Side
	}{
		{"with B", false, true, ds104.SideB},
		{"with A", true, false, ds104.SideA},
		{"with both", true, true, ds104.SideA}, // which decided before
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := startMachines(t, 0, true)
				m.cut("b-for-c1", true)
				m.cut("a-for-c2", true)
				m.cut("a-for-w", !tc.reachA)
				m.cut("b-for-w", !tc.reachB)
				for range 600 { // at no time do both decide
					<-time.After(10 * time.Millisecond)
					if n := m.deciding(); n > 1 {
						t.Fatalf("%d sides decide", n)
					}
				}
				winner, loser := m.c1, m.c2
				if tc.decides == ds104.SideB {
					winner, loser = m.c2, m.c1
				}
				if _, err := winner.Put(t.Context(), "owner", nil, ds104.PutOptions{IfAbsent: true}); err != nil || winner.Stats().Lead != tc.decides {
					t.Errorf("%v, and %v decides; want %v", err, winner.Stats().Lead, tc.decides)
				}
				if _, err := loser.Put(t.Context(), "owner", nil, ds104.PutOptions{IfAbsent: true}); !errors.Is(err, ds104.ErrUndecided) {
					t.Errorf("the other side: %v, want ErrUndecided", err)
				}
				for _, way := range []string{"b-for-c1", "a-for-c2", "a-for-w", "b-for-w"} {
					m.cut(way, false)
				}
				ready(t, m.c1, m.c2)
				if n := m.deciding(); n != 1 {
					t.Errorf("%d sides decide after the split", n)
				}
			})
		})
	}
}

func TestWitnessLeavesForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMachines(t, 0, true)
		eventually(t, "all connections are up", func() bool {
			st := m.witness.Stats()
			return st.Sides[0].Client.Conns == ds104.DefaultConns && st.Sides[1].Client.Conns == ds104.DefaultConns
		})
		for range 2 {
			if err := m.witness.Close(); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait() // until the servers have seen the end
		for _, srv := range m.srv {
			if v := srv.Stats().Council.Voters; v != 2 {
				t.Errorf("%d voters, want that the witness is forgotten", v)
			}
		}
		if err := m.witness.WaitReady(t.Context()); !errors.Is(err, ds104.ErrClosed) {
			t.Error(err)
		}
		if _, err := ds104.NewWitness(ds104.PairOptions{A: "a", B: "b"}); err == nil {
			t.Error("a witness without a name")
		}
	})
}
