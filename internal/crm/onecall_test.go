package crm_test

import (
	"context"
	"encoding/json"
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

// desk is an agent of a site with his item of the call.
type desk struct {
	w          *whole
	user, item string
	key        string // router key of the call at his peripheral
}

func (d *desk) attach(parts ...string) { d.w.setDoc(d.user, d.item, parts...) }

func (d *desk) data() string { return d.w.data(d.user, d.item) }

// keyOf is a router key as the store has it.
func keyOf(c ctitest.CallInfo) string { return c.RouterKey[:strings.LastIndex(c.RouterKey, "-")] }

// chain is a call that goes from site to site, by routed consultations: each has a
// router key of its own, from a range of its site.
type chain struct {
	t     *testing.T
	sites []*whole
	desks []*desk
	// consults are the items of the consultations that wait to be joined.
	consults map[*desk]string
}

// newChain starts one site per store; U1 at the first one has answered a call. The
// keys are that of this call, and of the consultations from the first site on.
func newChain(t *testing.T, tune func(*ctitest.Config), keys []uint32, stores []ds104.Store, f func(c *chain)) {
	t.Helper()
	c := &chain{t: t, consults: map[*desk]string{}}
	for i, st := range stores {
		keys := func(pc *ctitest.Config) {
			if i+1 < len(keys) {
				pc.FirstRouterKey = keys[i+1]
			}
			pc.External[routedNumber] = ctitest.External{Routed: true, AnswerAfter: time.Second}
			if tune != nil {
				tune(pc)
			}
		}
		w, end := startSite(t, fmt.Sprint("site", i+1), peripheral+uint32(i), st, slog.New(slog.DiscardHandler), keys)
		defer end()
		c.sites = append(c.sites, w)
		if i > 0 {
			w.logOnAs(i+1, false)
			w.settle()
		}
	}
	w := c.sites[0]
	w.logOnAll(1, true)
	if _, err := w.pg.CustomerCall(t.Context(), ctitest.CallSpec{From: customer, To: "5001", Variables: map[string]string{"CV01": "vip"},
		RouterKey: fmt.Sprintf("%d-%d-0", time.Now().Unix()/86400+2440588, keys[0])}); err != nil {
		t.Fatal(err)
	}
	w.settle()
	d := &desk{w: w, user: "U1", key: keyOf(w.pg.Calls()[0])}
	_, d.item = w.who("offered")
	w.op("U1", ici.OpPhoneCallAccept, d.item)
	c.desks = []*desk{d}
	f(c)
	for _, w := range c.sites {
		if st := w.c.Stats(); st.Faults != 0 || st.Defects != 0 {
			t.Errorf("%+v", st)
		}
	}
}

// routedNumber is one that the router sends to another site.
const routedNumber = "7077"

// consult lets an agent dial a number for which the router has an agent at the next site.
func (c *chain) consult(d *desk) (call ctitest.CallInfo) {
	c.t.Helper()
	before := map[uint32]bool{}
	for _, i := range d.w.pg.Calls() {
		before[i.ID] = true
	}
	var p ici.PhoneCall
	p.DecodeICI(d.w.must(d.user, ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, d.item), text(ici.ParamDestination, routedNumber)))
	c.settle()
	c.consults[d] = p.ID
	for _, i := range d.w.pg.Calls() {
		if !before[i.ID] && i.RouterKey != "" {
			return i
		}
	}
	c.t.Fatalf("the consultation was not routed: %+v", d.w.pg.Calls())
	return call
}

// ring brings a call to the phone of the agent of a site.
func (c *chain) ring(site int, call ctitest.CallInfo) *desk {
	c.t.Helper()
	d := &desk{w: c.sites[site], user: fmt.Sprint("U", site+1), key: keyOf(call)}
	if _, err := d.w.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: fmt.Sprint(2001 + site),
		Variables: call.Variables, ECC: call.ECC, RouterKey: call.RouterKey}); err != nil {
		c.t.Fatal(err)
	}
	synctest.Wait()
	_, d.item = d.w.who("offered")
	return d
}

