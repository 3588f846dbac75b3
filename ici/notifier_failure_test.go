package ici_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
)

const faultAnswer = `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">` +
	`<SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode><faultstring>CRM_ICI_EXCEPTION &amp; more</faultstring>` +
	`<detail><errorCode>generic</errorCode></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>`

// body answers with a status, a content type and a text.
func body(code int, contentType, text string) func(http.ResponseWriter, *http.Request, post) {
	return func(w http.ResponseWriter, _ *http.Request, _ post) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

// raw answers with bytes that need not be HTTP, and closes.
func raw(text string) func(http.ResponseWriter, *http.Request, post) {
	return func(w http.ResponseWriter, _ *http.Request, _ post) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// endless sends a header line, or a body, without end.
func endless(start string) func(http.ResponseWriter, *http.Request, post) {
	return func(w http.ResponseWriter, _ *http.Request, _ post) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, start)
		for range 100000 {
			if _, err := io.WriteString(conn, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); err != nil {
				return
			}
		}
	}
}

func TestNotifierJudgesAnswers(t *testing.T) {
	type want struct{ delivered, refused, retried, gone uint64 }
	ok, refused, retried, gone := want{delivered: 1}, want{refused: 1}, want{retried: 1}, want{gone: 1}
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request, post)
		want   want
		err    error
	}{
		{"envelope", body(200, "text/xml; charset=utf-8", okAnswer), ok, nil},
		{"empty 200", status(200), ok, nil},
		{"202", status(202), ok, nil},
		{"204", status(204), ok, nil},
		{"any text", body(200, "text/plain", "thank you"), ok, nil},
		{"text that speaks of a Fault", body(200, "text/xml", strings.Replace(okAnswer, "<response>", "<response>&lt;Fault&gt; Fault", 1)), ok, nil},
		{"early hints first", func(w http.ResponseWriter, _ *http.Request, _ post) { w.WriteHeader(103); w.WriteHeader(200) }, ok, nil},
		{"without length, HTTP/1.0", raw("HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + okAnswer), ok, nil},
		{"Fault with 500", body(500, "text/xml", faultAnswer), refused, nil},
		{"Fault with 200", body(200, "text/xml", faultAnswer), refused, nil},
		{"405", status(405), refused, ici.ErrEventRefused},
		{"415", status(415), refused, ici.ErrEventRefused},
		{"400", body(400, "text/html", "<html>Session not found</html>"), gone, ici.ErrSubscriptionGone},
		{"401", status(401), gone, ici.ErrSubscriptionGone},
		{"403", status(403), gone, ici.ErrSubscriptionGone},
		{"404", status(404), gone, ici.ErrSubscriptionGone},
		{"410", status(410), gone, ici.ErrSubscriptionGone},
		{"400 with a Fault", body(400, "text/xml", faultAnswer), gone, ici.ErrSubscriptionGone},
		{"401 with a body without end", endless("HTTP/1.1 401 No\r\n\r\n"), gone, ici.ErrSubscriptionGone},
		{"500 without Fault", body(500, "text/html", "<html>dump</html>"), retried, ici.ErrEventStatus},
		{"503 with a Fault", body(503, "text/xml", faultAnswer), retried, ici.ErrEventStatus},
		{"429", status(429), retried, ici.ErrEventStatus},
		{"redirect", func(w http.ResponseWriter, r *http.Request, _ post) {
			http.Redirect(w, r, "http://crm:8000/other", 302)
		}, retried, ici.ErrRedirect},
		{"redirect that keeps the method", func(w http.ResponseWriter, r *http.Request, _ post) { http.Redirect(w, r, "/other", 308) }, retried, ici.ErrRedirect},
		{"logon page", body(200, "text/html; charset=utf-8", "<html>Please log on</html>"), retried, ici.ErrGarbage},
		{"no HTTP", raw("SSH-2.0-OpenSSH_9.6\r\n"), retried, ici.ErrGarbage},
		{"binary", raw("\x00\x01\x02\x03\xff\xfe\r\n\r\n"), retried, ici.ErrGarbage},
		{"bad status line", raw("HTTP/1.1 abc OK\r\n\r\n"), retried, ici.ErrGarbage},
		{"half a header", raw("HTTP/1.1 200 OK\r\nContent-"), retried, ici.ErrGarbage},
		{"half a body", raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"), retried, ici.ErrGarbage},
		{"bad chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"), retried, ici.ErrGarbage},
		{"header without end", endless("HTTP/1.1 200 OK\r\nX-Long: "), retried, ici.ErrGarbage},
		{"body without end", endless("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n"), retried, ici.ErrGarbage},
		{"informational answers without end", raw(strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 50)), retried, ici.ErrGarbage},
		{"switching protocols", raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), retried, ici.ErrGarbage},
		{"closed without a byte", raw(""), retried, ici.ErrNoAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCRM(t)
				c.answers(tt.answer)
				n, out := newNotifier(t, c, nil)
				key := subscribe(t, n, "s")
				notify(t, n, key, state("A", "x"))
				synctest.Wait()
				st := n.Stats()
				if d := cmp.Diff(tt.want, want{st.Delivered, st.Refused, st.Retried, st.Gone}, cmp.AllowUnexported(want{})); d != "" {
					t.Errorf("outcome (-want +got):\n%s", d)
				}
				out.mu.Lock()
				defer out.mu.Unlock()
				if tt.err != nil {
					mustBe(t, out.traces[0].Err, tt.err)
				}
				if int(st.Refused) != len(out.refused) || int(st.Gone) != len(out.gone) {
					t.Errorf("callbacks: refused %v, gone %v", out.refused, out.gone)
				}
				for _, p := range c.seen() {
					if p.target != "/s" {
						t.Errorf("a request went to %s", p.target)
					}
				}
			})
		})
	}
}

func TestNotifierTellsTheFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(body(500, "text/xml", faultAnswer))
		n, out := newNotifier(t, c, nil)
		notify(t, n, subscribe(t, n, "s"), state("A", "x"))
		synctest.Wait()
		out.mu.Lock()
		defer out.mu.Unlock()
		var f *ici.EventFault
		if !errors.As(out.refused[0], &f) {
			t.Fatalf("refused with %v, want an *EventFault", out.refused[0])
		}
		if d := cmp.Diff(&ici.EventFault{Code: "Server", Text: "CRM_ICI_EXCEPTION & more"}, f); d != "" {
			t.Errorf("fault (-want +got):\n%s", d)
		}
	})
}

func TestNotifierRefusedEventDoesNotBlock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(body(500, "text/xml", faultAnswer))
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		for i := range 5 {
			notify(t, n, key, state("", fmt.Sprint(i)))
		}
		synctest.Wait() // no time passes
		if d := cmp.Diff([]string{"s:0", "s:1", "s:2", "s:3", "s:4"}, c.texts()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestNotifierRetrySchedule(t *testing.T) {
	secs := func(s ...int) (out []time.Duration) {
		for _, x := range s {
			out = append(out, time.Duration(x)*time.Second)
		}
		return out
	}
	t.Run("1, 2, 5, 10, 30 s and then the subscription ends", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(status(503))
			n, out := newNotifier(t, c, nil)
			key := subscribe(t, n, "s")
			notify(t, n, key, state("", "1"))
			notify(t, n, key, state("", "2"))
			<-time.After(10 * time.Minute)
			if d := cmp.Diff(secs(0, 1, 3, 8, 18, 48), c.times()); d != "" {
				t.Errorf("attempts (-want +got):\n%s", d)
			}
			var g *ici.GoneError
			if errs := out.goneErrs(); len(errs) != 1 || !errors.As(errs[0], &g) {
				t.Fatalf("gone with %v, want one *GoneError", errs)
			}
			if g.Failures != 6 || g.Unsent != 2 {
				t.Errorf("gone after %d failures with %d unsent events, want 6 and 2", g.Failures, g.Unsent)
			}
			mustBe(t, g, ici.ErrUndeliverable)
			mustBe(t, g, ici.ErrEventStatus)
			if st := n.Stats(); st.Subscriptions != 0 || st.Waiting != 0 || st.WaitingBytes != 0 || st.Dropped != 2 {
				t.Errorf("after the end: %+v", st)
			}
		})
	})
	t.Run("no answer counts as failed after 30 s", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(hang)
			n, _ := newNotifier(t, c, nil)
			notify(t, n, subscribe(t, n, "s"), state("", "1"))
			<-time.After(10 * time.Minute)
			if d := cmp.Diff(secs(0, 31, 63, 98, 138, 198), c.times()); d != "" {
				t.Errorf("attempts (-want +got):\n%s", d)
			}
		})
	})
	t.Run("an answer byte by byte is no answer", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(func(w http.ResponseWriter, r *http.Request, _ post) {
				for r.Context().Err() == nil {
					_, _ = io.WriteString(w, "x")
					_ = http.NewResponseController(w).Flush()
					<-time.After(time.Second)
				}
			})
			n, _ := newNotifier(t, c, func(o *ici.NotifierOptions) { o.RetryDelays = secs(60) })
			notify(t, n, subscribe(t, n, "s"), state("", "1"))
			<-time.After(32 * time.Second)
			if st := n.Stats(); st.Retried != 1 {
				t.Errorf("after 32 s: %+v", st)
			}
		})
	})
	t.Run("an answer resets the count", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			var fail atomic.Int32
			fail.Store(3)
			c.answers(func(w http.ResponseWriter, _ *http.Request, _ post) {
				if fail.Add(-1) >= 0 {
					w.WriteHeader(503)
				}
			})
			n, _ := newNotifier(t, c, nil)
			key := subscribe(t, n, "s")
			notify(t, n, key, state("", "1"))
			<-time.After(100 * time.Second)
			fail.Store(2)
			notify(t, n, key, state("", "2"))
			<-time.After(100 * time.Second)
			if d := cmp.Diff(secs(0, 1, 3, 8, 100, 101, 103), c.times()); d != "" {
				t.Errorf("attempts (-want +got):\n%s", d)
			}
		})
	})
	t.Run("for ever when asked to", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			c := newCRM(t)
			c.answers(status(500))
			n, out := newNotifier(t, c, func(o *ici.NotifierOptions) { o.RetryLimit = -1 })
			notify(t, n, subscribe(t, n, "s"), state("", "1"))
			<-time.After(48*time.Second + 60*time.Minute + time.Second)
			if got := len(c.seen()); got != 6+120 {
				t.Errorf("%d attempts in an hour, want 126", got)
			}
			if len(out.goneErrs()) != 0 {
				t.Errorf("gone: %v", out.goneErrs())
			}
		})
	})
}

