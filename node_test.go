package connects_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects"
)

// Rule 1: start order is the dependency order, ties in order of Add.
// Rule 2: stop is the exact reverse, after the node stopped being ready.
func TestStartsInDependencyOrderAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		readyAtStop := map[string]bool{}
		f := j.part(func(p *part) {
			p.stop = func(context.Context) error {
				h := n.Health()
				readyAtStop[p.host.Name()] = h.Ready()
				return nil
			}
		})
		add(t, n, "ici", f, "recovery", "cti")
		add(t, n, "recovery", f, "mcil")
		add(t, n, "store", f)
		add(t, n, "cti", f)
		add(t, n, "mcil", f, "store")
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantLines(t, j.take(), "start store", "start cti", "start mcil", "start recovery", "start ici")
		if h := n.Health(); !h.Ready() {
			t.Error("not ready after Start")
		}
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantLines(t, j.take(), "stop ici", "stop recovery", "stop mcil", "stop cti", "stop store")
		want := map[string]bool{"ici": false, "recovery": false, "mcil": false, "cti": false, "store": false}
		if d := cmp.Diff(want, readyAtStop); d != "" {
			t.Errorf("ready while stopping (-want +got)\n%s", d)
		}
	})
}

func TestAddRefusesWhatCannotStart(t *testing.T) {
	var j journal
	n := connects.NewNode(nil)
	add(t, n, "a", j.part(nil), "c")
	add(t, n, "b", j.part(nil), "a")
	for _, tc := range []struct {
		name  string
		err   error
		after []string
		text  string
	}{
		{"a", connects.ErrDuplicate, nil, `"a"`},
		{"self", connects.ErrCycle, []string{"self"}, "self -> self"},
		{"c", connects.ErrCycle, []string{"b"}, "c -> b -> a -> c"},
	} {
		err := n.Add(tc.name, j.part(nil), tc.after...)
		if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("Add(%q after %v): %v, want %v with %q", tc.name, tc.after, err, tc.err, tc.text)
		}
	}
	var ce *connects.ConfigError
	if err := n.Add("", j.part(nil)); !errors.As(err, &ce) {
		t.Errorf("empty name: %v", err)
	}
	if err := n.Add("nothing", nil); !errors.As(err, &ce) {
		t.Errorf("nil factory: %v", err)
	}
	if err := n.Start(t.Context()); !errors.Is(err, connects.ErrUnknown) || !strings.Contains(err.Error(), `"c"`) {
		t.Errorf("start with a missing component: %v", err)
	}
	wantLines(t, j.take())
	add(t, n, "c", j.part(nil)) // the node is as it was: the mistake can be mended
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Add("late", j.part(nil)); !errors.Is(err, connects.ErrNodeStarted) {
		t.Errorf("Add after Start: %v", err)
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBadOptionsAreAllReported(t *testing.T) {
	n := connects.NewNode(&connects.Options{StopTimeout: -1, WatchBuffer: -1, DrainDelay: time.Hour})
	err := n.Start(t.Context())
	for _, field := range []string{"StopTimeout", "WatchBuffer", "DrainDelay"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error does not name %s: %v", field, err)
		}
	}
}

func TestEveryFactoryErrorShowsAndNothingStarts(t *testing.T) {
	var j journal
	n := connects.NewNode(nil)
	errA, errB := errors.New("no certificate"), errors.New("no store")
	add(t, n, "a", func(connects.Host) (connects.Component, error) { return nil, errA })
	add(t, n, "good", j.part(nil))
	add(t, n, "b", func(connects.Host) (connects.Component, error) { return nil, errB })
	add(t, n, "nil", func(connects.Host) (connects.Component, error) { return nil, nil })
	add(t, n, "panic", func(connects.Host) (connects.Component, error) { panic("in factory") })
	err := n.Start(t.Context())
	if !errors.Is(err, errA) || !errors.Is(err, errB) || !strings.Contains(err.Error(), "no component") ||
		!strings.Contains(err.Error(), "in factory") {
		t.Errorf("got %v", err)
	}
	wantLines(t, j.take())
	if h := n.Health(); h.Phase != connects.PhaseFailed {
		t.Errorf("phase %v", h.Phase)
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Errorf("Stop after a failed build: %v", err)
	}
}

