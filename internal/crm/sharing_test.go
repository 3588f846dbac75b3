package crm_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
)

// seen is a document that SAP was told.
type seen struct {
	At  time.Time
	Doc string
}

// documents are the different documents that SAP was told for a call, in order,
// since the last call.
func (w *whole) documents(id string) []seen {
	synctest.Wait()
	w.sap.mu.Lock()
	defer w.sap.mu.Unlock()
	var out []seen
	for _, e := range w.sap.events {
		if e.Item == id && e.Call != nil && (len(out) == 0 || out[len(out)-1].Doc != e.Call.AttachedData) {
			out = append(out, seen{e.At, e.Call.AttachedData})
		}
	}
	w.sap.events = nil
	return out
}

func inRoot(parts ...string) string {
	return "<ItemAttachedData>" + strings.Join(parts, "") + "</ItemAttachedData>"
}

func appPart(id, text string) string {
	return `<Application id="` + id + `"><Text>` + text + `</Text></Application>`
}

func (w *whole) setDoc(user, id string, parts ...string) {
	w.t.Helper()
	w.must(user, ici.OpItemSetAttachedData, text(ici.ParamItemID, id), text(ici.ParamAttachedData, inRoot(parts...)))
}

// same compares what two agents see, but for the peripheral's id of the call.
func same(t *testing.T, what, a, b string) {
	t.Helper()
	if diff := cmp.Diff(mid.ReplaceAllString(a, ""), mid.ReplaceAllString(b, "")); diff != "" {
		t.Errorf("%s: documents differ (-first +second)\n%s", what, diff)
	}
}

// two is two connectors with a peripheral each. U1 of the first and U2 of the
// second are in one call, a conference.
type two struct {
	t             *testing.T
	first, second *whole
	a, b          string // items
}

// sites starts two connectors on two stores that show the same.
func sites(t *testing.T, s1, s2 ds104.Store, f func(s *two)) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	first, end := startSite(t, "first", peripheral, s1, log)
	defer end()
	second, end := startSite(t, "second", peripheral+1, s2, log)
	defer end()
	s := &two{t: t, first: first, second: second}
	s.a, _ = first.answered()
	second.logOnAs(2, false)
	// The ids of calls are the peripheral's own.
	if err := second.pg.CustomerHangUp(second.customerCall("2001")); err != nil {
		t.Fatal(err)
	}
	second.settle()
	f(s)
	for name, w := range map[string]*whole{"first": first, "second": second} {
		if st := w.c.Stats(); st.Faults != 0 || st.Defects != 0 {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// routerKey is that of the only call of the first peripheral that was routed.
func (s *two) routed() ctitest.CallInfo {
	s.t.Helper()
	for _, c := range s.first.pg.Calls() {
		if c.RouterKey != "" {
			return c
		}
	}
	s.t.Fatalf("calls at the first site: %+v", s.first.pg.Calls())
	return ctitest.CallInfo{}
}

// arrive brings a call to the phone of U2, with the key and the variables it had.
func (s *two) arrive(c ctitest.CallInfo) {
	s.t.Helper()
	if _, err := s.second.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: "2002",
		Variables: c.Variables, ECC: c.ECC, RouterKey: c.RouterKey}); err != nil {
		s.t.Fatal(err)
	}
}

// conference brings U2 into the call of U1.
func (s *two) conference() {
	s.t.Helper()
	c := s.routed()
	var p ici.PhoneCall
	p.DecodeICI(s.first.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, s.a), text(ici.ParamDestination, "7002")))
	s.first.settle()
	s.arrive(c)
	s.second.settle()
	_, s.b = s.second.who("offered")
	s.second.op("U2", ici.OpPhoneCallAccept, s.b)
	s.first.settle()
	s.first.op("U1", ici.OpPhoneCallConference, s.a, text(ici.ParamConsultPhoneCallID, p.ID))
	s.first.wantStates("U1 conference " + customer + ",7002")
	s.second.wantStates("U2 connected " + customer)
	s.settle()
	s.first.sap.take()
	s.second.sap.take()
}

func (s *two) settle() { s.second.settle() }

