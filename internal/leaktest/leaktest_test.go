package leaktest_test

import (
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// recorder is a test that notes its failure instead of failing.
type recorder struct {
	testing.TB
	cleanup func()
	failed  string
}

func (r *recorder) Helper()                        {}
func (r *recorder) Cleanup(f func())               { r.cleanup = f }
func (r *recorder) Errorf(format string, _ ...any) { r.failed = format }

func TestCheckFindsALeakedGoroutine(t *testing.T) {
	r := &recorder{TB: t}
	leaktest.Check(r)
	stop := make(chan struct{})
	go func() { <-stop }()
	r.cleanup()
	close(stop)
	if !strings.Contains(r.failed, "still run") {
		t.Error("the goroutine was not found")
	}
}

func TestCheckAcceptsAGoroutineThatEnds(t *testing.T) {
	r := &recorder{TB: t}
	leaktest.Check(r)
	done := make(chan struct{})
	go func() { <-done }()
	go close(done)
	r.cleanup()
	if r.failed != "" {
		t.Error(r.failed)
	}
}
