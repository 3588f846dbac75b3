package spool_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/outboundtest"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// wire brings requests to a server without a network, each after a while.
type wire struct {
	srv  *outboundtest.Server
	mu   sync.Mutex
	slow func(body string) time.Duration // nil = at once
	busy func(body string) bool          // who gets 503; nil = nobody
	down bool                            // answers of requests that change something are lost
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	w.mu.Lock()
	slow, down := time.Duration(0), w.down && r.Method != http.MethodGet
	if w.slow != nil {
		slow = w.slow(body)
	}
	busy := w.busy != nil && w.busy(body)
	w.mu.Unlock()
	rec := httptest.NewRecorder()
	if busy {
		rec.WriteHeader(http.StatusServiceUnavailable)
		return rec.Result(), nil
	}
	time.Sleep(slow)
	cut := true
	func() {
		defer func() { _ = recover() }() // the server cuts the connection with a panic
		w.srv.ServeHTTP(rec, r)
		cut = false
	}()
	if cut || down || r.Context().Err() != nil {
		return nil, errors.New("connection reset")
	}
	return rec.Result(), nil
}

// apiInstances are instances of one ledger that serve one campaign of the API.
func apiInstances(t *testing.T, change func(*spool.Options), f func(t *testing.T, x *instances, w *wire)) {
	w := &wire{srv: outboundtest.NewServer(nil)}
	bubble(t, func(o *spool.Options) {
		api, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: "http://api.invalid/unifiedconfig/config", Client: &http.Client{Transport: w}})
		if err != nil {
			t.Fatal(err)
		}
		o.File, o.API, o.Campaigns = spool.File{}, api, map[string]string{"C": "5000", "D": "5000"}
		o.Profile = outboundcsv.APIProfile()
		o.Profile.Delete = "api"
		if change != nil {
			change(o)
		}
	}, func(t *testing.T, x *instances) { f(t, x, w) })
}

func (w *wire) want(t *testing.T, what string, want ...string) {
	t.Helper()
	all := map[string]int{}
	for _, id := range want {
		all[id] = 1
	}
	if diff := cmp.Diff(all, ids(w.srv)); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff[:min(len(diff), 2000)])
	}
}

// settled waits until nothing is left to do.
func settled(t *testing.T, all ...*instance) {
	t.Helper()
	for range 600 {
		time.Sleep(3 * spool.DefaultPoll)
		idle := true
		for _, i := range all {
			s := i.q.Status()
			idle = idle && s.Waiting == 0 && s.Problem == nil
		}
		if idle {
			time.Sleep(10 * time.Second) // who is behind has noticed it
			for _, i := range all {
				idle = idle && i.q.Status().Waiting == 0
			}
		}
		if idle {
			return
		}
	}
	for _, i := range all {
		t.Errorf("%s: %+v", i.name, i.q.Status())
	}
	t.Fatal("it does not come to an end")
}

func TestAPIDeletionSparesTheOtherInstance(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a, b := x.start("a"), x.start("b")
		defer a.kill()
		defer b.kill()
		a.accept("C", "1", "p", "q", "both")
		b.accept("C", "2", "r", "s", "both-b")
		b.accept("D", "3", "t") // another campaign of SAP, the same one of the API
		settled(t, a, b)
		a.delete([]spool.Outcome{spool.Removed}, nil, "p")
		settled(t, a, b)
		w.want(t, "after a deletion at a", "q", "both", "r", "s", "both-b", "t")
		a.delete([]spool.Outcome{spool.Removed}, nil, "r") // a asks b
		settled(t, a, b)
		w.want(t, "after a deletion in the rows of b", "q", "both", "s", "both-b", "t")
		b.delete([]spool.Outcome{spool.Removed, spool.Removed}, nil, "both", "both-b") // both wipe
		settled(t, a, b)
		w.want(t, "after a deletion at both", "q", "s", "t")
		n := len(w.srv.Requests())
		time.Sleep(time.Hour)
		if more := len(w.srv.Requests()) - n; more > 0 {
			t.Errorf("%d requests without a reason", more)
		}
		if _, _, err := a.q.DeleteAll(t.Context(), "C"); err != nil {
			t.Fatal(err)
		}
		settled(t, a, b)
		w.want(t, "after all of C was deleted", "t")
	})
}