func TestNotifierWhileRetrying(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(status(503))
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		notify(t, n, key, state("A", "a1"))
		synctest.Wait()
		notify(t, n, key, state("", "p1"))
		notify(t, n, key, state("B", "b1"))
		notify(t, n, key, state("A", "a2")) // replaces a1, which failed
		notify(t, n, key, state("B", "b2"))
		notify(t, n, key, state("", "p2"))
		<-time.After(500 * time.Millisecond)
		c.answers(nil)
		drain(t, n)
		if d := cmp.Diff([]string{"s:a1", "s:p1", "s:a2", "s:b2", "s:p2"}, c.texts()); d != "" {
			t.Errorf("attempts (-want +got):\n%s", d)
		}
	})
}

// A newer state comes while the old one is on the wire, and then the old one fails.
func TestNotifierFailedStateIsReplacedByANewerOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		var seen atomic.Int32
		c.answers(func(w http.ResponseWriter, r *http.Request, p post) {
			if seen.Add(1) == 1 {
				hang(w, r, p)
			}
		})
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		notify(t, n, key, state("A", "a1"))
		synctest.Wait()
		notify(t, n, key, state("A", "a2"))
		drain(t, n)
		if d := cmp.Diff([]string{"s:a1", "s:a2"}, c.texts()); d != "" {
			t.Errorf("attempts (-want +got):\n%s", d)
		}
		if st := n.Stats(); st.Collapsed != 1 || st.Delivered != 1 || st.Waiting != 0 {
			t.Errorf("statistics: %+v", st)
		}
	})
}

func TestNotifierNetworkFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*crm)
		after time.Duration
	}{
		{"refused", func(c *crm) { c.net.Refuse("crm:8000", true) }, time.Second},
		{"black hole", func(c *crm) { c.net.Blackhole("crm:8000", true) }, 31 * time.Second},
		{"stalled", func(c *crm) { c.net.Stall("crm:8000", true) }, 31 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCRM(t)
				tt.fault(c)
				n, _ := newNotifier(t, c, nil)
				notify(t, n, subscribe(t, n, "s"), state("", "1"))
				<-time.After(tt.after - time.Millisecond)
				synctest.Wait()
				if st := n.Stats(); st.Retried != 1 {
					t.Errorf("before the second attempt: %+v", st)
				}
				c.net.Refuse("crm:8000", false)
				c.net.Blackhole("crm:8000", false)
				c.net.Stall("crm:8000", false)
				drain(t, n)
				if st := n.Stats(); st.Delivered != 1 {
					t.Errorf("after the network came back: %+v", st)
				}
			})
		})
	}
}

// A connection that SAP closed while it was idle is no failure.
func TestNotifierStaleConnectionIsReplacedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		n, _ := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		notify(t, n, key, state("", "1"))
		synctest.Wait()
		c.net.Cut("crm:8000")
		notify(t, n, key, state("", "2"))
		synctest.Wait()
		st := n.Stats()
		if st.Delivered != 2 || st.Retried != 0 || st.Dials != 2 {
			t.Errorf("statistics: %+v", st)
		}
	})
}

func TestNotifierKeepsConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		n, _ := newNotifier(t, c, nil)
		a, b := subscribe(t, n, "a"), subscribe(t, n, "b")
		for range 10 {
			notify(t, n, a, state("", "1"))
			synctest.Wait()
			notify(t, n, b, state("", "2"))
			synctest.Wait()
		}
		if st := n.Stats(); st.Dials != 1 || st.Reused != 19 || st.IdleConns != 1 || st.OpenConns != 1 {
			t.Errorf("20 events one after the other: %+v", st)
		}
		<-time.After(2 * ici.DefaultIdleTimeout)
		synctest.Wait()
		if st := n.Stats(); st.OpenConns != 0 || st.IdleConns != 0 {
			t.Errorf("after the idle timeout: %+v", st)
		}
		notify(t, n, a, state("", "3"))
		synctest.Wait()
		if st := n.Stats(); st.Dials != 2 || st.Delivered != 21 {
			t.Errorf("an event later: %+v", st)
		}
	})
}

func TestNotifierLimitsConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(func(http.ResponseWriter, *http.Request, post) { <-time.After(time.Second) })
		n, _ := newNotifier(t, c, func(o *ici.NotifierOptions) { o.MaxConns, o.MaxIdlePerHost = 3, 2 })
		for i := range 9 {
			notify(t, n, subscribe(t, n, fmt.Sprint(i)), state("", "x"))
		}
		<-time.After(10 * time.Second)
		if c.most() != 3 || len(c.seen()) != 9 {
			t.Errorf("%d events, at most %d at the same time; want 9 and 3", len(c.seen()), c.most())
		}
		if st := n.Stats(); st.IdleConns != 2 || st.OpenConns != 2 {
			t.Errorf("afterwards: %+v", st)
		}
	})
}

func TestNotifierLogsNoSessionPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		c := newCRM(t)
		c.answers(status(404))
		n, out := newNotifier(t, c, func(o *ici.NotifierOptions) {
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			o.Systems[0].Username, o.Systems[0].Password = "ICIUSER", "topsecret"
		})
		notify(t, n, subscribe(t, n, "ici(c2Vzc2lvbg==)"), state("", "customer data"))
		synctest.Wait()
		text := log.String() + fmt.Sprint(out.goneErrs())
		for _, secret := range []string{"c2Vzc2lvbg", "customer data", "topsecret", "APP-"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
		if !strings.Contains(text, "level=INFO") || strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
			t.Errorf("a dead session is information, logged: %s", text)
		}
	})
}

func TestNotifierCallbacksMayUseTheNotifier(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(status(410))
		var n *ici.Notifier
		again := make(chan error, 1)
		n, _ = newNotifier(t, c, func(o *ici.NotifierOptions) {
			o.Gone = func(s ici.Subscription, _ error) {
				c.answers(nil)
				if err := n.Subscribe(s); err != nil {
					again <- err
					return
				}
				again <- n.Notify(s.Key(), state("", "again"))
			}
		})
		notify(t, n, subscribe(t, n, "s"), state("", "1"))
		if err := <-again; err != nil {
			t.Fatal(err)
		}
		drain(t, n)
		if d := cmp.Diff([]string{"s:1", "s:again"}, c.texts()); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestNotifierLogsAnOutageOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		c := newCRM(t)
		c.answers(status(503))
		n, _ := newNotifier(t, c, func(o *ici.NotifierOptions) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		key := subscribe(t, n, "s")
		notify(t, n, key, state("", "1"))
		<-time.After(10 * time.Second) // four attempts
		c.answers(nil)
		notify(t, n, key, state("", "2"))
		drain(t, n)
		if w, i := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "level=INFO"); w != 1 || i != 1 {
			t.Errorf("%d warnings and %d informations, want one of each:\n%s", w, i, log.String())
		}
	})
}

// SAP, or something in between, sends more than one answer: the surplus must not be taken for the answer to the next
// event.
func TestNotifierSurplusAnswerIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCRM(t)
		c.answers(func(w http.ResponseWriter, _ *http.Request, _ post) {
			conn, buf, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
			_, _ = io.WriteString(conn, answer+"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
			_, _ = http.ReadRequest(buf.Reader) // until the client closes
			_ = conn.Close()
		})
		n, out := newNotifier(t, c, nil)
		key := subscribe(t, n, "s")
		for range 3 {
			notify(t, n, key, state("", "1"))
			synctest.Wait()
		}
		if st := n.Stats(); st.Delivered != 3 || st.Dials != 3 || len(out.goneErrs()) != 0 {
			t.Errorf("statistics %+v, gone %v", st, out.goneErrs())
		}
	})
}