// arrive brings a call to the agent of a site, who answers.
func (c *chain) arrive(site int, call ctitest.CallInfo) *desk {
	c.t.Helper()
	d := c.ring(site, call)
	c.settle()
	d.w.op(d.user, ici.OpPhoneCallAccept, d.item)
	c.desks = append(c.desks, d)
	return d
}

// join completes the consultation of an agent.
func (c *chain) join(d *desk, how ici.Op) {
	c.t.Helper()
	d.w.must(d.user, how, text(ici.ParamPhoneCallID, d.item), text(ici.ParamConsultPhoneCallID, c.consults[d]))
}

func (c *chain) settle() { c.sites[0].settle() }

// agree lets everything come to rest and compares what the agents see.
func (c *chain) agree(what string, parts ...string) {
	c.t.Helper()
	c.settle()
	c.settle()
	first := c.desks[0].data()
	for i, d := range c.desks[1:] {
		same(c.t, fmt.Sprintf("%s: agent %d", what, i+2), first, d.data())
	}
	for _, p := range parts {
		if !strings.Contains(first, p) {
			c.t.Errorf("%s: %s is missing in %s", what, p, first)
		}
	}
}

// aliases are those in the store.
func aliases(t *testing.T, st ds104.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for e, err := range st.List(t.Context(), sharedKeys) {
		if err != nil {
			t.Fatal(err)
		}
		var v struct{ To string }
		if err := json.Unmarshal(e.Value, &v); err != nil {
			t.Fatal(err)
		}
		if e.Expires.IsZero() {
			t.Errorf("%s is kept for ever", e.Key)
		}
		if v.To != "" {
			out[strings.TrimPrefix(e.Key, sharedKeys)] = v.To
		}
	}
	return out
}

// over ends the calls, and checks that nothing is kept.
func (c *chain) over() {
	c.t.Helper()
	for _, w := range c.sites {
		for _, i := range w.pg.Calls() {
			if err := w.pg.CustomerHangUp(i.ID); err != nil {
				c.t.Error(err)
			}
		}
		for _, i := range w.c.Calls() {
			if i.Status == "conference" || i.Status == "connected" {
				w.must(i.User, ici.OpPhoneCallDrop, text(ici.ParamPhoneCallID, i.ID))
			}
		}
	}
	time.Sleep(3 * time.Minute)
	for _, w := range c.sites {
		if st := w.c.Stats(); st.Shared != 0 {
			c.t.Errorf("%d router keys are kept, calls %+v", st.Shared, w.c.Calls())
		}
	}
}

// keyOrders: a consultation is newer than its call, unless the call has waited in
// between for another one, or its router was set back.
var keyOrders = map[string][]uint32{"newer key": {1, 1000}, "older key": {2000, 1000}}

// A routed consultation has a key of its own. After it became one call with the
// original one, both agents see all that was attached to either, and follow each other.
func TestRoutedConsultationBecomesOneCall(t *testing.T) {
	for order, keys := range keyOrders {
		for _, how := range []ici.Op{ici.OpPhoneCallConference, ici.OpPhoneCallWarmTransfer} {
			for _, consultID := range []bool{false, true} {
				for _, way := range []time.Duration{0, 500 * time.Millisecond} {
					name := fmt.Sprintf("%s, %s, consult id %v, %v", order, ici.Default().OpFullName(how), consultID, way)
					t.Run(name, func(t *testing.T) { oneCall(t, keys, how, consultID, way) })
				}
			}
		}
	}
}

