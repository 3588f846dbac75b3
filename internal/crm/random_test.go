package crm_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici"
)

// atSwitch is what the gateway knows about the calls at the phones of users.
func (w *whole) atSwitch() []string {
	var out []string
	for _, c := range w.pg.Calls() {
		for _, p := range c.Parties {
			if p.Agent == "" {
				continue
			}
			st := map[string]string{"INITIATE": "out", "ALERTING": "offered", "CONNECT": "talk", "HOLD": "held"}[p.State]
			out = append(out, fmt.Sprintf("U%s %d %s", strings.TrimLeft(p.Agent[1:], "0"), c.ID, st))
		}
	}
	slices.Sort(out)
	return out
}

// atDesks is the same as the connector sees it.
func (w *whole) atDesks() []string {
	var out []string
	for _, c := range w.c.Calls() {
		st := ""
		switch c.Status {
		case "offered", "held":
			st = c.Status
		case "connected", "conference", "ringing", "dialing":
			st = "talk"
		default:
			continue
		}
		out = append(out, fmt.Sprintf("%s %d %s", c.User, c.CallID, st))
	}
	slices.Sort(out)
	return out
}

// Agents press whatever their toolbars offer, customers come and go, sides fail;
// whenever all is quiet, SAP's picture is the switch's.
func TestRandomWork(t *testing.T) {
	all := quirks()
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	slices.Sort(names)
	for seed := range uint64(2) {
		for _, name := range names {
			t.Run(fmt.Sprintf("%d %s", seed, name), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(seed, 42))
				wholeRun(t, 6, config(), all[name], func(w *whole) { w.randomWork(rnd, 120) })
			})
		}
	}
}

func (w *whole) randomWork(rnd *rand.Rand, steps int) {
	const n = 6
	w.logOnAll(n, true)
	var log []string
	for range steps {
		did := w.randomStep(rnd, n)
		if did == "" {
			continue
		}
		log = append(log, did)
		if len(log) > 12 {
			log = log[1:]
		}
		w.settle()
		want := slices.DeleteFunc(w.atSwitch(), func(s string) bool { return strings.HasSuffix(s, " out") })
		if diff := cmp.Diff(want, w.atDesks()); diff != "" {
			w.t.Fatalf("after\n%s\nswitch and desks differ (-switch +desks)\n%s", strings.Join(log, "\n"), diff)
		}
		if s := w.c.Stats(); s.Defects > 0 {
			w.t.Fatalf("defect after\n%s", strings.Join(log, "\n"))
		}
	}
	for _, c := range w.pg.Calls() {
		_ = w.pg.EndCall(c.ID)
	}
	w.settle()
	for i := 1; i <= n; i++ { // ends a wrap-up that somebody asked for
		w.must(fmt.Sprintf("U%d", i), ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "3"))
	}
	time.Sleep(3 * time.Minute)
	w.wantStates()
	if s := w.c.Stats(); s.Calls > 0 {
		w.t.Errorf("%d calls are left in the tables", s.Calls)
	}
}

