package desk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/connects-go/connects/internal/wsx"
)

const (
	feedEvery   = 60 * time.Millisecond // how often viewers get news
	lookEvery   = 16                    // ticks after which the state is looked at though no message passed
	keepRecent  = 300                   // messages a new viewer gets to see
	maxPending  = 5000                  // messages kept between two ticks; the oldest go
	viewerQueue = 64                    // batches a slow viewer may be behind before it is dropped
)

// Message is one protocol message as the page shows it.
type Message struct {
	N      uint64    `json:"n"` // counts all messages of a hub, from 1
	Time   time.Time `json:"time"`
	Link   string    `json:"link"` // CTI or ICI
	Out    bool      `json:"out"`  // from the connector to its neighbour
	Peer   string    `json:"peer"`
	Name   string    `json:"name"`
	Brief  string    `json:"brief"`
	Bad    bool      `json:"bad,omitempty"`
	Detail string    `json:"detail"`
}

// hub feeds all viewers. Observers call add from protocol goroutines, so add
// only stores a function; rendering waits until somebody looks.
type hub struct {
	snapshot func() any
	life     string // tells this hub from one before a restart, whose numbers began at 1 too

	mu      sync.Mutex
	n       uint64
	pending []func() Message
	recent  []func() Message
	viewers map[chan []byte]struct{}
	joined  bool // a viewer came since the last tick and needs everything
}

func newHub(snapshot func() any) *hub {
	return &hub{snapshot: snapshot, life: rand.Text(), viewers: make(map[chan []byte]struct{})}
}

func (h *hub) add(render func() Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	n := h.n
	f := sync.OnceValue(func() Message { m := render(); m.N = n; return m })
	if h.recent = append(h.recent, f); len(h.recent) > 2*keepRecent {
		h.recent = append(h.recent[:0:0], h.recent[len(h.recent)-keepRecent:]...)
	}
	if len(h.viewers) > 0 {
		if h.pending = append(h.pending, f); len(h.pending) > maxPending {
			h.pending = h.pending[len(h.pending)-maxPending:]
		}
	}
}

// run feeds until ctx ends.
func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	var last []byte
	var seen uint64
	for ticks := 0; ; ticks++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.mu.Lock()
		idle, joined, pending := len(h.viewers) == 0, h.joined, h.pending
		quiet := h.n == seen && ticks%lookEvery != 0
		h.joined, h.pending, seen = false, nil, h.n
		h.mu.Unlock()
		if idle {
			last = nil
			continue
		}
		if joined || !quiet {
			state := marshal(map[string]any{"state": h.snapshot()})
			if joined || !bytes.Equal(state, last) {
				last = state
				h.send(state)
			}
		}
		if len(pending) > 0 {
			h.send(marshal(map[string]any{"messages": render(pending)}))
		}
	}
}

func render(fs []func() Message) []Message {
	ms := make([]Message, len(fs))
	for i, f := range fs {
		ms[i] = f()
	}
	return ms
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // only plain structs come here
		b = []byte(`{}`)
	}
	return b
}

func (h *hub) send(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for v := range h.viewers {
		select {
		case v <- b:
		default: // too slow: it connects again and gets a fresh picture
			delete(h.viewers, v)
			close(v)
		}
	}
}

// ServeHTTP is the live feed over WebSocket. It begins with the life of the hub and the
// recent messages, also for a viewer that comes again: numbers tell what it has seen.
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := wsx.Accept(w, r)
	if err != nil {
		return
	}
	defer c.Close()
	v := make(chan []byte, viewerQueue)
	h.mu.Lock()
	recent := h.recent
	if len(recent) > keepRecent {
		recent = recent[len(recent)-keepRecent:]
	}
	h.viewers[v] = struct{}{}
	h.joined = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.viewers, v)
		h.mu.Unlock()
	}()
	if c.Write(r.Context(), marshal(map[string]any{"life": h.life, "messages": render(recent)})) != nil {
		return
	}
	for {
		select {
		case <-c.Done():
			return
		case <-r.Context().Done():
			return
		case b, ok := <-v:
			if !ok || c.Write(r.Context(), b) != nil {
				return
			}
		}
	}
}
