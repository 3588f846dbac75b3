package connects_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/testnet"
)

// logText collects what is logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logText) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// runNode starts a component of its own node.
func runNode(t *testing.T, f connects.Factory, log *logText) *connects.Node {
	t.Helper()
	n := connects.NewNode(&connects.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err := n.Add("it", f); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop(context.WithoutCancel(t.Context())) })
	return n
}

func TestDataStoreWarnsOfTwoVoters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net1, log := testnet.New(), &logText{}
		var nodes []*connects.Node
		for i, side := range []ds104.Side{ds104.SideA, ds104.SideB} {
			host := []string{"a", "b"}[i]
			nodes = append(nodes, runNode(t, connects.DataStore(&connects.DataStoreConfig{
				Side: side, Console: connects.Off, Listen: host + ":42029", Page: host + ":42028", PageHosts: []string{host},
				Listener: func(_ context.Context, _, addr string) (net.Listener, error) { return net1.Listen(addr) },
			}), log))
		}
		for _, name := range []string{"c1", "c2"} {
			p, err := ds104.NewPair(ds104.PairOptions{A: "a:42029", B: "b:42029", Client: ds104.ClientOptions{Name: name, Dial: net1.DialContext}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
		}
		page := func() string {
			tr := &http.Transport{DialContext: net1.DialContext, DisableKeepAlives: true}
			r, err := (&http.Client{Transport: tr}).Get("http://a:42028/")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			b, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		const warning = "The pair has two voters only"
		<-time.After(5 * time.Second)
		if !strings.Contains(page(), warning) {
			t.Error("the page does not warn")
		}
		if log.count(warning) != 0 {
			t.Error("the warning is logged while voters still come")
		}
		<-time.After(time.Minute)
		if n := log.count(warning); n != 2 { // one for each side
			t.Errorf("the warning is logged %d times, want 2", n)
		}

		w := runNode(t, connects.DataStoreWitness(connects.WitnessConfig{Name: "w", A: "a:42029", B: "b:42029", Dial: net1.DialContext}), log)
		if h := w.Health(); h.State != connects.StateInactive || h.Condition != connects.ConditionDegraded {
			t.Errorf("at the start: %+v", h)
		}
		<-time.After(5 * time.Second)
		if h := w.Health(); h.State != connects.StateActive || h.Condition != connects.ConditionOK || len(h.Components[0].Links) != 2 {
			t.Errorf("with both sides: %+v", h)
		}
		if strings.Contains(page(), warning) {
			t.Error("the page warns in spite of a witness")
		}
		for i, want := range []connects.Condition{connects.ConditionDegraded, connects.ConditionFailing} {
			if err := nodes[i].Stop(t.Context()); err != nil {
				t.Error(err)
			}
			<-time.After(10 * time.Second)
			if h := w.Health(); h.Condition != want || h.Components[0].Links[i].State != "down" {
				t.Errorf("without %d sides: %+v", i+1, h)
			}
		}
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWitnessConfigIsChecked(t *testing.T) {
	for field, cfg := range map[string]connects.WitnessConfig{
		"Name":              {A: "a:1", B: "b:1"},
		"A":                 {Name: "w", A: "a", B: "b:1"},
		"B":                 {Name: "w", A: "a:1", B: "a:1"},
		"HeartbeatInterval": {Name: "w", A: "a:1", B: "b:1", HeartbeatInterval: 1},
	} {
		var bad *connects.ConfigError
		if err := cfg.Validate(); !errors.As(err, &bad) || bad.Field != "DataStoreWitness."+field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := (&connects.WitnessConfig{Name: "w", A: "a:1", B: "b:1"}).Validate(); err != nil {
		t.Error(err)
	}
}