func oneCall(t *testing.T, keys []uint32, how ici.Op, consultID bool, way time.Duration) {
	bubble(t, way, way, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		tune := func(pc *ctitest.Config) { pc.Quirks.TransferKeepsConsultID = consultID }
		newChain(t, tune, keys, []ds104.Store{s1, s2}, func(c *chain) {
			u1 := c.desks[0]
			u1.attach(appPart("ERP", "původní"), appPart("BOTH", "U1"))
			call := c.consult(u1)
			u2 := c.arrive(1, call)
			u2.attach(appPart("CRM", "日本語 😀"), appPart("BOTH", "U2 žluťoučký"))
			c.settle()
			u1.attach(appPart("LATE", "während der Rückfrage"))
			c.settle()
			u2.w.sap.take()
			c.join(u1, how)
			all := []string{appPart("ERP", "původní"), appPart("CRM", "日本語 😀"), appPart("BOTH", "U2 žluťoučký"), appPart("LATE", "während der Rückfrage")}
			c.agree("joined", all...)
			for _, d := range u2.w.documents(u2.item) {
				for _, p := range all {
					if !strings.Contains(d.Doc, p) {
						t.Errorf("%s was missing at the second agent for a moment: %s", p, d.Doc)
					}
				}
			}
			u1.attach(appPart("ERP", "später ß"), appPart("WRAP", "důvod"))
			c.agree("changed by the first", appPart("ERP", "später ß"), appPart("WRAP", "důvod"), appPart("BOTH", "U2 žluťoučký"))
			u2.attach(appPart("CRM", "Ελληνικά"))
			c.agree("changed by the second", appPart("ERP", "später ß"), appPart("CRM", "Ελληνικά"))
			u1.attach(appPart("A", "1"), appPart("BOTH", "first"))
			u2.attach(appPart("B", "2"), appPart("BOTH", "second"))
			c.agree("changed by both", appPart("A", "1"), appPart("B", "2"))
			got := aliases(t, m)
			small, big := u1.key, u2.key
			if keys[0] > keys[1] {
				small, big = big, small
			}
			if len(got) != 1 || got[big] != small {
				t.Errorf("aliases %v, want one of %s for %s", got, small, big)
			}
			writes := s1.puts.Load() + s2.puts.Load()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n := s1.puts.Load() + s2.puts.Load(); n != writes {
				t.Errorf("%d writes when nobody attached", n-writes)
			}
			c.over()
		})
	})
}

// consulted is a call of the first agent, who talks to the second one about it.
func consulted(t *testing.T, keys []uint32, stores []ds104.Store, f func(c *chain, u1, u2 *desk)) {
	t.Helper()
	newChain(t, nil, keys, stores, func(c *chain) {
		u1 := c.desks[0]
		u1.attach(appPart("ERP", "původní"))
		u2 := c.arrive(1, c.consult(u1))
		c.agree("consulted", appPart("ERP", "původní"))
		f(c, u1, u2)
	})
}

// Both agents attach while the calls become one, and nothing that one of them saw
// comes later than the end of it.
func TestChangesWhileCallsBecomeOne(t *testing.T) {
	const ms = time.Millisecond
	for order, keys := range keyOrders {
		for _, ways := range [][2]time.Duration{{0, 0}, {500 * ms, 500 * ms}, {500 * ms, 20 * ms}, {20 * ms, 500 * ms}} {
			t.Run(fmt.Sprint(order, ways), func(t *testing.T) {
				bubble(t, ways[0], ways[1], nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
					consulted(t, keys, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
						for i := range 12 {
							u1.attach(appPart("ERP", fmt.Sprintf("é%d", i)))
							u2.attach(appPart("CRM", fmt.Sprintf("ж%d", i)))
							if i == 4 {
								c.join(u1, ici.OpPhoneCallConference)
							}
							time.Sleep(170 * time.Millisecond)
						}
						c.agree("at rest", appPart("ERP", "é11"), appPart("CRM", "ж11"))
						if got := aliases(t, m); len(got) != 1 {
							t.Errorf("aliases %v", got)
						}
						c.over()
					})
				})
			})
		}
	}
}

