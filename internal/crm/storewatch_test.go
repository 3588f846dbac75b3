package crm_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

// listening counts the changes that watches are told, by the first two parts of their
// keys. While it is deaf no watch can begin, and those that ran are broken.
type listening struct {
	ds104.Store
	mu    sync.Mutex
	told  map[string]int
	deaf  bool
	broke context.CancelFunc
	ctx   context.Context
}

func listenTo(s ds104.Store) *listening {
	l := &listening{Store: s, told: map[string]int{}}
	l.ctx, l.broke = context.WithCancel(context.Background())
	return l
}

func (l *listening) setDeaf(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deaf = on; on {
		l.broke()
	} else {
		l.ctx, l.broke = context.WithCancel(context.Background())
	}
}

func (l *listening) Watch(ctx context.Context, prefix string, after ds104.Revision) iter.Seq2[ds104.Event, error] {
	return func(yield func(ds104.Event, error) bool) {
		l.mu.Lock()
		deaf, broken := l.deaf, l.ctx
		l.mu.Unlock()
		if deaf {
			yield(ds104.Event{}, ds104.ErrDown)
			return
		}
		both, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(broken, cancel)()
		for e, err := range l.Store.Watch(both, prefix, after) {
			if e.Kind == ds104.EventPut || e.Kind == ds104.EventDelete {
				part := strings.SplitAfterN(e.Entry.Key, "/", 3)
				l.mu.Lock()
				l.told[part[0]+part[1]]++
				l.mu.Unlock()
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// A connector is told of owners and of other connectors, and of shared data when there
// are others; not of sessions, which are most of what changes, nor of what is not ours.
func TestWatchesGetOnlyWhatTheyNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := ds104.NewMemory(nil)
		defer m.Close()
		st := listenTo(m)
		cfg := config()
		cfg.Store = st
		b := start(t, cfg)
		defer b.stop()
		told := func() map[string]int {
			b.sap.take()
			time.Sleep(5 * time.Second)
			b.sap.take()
			st.mu.Lock()
			defer st.mu.Unlock()
			out := st.told
			st.told = map[string]int{}
			return out
		}
		traffic := func(from uint32) {
			for id := from; id < from+20; id++ {
				b.inbound("U1", id)
				b.must("U1", ici.OpItemSetAttachedData, text(ici.ParamItemID, b.callID("U1", "offered")), text(ici.ParamAttachedData, inRoot(appPart("ERP", "é"))))
				time.Sleep(time.Second) // sessions are written behind
				b.event(b.over(id, "2001")...)
				b.state("U1", cti.AgentStateAvailable, 0)
			}
			for i := range 100 {
				for _, key := range []string{"crm/agents/x/%d", "crm/calls/9-%d", "crm/other/%d", "media/tasks/%d"} {
					if _, err := m.Put(t.Context(), fmt.Sprintf(key, i), []byte("{}"), ds104.PutOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		b.logOn("U1")
		saves := b.c.Stats().Saves
		traffic(1)
		got := told()
		if got["crm/live/"] == 0 || got["crm/owners/"] != 1 {
			t.Errorf("told of %v", got)
		}
		delete(got, "crm/live/")
		delete(got, "crm/owners/")
		if diff := cmp.Diff(map[string]int{}, got); diff != "" {
			t.Errorf("alone: told of what it does not need (-want +got)\n%s", diff)
		}
		if n := b.c.Stats().Saves - saves; n < 20 {
			t.Errorf("only %d sessions were written", n)
		}
		if _, err := m.Put(t.Context(), "crm/live/other", []byte(`{"i":"other","r":1}`), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		told()
		traffic(100)
		got = told()
		if got["crm/calls/"] != 120 {
			t.Errorf("with another connector: told of %v", got)
		}
		delete(got, "crm/live/")
		delete(got, "crm/calls/")
		if diff := cmp.Diff(map[string]int{}, got); diff != "" {
			t.Errorf("with another connector: told of what it does not need (-want +got)\n%s", diff)
		}
	})
}

// The end of a connector is noticed also when the store remembers little, and when it
// fell into a time without watches.
func TestEndIsNoticedAfterAGap(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprintf("deaf=%v", deaf), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := ds104.NewMemory(&ds104.MemoryOptions{History: 16})
				defer m.Close()
				w, end := startSite(t, "first", peripheral, m, slog.New(slog.DiscardHandler))
				defer end()
				w.logOnAll(1, true)
				other := func() {
					for i := range 200 {
						if _, err := m.Put(t.Context(), fmt.Sprint("other/", i), nil, ds104.PutOptions{}); err != nil {
							t.Fatal(err)
						}
					}
				}
				other()
				st := listenTo(m)
				cfg := config()
				cfg.Store, cfg.Instance = st, "second"
				n := connectTo(w.t, cfg, w.pg, w.net)
				defer n.close()
				n.settle()
				if deaf {
					st.setDeaf(true)
				}
				other()
				w.close()
				time.Sleep(2 * crm.DefaultOwnerLease)
				if deaf {
					if a := n.c.Agents(); len(a) != 0 {
						t.Fatalf("second serves %+v already", a)
					}
					other()
					st.setDeaf(false)
					time.Sleep(20 * time.Second)
				}
				if a := n.c.Agents(); len(a) != 1 {
					t.Errorf("second serves %+v", a)
				}
				w2 := connectTo(w.t, config2(m), w.pg, w.net)
				*w = *w2
			})
		})
	}
}