func (w *whole) randomStep(rnd *rand.Rand, n int) string {
	switch rnd.IntN(12) {
	case 0:
		id, err := w.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: "5001"})
		return fmt.Sprintf("customer calls: %d %v", id, err)
	case 1:
		if calls := w.pg.Calls(); len(calls) > 0 && rnd.IntN(3) == 0 {
			c := calls[rnd.IntN(len(calls))]
			return fmt.Sprintf("customer of %d hangs up: %v", c.ID, w.pg.CustomerHangUp(c.ID))
		}
		return ""
	case 2:
		if rnd.IntN(4) == 0 {
			w.net.Cut("pg-A:42027")
			w.net.Cut("pg-B:42027")
			w.settle()
			w.ready()
			return "links cut"
		}
		return ""
	case 4:
		// Somebody uses the telephone instead of SAP.
		if rnd.IntN(3) > 0 {
			return ""
		}
		dev := fmt.Sprint(2001 + rnd.IntN(n))
		calls := w.pg.Calls()
		switch rnd.IntN(4) {
		case 0:
			to := []string{fmt.Sprint(2001 + rnd.IntN(n)), "5001", "+41315550150"}[rnd.IntN(3)]
			id, err := w.pg.PhoneDial(dev, to)
			return fmt.Sprintf("phone %s dials %s: %d %v", dev, to, id, err)
		case 1:
			if len(calls) > 0 {
				id := calls[rnd.IntN(len(calls))].ID
				return fmt.Sprintf("phone %s answers %d: %v", dev, id, w.pg.PhoneAnswer(dev, id))
			}
		case 2:
			if len(calls) > 0 {
				id := calls[rnd.IntN(len(calls))].ID
				return fmt.Sprintf("phone %s hangs up %d: %v", dev, id, w.pg.PhoneHangUp(dev, id))
			}
		case 3:
			if len(calls) > 0 {
				id := calls[rnd.IntN(len(calls))].ID
				return fmt.Sprintf("phone %s holds %d: %v", dev, id, w.pg.PhoneHold(dev, id))
			}
		}
		return ""
	case 5:
		if rnd.IntN(6) > 0 {
			return ""
		}
		active, _ := w.pg.Active()
		w.pg.Side(active).Stop()
		time.Sleep(time.Second)
		_ = w.pg.Side(active).Start()
		w.ready()
		return "side " + active.String() + " restarted"
	case 3:
		user := fmt.Sprintf("U%d", 1+rnd.IntN(n))
		mode := []string{"2", "3", "1007"}[rnd.IntN(3)]
		_, err := w.ask(user, ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, mode))
		return fmt.Sprintf("%s: mode %s: %v", user, mode, err)
	}
	// A button of somebody.
	type button struct {
		user, item, cap string
	}
	var buttons []button
	for i := 1; i <= n; i++ {
		user := fmt.Sprintf("U%d", i)
		var list ici.PhoneCalls
		list.DecodeICI(w.must(user, ici.OpPhoneCallGetPhoneCalls))
		for _, c := range list {
			for _, k := range c.CapabilityList {
				buttons = append(buttons, button{user, c.ID, k.ID})
			}
		}
		var u ici.User
		if rnd.IntN(3) == 0 {
			e, err := w.ask(user, ici.OpUserSetCurrentQueues)
			if err == nil && e.Exists() && len(list) == 0 {
				buttons = append(buttons, button{user, "", "makeCall"})
			}
		}
		_ = u
	}
	if len(buttons) == 0 {
		return ""
	}
	b := buttons[rnd.IntN(len(buttons))]
	ops := map[string]ici.Op{"accept": ici.OpPhoneCallAccept, "reject": ici.OpPhoneCallReject, "drop": ici.OpPhoneCallDrop,
		"hold": ici.OpPhoneCallHold, "retrieve": ici.OpPhoneCallRetrieve, "toggle": ici.OpPhoneCallToggle,
		"consult": ici.OpPhoneCallConsult, "warmTransfer": ici.OpPhoneCallWarmTransfer, "blindTransfer": ici.OpPhoneCallBlindTransfer,
		"conference": ici.OpPhoneCallConference, "leaveConference": ici.OpPhoneCallLeaveConference,
		"sendDtmf": ici.OpPhoneCallSendDTMF, "makeCall": ici.OpPhoneCallMakeCall}
	op, ok := ops[b.cap]
	if !ok {
		_, err := w.ask(b.user, ici.OpItemWrapUpRequired, text(ici.ParamItemID, b.item))
		return fmt.Sprintf("%s: wrap-up after %s: %v", b.user, b.item, err)
	}
	dest := []string{fmt.Sprint(2001 + rnd.IntN(n)), "5001", "+41315550150", "4001"}[rnd.IntN(4)]
	args := []ici.Arg{text(ici.ParamDigits, "1"), text(ici.ParamDestination, dest)}
	if b.item != "" {
		args = append(args, text(ici.ParamPhoneCallID, b.item))
	}
	_, err := w.ask(b.user, op, args...)
	return fmt.Sprintf("%s: %s %s (%s): %v", b.user, b.cap, b.item, dest, err)
}