// agree lets everything come to rest and compares what both agents see.
func (s *two) agree(what string, parts ...string) {
	s.t.Helper()
	s.settle()
	a, b := s.first.data("U1", s.a), s.second.data("U2", s.b)
	same(s.t, what, a, b)
	for _, p := range parts {
		if !strings.Contains(a, p) {
			s.t.Errorf("%s: %s is missing in %s", what, p, a)
		}
	}
}

// bubble runs a test in its own time with a store that both connectors reach over
// lines of their own.
func bubble(t *testing.T, way1, way2 time.Duration, o *ds104.MemoryOptions, f func(t *testing.T, m *ds104.Memory, s1, s2 *distant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := ds104.NewMemory(o)
		defer m.Close()
		f(t, m, newDistant(m, way1), newDistant(m, way2))
	})
}

// A blind transfer is at the second agent before the document is in the store,
// which is 500 ms away from the first connector.
func TestTransferOvertakesTheWrite(t *testing.T) {
	for _, way2 := range []time.Duration{0, 100 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(fmt.Sprint(way2), func(t *testing.T) {
			bubble(t, 500*time.Millisecond, way2, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
				sites(t, s1, s2, func(s *two) {
					c := s.routed()
					begin := time.Now()
					s.first.setDoc("U1", s.a, bigDocument())
					before := s.first.data("U1", s.a)
					s.first.must("U1", ici.OpPhoneCallBlindTransfer, text(ici.ParamPhoneCallID, s.a), text(ici.ParamDestination, "7002"))
					s.second.sap.take()
					s.arrive(c)
					synctest.Wait()
					_, s.b = s.second.who("offered")
					if d := time.Since(begin); d >= 500*time.Millisecond {
						t.Fatalf("the call came after %v", d)
					}
					if got := part(t, s.second.data("U2", s.b), "ERP"); got != "" {
						t.Fatalf("the document was there at once: %s", got)
					}
					s.settle()
					docs := s.second.documents(s.b)
					last := docs[len(docs)-1]
					if len(docs) != 2 || part(t, last.Doc, "ERP") != bigDocument() {
						t.Fatalf("%d documents, the last one %s", len(docs), last.Doc)
					}
					same(t, "told", before, last.Doc)
					same(t, "asked", before, s.second.data("U2", s.b))
					for _, v := range []string{"<CV01>vip</CV01>", "<user.ced>42</user.ced>"} {
						if !strings.Contains(last.Doc, v) {
							t.Errorf("%s is missing in %s", v, last.Doc)
						}
					}
					late := last.At.Sub(begin)
					if want := 500*time.Millisecond + way2; late > want+10*time.Millisecond && way2 < 500*time.Millisecond || late > 2*time.Second {
						t.Errorf("told after %v, want %v", late, want)
					}
					t.Logf("told %v after the change, offered after %v", late, docs[0].At.Sub(begin))
				})
			})
		})
	}
}

// In a conference each agent sees what the other one attaches, the last change last.
func TestConferenceAcrossConnectors(t *testing.T) {
	for name, pair := range map[string]bool{"one store": false, "pair": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 500*time.Millisecond, 500*time.Millisecond, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
				if pair {
					p := newSitePair(t)
					defer p.close()
					c1, c2, end := p.two()
					defer end()
					s1, s2 = newDistant(c1, s1.way), newDistant(c2, s2.way)
				}
				sites(t, s1, s2, func(s *two) {
					s.conference()
					begin := time.Now()
					for i := range 5 {
						s.first.setDoc("U1", s.a, appPart("ERP", fmt.Sprintf("Zoë %d", i)))
						s.first.setDoc("U1", s.a, appPart(fmt.Sprintf("P%d", i), "ř"))
					}
					s.agree("first agent", appPart("ERP", "Zoë 4"))
					docs := s.second.documents(s.b)
					n := -1
					for _, d := range docs {
						var i int
						if _, err := fmt.Sscanf(part(t, d.Doc, "ERP"), `<Application id="ERP"><Text>Zoë %d`, &i); err != nil || i <= n {
							t.Errorf("%d after %d (%v) in %s", i, n, err, d.Doc)
						}
						n = i
					}
					if len(docs) == 0 || n != 4 {
						t.Fatalf("told of %d documents, the last one is %d", len(docs), n)
					}
					// One write was under way, one took all that came meanwhile.
					if puts := s1.puts.Load(); puts > 2 {
						t.Errorf("%d writes for ten changes", puts)
					}
					if own := s.first.documents(s.a); len(own) > 0 {
						t.Errorf("the first agent was told of his own change: %+v", own)
					}
					if d := docs[0].At.Sub(begin); d > 1100*time.Millisecond {
						t.Errorf("told after %v, want one way to the store and one from it", d)
					}
					t.Logf("first to second: %v, the last %v", docs[0].At.Sub(begin), docs[len(docs)-1].At.Sub(begin))
					begin = time.Now()
					s.second.setDoc("U2", s.b, appPart("CRM", "Příliš žluťoučký"))
					s.agree("second agent", appPart("ERP", "Zoë 4"), appPart("CRM", "Příliš žluťoučký"))
					back := s.first.documents(s.a)
					if len(back) != 1 || time.Second != back[0].At.Sub(begin).Round(10*time.Millisecond) {
						t.Errorf("the first agent was told %+v after %v", back, begin)
					}
					if own := s.second.documents(s.b); len(own) > 0 {
						t.Errorf("the second agent was told of his own change: %+v", own)
					}
				})
			})
		})
	}
}

