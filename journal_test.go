package connects_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects"
)

// journal collects what components did, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.lines
	j.lines = nil
	return out
}

// part is a component made of functions; a nil one succeeds.
type part struct {
	host        connects.Host
	log         *journal
	start, stop func(context.Context) error
}

func (p *part) Start(ctx context.Context) error {
	p.log.add("start %s", p.host.Name())
	if p.start != nil {
		return p.start(ctx)
	}
	return nil
}

func (p *part) Stop(ctx context.Context) error {
	p.log.add("stop %s", p.host.Name())
	if p.stop != nil {
		return p.stop(ctx)
	}
	return nil
}

// parts returns a factory; set may change the part before it is used.
func (j *journal) part(set func(*part)) connects.Factory {
	return func(h connects.Host) (connects.Component, error) {
		p := &part{host: h, log: j}
		if set != nil {
			set(p)
		}
		return p, nil
	}
}

func add(t *testing.T, n *connects.Node, name string, f connects.Factory, after ...string) {
	t.Helper()
	if err := n.Add(name, f, after...); err != nil {
		t.Fatal(err)
	}
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("journal (-want +got)\n%s", d)
	}
}
