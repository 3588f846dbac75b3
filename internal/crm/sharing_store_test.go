package crm_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// A write that fails is tried again, also when the call has ended here.
func TestShareIsTriedAgain(t *testing.T) {
	for _, err := range []error{ds104.ErrDown, ds104.ErrFull, ds104.ErrInterrupted} {
		t.Run(err.Error(), func(t *testing.T) {
			bubble(t, time.Millisecond, time.Millisecond, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
				sites(t, s1, s2, func(s *two) {
					c := s.routed()
					s1.setDown(err)
					s.first.setDoc("U1", s.a, bigDocument())
					before := s.first.data("U1", s.a)
					s.first.op("U1", ici.OpPhoneCallBlindTransfer, s.a, text(ici.ParamDestination, "7002"))
					s.arrive(c)
					s.settle()
					_, s.b = s.second.who("offered")
					if part(t, s.second.data("U2", s.b), "ERP") != "" || s.first.c.Stats().SaveErrors == 0 {
						t.Fatal("the store was not away")
					}
					time.Sleep(20 * time.Second)
					s1.setDown(nil)
					time.Sleep(15 * time.Second)
					same(t, "in the end", before, s.second.data("U2", s.b))
					if n := s.first.c.Stats().SaveErrors; n < 3 || n > 20 {
						t.Errorf("%d attempts failed in 20 s", n)
					}
				})
			})
		})
	}
}

// While no side of the store decides, writes go on without a condition.
func TestShareWhenNoSideDecides(t *testing.T) {
	bubble(t, time.Millisecond, time.Millisecond, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
		sites(t, s1, s2, func(s *two) {
			s.conference()
			s1.setDown(ds104.ErrUndecided)
			s2.setDown(ds104.ErrUndecided)
			s.first.setDoc("U1", s.a, appPart("ERP", "indécis"))
			s.agree("first", appPart("ERP", "indécis"))
			s.second.setDoc("U2", s.b, appPart("CRM", "nerozhodně"))
			s.agree("second", appPart("ERP", "indécis"), appPart("CRM", "nerozhodně"))
		})
	})
}

// Entries of other calls, and what cannot be read, come and go: our agents hear
// nothing of them, nor of a key that is deleted, and then still follow each other.
func TestOtherCallsAreSilent(t *testing.T) {
	bubble(t, 5*time.Millisecond, 5*time.Millisecond, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		sites(t, s1, s2, func(s *two) {
			s.conference()
			s.first.setDoc("U1", s.a, appPart("ERP", "vorher"))
			s.agree("before", appPart("ERP", "vorher"))
			s.first.documents(s.a)
			s.second.documents(s.b)
			n := [2]uint64{s.first.c.Stats().Notified, s.second.c.Stats().Notified}
			taken := s.second.c.Stats().SharedTaken
			value := []byte(`{"doc":"<ItemAttachedData><Application id=\"ERP\"><Text>fremd</Text></Application></ItemAttachedData>"}`)
			for i := range 2000 {
				if _, err := m.Put(t.Context(), fmt.Sprintf("%s77-%d", sharedKeys, i), value, ds104.PutOptions{TTL: time.Minute}); err != nil {
					t.Fatal(err)
				}
			}
			key := sharedKeys + s.routed().RouterKey[:strings.LastIndex(s.routed().RouterKey, "-")]
			for _, k := range []string{"", "-", "1", "1-x", "99999999999-1", "0-0", "1-1-1"} {
				if _, err := m.Put(t.Context(), sharedKeys+k, value, ds104.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			for _, v := range []string{"", "x", "{}", `{"doc":"<x>"}`, `{"doc":1}`} {
				if _, err := m.Put(t.Context(), key, []byte(v), ds104.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.Delete(t.Context(), key, 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			s.agree("after other calls", appPart("ERP", "vorher"))
			if got := [2]uint64{s.first.c.Stats().Notified, s.second.c.Stats().Notified}; got != n {
				t.Errorf("events %v, before %v", got, n)
			}
			if got := s.second.c.Stats().SharedTaken; got != taken {
				t.Errorf("%d documents taken from other calls", got-taken)
			}
			s.second.setDoc("U2", s.b, appPart("CRM", "nachher"))
			s.agree("after the deletion", appPart("ERP", "vorher"), appPart("CRM", "nachher"))
			// Nothing is kept when the calls are over.
			s.second.op("U2", ici.OpPhoneCallDrop, s.b)
			s.first.op("U1", ici.OpPhoneCallDrop, s.a)
			time.Sleep(3 * time.Minute)
			for _, w := range []*whole{s.first, s.second} {
				if st := w.c.Stats(); st.Shared != 0 || st.Calls != 0 {
					t.Errorf("%d keys and %d calls are kept", st.Shared, st.Calls)
				}
			}
		})
	})
}

// What waits to be written is written when the connector stops.
func TestShareBeforeStop(t *testing.T) {
	bubble(t, 500*time.Millisecond, 0, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		var key string
		sites(t, s1, s2, func(s *two) {
			c := s.routed()
			key = sharedKeys + c.RouterKey[:strings.LastIndex(c.RouterKey, "-")]
			s1.setDown(ds104.ErrDown)
			s.first.setDoc("U1", s.a, appPart("ERP", "eins"))
			s.settle()
			s1.setDown(nil)
			s.first.setDoc("U1", s.a, appPart("CRM", "zwei ü"))
		})
		e, err := m.Get(t.Context(), key)
		if err != nil || !strings.Contains(string(e.Value), "eins") || !strings.Contains(string(e.Value), "zwei ü") {
			t.Errorf("in the store: %s, %v", e.Value, err)
		}
	})
}

// The answer of a write is lost: the watch, or the next attempt, finds that it is done.
func TestShareWithoutAnswer(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("watch=%v", !deaf), func(t *testing.T) {
			bubble(t, 100*time.Millisecond, 100*time.Millisecond, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
				sites(t, s1, s2, func(s *two) {
					s.conference()
					if deaf {
						s1.setDeaf(true)
					}
					s1.lose(1)
					s.first.setDoc("U1", s.a, appPart("ERP", "einmal é"))
					time.Sleep(8 * time.Second)
					s.agree("answer lost", appPart("ERP", "einmal é"))
					if n := s1.puts.Load(); n != 1 {
						t.Errorf("written %d times", n)
					}
					if docs := s.second.documents(s.b); len(docs) != 1 {
						t.Errorf("the second agent was told %d documents", len(docs))
					}
					if docs := s.first.documents(s.a); len(docs) != 0 {
						t.Errorf("the first agent was told %d documents", len(docs))
					}
					s1.lose(1)
					s.first.setDoc("U1", s.a, appPart("ERP", "zweimal"))
					s.settle() // the second agent sees it and changes it before it is clear that the answer is lost
					s.second.setDoc("U2", s.b, appPart("ERP", "dreimal"))
					time.Sleep(8 * time.Second)
					if !deaf {
						s.agree("later", appPart("ERP", "dreimal"))
						return
					}
					s.agree("later")
				})
			})
		})
	}
}