// Whatever goes wrong and whoever is restarted: in the end every row that is wanted is
// there once.
func TestAPIDeletionsInDisorder(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
				r := rand.New(rand.NewPCG(seed, 1))
				slow := rand.New(rand.NewPCG(seed, 2)) // the wire's own
				w.slow = func(string) time.Duration { return time.Duration(slow.IntN(3000)) * time.Millisecond }
				all := []*instance{x.start("a"), x.start("b")}
				wanted := map[string]bool{}
				n := 0
				for range 30 {
					i := all[r.IntN(2)]
					switch r.IntN(6) {
					case 0, 1:
						var ids []string
						for range []int{1, 3, 3, 7, 7, 10_001}[r.IntN(6)] { // the last one takes two requests
							n++
							ids = append(ids, fmt.Sprint("id-", n))
							wanted[ids[len(ids)-1]] = true
						}
						i.accept([]string{"C", "D"}[r.IntN(2)], fmt.Sprint(n), ids...)
					case 2, 3:
						var ids []string
						for id := range wanted {
							if ids = append(ids, id); len(ids) == 3 {
								break
							}
						}
						for _, id := range ids {
							delete(wanted, id)
						}
						for _, c := range []string{"C", "D"} {
							for try := 0; ; try++ {
								_, err := i.q.Delete(t.Context(), c, ids)
								if err == nil {
									break
								}
								if try == 100 {
									t.Fatal(err)
								}
							}
						}
					case 4:
						w.srv.Fail([]outboundtest.Fault{outboundtest.LoseAnswer, outboundtest.CutBefore, outboundtest.Busy}[r.IntN(3)])
					case 5:
						i.kill()
						time.Sleep(time.Duration(r.IntN(40)) * time.Second)
						*i = *x.start(i.name)
						for tries := 0; i.q == nil; tries++ { // the other one gives its spool back
							time.Sleep(time.Second)
							if i.q, _ = i.g.Own(); tries > 600 {
								t.Fatal("the spool is not given back")
							}
						}
					}
					time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
				}
				settled(t, all...)
				want := map[string]int{}
				for id := range wanted {
					want[id] = 1
				}
				if diff := cmp.Diff(want, ids(w.srv)); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff[:min(len(diff), 2000)])
				}
				for _, i := range all {
					i.kill()
				}
			})
		})
	}
}

func TestAPIDeletionWaitsForRowsThatNobodySends(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a := x.start("a")
		defer a.kill()
		other := *x
		other.root = t.TempDir() // no shared disk
		b := other.start("b")
		a.accept("C", "1", "p", "q")
		b.accept("C", "2", "r")
		settled(t, a, b)
		b.kill()
		time.Sleep(time.Minute)
		a.delete([]spool.Outcome{spool.Removed}, spool.ErrSilent, "p")
		a.accept("C", "3", "u")
		time.Sleep(10 * time.Second)
		w.want(t, "while b is away", "p", "q", "r", "u") // the list is not held up
		if p := a.q.Status().Problem; !errors.Is(p, spool.ErrSilent) || !strings.Contains(p.Error(), "instance b") || !strings.Contains(p.Error(), "campaign 5000") {
			t.Errorf("problem %v", p)
		}
		if err := a.q.Forget(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		settled(t, a)
		w.want(t, "after b was forgotten", "q", "u")
		b = other.start("b") // it was not gone for good
		defer b.kill()
		settled(t, a, b)
		w.want(t, "after b came back", "q", "u", "r")
	})
}

func TestAPIDeletionWithTheSpoolOfTheDead(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a, b := x.start("a"), x.start("b")
		defer a.kill()
		a.accept("C", "1", "p", "q")
		b.accept("C", "2", "r", "s")
		settled(t, a, b)
		b.kill()
		time.Sleep(2 * time.Minute)
		w.slow = func(body string) time.Duration { // the spool of b is closed again before its rows are gone
			if strings.Contains(body, "<overwriteData>true") {
				return time.Minute
			}
			return 0
		}
		a.delete([]spool.Outcome{spool.Removed}, nil, "p")
		settled(t, a)
		time.Sleep(2 * time.Minute)
		w.want(t, "after a deletion in its own rows", "q", "r", "s")
		a.delete([]spool.Outcome{spool.Removed}, nil, "s")
		settled(t, a)
		time.Sleep(2 * time.Minute)
		w.want(t, "rows of the dead instance", "q", "r")
		if err := a.q.Forget(t.Context(), "b"); !errors.Is(err, spool.ErrAlive) {
			t.Errorf("its spool is here: %v", err)
		}
	})
}

// The end of a wipe is unknown and who began it is dead: the other one does it again.
func TestAPIWipeOfADeadInstance(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a := x.start("a")
		other := *x
		other.root = t.TempDir()
		b := other.start("b")
		defer b.kill()
		a.accept("C", "1", "p", "q")
		b.accept("C", "2", "r")
		settled(t, a, b)
		w.down = true
		a.delete([]spool.Outcome{spool.Removed}, nil, "p")
		time.Sleep(5 * time.Second)
		a.kill()
		w.mu.Lock()
		w.down = false
		w.mu.Unlock()
		b.accept("C", "3", "s")
		time.Sleep(time.Minute)
		w.want(t, "while the end is unknown", "q")
		settled(t, b)
		w.want(t, "after the other one wiped", "r", "s")
		a = x.start("a")
		defer a.kill()
		settled(t, a, b)
		w.want(t, "after it came back", "r", "s", "q")
	})
}

