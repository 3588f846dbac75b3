// Package desk is the page on which a person plays with the simulated switch and
// the simulated SAP, and the control of the simulators for scripts.
//
// The page gets the whole state and every message over a WebSocket and sends one
// HTTP request for each act. It controls simulators, so it is for loopback:
// requests with a foreign Host or Origin are refused.
package desk

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici/icitest"
)

//go:embed web
var web embed.FS

// Options of [New].
type Options struct {
	// Host is the address where the page listens; requests must name it.
	Host string
}

// Parts are what the desk shows. PG or SAP is nil when somebody else plays it.
type Parts struct {
	PG     *ctitest.PG
	SAP    *icitest.SAP
	Node   *connects.Node
	Stores *Stores // nil: none
}

// Desk is an http.Handler.
type Desk struct {
	o       Options
	hub     *hub
	handler http.Handler
	end     context.CancelFunc
	done    chan struct{}

	mu       sync.Mutex
	parts    Parts
	sessions map[string]*icitest.Session // by agent id
	since    map[string]mark             // by call item: when its status began
}

// mark is when a status began.
type mark struct {
	status string
	at     time.Time
}

// New returns a desk that observes but shows nothing until Attach.
func New(o *Options) *Desk {
	d := &Desk{o: *o, sessions: map[string]*icitest.Session{}, since: map[string]mark{}, done: make(chan struct{})}
	d.hub = newHub(d.snapshot)
	ctx, end := context.WithCancel(context.Background())
	d.end = end
	go func() {
		defer close(d.done)
		d.hub.run(ctx)
	}()
	return d
}

// Attach gives the desk what it shows. It is called once, before the first request.
func (d *Desk) Attach(p Parts) {
	d.parts = p
	files, err := fs.Sub(web, "web")
	if err != nil { // the directory is compiled in
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.Handle("GET /desk/live", d.hub)
	mux.HandleFunc("GET /desk/state", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, d.snapshot()) })
	if p.PG != nil {
		d.simRoutes(mux)
	}
	if p.Stores != nil {
		d.storeRoutes(mux)
	}
	if p.SAP != nil {
		d.agentRoutes(mux)
	}
	d.handler = guard(d.o.Host, mux)
}

// ServeHTTP implements http.Handler.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// Close ends the live feed.
func (d *Desk) Close() error {
	d.end()
	<-d.done
	return nil
}
