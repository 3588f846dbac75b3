package ici_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
)

func TestNotifierEnvelope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		n, _ := newNotifier(t, c, nil)
		sub := ici.Subscription{AppURL: "http://crm:8000/x", AppID: "0A1B", User: "Müller & Co", Language: "FR", MoreAppIDs: []string{"0A1C"}}
		if err := n.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
		notify(t, n, sub.Key(), ici.Event{Op: ici.OpEventSubscriptionEnded, Params: []ici.Arg{
			{Param: ici.ParamReason, Value: ici.TextElement{ID: "NEW_SUBSCRIPTION", Description: "Logged on <elsewhere>"}},
		}})
		synctest.Wait()
		got := c.seen()[0]
		// By hand from reference ICI 4.3, 4.5 and 10.6; line breaks only for the reader.
		want := strings.ReplaceAll(`<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
<SOAP-ENV:Header>
<h:user xmlns:h="urn:IciItemInterface" SOAP-ENV:mustUnderstand="0" xsi:type="xsd:string">Müller &amp; Co</h:user>
<h:language xmlns:h="urn:IciItemInterface" SOAP-ENV:mustUnderstand="0" xsi:type="xsd:string">FR</h:language>
</SOAP-ENV:Header>
<SOAP-ENV:Body>
<m:subscriptionEnded xmlns:m="urn:IciEventInterface" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
<appIds xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[2]"><item xsi:type="xsd:string">0A1B</item><item xsi:type="xsd:string">0A1C</item></appIds>
<reason><id xsi:type="xsd:string">NEW_SUBSCRIPTION</id><description xsi:type="xsd:string">Logged on &lt;elsewhere&gt;</description></reason>
</m:subscriptionEnded>
</SOAP-ENV:Body>
</SOAP-ENV:Envelope>`, "\n", "")
		if d := cmp.Diff(want, got.body); d != "" {
			t.Errorf("envelope (-want +got):\n%s", d)
		}
		header := http.Header{
			"User-Agent":     {"connects"},
			"Content-Type":   {"text/xml; charset=utf-8"},
			"Soapaction":     {`""`},
			"Content-Length": {fmt.Sprint(len(want))},
		}
		if d := cmp.Diff(header, got.header); d != "" {
			t.Errorf("header fields (-want +got):\n%s", d)
		}
	})
}

func TestNotifierKeepsOrderOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(func(w http.ResponseWriter, _ *http.Request, p post) {
			if strings.HasSuffix(p.text, "3") { // some answers are slow
				<-time.After(700 * time.Millisecond)
			}
			w.WriteHeader(http.StatusOK)
		})
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "a")
		var want []string
		for i := range 50 {
			notify(t, n, key, state("", fmt.Sprint("e", i)))
			want = append(want, fmt.Sprint("a:e", i))
		}
		drain(t, n)
		if d := cmp.Diff(want, c.texts()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if c.most() != 1 {
			t.Errorf("%d events were on the wire at the same time, want 1", c.most())
		}
	})
}

func TestNotifierHungSubscriptionDelaysNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(func(w http.ResponseWriter, r *http.Request, p post) {
			if p.target == "/hung" {
				hang(w, r, p)
			}
		})
		n, _ := newNotifier(t, c, nil)
		notify(t, n, subscribe(t, n, "hung"), state("", "x"))
		synctest.Wait()
		key := subscribe(t, n, "b")
		for i := range 20 {
			notify(t, n, key, state("", fmt.Sprint(i)))
		}
		synctest.Wait() // no time passes
		if got := len(c.seen()); got != 21 {
			t.Errorf("%d events arrived while one subscription hangs, want 21", got)
		}
	})
}