// A consultation that the router sends to another peripheral has a key of its own:
// the consulted agent sees the document of the original call, and follows it.
func TestConsultationAcrossConnectors(t *testing.T) {
	bubble(t, 20*time.Millisecond, 20*time.Millisecond, nil, func(t *testing.T, _ *ds104.Memory, s1, s2 *distant) {
		sites(t, s1, s2, func(s *two) {
			orig := s.routed()
			s.first.setDoc("U1", s.a, appPart("ERP", "původní"))
			s.first.must("U1", ici.OpPhoneCallConsult, text(ici.ParamPhoneCallID, s.a), text(ici.ParamDestination, "5002"))
			s.first.settle()
			for _, c := range s.first.pg.Calls() {
				if c.RouterKey != "" && c.RouterKey != orig.RouterKey {
					s.arrive(c)
				}
			}
			s.settle()
			_, s.b = s.second.who("offered")
			s.second.op("U2", ici.OpPhoneCallAccept, s.b)
			s.agree("offered", appPart("ERP", "původní"))
			s.first.setDoc("U1", s.a, appPart("CRM", "změna"))
			s.agree("changed", appPart("ERP", "původní"), appPart("CRM", "změna"))
		})
	})
}

// Both agents attach at the same moment: both keep their parts, of the part that
// both wrote the later write stays, and then there is rest.
func TestChangesAtTheSameTimeConverge(t *testing.T) {
	const ms = time.Millisecond
	for _, ways := range [][2]time.Duration{{0, 0}, {500 * ms, 500 * ms}, {500 * ms, 20 * ms}, {20 * ms, 500 * ms}, {500 * ms, 501 * ms}} {
		t.Run(fmt.Sprint(ways), func(t *testing.T) {
			bubble(t, ways[0], ways[1], nil, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
				sites(t, s1, s2, func(s *two) {
					s.conference()
					for i := range 4 {
						s.first.setDoc("U1", s.a, appPart("ERP", fmt.Sprintf("é%d", i)), appPart("BOTH", fmt.Sprintf("first %d", i)))
						s.second.setDoc("U2", s.b, appPart("CRM", fmt.Sprintf("ж%d", i)), appPart("BOTH", fmt.Sprintf("second %d", i)))
						if i%2 == 1 {
							time.Sleep(130 * time.Millisecond)
						}
					}
					s.settle()
					s.agree("after the race", appPart("ERP", "é3"), appPart("CRM", "ж3"))
					if d := s.first.data("U1", s.a); strings.Contains(d, "first 3") == strings.Contains(d, "second 3") {
						t.Errorf("neither last change of the part stayed: %s", d)
					}
					docs := len(s.first.documents(s.a)) + len(s.second.documents(s.b))
					puts := s1.puts.Load() + s2.puts.Load()
					if puts > 8 || docs > 12 {
						t.Errorf("%d writes and %d events for 8 changes", puts, docs)
					}
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					if n := s1.puts.Load() + s2.puts.Load(); n != puts {
						t.Errorf("%d more writes when nobody attached", n-puts)
					}
					if ev := append(s.first.sap.take(), s.second.sap.take()...); len(ev) > 0 {
						t.Errorf("events when nobody attached: %q", ev)
					}
				})
			})
		})
	}
}