// A call that comes back shows what the agent in between attached, not what is
// remembered of it here. A late reason of an agent who is out goes to who is in,
// and takes nothing back.
func TestThereAndBack(t *testing.T) {
	bubble(t, 20*time.Millisecond, 20*time.Millisecond, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
		sites(t, s1, s2, func(s *two) {
			c := s.routed()
			s.first.setDoc("U1", s.a, appPart("ERP", "hin ß"))
			s.first.op("U1", ici.OpPhoneCallBlindTransfer, s.a, text(ici.ParamDestination, "7002"))
			s.arrive(c)
			s.settle()
			_, s.b = s.second.who("offered")
			s.second.op("U2", ici.OpPhoneCallAccept, s.b)
			s.first.sap.take()
			s.second.setDoc("U2", s.b, appPart("ERP", "zurück ś"))
			s.settle()
			s.first.setDoc("U1", s.a, appPart("WRAP", "spät"))
			s.settle()
			got := s.second.data("U2", s.b)
			for _, p := range []string{appPart("ERP", "zurück ś"), appPart("WRAP", "spät")} {
				if !strings.Contains(got, p) {
					t.Errorf("%s is missing in %s", p, got)
				}
			}
			if ev := s.first.sap.take(); len(ev) > 0 {
				t.Errorf("events about an ended call: %q", ev)
			}
			s.second.op("U2", ici.OpPhoneCallBlindTransfer, s.b, text(ici.ParamDestination, "7001"))
			if _, err := s.first.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: "2001",
				Variables: c.Variables, ECC: c.ECC, RouterKey: c.RouterKey}); err != nil {
				t.Fatal(err)
			}
			s.settle()
			_, back := s.first.who("offered")
			same(t, "back", s.first.data("U1", back), got)
		})
	})
}

// While the store is away, what waits for it is bounded, and what was taken is
// written when it is back.
func TestWaitingSharesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := ds104.NewMemory(nil)
		defer m.Close()
		d := newDistant(m, 0)
		if _, err := m.Put(t.Context(), "crm/live/other", []byte(`{"i":"other","r":1}`), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		cfg := config()
		cfg.Store, cfg.Logger = d, slog.New(slog.DiscardHandler)
		b := start(t, cfg)
		defer b.stop()
		b.logOn("U1")
		d.setDown(ds104.ErrDown)
		const calls, size = 1200, 60_000
		doc := text(ici.ParamAttachedData, inRoot(appPart("ERP", strings.Repeat("é", size/2))))
		for id := uint32(1); id <= calls; id++ {
			b.inbound("U1", id)
			b.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, b.callID("U1", "offered")), doc)
			b.event(b.over(id, "2001")...)
		}
		d.setDown(nil)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		written := 0
		for _, err := range m.List(t.Context(), sharedKeys) {
			if err != nil {
				t.Fatal(err)
			}
			written++
		}
		if written < 1000 || written >= calls {
			t.Errorf("%d documents written", written)
		}
		if n := b.c.Stats().SaveErrors; n < uint64(calls-written) {
			t.Errorf("%d errors for %d documents that are not written", n, calls-written)
		}
		b.inbound("U1", calls+1)
		b.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, b.callID("U1", "offered")), doc)
		if _, err := m.Get(t.Context(), fmt.Sprintf("%s1-%d", sharedKeys, calls+1)); err != nil {
			t.Errorf("a later document: %v", err)
		}
	})
}
