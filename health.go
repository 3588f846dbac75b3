package connects

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Health is a snapshot of a node. It contains nothing secret.
type Health struct {
	// Seq is the number of the last change it includes; see [Node.Watch].
	Seq   uint64 `json:"seq"`
	Phase Phase  `json:"phase"`
	// State is the most active state of the components: ACTIVE before INACTIVE
	// before IDLE, and STOPPED unless the node runs.
	State State `json:"state"`
	// Condition is the worst condition of the components.
	Condition Condition `json:"condition"`
	// Reason says why the node failed.
	Reason string `json:"reason,omitempty"`
	// Since is when phase, state, condition or reason changed last.
	Since      time.Time         `json:"since"`
	Version    string            `json:"version,omitempty"`
	Components []ComponentHealth `json:"components"`
}

// ComponentHealth is the part of one component, in start order.
type ComponentHealth struct {
	// Name is that of [Node.Add].
	Name string `json:"name"`
	// Phase is where it is in its life, State its part in the service, and Condition how
	// well it does.
	Phase     Phase     `json:"phase"`
	State     State     `json:"state"`
	Condition Condition `json:"condition"`
	// Reason says why Condition is not OK, or why it failed.
	Reason string `json:"reason,omitempty"`
	// Since is when phase, state, condition or reason changed last.
	Since time.Time `json:"since"`
	// Links are those of a [LinkReporter].
	Links []Link `json:"links,omitempty"`
}

// Link is a connection of a component to a neighbour.
type Link struct {
	Name  string    `json:"name"`           // for example "cti"
	Side  string    `json:"side,omitempty"` // "A" or "B"
	State string    `json:"state"`          // for example "up" or "down"
	Since time.Time `json:"since,omitzero"`
	// Detail is a short text for people, without secrets.
	Detail string `json:"detail,omitempty"`
}

// LinkReporter is an optional interface of a [Component]: Health shows its links.
// Links must return at once and may be called from any goroutine.
type LinkReporter interface{ Links() []Link }

// Ready reports whether this instance may get traffic: it runs and is not
// failing. INACTIVE and IDLE are ready too; a proxy could not fail over otherwise.
func (h *Health) Ready() bool { return h.Phase == PhaseRunning && h.Condition != ConditionFailing }

// Health returns a snapshot. It never blocks on a component.
func (n *Node) Health() Health {
	n.mu.Lock()
	h := Health{
		Seq: n.changes.seq, Phase: n.phase, State: n.last.State, Condition: n.last.Condition,
		Reason: n.failure.text, Since: n.since.UTC(), Version: n.opts.Version,
		Components: make([]ComponentHealth, len(n.components)),
	}
	reporters := make([]LinkReporter, len(n.components))
	for i, c := range n.components {
		h.Components[i] = ComponentHealth{
			Name: c.name, Phase: c.phase, State: c.last.State, Condition: c.condition,
			Reason: c.reason.text, Since: c.since.UTC(),
		}
		reporters[i], _ = c.built.(LinkReporter)
	}
	n.mu.Unlock()
	for i, r := range reporters { // foreign code: not under the lock
		if r != nil {
			h.Components[i].Links = r.Links()
		}
	}
	return h
}

// Handler returns the health pages for proxies, orchestrators and people. The
// last element of the path decides, so it can be mounted anywhere:
//
//	.../live   200 until the node has failed
//	.../ready  200 or 503 by Health.Ready, one word as body
//	else       200 or 503 by Health.Ready, the whole Health as body
//
// The body is JSON, or plain text when the request's Accept prefers that (as a
// browser does). GET and HEAD only. The handler needs no authentication, changes
// nothing and answers in every phase.
func (n *Node) Handler() http.Handler { return http.HandlerFunc(n.serveHealth) }

func (n *Node) serveHealth(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	h := n.Health()
	ok := h.Ready()
	var body []byte
	kind := "text/plain; charset=utf-8"
	switch path.Base(r.URL.Path) {
	case "live":
		ok = h.Phase != PhaseFailed
		body = word(ok, "live", "failed")
	case "ready":
		body = word(ok, "ready", "not ready")
	default:
		if prefersText(r.Header.Values("Accept")) {
			body = h.appendText(nil)
		} else {
			kind = "application/json"
			body, _ = json.Marshal(h) // cannot fail: plain values
			body = append(body, '\n')
		}
	}
	hd := w.Header()
	hd.Set("Content-Type", kind)
	hd.Set("Content-Length", strconv.Itoa(len(body)))
	hd.Set("Cache-Control", "no-store")
	hd.Set("X-Content-Type-Options", "nosniff")
	hd.Add("Vary", "Accept")
	code := http.StatusOK
	if !ok {
		code = http.StatusServiceUnavailable
	}
	w.WriteHeader(code)
	_, _ = w.Write(body) // the prober went away: nobody to tell
}

func word(ok bool, yes, no string) []byte {
	if ok {
		return []byte(yes + "\n")
	}
	return []byte(no + "\n")
}

func (h *Health) appendText(dst []byte) []byte {
	b := bytes.NewBuffer(dst)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	row := func(name string, p Phase, s State, c Condition, since time.Time, reason string) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", name, s, c, p, since.Format(time.RFC3339), reason)
	}
	row("node", h.Phase, h.State, h.Condition, h.Since, h.Reason)
	for _, c := range h.Components {
		row(c.Name, c.Phase, c.State, c.Condition, c.Since, c.Reason)
		for _, l := range c.Links {
			since := ""
			if !l.Since.IsZero() {
				since = l.Since.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(t, "  %s %s\t%s\t\t\t%s\t%s\n", l.Name, l.Side, l.State, since, l.Detail)
		}
	}
	_ = t.Flush() // into memory
	if h.Version != "" {
		fmt.Fprintf(b, "version %s\n", h.Version)
	}
	return b.Bytes()
}

// prefersText reports whether the Accept header likes text better than JSON.
func prefersText(accept []string) bool {
	var text, jsn float64
	for field := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, params, _ := strings.Cut(strings.ToLower(field), ";")
		q := 1.0
		for p := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
				if f, err := strconv.ParseFloat(v, 64); err == nil {
					q = f
				}
			}
		}
		switch strings.TrimSpace(kind) {
		case "text/plain", "text/html", "text/*":
			text = max(text, q)
		case "application/json", "application/*":
			jsn = max(jsn, q)
		case "*/*":
			text, jsn = max(text, q), max(jsn, q)
		}
	}
	return text > jsn
}