func TestNotifierCollapse(t *testing.T) {
	type ev struct{ item, text string }
	tests := []struct {
		name   string
		events []ev // the first one is on the wire while the others are notified
		want   []string
	}{
		{"newest state of an item replaces a waiting one", []ev{{"A", "a1"}, {"A", "a2"}, {"A", "a3"}, {"A", "a4"}}, []string{"a1", "a4"}},
		{"the newest state stands where it was created", []ev{{"X", "x"}, {"A", "a1"}, {"B", "b1"}, {"A", "a2"}}, []string{"x", "b1", "a2"}},
		{"items do not replace each other", []ev{{"X", "x"}, {"A", "a1"}, {"B", "b1"}, {"C", "c1"}}, []string{"x", "a1", "b1", "c1"}},
		{"events without item stay and keep their place", []ev{{"X", "x"}, {"A", "a1"}, {"", "p1"}, {"", "p1"}, {"A", "a2"}, {"", "p2"}}, []string{"x", "p1", "p1", "a2", "p2"}},
		{"the event on the wire is not replaced", []ev{{"A", "a1"}, {"A", "a2"}}, []string{"a1", "a2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCRM(t)
				c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
				n, _ := newNotifier(t, c, nil)
				key := subscribe(t, n, "s")
				for _, e := range tt.events {
					notify(t, n, key, state(e.item, e.text))
					synctest.Wait()
				}
				drain(t, n)
				var got []string
				for _, p := range c.seen() {
					got = append(got, p.text)
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("delivered (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestNotifierCollapseIsPerOperation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		for range 3 {
			notify(t, n, key, ici.Event{Op: ici.OpEventUserChanged, Item: "1", Params: []ici.Arg{{Param: ici.ParamUser, Value: &ici.User{UserID: "U"}}}})
			notify(t, n, key, ici.Event{Op: ici.OpEventPhoneCallChanged, Item: "1", Params: []ici.Arg{{Param: ici.ParamPhoneCall, Value: &ici.PhoneCall{ID: "1"}}}})
			synctest.Wait()
		}
		drain(t, n)
		var got []string
		for _, p := range c.seen() {
			got = append(got, p.op)
		}
		if d := cmp.Diff([]string{"userChanged", "userChanged", "phoneCallChanged"}, got); d != "" {
			t.Errorf("operations (-want +got):\n%s", d)
		}
	})
}

// Three items change faster than SAP takes events. Always moving the newest state to the end would
// starve whoever changes last.
func TestNotifierCollapseStarvesNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		for i := range 200 {
			for _, item := range []string{"A", "B", "C"} {
				notify(t, n, key, state(item, fmt.Sprint(item, i)))
			}
			<-time.After(200 * time.Millisecond)
		}
		drain(t, n)
		count := map[byte]int{}
		last := map[byte]string{}
		for _, p := range c.seen() {
			count[p.text[0]]++
			last[p.text[0]] = p.text
		}
		for _, item := range []byte("ABC") {
			if count[item] < 5 {
				t.Errorf("item %c was delivered %d times in 40 s, want at least 5", item, count[item])
			}
			if want := fmt.Sprintf("%c199", item); last[item] != want {
				t.Errorf("last state delivered is %q, want %q", last[item], want)
			}
		}
		if st := n.Stats(); st.Notified != st.Delivered+st.Collapsed {
			t.Errorf("notified %d, delivered %d, collapsed %d: the sum is wrong", st.Notified, st.Delivered, st.Collapsed)
		}
	})
}

func TestNotifierQueueFullEndsTheSubscription(t *testing.T) {
	tests := []struct {
		name   string
		change func(*ici.NotifierOptions)
	}{
		{"count", func(o *ici.NotifierOptions) { o.QueueEvents = 3 }},
		{"bytes", func(o *ici.NotifierOptions) { o.QueueBytes = 4500 }},
		{"bytes of all", func(o *ici.NotifierOptions) { o.TotalBytes = 5500 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCRM(t)
				c.answers(hang)
				n, out := newNotifier(t, c, tt.change)
				key := subscribe(t, n, "s")
				var err error
				accepted := 0
				for range 10 {
					if err = n.Notify(key, state("", strings.Repeat("x", 300))); err != nil {
						break
					}
					accepted++
					synctest.Wait()
				}
				mustBe(t, err, ici.ErrQueueFull)
				if accepted < 4 || accepted > 6 {
					t.Errorf("%d events fit, want about 5", accepted)
				}
				synctest.Wait()
				g := out.goneErrs()
				if len(g) != 1 {
					t.Fatalf("Gone was called %d times, want once", len(g))
				}
				mustBe(t, g[0], ici.ErrQueueFull)
				mustBe(t, n.Notify(key, state("", "y")), ici.ErrNoSubscription)
				if _, ok := n.Subscription(key); ok {
					t.Error("the subscription is still there")
				}
			})
		})
	}
}

func TestNotifierRejectsWhatItCannotSend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, _ := newNotifier(t, newCRM(t), func(o *ici.NotifierOptions) { o.QueueBytes = 2000 })
		key := subscribe(t, n, "s")
		mustBe(t, n.Notify(key, state("", strings.Repeat("x", 2000))), ici.ErrEventTooLarge)
		mustBe(t, n.Notify(key, ici.Event{Op: ici.OpUserSubscribe}), ici.ErrNotAnEvent)
		mustBe(t, n.Notify(key, ici.Event{}), ici.ErrNotAnEvent)
		mustBe(t, n.Notify(key, ici.Event{Op: 60000}), ici.ErrNotAnEvent)
		mustBe(t, n.Notify(ici.SubscriptionKey{AppURL: "http://crm:8000/s", AppID: "other"}, state("", "x")), ici.ErrNoSubscription)
		if st := n.Stats(); st.Subscriptions != 1 || st.Waiting != 0 || st.WaitingBytes != 0 {
			t.Errorf("statistics after refused events: %+v", st)
		}
	})
}

