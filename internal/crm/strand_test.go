package crm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// Functions run one at a time, those of one goroutine in its order, and all of
// them, whatever panics.
func TestStrand(t *testing.T) {
	panics := 0
	s := newStrand(func(any) { panics++ })
	const goroutines, each = 8, 2000
	var wg sync.WaitGroup
	last := make([]int, goroutines)
	inside, total := 0, 0 // guarded by the strand alone: -race would tell
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				s.post(func() {
					inside++
					if inside != 1 {
						t.Error("two at a time")
					}
					if last[g] != i {
						t.Errorf("goroutine %d: %d after %d", g, i, last[g])
					}
					last[g], total = i+1, total+1
					inside--
					if i == 5 {
						panic("x")
					}
				})
			}
		})
	}
	wg.Wait()
	if err := s.do(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
	if total != goroutines*each || panics != goroutines {
		t.Errorf("%d ran, %d panicked", total, panics)
	}
	s.close()
	if s.post(func() { t.Error("ran after close") }) {
		t.Error("taken after close")
	}
	if err := s.do(t.Context(), func() {}); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

// A function that posts, and a waiter that gives up.
func TestStrandNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStrand(nil)
		var order []int
		s.post(func() {
			s.post(func() { order = append(order, 2) })
			order = append(order, 1)
		})
		if len(order) != 2 || order[0] != 1 {
			t.Errorf("order %v", order)
		}
		block := make(chan struct{})
		go s.post(func() { <-block })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ran := false
		if err := s.do(ctx, func() { ran = true }); !errors.Is(err, context.Canceled) || ran {
			t.Errorf("%v, ran %v", err, ran)
		}
		close(block)
		synctest.Wait()
		if !ran {
			t.Error("what was handed over did not run")
		}
		s.close()
	})
}

// The table of capabilities, state by state.
func TestCapabilityTable(t *testing.T) {
	const talk = capDrop | capHold | capConsult | capBlindTransfer | capSendDTMF | capWrapUpRequired
	tests := []struct {
		name string
		s    status
		in   situation
		want capSet
	}{
		{"offered", statusOffered, situation{}, capAccept | capReject},
		{"offered while talking", statusOffered, situation{partner: statusConnected}, capAccept | capReject},
		{"dialing", statusDialing, situation{}, capDrop},
		{"ringing", statusRinging, situation{consult: true, partner: statusHeld, paired: true}, capDrop},
		{"connected", statusConnected, situation{}, talk},
		{"held", statusHeld, situation{}, capRetrieve | capDrop | capWrapUpRequired},
		{"consultation connected", statusConnected, situation{consult: true, partner: statusHeld, paired: true},
			capDrop | capToggle | capWarmTransfer | capConference | capSendDTMF | capWrapUpRequired},
		{"its original", statusHeld, situation{consulted: true, partner: statusConnected, paired: true},
			capDrop | capToggle | capWarmTransfer | capConference | capWrapUpRequired},
		{"its original while it rings", statusHeld, situation{consulted: true, partner: statusRinging, paired: true}, capDrop | capWrapUpRequired},
		{"swapped", statusConnected, situation{consulted: true, partner: statusHeld, paired: true},
			talk&^(capHold|capConsult) | capToggle | capWarmTransfer | capConference},
		{"no conferences", statusConnected, situation{consult: true, partner: statusHeld, paired: true, noConference: true},
			capDrop | capToggle | capWarmTransfer | capSendDTMF | capWrapUpRequired},
		{"two calls that cannot be joined", statusConnected, situation{partner: statusHeld}, talk&^(capHold|capConsult) | capToggle},
		{"conference", statusConference, situation{}, capDrop | capLeaveConference | capHold | capSendDTMF | capWrapUpRequired},
		{"conference of the controller", statusConference, situation{controller: true},
			capDrop | capLeaveConference | capHold | capSendDTMF | capWrapUpRequired | capConsult},
		{"wrap-up", statusWrapUp, situation{partner: statusConnected}, 0},
		{"ended", statusEnded, situation{}, 0},
		{"failed", statusFailed, situation{}, 0},
		{"unknown", 77, situation{}, 0},
	}
	for _, tt := range tests {
		if got := itemCaps(tt.s, tt.in); got != tt.want {
			t.Errorf("%s: %014b, want %014b", tt.name, got, tt.want)
		}
	}
}
