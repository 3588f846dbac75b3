package ici_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/testnet"
)

// post is one event as an end point saw it.
type post struct {
	target string
	op     string
	text   string // content of the first parameter after appIds
	body   string
	header http.Header
	at     time.Duration // since the end point started
}

// crm is an event end point in memory whose answers a test decides.
type crm struct {
	net   *testnet.Net
	start time.Time

	mu     sync.Mutex
	posts  []post
	inside int // requests being handled
	peak   int
	answer func(w http.ResponseWriter, r *http.Request, p post)
}

const okAnswer = `<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>` +
	`<m:r xmlns:m="urn:IciEventInterface"><response></response></m:r></e:Body></e:Envelope>`

var (
	opOf   = regexp.MustCompile(`<m:(\w+) xmlns:m="urn:IciEventInterface"`)
	textOf = regexp.MustCompile(`<dataForm[^>]*>([^<]*)<`)
)

// newCRM starts an end point at crm:8000. Use it inside a synctest bubble.
func newCRM(t *testing.T) *crm {
	t.Helper()
	c := &crm{net: testnet.New(), start: time.Now()}
	ln, err := c.net.Listen("crm:8000")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: c}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return c
}

func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p := post{target: r.RequestURI, body: string(body), header: r.Header, at: time.Since(c.start)}
	if m := opOf.FindStringSubmatch(p.body); m != nil {
		p.op = m[1]
	}
	if m := textOf.FindStringSubmatch(p.body); m != nil {
		p.text = m[1]
	}
	c.mu.Lock()
	c.posts = append(c.posts, p)
	c.inside++
	c.peak = max(c.peak, c.inside)
	answer := c.answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.inside--
		c.mu.Unlock()
	}()
	if answer != nil {
		answer(w, r, p)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, okAnswer)
}

func (c *crm) answers(f func(w http.ResponseWriter, r *http.Request, p post)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = f
}

func (c *crm) seen() []post {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]post(nil), c.posts...)
}

// most returns how many requests were handled at the same time.
func (c *crm) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peak
}

// texts returns what arrived as "target:text", in order.
func (c *crm) texts() []string {
	var out []string
	for _, p := range c.seen() {
		out = append(out, strings.TrimPrefix(p.target, "/")+":"+p.text)
	}
	return out
}

// times returns when posts arrived.
func (c *crm) times() []time.Duration {
	var out []time.Duration
	for _, p := range c.seen() {
		out = append(out, p.at)
	}
	return out
}

// outcome is what the callbacks of a notifier were told.
type outcome struct {
	mu      sync.Mutex
	gone    []error
	refused []error
	traces  []ici.Delivery
}

func (o *outcome) goneErrs() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]error(nil), o.gone...)
}

// newNotifier makes a notifier that reaches c only.
func newNotifier(t *testing.T, c *crm, change func(*ici.NotifierOptions)) (*ici.Notifier, *outcome) {
	t.Helper()
	out := new(outcome)
	opts := &ici.NotifierOptions{
		Systems: []ici.EventSystem{{AllowHosts: []string{"crm"}}},
		Gone: func(_ ici.Subscription, err error) {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.gone = append(out.gone, err)
		},
		Refused: func(_ ici.Subscription, _ ici.Op, _ string, err error) {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.refused = append(out.refused, err)
		},
		Trace: func(d *ici.Delivery) {
			out.mu.Lock()
			defer out.mu.Unlock()
			x := *d
			x.Body, x.Answer = nil, nil
			out.traces = append(out.traces, x)
		},
	}
	if c != nil {
		opts.DialContext = c.net.DialContext
	}
	if change != nil {
		change(opts)
	}
	n, err := ici.NewNotifier(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n, out
}

// subscribe makes a subscription whose URL path is name.
func subscribe(t *testing.T, n *ici.Notifier, name string) ici.SubscriptionKey {
	t.Helper()
	sub := ici.Subscription{AppURL: "http://crm:8000/" + name, AppID: "APP-" + name, User: "MEIER", Language: "DE"}
	if err := n.Subscribe(sub); err != nil {
		t.Fatal(err)
	}
	return sub.Key()
}

// state is an event that collapses by item.
func state(item, text string) ici.Event {
	return ici.Event{Op: ici.OpEventMonitorDataChanged, Item: item, Params: []ici.Arg{{Param: ici.ParamDataForm, Value: ici.Text(text)}}}
}

func notify(t *testing.T, n *ici.Notifier, key ici.SubscriptionKey, ev ici.Event) {
	t.Helper()
	if err := n.Notify(key, ev); err != nil {
		t.Fatal(err)
	}
}

// bubble runs f in a synctest bubble.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// hang answers nothing until the client gives up.
func hang(_ http.ResponseWriter, r *http.Request, _ post) { <-r.Context().Done() }

func status(code int) func(http.ResponseWriter, *http.Request, post) {
	return func(w http.ResponseWriter, _ *http.Request, _ post) { w.WriteHeader(code) }
}

func mustBe(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("error is %v, want %v", err, target)
	}
}

// rawServer answers each connection of a TCP port with f; it returns the address.
func rawServer(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				f(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

func drain(t *testing.T, n *ici.Notifier) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := n.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
}
