package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// storeStates is what the desk shows of the data store, as "A deciding B level".
func storeStates(t *testing.T, l *lab) string {
	t.Helper()
	status, body := call(t, http.MethodGet, "http://"+l.addrs["desk"]+"/sim/store", "")
	var sides []struct {
		Name, Addr, State string
		Running           bool
	}
	if err := json.Unmarshal([]byte(body), &sides); status != http.StatusOK || err != nil {
		t.Fatalf("GET /sim/store: %d %s", status, body)
	}
	var out []string
	for _, s := range sides {
		if s.Addr != l.addrs["store "+s.Name] {
			t.Errorf("side %s at %s, want %s", s.Name, s.Addr, l.addrs["store "+s.Name])
		}
		if s.State == "down" && s.Running {
			s.State = "out of reach"
		}
		out = append(out, s.Name+" "+s.State)
	}
	return strings.Join(out, " ")
}

// Sides of the store end and come back: agents stay logged on and calls go on.
func TestStoreSidesStop(t *testing.T) {
	l := start(t, labConfig{})
	for name, want := range map[string]string{"store A": l.stores[0].Addr(), "store B": l.stores[1].Addr()} {
		if !strings.Contains(l.ready(), name+" "+want) {
			t.Errorf("%q does not name %s %s", l.ready(), name, want)
		}
	}
	act := func(path string, want int) {
		t.Helper()
		if status, body := call(t, http.MethodPost, "http://"+l.addrs["desk"]+"/sim/store/"+path, ""); status != want {
			t.Errorf("POST %s: %d %s, want %d", path, status, body, want)
		}
	}
	becomes := func(want string) {
		t.Helper()
		eventually(t, want, func() bool { return storeStates(t, l) == want })
	}
	act("C/stop", http.StatusNotFound)
	act("A/stall", http.StatusNotFound)
	becomes("A deciding B level")

	s, err := l.sap.Logon(t.Context(), icitest.UserSpec{User: "U1001", Language: "EN", Workcenter: "1001;pw1001;2001", Ready: true})
	if err != nil {
		t.Fatal(err)
	}
	sessions := []*icitest.Session{s}
	ready, connected := ici.Default().Code(ici.WorkmodeReady), ici.Default().Code(ici.PhoneCallStatusConnected)
	eventually(t, "the agent is ready", func() bool { return s.State().User.CurrentWorkmode.ID == ready })
	before := screens(sessions)
	works := func(when string) {
		t.Helper()
		status, body := call(t, http.MethodPost, "http://"+l.addrs["desk"]+"/sim/calls", `{"from":"+41315550100","to":"5001"}`)
		if status != http.StatusCreated {
			t.Fatalf("%s: %d %s", when, status, body)
		}
		eventually(t, when+": a call is offered", func() bool { return len(s.Calls()) == 1 })
		id := s.Calls()[0].ID
		doc := fmt.Sprintf(`<ItemAttachedData><Application id="ERP"><When>%s</When></Application></ItemAttachedData>`, when)
		if err := s.SetAttachedData(t.Context(), id, doc); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := s.AcceptCall(t.Context(), id); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		eventually(t, when+": the call is connected", func() bool {
			return len(s.Calls()) == 1 && s.Calls()[0].ProcessingStatus.ID == connected
		})
		if err := s.DropCall(t.Context(), id); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		eventually(t, when+": the call is over", func() bool { return len(s.Calls()) == 0 && cmp.Equal(before, screens(sessions)) })
	}
	works("both sides")
	act("A/stop", http.StatusOK)
	act("A/stop", http.StatusOK)
	works("A just stopped")
	becomes("A down B deciding")
	eventually(t, "the connector says what is wrong", func() bool {
		return strings.Contains(l.node.Health().Components[0].Reason, "data store side A")
	})
	works("A stopped")
	act("A/start", http.StatusOK)
	act("A/start", http.StatusOK)
	becomes("A level B deciding")
	act("B/stop", http.StatusOK)
	works("B just stopped")
	becomes("A deciding B down")
	act("B/start", http.StatusOK)
	becomes("A deciding B level")
	eventually(t, "the connector is content again", func() bool { return l.linked() != "" })
	if diff := cmp.Diff(before, screens(sessions)); diff != "" {
		t.Errorf("screens changed (-before +after):\n%s", diff)
	}
	for _, v := range l.sap.Violations() {
		t.Errorf("SAP complains: %v", v)
	}
}

// Both sides gone: agents stay logged on, work goes on, and the end is in time.
func TestStopsWithinTwoSecondsWithoutStore(t *testing.T) {
	l := start(t, labConfig{})
	s, err := l.sap.Logon(t.Context(), icitest.UserSpec{User: "U1001", Language: "EN", Workcenter: "1001;pw1001;2001", Ready: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range l.stores {
		if err := side.Stop(); err != nil {
			t.Error(err)
		}
	}
	if err := s.SetWorkmode(t.Context(), ici.WorkmodeNotReady); err != nil {
		t.Errorf("without a store: %v", err)
	}
	if st := s.State(); st.Ended {
		t.Error("the session has ended")
	}
	ctx, cancel := context.WithTimeout(t.Context(), stopWithin)
	defer cancel()
	if err := l.stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}