// The watch breaks, and the store forgets what happened meanwhile: the calls that
// are here are read again.
func TestWatchWithAGap(t *testing.T) {
	bubble(t, 5*time.Millisecond, 5*time.Millisecond, &ds104.MemoryOptions{History: 16}, func(t *testing.T, m *ds104.Memory, s1, s2 *distant) {
		sites(t, s1, s2, func(s *two) {
			s.conference()
			s2.setDeaf(true)
			s.first.setDoc("U1", s.a, appPart("ERP", "während der Lücke"))
			for i := range 100 {
				if _, err := m.Put(t.Context(), fmt.Sprintf("%s1-%d", sharedKeys, 100000+i), []byte(`{}`), ds104.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			if docs := s.second.documents(s.b); len(docs) > 0 {
				t.Fatalf("told without a watch: %+v", docs)
			}
			gaps := m.Stats().Gaps
			s2.setDeaf(false)
			time.Sleep(11 * time.Second) // the longest wait between attempts is 10 s
			s.agree("after the gap", appPart("ERP", "während der Lücke"))
			if m.Stats().Gaps == gaps {
				t.Error("there was no gap")
			}
			if docs := s.second.documents(s.b); len(docs) != 1 {
				t.Errorf("told %d documents", len(docs))
			}
			s.first.setDoc("U1", s.a, appPart("ERP", "danach"))
			s.agree("later", appPart("ERP", "danach"))
		})
	})
}

// A side of the pair dies between two changes of a conference, and then the other.
func TestConferenceWhileSidesDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newSitePair(t)
		defer p.close()
		c1, c2, end := p.two()
		defer end()
		sites(t, c1, c2, func(s *two) {
			s.conference()
			s.first.setDoc("U1", s.a, appPart("ERP", "beide é"))
			s.agree("both sides", appPart("ERP", "beide é"))
			p.kill(0)
			s.first.setDoc("U1", s.a, appPart("ERP", "ohne A"))
			s.second.setDoc("U2", s.b, appPart("CRM", "sans A"))
			s.settle()
			s.agree("A killed", appPart("ERP", "ohne A"), appPart("CRM", "sans A"))
			p.start(0)
			time.Sleep(30 * time.Second)
			p.kill(1)
			s.second.setDoc("U2", s.b, appPart("ERP", "bez B ž"))
			s.settle()
			s.agree("B killed", appPart("ERP", "bez B ž"), appPart("CRM", "sans A"))
			p.kill(0)
			s.first.setDoc("U1", s.a, appPart("ERP", "sans rien"))
			time.Sleep(5 * time.Minute)
			p.start(0)
			p.start(1)
			time.Sleep(time.Minute)
			s.agree("both back", appPart("ERP", "sans rien"), appPart("CRM", "sans A"))
		})
	})
}

// The store is away for longer than the records last that say who lives: when it is back,
// nobody takes the agents of another connector that was there all the time.
func TestStoreAwayForLongMovesNobody(t *testing.T) {
	for i := range 20 { // the moments of the renewals differ
		synctest.Test(t, func(t *testing.T) {
			p := newSitePair(t)
			defer p.close()
			c1, c2, end := p.two()
			defer end()
			sites(t, c1, c2, func(s *two) {
				time.Sleep(time.Duration(i) * 500 * time.Millisecond)
				p.kill(0)
				p.kill(1)
				time.Sleep(5 * time.Minute)
				p.start(0)
				p.start(1)
				time.Sleep(2 * time.Minute)
				for name, w := range map[string]*whole{"first": s.first, "second": s.second} {
					if st := w.c.Stats(); st.Adopted != 0 || st.Lost != 0 || len(w.c.Agents()) == 0 {
						t.Errorf("%d: %s serves %d agents; %d taken over, %d lost", i, name, len(w.c.Agents()), st.Adopted, st.Lost)
					}
				}
			})
		})
	}
}