func TestNotifierEnd(t *testing.T) {
	bye := func() *ici.Event {
		return &ici.Event{Op: ici.OpEventSubscriptionEnded, Params: []ici.Arg{{Param: ici.ParamReason, Value: ici.TextElement{ID: "X"}}}}
	}
	t.Run("unsubscribed by SAP: nothing more is sent", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
			n, out := newNotifier(t, c, nil)
			key := subscribe(t, n, "s")
			notify(t, n, key, state("", "1"))
			synctest.Wait()
			notify(t, n, key, state("", "2"))
			if err := n.End(key, nil); err != nil {
				t.Fatal(err)
			}
			mustBe(t, n.Notify(key, state("", "3")), ici.ErrNoSubscription)
			mustBe(t, n.End(key, nil), ici.ErrNoSubscription)
			<-time.After(5 * time.Second)
			if d := cmp.Diff([]string{"s:1"}, c.texts()); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			if st := n.Stats(); st.Subscriptions != 0 || st.Waiting != 0 || st.Dropped != 1 || len(out.goneErrs()) != 0 {
				t.Errorf("after End: %+v, gone %v", st, out.goneErrs())
			}
		})
	})
	t.Run("ended by the connector: the last event follows what is on the wire", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
			n, _ := newNotifier(t, c, nil)
			key := subscribe(t, n, "s")
			notify(t, n, key, state("", "1"))
			synctest.Wait()
			notify(t, n, key, state("", "2"))
			if err := n.End(key, bye()); err != nil {
				t.Fatal(err)
			}
			drain(t, n)
			got := c.seen()
			if len(got) != 2 || got[0].text != "1" || got[1].op != "subscriptionEnded" {
				t.Errorf("got %v, want the event on the wire and subscriptionEnded", c.texts())
			}
		})
	})
	t.Run("the last event is tried once and its failure is harmless", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(status(http.StatusServiceUnavailable))
			n, out := newNotifier(t, c, nil)
			key := subscribe(t, n, "s")
			notify(t, n, key, state("", "1"))
			synctest.Wait() // now a retry is due in 1 s
			if err := n.End(key, bye()); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
			if got := len(c.seen()); got != 2 {
				t.Errorf("%d attempts, want 2", got)
			}
			if len(out.goneErrs()) != 0 || n.Stats().Subscriptions != 0 {
				t.Errorf("gone %v, subscriptions %d", out.goneErrs(), n.Stats().Subscriptions)
			}
		})
	})
	t.Run("a key that is subscribed again lives", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			n, _ := newNotifier(t, c, nil)
			key := subscribe(t, n, "s")
			notify(t, n, key, state("", "1"))
			if err := n.End(key, bye()); err != nil {
				t.Fatal(err)
			}
			subscribe(t, n, "s")
			synctest.Wait()
			notify(t, n, key, state("", "2"))
			synctest.Wait()
			if got := c.texts(); got[len(got)-1] != "s:2" {
				t.Errorf("events %v, want s:2 at the end", got)
			}
			if n.Stats().Subscriptions != 1 {
				t.Errorf("%d subscriptions, want 1", n.Stats().Subscriptions)
			}
		})
	})
}

func TestNotifierShutdown(t *testing.T) {
	t.Run("delivers what waits", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
			n, _ := newNotifier(t, c, nil)
			a, b := subscribe(t, n, "a"), subscribe(t, n, "b")
			for range 3 {
				notify(t, n, a, state("", "x"))
				notify(t, n, b, state("", "y"))
			}
			start := time.Now()
			drain(t, n)
			if got := len(c.seen()); got != 6 {
				t.Errorf("%d events delivered, want 6", got)
			}
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("shutdown took %v, want 3s", took)
			}
			mustBe(t, n.Notify(a, state("", "z")), ici.ErrNotifierClosed)
			mustBe(t, n.Subscribe(ici.Subscription{AppURL: "http://crm:8000/", AppID: "z"}), ici.ErrNotifierClosed)
		})
	})
	t.Run("gives up at its deadline", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(hang)
			n, _ := newNotifier(t, c, nil)
			notify(t, n, subscribe(t, n, "a"), state("", "x"))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			start := time.Now()
			mustBe(t, n.Shutdown(ctx), context.DeadlineExceeded)
			if took := time.Since(start); took != 2*time.Second {
				t.Errorf("shutdown took %v, want 2s", took)
			}
			if st := n.Stats(); st.OpenConns != 0 || st.Waiting != 0 {
				t.Errorf("after shutdown: %+v", st)
			}
		})
	})
	t.Run("with nothing to do returns at once, and twice", func(t *testing.T) {
		n, _ := newNotifier(t, nil, nil)
		drain(t, n)
		drain(t, n)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNotifierStyleAndProfileOfASystem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		renamed := mustOverride(t, "wire headerUser = benutzer")
		c := newCRM(t)
		n, _ := newNotifier(t, c, func(o *ici.NotifierOptions) {
			o.Systems = []ici.EventSystem{{Name: "L", AllowHosts: []string{"crm"}, Style: ici.Literal, Profile: renamed}}
		})
		sub := ici.Subscription{System: "L", AppURL: "http://crm:8000/x", AppID: "A", User: "MEIER"}
		if err := n.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
		notify(t, n, sub.Key(), state("", "x"))
		synctest.Wait()
		got := c.seen()[0].body
		if strings.Contains(got, "xsi:type") || !strings.Contains(got, "<appIds><item>A</item></appIds><dataForm>x</dataForm>") || !strings.Contains(got, "<h:benutzer ") {
			t.Errorf("event %s", got)
		}
	})
}
