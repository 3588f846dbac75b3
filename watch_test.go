package connects_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects"
)

// Rule 9: changes are numbered without holes; a slow watcher sees a jump.
func TestWatchNumbersChangesAndDropsTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := connects.NewNode(&connects.Options{WatchBuffer: 4})
		var j journal
		var host connects.Host
		add(t, n, "a", j.part(func(p *part) { host = p.host }))
		all := n.Watch(t.Context())
		var seen []string
		var wg sync.WaitGroup
		wg.Go(func() {
			last := uint64(0)
			for c := range all {
				if c.Seq != last+1 {
					t.Errorf("change %d follows %d", c.Seq, last)
				}
				last = c.Seq
				seen = append(seen, fmt.Sprintf("%q %v %v %v %v", c.Component, c.Phase, c.State, c.Condition, c.Err))
			}
		})
		synctest.Wait()
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		host.SetState(connects.StateInactive)
		host.SetState(connects.StateInactive)         // nothing new
		host.SetState(connects.StateStopped)          // not for components
		host.SetCondition(connects.Condition(9), nil) // unknown
		synctest.Wait()
		reason := errors.New("side A down")
		host.SetCondition(connects.ConditionDegraded, reason)
		host.SetCondition(connects.ConditionDegraded, errors.New("side A down")) // nothing new
		synctest.Wait()
		slow := n.Watch(t.Context())
		from := n.Health().Seq
		for range 5 { // ten changes: the component's and the node's
			host.SetCondition(connects.ConditionOK, nil)
			host.SetCondition(connects.ConditionDegraded, reason)
			synctest.Wait()
		}
		var got []uint64
		for c := range slow {
			if got = append(got, c.Seq); len(got) == 4 {
				break
			}
		}
		last := n.Health().Seq // of which the last four are kept
		if d := cmp.Diff([]uint64{last - 3, last - 2, last - 1, last}, got); d != "" || got[0] <= from+1 {
			t.Errorf("the slow watcher, from %d (-want +got)\n%s", from, d)
		}
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()                           // the iterator ends with the node
		host.SetState(connects.StateActive) // ignored now
		host.SetCondition(connects.ConditionFailing, reason)
		want := []string{
			`"" starting STOPPED ok <nil>`,
			`"a" starting STOPPED ok <nil>`,
			`"a" running ACTIVE ok <nil>`,
			`"" running ACTIVE ok <nil>`,
			`"a" running INACTIVE ok <nil>`,
			`"" running INACTIVE ok <nil>`,
			`"a" running INACTIVE degraded side A down`,
			`"" running INACTIVE degraded <nil>`,
		}
		if d := cmp.Diff(want, seen[:min(len(want), len(seen))]); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		end := []string{
			`"" stopping STOPPED degraded <nil>`,
			`"a" stopping STOPPED degraded side A down`,
			`"a" stopped STOPPED degraded side A down`,
			`"" stopped STOPPED degraded <nil>`,
		}
		if d := cmp.Diff(end, seen[max(0, len(seen)-4):]); d != "" {
			t.Errorf("end (-want +got)\n%s", d)
		}
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for c := range connects.NewNode(nil).Watch(ctx) {
			t.Errorf("unexpected %+v", c)
		}
	})
}