// Rule 3: a failing start stops the earlier components in reverse, with a fresh context.
func TestFailedStartRollsBackInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		boom, stopBoom := errors.New("port taken"), errors.New("cannot flush")
		ctx, cancel := context.WithCancel(t.Context())
		fresh := func(ctx context.Context) error {
			if err := ctx.Err(); err != nil {
				t.Errorf("rollback got a dead context: %v", err)
			}
			if _, ok := ctx.Deadline(); !ok {
				t.Error("rollback has no time budget")
			}
			return nil
		}
		add(t, n, "one", j.part(func(p *part) { p.stop = fresh }))
		add(t, n, "two", j.part(func(p *part) {
			p.stop = func(ctx context.Context) error { return errors.Join(fresh(ctx), stopBoom) }
		}))
		add(t, n, "three", j.part(func(p *part) {
			p.start = func(context.Context) error { cancel(); return boom }
		}))
		add(t, n, "four", j.part(nil))
		err := n.Start(ctx)
		if !errors.Is(err, boom) || !errors.Is(err, stopBoom) {
			t.Errorf("Start: %v, want both %v and %v", err, boom, stopBoom)
		}
		ce, ok := errors.AsType[*connects.ComponentError](err)
		if !ok || ce.Component != "three" || ce.Op != "start" {
			t.Errorf("first error: %+v", ce)
		}
		wantLines(t, j.take(), "start one", "start two", "start three", "stop two", "stop one")
		phases := map[string]connects.Phase{}
		h := n.Health()
		for _, c := range h.Components {
			phases[c.Name] = c.Phase
		}
		want := map[string]connects.Phase{
			"one": connects.PhaseStopped, "two": connects.PhaseFailed, "three": connects.PhaseFailed, "four": connects.PhaseStopped,
		}
		if d := cmp.Diff(want, phases); d != "" || h.Phase != connects.PhaseFailed {
			t.Errorf("phases, node %v (-want +got)\n%s", h.Phase, d)
		}
		if !errors.Is(n.Err(), boom) {
			t.Errorf("Err: %v", n.Err())
		}
	})
}

// Rule 4: Stop goes on after errors, joins them, gives each component its budget and
// names the one that ignores it.
func TestStopGoesOnAndNamesWhoIgnoresItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(&connects.Options{StopTimeout: 3 * time.Second})
		boom := errors.New("disk full")
		release := make(chan struct{})
		add(t, n, "first", j.part(func(p *part) { p.stop = func(context.Context) error { return boom } }))
		add(t, n, "deaf", j.part(func(p *part) {
			p.stop = func(context.Context) error { <-release; return nil }
		}))
		add(t, n, "slow", j.part(func(p *part) {
			p.stop = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}))
		add(t, n, "last", j.part(nil))
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.take()
		begin := time.Now()
		err := n.Stop(t.Context())
		if took := time.Since(begin); took < 6*time.Second || took > 7*time.Second {
			t.Errorf("stop took %v, want two budgets of 3s", took)
		}
		wantLines(t, j.take(), "stop last", "stop slow", "stop deaf", "stop first")
		if !errors.Is(err, boom) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, connects.ErrStopTimeout) {
			t.Errorf("Stop: %v", err)
		}
		if !strings.Contains(err.Error(), `"deaf": stop: `+connects.ErrStopTimeout.Error()) {
			t.Errorf("the deaf component is not named: %v", err)
		}
		if again := n.Stop(t.Context()); again == nil || again.Error() != err.Error() {
			t.Errorf("second Stop: %v, want the same error", again)
		}
		close(release)
	})
}

func TestStopHonoursTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		add(t, n, "slow", j.part(func(p *part) {
			p.stop = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		}))
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := n.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v", err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %v, want the caller's second", took)
		}
	})
}

// Rule 5: ready is not connected: Start returns with the listener bound while the
// link is still down and the component degraded.
func TestStartReturnsBoundBeforeLinksAreUp(t *testing.T) {
	var ln net.Listener
	n := connects.NewNode(nil)
	add(t, n, "door", func(h connects.Host) (connects.Component, error) {
		return &part{host: h, log: new(journal),
			start: func(ctx context.Context) (err error) {
				h.SetCondition(connects.ConditionDegraded, errors.New("cti: side A is down"))
				h.SetState(connects.StateInactive)
				ln, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
				return err
			},
			stop: func(context.Context) error { return ln.Close() },
		}, nil
	})
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := n.Health()
	if h.Condition != connects.ConditionDegraded || h.State != connects.StateInactive || !h.Ready() {
		t.Errorf("health %+v, want INACTIVE, degraded and ready", h)
	}
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatalf("listener is not bound when Start returned: %v", err)
	}
	c.Close()
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", ln.Addr().String()); err == nil { // rule 10
		c.Close()
		t.Error("listener is open after Stop")
	}
}

