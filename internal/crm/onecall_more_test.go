package crm_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// Whoever missed the alias finds it when he writes or reads again. What he attached
// meanwhile is added, and nothing that he saw is missing for a moment.
func TestAliasAfterAGap(t *testing.T) {
	for _, pending := range []bool{false, true} {
		name := "nothing waits"
		if pending {
			name = "a part waits"
		}
		t.Run(name, func(t *testing.T) {
			bubble(t, 20*time.Millisecond, 20*time.Millisecond, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
				consulted(t, []uint32{1, 1000}, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
					u2.attach(appPart("CRM", "druhý"))
					c.settle()
					s2.setDeaf(true)
					s2.setDown(ds104.ErrDown)
					c.join(u1, ici.OpPhoneCallConference)
					u1.attach(appPart("ERP", "mezitím"))
					if pending {
						u2.attach(appPart("NEW", "čeká"))
					}
					time.Sleep(time.Minute)
					u2.w.documents(u2.item)
					s2.setDown(nil)
					s2.setDeaf(false)
					time.Sleep(15 * time.Second)
					c.agree("heard", appPart("ERP", "mezitím"), appPart("CRM", "druhý"))
					docs := u2.w.documents(u2.item)
					if len(docs) == 0 {
						t.Error("the second agent was told nothing")
					}
					for _, d := range docs {
						if !strings.Contains(d.Doc, "druhý") || !strings.Contains(d.Doc, "<Application id=\"ERP\">") || pending != strings.Contains(d.Doc, "čeká") {
							t.Errorf("told %s", d.Doc)
						}
					}
					c.over()
				})
			})
		})
	}
}

// A consulted agent sees what others than the consulting one attach to the original
// call; and he may attach before he sees anything at all.
func TestConsultationFollowsTheOriginalCall(t *testing.T) {
	const way = 500 * time.Millisecond
	bubble(t, way, way, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		consulted(t, []uint32{1, 1000, 2000}, []ds104.Store{s1, s2, newDistant(m, 20*time.Millisecond)}, func(c *chain, u1, u2 *desk) {
			c.join(u1, ici.OpPhoneCallConference)
			c.settle()
			var p ici.PhoneCall
			p.DecodeICI(u2.w.must("U2", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, u2.item), text(ici.ParamDestination, routedNumber)))
			synctest.Wait()
			for _, i := range u2.w.pg.Calls() {
				if i.ConsultOf == 0 {
					continue
				}
				u3 := c.ring(2, i)
				u3.attach(appPart("EXP", "hned")) // before anything has come
				c.agree("offered", appPart("ERP", "původní"))
				if d := u3.data(); !strings.Contains(d, "původní") || !strings.Contains(d, "hned") {
					t.Errorf("consulted: %s", d)
				}
				u1.attach(appPart("ERP", "změna"))
				c.settle()
				if d := u3.data(); !strings.Contains(d, "změna") || !strings.Contains(d, "hned") {
					t.Errorf("changed by an agent of a third site: %s", d)
				}
				if d := u1.data(); strings.Contains(d, "hned") {
					t.Errorf("the original call has what belongs to the consultation: %s", d)
				}
				return
			}
			t.Fatalf("no consultation: %+v", u2.w.pg.Calls())
		})
	})
}

// What is attached with the join is at the other site after at most six ways to or from
// the store, what is attached later after two; the other direction is as fast.
func TestTimeUntilCallsAreOne(t *testing.T) {
	const way = 500 * time.Millisecond
	bubble(t, way, way, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		consulted(t, []uint32{1, 1000}, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
			told := func(from, to *desk, begin time.Time, atLeast, atMost time.Duration) {
				t.Helper()
				c.agree("rest")
				docs := to.w.documents(to.item)
				if len(docs) == 0 {
					t.Fatal("nothing was told")
				}
				from.w.documents(from.item)
				if d := docs[0].At.Sub(begin).Round(10 * time.Millisecond); len(docs) != 1 || d < atLeast || d > atMost {
					t.Errorf("%d documents, want one after %v to %v", len(docs), atLeast, atMost)
					for _, d := range docs {
						t.Logf("after %v: %s", d.At.Sub(begin), d.Doc)
					}
				}
			}
			u2.attach(appPart("CRM", "porada"))
			c.settle()
			u2.w.documents(u2.item)
			c.join(u1, ici.OpPhoneCallConference)
			begin := time.Now()
			time.Sleep(20 * time.Millisecond)
			u1.attach(appPart("ERP", "spojeno"))
			told(u1, u2, begin, 4*way, 6*way) // four when the root's next write is behind the alias
			begin = time.Now()
			u1.attach(appPart("ERP", "později"))
			told(u1, u2, begin, 2*way, 2*way)
			begin = time.Now()
			u2.attach(appPart("ERP", "zpět"))
			told(u2, u1, begin, 2*way, 2*way)
		})
	})
}

// A connection moves to another call before the switch tells of the conference, or
// without a word about it: both are one call.
func TestMovedConnectionMakesOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := ds104.NewMemory(nil)
		defer m.Close()
		if _, err := m.Put(t.Context(), "crm/live/other", []byte(`{"i":"other","r":1}`), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		cfg := config()
		cfg.Store = m
		b := start(t, cfg)
		defer b.stop()
		items := map[string]string{}
		b.logOn("U1")
		b.logOn("U2")
		time.Sleep(5 * time.Second) // the agents have been read: the switch of this bench knows no calls
		for i, user := range []string{"U1", "U2"} {
			b.inbound(user, uint32(i+1))
			_, dev := number(user)
			b.event(b.established(uint32(i+1), dev, customer, dev))
			items[user] = b.callID(user, "connected")
			b.must(user, ici.OpItemSetAttachedData, text(ici.ParamItemID, items[user]), text(ici.ParamAttachedData, inRoot(appPart(user, "ü"), appPart("BOTH", user))))
		}
		time.Sleep(time.Second)
		b.event(&cti.CallDataUpdateEvent{PeripheralID: peripheral, ConnectionCallID: 2, ConnectionDeviceID: "2002", NewConnectionCallID: 1, NewConnectionDeviceID: "2002"})
		time.Sleep(time.Second)
		if got := aliases(t, m); len(got) != 1 || got["1-2"] != "1-1" {
			t.Errorf("aliases %v", got)
		}
		for user, id := range items {
			d := b.must(user, ici.OpItemGetAttachedData, text(ici.ParamItemID, id)).Text()
			for _, p := range []string{appPart("U1", "ü"), appPart("U2", "ü"), appPart("BOTH", "U1")} {
				if !strings.Contains(d, p) {
					t.Errorf("%s lacks %s: %s", user, p, d)
				}
			}
		}
	})
}