// The call of a consultation comes to the second site when it is one with the original
// call already: its key leads to the data.
func TestCallThatComesAfterItBecameOne(t *testing.T) {
	for order, keys := range keyOrders {
		for _, pause := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprint(order, ", ", pause), func(t *testing.T) {
				bubble(t, 500*time.Millisecond, 500*time.Millisecond, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
					newChain(t, nil, keys, []ds104.Store{s1, s2}, func(c *chain) {
						u1 := c.desks[0]
						u1.attach(appPart("ERP", "původní"))
						call := c.consult(u1)
						c.join(u1, ici.OpPhoneCallConference)
						u1.attach(appPart("NEW", "nach dem Verbinden"))
						time.Sleep(pause)
						u2 := c.arrive(1, call)
						c.agree("arrived", appPart("ERP", "původní"), appPart("NEW", "nach dem Verbinden"))
						u2.attach(appPart("CRM", "č"))
						c.agree("changed", appPart("CRM", "č"))
						c.over()
					})
				})
			})
		}
	}
}

// Three sites: the second agent consults a third one. Whoever joins first, and whatever
// the order of the keys is, all three see the same in the end.
func TestThreeSitesBecomeOneCall(t *testing.T) {
	const way = 500 * time.Millisecond
	for _, keys := range [][]uint32{{1, 1000, 2000}, {1, 2000, 1000}, {1000, 1, 2000}, {2000, 1, 1000}, {1000, 2000, 1}, {2000, 1000, 1}} {
		for _, who := range []string{"first", "second", "both"} {
			t.Run(fmt.Sprint(keys, who), func(t *testing.T) {
				bubble(t, way, way, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
					consulted(t, keys, []ds104.Store{s1, s2, newDistant(m, way)}, func(c *chain, u1, u2 *desk) {
						u2.attach(appPart("CRM", "druhý"))
						if who == "first" {
							c.join(u1, ici.OpPhoneCallConference)
							c.settle()
						}
						u3 := c.arrive(2, c.consult(u2))
						u3.attach(appPart("EXP", "třetí"))
						c.join(u2, ici.OpPhoneCallConference)
						if who == "second" {
							c.settle()
						}
						if who != "first" {
							c.join(u1, ici.OpPhoneCallConference)
						}
						c.agree("joined", appPart("ERP", "původní"), appPart("CRM", "druhý"), appPart("EXP", "třetí"))
						for i, d := range c.desks {
							d.attach(appPart("ERP", fmt.Sprint("změna ", i)))
							c.agree(fmt.Sprint("changed by agent ", i+1), appPart("ERP", fmt.Sprint("změna ", i)), appPart("CRM", "druhý"))
						}
						u1.attach(appPart("A", "α"))
						u2.attach(appPart("B", "β"))
						u3.attach(appPart("C", "γ"))
						c.agree("changed by all", appPart("A", "α"), appPart("B", "β"), appPart("C", "γ"))
						if got := aliases(t, m); len(got) != 2 {
							t.Errorf("aliases %v", got)
						}
						c.over()
					})
				})
			})
		}
	}
}

// A side of the pair dies while the calls become one, and both before they do.
func TestCallsBecomeOneWhileSidesDie(t *testing.T) {
	for _, dead := range []string{"A", "B", "both"} {
		t.Run(dead, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newSitePair(t)
				defer p.close()
				c1, c2, end := p.two()
				defer end()
				s1, s2 := newDistant(c1, 500*time.Millisecond), newDistant(c2, 500*time.Millisecond)
				consulted(t, []uint32{1, 1000}, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
					u2.attach(appPart("CRM", "vorher ü"))
					if dead == "both" {
						c.settle()
						p.kill(0)
						p.kill(1)
					}
					c.join(u1, ici.OpPhoneCallConference)
					u1.attach(appPart("ERP", "dabei ß"))
					time.Sleep(700 * time.Millisecond) // the root is written, the alias is not
					switch dead {
					case "A":
						p.kill(0)
					case "B":
						p.kill(1)
					}
					u2.attach(appPart("NEW", "během ž"))
					time.Sleep(10 * time.Second)
					if dead == "both" {
						p.start(0)
						p.start(1)
						time.Sleep(time.Minute)
					}
					c.agree("joined", appPart("ERP", "dabei ß"), appPart("CRM", "vorher ü"), appPart("NEW", "během ž"))
					u1.attach(appPart("ERP", "danach"))
					u2.attach(appPart("CRM", "potom"))
					c.agree("later", appPart("ERP", "danach"), appPart("CRM", "potom"))
				})
			})
		})
	}
}