// Rule 6: the start context is dead once the node runs, whoever keeps it finds out.
func TestStartContextEndsWithTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		var kept context.Context
		add(t, n, "a", j.part(func(p *part) {
			p.start = func(ctx context.Context) error { kept = ctx; return ctx.Err() }
		}))
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept.Err() == nil {
			t.Error("the context of Start still lives")
		}
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// Rule 7: Fail stops the node and Run returns the first error.
func TestFailStopsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var logged bytes.Buffer
		n := connects.NewNode(&connects.Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)), DrainDelay: time.Minute})
		first, second := errors.New("journal is corrupt"), errors.New("and more")
		var host connects.Host
		add(t, n, "store", j.part(func(p *part) { host = p.host }))
		add(t, n, "user", j.part(nil))
		done := make(chan error)
		go func() { done <- n.Run(t.Context()) }()
		synctest.Wait()
		begin := time.Now()
		host.Fail(first)
		host.Fail(second)
		err := <-done
		if !errors.Is(err, first) || errors.Is(err, second) {
			t.Errorf("Run: %v, want only %v", err, first)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("a failed node waited %v for proxies", took)
		}
		wantLines(t, j.take(), "start store", "start user", "stop user", "stop store")
		h := n.Health()
		if h.Phase != connects.PhaseFailed || h.Components[0].Phase != connects.PhaseFailed || h.Components[1].Phase != connects.PhaseStopped {
			t.Errorf("health %+v", h)
		}
		if !strings.Contains(h.Reason, "journal is corrupt") || !strings.Contains(logged.String(), "and more") {
			t.Errorf("reason %q; second failure not logged in:\n%s", h.Reason, &logged)
		}
		host.Fail(second) // after the end: harmless
	})
}

func TestFailWithoutRunStopsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		var host connects.Host
		add(t, n, "a", j.part(func(p *part) { host = p.host }))
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		host.Fail(nil)
		<-n.Done()
		if err := n.Err(); err == nil || !strings.Contains(err.Error(), "without a reason") {
			t.Errorf("Err: %v", err)
		}
		wantLines(t, j.take(), "start a", "stop a")
		if err := n.Stop(t.Context()); err != nil {
			t.Errorf("Stop reports only what stopping reported: %v", err)
		}
	})
}

func TestFailDuringStartAbortsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, heeds := range []bool{true, false} {
			var j journal
			n := connects.NewNode(nil)
			boom := errors.New("licence expired")
			add(t, n, "a", j.part(nil))
			add(t, n, "b", j.part(func(p *part) {
				p.start = func(ctx context.Context) error {
					p.host.Fail(boom)
					<-ctx.Done()
					if heeds {
						return ctx.Err()
					}
					return nil // came up all the same
				}
			}))
			add(t, n, "c", j.part(nil))
			err := n.Start(t.Context())
			if !errors.Is(err, boom) || errors.Is(err, context.Canceled) {
				t.Errorf("Start: %v, want %v alone", err, boom)
			}
			want := []string{"start a", "start b", "stop a"}
			if !heeds {
				want = []string{"start a", "start b", "stop b", "stop a"}
			}
			wantLines(t, j.take(), want...)
			if h := n.Health(); h.Phase != connects.PhaseFailed {
				t.Errorf("phase %v", h.Phase)
			}
		}
	})
}

// Rule 8: second Start, Stop without Start, Stop during Start, many Stops at once.
func TestStartAndStopInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		add(t, n, "a", j.part(nil))
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); !errors.Is(err, connects.ErrNodeStarted) {
			t.Errorf("second Start: %v", err)
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := n.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				_ = n.Health()
			})
		}
		wg.Wait()
		wantLines(t, j.take(), "start a", "stop a")
		if err := n.Start(t.Context()); !errors.Is(err, connects.ErrNodeStarted) {
			t.Errorf("Start after Stop: %v", err)
		}

		unused := connects.NewNode(nil)
		add(t, unused, "a", j.part(nil))
		if err := unused.Stop(t.Context()); err != nil {
			t.Errorf("Stop without Start: %v", err)
		}
		<-unused.Done()
		wantLines(t, j.take())
		if h := unused.Health(); h.Phase != connects.PhaseStopped || h.Components[0].Phase != connects.PhaseStopped {
			t.Errorf("health %+v", h)
		}
	})
}

func TestStopDuringStartBreaksItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(nil)
		add(t, n, "a", j.part(nil))
		add(t, n, "b", j.part(func(p *part) {
			p.start = func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		}))
		started := make(chan error)
		go func() { started <- n.Start(t.Context()) }()
		synctest.Wait()
		if err := n.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if err := <-started; !errors.Is(err, connects.ErrNodeStopped) {
			t.Errorf("Start: %v", err)
		}
		wantLines(t, j.take(), "start a", "start b", "stop a")
		if h := n.Health(); h.Phase != connects.PhaseStopped || n.Err() != nil {
			t.Errorf("phase %v, error %v; a stopped start is no failure", h.Phase, n.Err())
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		for _, when := range []string{"running", "starting"} {
			ctx, cancel := context.WithCancel(t.Context())
			n := connects.NewNode(&connects.Options{DrainDelay: 5 * time.Second})
			add(t, n, "a", j.part(func(p *part) {
				p.start = func(ctx context.Context) error {
					if when == "starting" {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				}
				p.stop = func(ctx context.Context) error { return ctx.Err() } // a living context
			}))
			done := make(chan error)
			go func() { done <- n.Run(ctx) }()
			synctest.Wait()
			begin := time.Now()
			cancel()
			if when == "running" { // the drain delay: still up, but not ready
				synctest.Wait()
				if h := n.Health(); h.Ready() || h.Components[0].Phase != connects.PhaseRunning {
					t.Errorf("draining: %+v", h)
				}
			}
			if err := <-done; err != nil {
				t.Errorf("%s: Run: %v, want nil", when, err)
			}
			if took := time.Since(begin); when == "running" && took != 5*time.Second {
				t.Errorf("drained for %v", took)
			}
			cancel()
		}
		wantLines(t, j.take(), "start a", "stop a", "start a")
	})
}

func TestStartLeavesAComponentThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := connects.NewNode(&connects.Options{StopTimeout: 2 * time.Second})
		release := make(chan struct{})
		add(t, n, "deaf", j.part(func(p *part) {
			p.start = func(context.Context) error { <-release; return nil }
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := n.Start(ctx)
		if !errors.Is(err, connects.ErrStopTimeout) || !strings.Contains(err.Error(), `"deaf": start`) {
			t.Errorf("Start: %v", err)
		}
		close(release)
		synctest.Wait()
		wantLines(t, j.take(), "start deaf", "stop deaf") // came up too late and is stopped
	})
}

// Rule 11: panics become failures with the stack.
func TestPanicsBecomeFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("index out of range")
		for _, where := range []string{"start", "stop", "goroutine", "deferred", "goexit"} {
			var j journal
			n := connects.NewNode(nil)
			var wg sync.WaitGroup
			add(t, n, "a", j.part(func(p *part) {
				p.start = func(context.Context) error {
					switch where {
					case "start":
						panic(boom)
					case "goexit":
						runtime.Goexit()
					case "goroutine":
						connects.Go(p.host, &wg, func() { panic(boom) })
					case "deferred":
						wg.Go(func() {
							defer connects.Recover(p.host)
							panic(boom)
						})
					}
					return nil
				}
				p.stop = func(context.Context) error {
					wg.Wait()
					if where == "stop" {
						panic(boom)
					}
					return nil
				}
			}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := n.Run(ctx)
			cancel()
			if where == "goexit" {
				if err == nil || !strings.Contains(err.Error(), "without returning") {
					t.Errorf("goexit: %v", err)
				}
				continue
			}
			p, ok := errors.AsType[*connects.PanicError](err)
			if !ok || !errors.Is(err, boom) {
				t.Errorf("%s: Run returned %v, want a *PanicError around %v", where, err, boom)
				continue
			}
			if !strings.Contains(string(p.Stack), "TestPanicsBecomeFailures") {
				t.Errorf("%s: the stack does not show who panicked:\n%s", where, p.Stack)
			}
		}
	})
}