func TestAPIDeletionWithAnotherPolicy(t *testing.T) {
	policy := "api"
	apiInstances(t, func(o *spool.Options) { o.Profile.Delete = policy }, func(t *testing.T, x *instances, w *wire) {
		a, b := x.start("a"), x.start("b")
		a.accept("C", "1", "p", "q")
		b.accept("C", "2", "r")
		settled(t, a, b)
		b.kill()
		policy = "pending"
		b = x.start("b")
		defer a.kill()
		defer b.kill()
		a.delete([]spool.Outcome{spool.Removed}, nil, "p")
		time.Sleep(time.Minute)
		w.want(t, "b would not send its row again", "p", "q", "r")
		if p := a.q.Status().Problem; !errors.Is(p, spool.ErrState) || !strings.Contains(p.Error(), "policy pending") {
			t.Errorf("problem %v", p)
		}
	})
}

// Several deletions of one instance, with its own lists and lost answers in between.
func TestAPIDeletesBesideItsOwnLists(t *testing.T) {
	b, srv := openAPI(t, func(o *spool.Options) {
		o.Profile = outboundcsv.APIProfile()
		o.Profile.Delete = "api"
		o.Campaigns["D"] = "5000"
	})
	b.accept("C", "1", calls("a", "b"))
	b.accept("D", "2", calls("x"))
	b.step()
	b.accept("C", "3", calls("c")) // waits while a row is deleted
	b.delete([]spool.Outcome{spool.Removed}, "a")
	b.step()
	if diff := cmp.Diff(map[string]int{"b": 1, "c": 1, "x": 1}, ids(srv)); diff != "" {
		t.Errorf("a list waited (-want +got):\n%s", diff)
	}
	for _, f := range []outboundtest.Fault{outboundtest.CutBefore, outboundtest.LoseAnswer} {
		id := map[outboundtest.Fault]string{outboundtest.CutBefore: "b", outboundtest.LoseAnswer: "c"}[f]
		srv.Fail(f)
		b.delete([]spool.Outcome{spool.Removed}, id)
		if err := b.q.Step(t.Context()); !errors.Is(err, outboundcsv.ErrInDoubt) {
			t.Fatal(err)
		}
		b.step()
		if n := ids(srv)[id]; n != 0 {
			t.Errorf("fault %v: the row is still there", f)
		}
	}
	if diff := cmp.Diff(map[string]int{"x": 1}, ids(srv)); diff != "" {
		t.Error(diff)
	}
}

// A list of which a part was sent when another instance wiped is sent from the beginning.
func TestAPIWipeInTheMiddleOfAList(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a, b := x.start("a"), x.start("b")
		defer a.kill()
		defer b.kill()
		b.accept("C", "1", "p", "q")
		settled(t, a, b)
		w.busy = func(body string) bool { return strings.Contains(body, "last") }
		var all []string
		for i := range 10_000 {
			all = append(all, fmt.Sprint("r-", i))
		}
		a.accept("C", "2", append(all, "last")...)
		time.Sleep(time.Minute)
		b.delete([]spool.Outcome{spool.Removed}, nil, "p")
		time.Sleep(time.Minute)
		w.want(t, "after the wipe", append(slices.Clone(all), "q")...)
		w.mu.Lock()
		w.busy = nil
		w.mu.Unlock()
		settled(t, a, b)
		w.want(t, "in the end", append(all, "last", "q")...)
	})
}

// A wipe that is done, and of which only its own journal does not know, is not repeated.
func TestAPIWipeIsDoneOnce(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a := x.start("a")
		defer a.kill()
		a.accept("C", "1", "p", "q")
		settled(t, a)
		puts := 0
		x.l.set(func() {
			x.l.afterPut = func(key string) error {
				if strings.HasPrefix(key, "outbound/api/") {
					if puts++; puts == 2 { // the first begins the wipe, the second ends it
						return errDown
					}
				}
				return nil
			}
		})
		n := len(w.srv.Requests())
		a.delete([]spool.Outcome{spool.Removed}, nil, "p")
		settled(t, a)
		w.want(t, "in the end", "q")
		if n = len(w.srv.Requests()) - n; n != 1 || puts < 3 {
			t.Errorf("%d requests, %d changes of the ledger", n, puts)
		}
	})
}

// A wipe waits for rows that are on their way.
func TestAPIWipeWaitsForWhoSends(t *testing.T) {
	apiInstances(t, nil, func(t *testing.T, x *instances, w *wire) {
		a, b := x.start("a"), x.start("b")
		defer a.kill()
		defer b.kill()
		a.accept("C", "1", "p", "q")
		settled(t, a, b)
		w.slow = func(body string) time.Duration {
			if strings.Contains(body, "slow") {
				return time.Minute
			}
			return 0
		}
		b.accept("C", "2", "slow")
		time.Sleep(5 * time.Second)
		if _, err := a.q.Delete(t.Context(), "C", []string{"p"}); err != nil && !errors.Is(err, spool.ErrSilent) { // b is busy with its request
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if n := ids(w.srv)["p"]; n != 1 {
			t.Error("a wiped while b was sending")
		}
		settled(t, a, b)
		w.want(t, "in the end", "q", "slow")
	})
}