// While no side of the store decides, an alias may be overwritten by who does not know
// it: it is written again, and nothing is lost.
func TestAliasWhenNoSideDecides(t *testing.T) {
	bubble(t, 500*time.Millisecond, 500*time.Millisecond, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		consulted(t, []uint32{1, 1000}, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
			s1.setDown(ds104.ErrUndecided)
			s2.setDown(ds104.ErrUndecided)
			c.join(u1, ici.OpPhoneCallConference)
			for i := range 20 { // some before the alias, some after it
				u2.attach(appPart("CRM", fmt.Sprintf("č%d", i)))
				time.Sleep(150 * time.Millisecond)
			}
			time.Sleep(10 * time.Second)
			c.agree("undecided", appPart("ERP", "původní"), appPart("CRM", "č19"))
			if got := aliases(t, m); len(got) != 1 {
				t.Errorf("aliases %v", got)
			}
			// A version that does not know aliases writes under the key.
			if _, err := m.Put(t.Context(), sharedKeys+u2.key, []byte(`{"doc":"<ItemAttachedData><Application id=\"OLD\"><Text>staré</Text></Application></ItemAttachedData>"}`), ds104.PutOptions{TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			c.agree("overwritten", appPart("ERP", "původní"), appPart("CRM", "č19"), appPart("OLD", "staré"))
			if got := aliases(t, m); len(got) != 1 {
				t.Errorf("aliases %v", got)
			}
			c.over()
		})
	})
}

// The alias is written before the connector stops, also when the store was away.
func TestAliasBeforeStop(t *testing.T) {
	bubble(t, 500*time.Millisecond, 0, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		consulted(t, []uint32{1, 1000}, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
			s1.setDown(ds104.ErrDown)
			c.join(u1, ici.OpPhoneCallConference)
			u1.attach(appPart("ERP", "zuletzt ü"))
			c.settle()
			s1.setDown(nil)
		})
		if got := aliases(t, m); len(got) != 1 {
			t.Errorf("aliases %v", got)
		}
	})
}

// Aliases that lead to themselves, up, in a circle, to nothing or far away do no harm.
func TestBadAliases(t *testing.T) {
	bubble(t, time.Millisecond, time.Millisecond, nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		consulted(t, []uint32{1000, 2000}, []ds104.Store{s1, s2}, func(c *chain, u1, u2 *desk) {
			put := func(key, to string) {
				if _, err := m.Put(t.Context(), sharedKeys+key, []byte(`{"to":"`+to+`"}`), ds104.PutOptions{TTL: time.Hour}); err != nil {
					t.Fatal(err)
				}
			}
			day, _, _ := strings.Cut(u1.key, "-")
			for _, to := range []string{u1.key, u2.key, "x", "-", day + "-4000000000", "99999999-1"} {
				put(u1.key, to)
				c.settle()
			}
			c.agree("not followed", appPart("ERP", "původní"))
			u1.attach(appPart("ERP", "weiter ö"))
			c.agree("goes on", appPart("ERP", "weiter ö"))
			for i := range 500 { // a chain down from the second key
				put(fmt.Sprintf("%s-%d", day, 1999-i), fmt.Sprintf("%s-%d", day, 1998-i))
			}
			put(u2.key, day+"-1999")
			c.settle()
			u2.attach(appPart("CRM", "č"))
			c.settle()
			for _, w := range c.sites {
				if n := w.c.Stats().Shared; n > 80 {
					t.Errorf("%d router keys are followed", n)
				}
			}
			put(u1.key, day+"-7") // to nothing
			c.settle()
			if d := u1.data(); !strings.Contains(d, "weiter ö") {
				t.Errorf("lost: %s", d)
			}
			c.over()
		})
	})
}
