package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// screens is what all agents see: work mode, and calls with status and number.
func screens(sessions []*icitest.Session) []string {
	var out []string
	for _, s := range sessions {
		st := s.State()
		line := s.User + " " + st.User.CurrentWorkmode.ID
		for _, c := range s.Calls() {
			line += fmt.Sprintf(" [%s %s %v]", c.ID, c.ProcessingStatus.ID, c.RemoteNumbers)
		}
		if st.Ended {
			line += " ended"
		}
		out = append(out, line)
	}
	return out
}

// told is how many events the agents got.
func told(sessions []*icitest.Session) int {
	n := 0
	for _, s := range sessions {
		if ev := s.Events(); len(ev) > 0 {
			n += ev[len(ev)-1].Seq
		}
	}
	return n
}

// patience is for what a busy machine does late; nothing here is measured with it.
const patience = time.Minute

// eventually polls f, because the parts run on their own clocks and sockets here.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// linked tells on which side the connector's session is, if its state is read.
func (l *lab) linked() string {
	side := ""
	for _, s := range l.pg.Sides() {
		if slices.ContainsFunc(s.Sessions, func(c ctitest.SessionInfo) bool { return c.ID != 0 }) {
			side = s.Side
		}
	}
	if l.node.Health().Condition.String() != "ok" { // asked last: before a session it may be that of the session before
		return ""
	}
	return side
}

// TestFailoverOf200Agents: nobody is logged off when the sides fail, states and
// calls are the same before and after, and SAP is told only what changed.
func TestFailoverOf200Agents(t *testing.T) {
	const agents, calls = 200, 50
	l := start(t, labConfig{Agents: agents})
	var sessions []*icitest.Session
	for i := range agents {
		id := 1001 + i
		s, err := l.sap.Logon(t.Context(), icitest.UserSpec{User: fmt.Sprintf("U%d", id), Language: "EN", Workcenter: fmt.Sprintf("%d;pw%d;%d", id, id, 2001+i), Ready: true})
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	var ids []uint32
	for i := range calls {
		id, err := l.pg.CustomerCall(t.Context(), ctitest.CallSpec{From: fmt.Sprintf("+4131555%04d", i), To: "5001"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	offered := ici.Default().Code(ici.PhoneCallStatusOffered)
	connected := ici.Default().Code(ici.PhoneCallStatusConnected)
	count := func(status string) int {
		return strings.Count(strings.Join(screens(sessions), "\n"), " "+status+" [+4131555")
	}
	eventually(t, "all calls offered", func() bool { return count(offered) == calls })
	for _, s := range sessions {
		for _, c := range s.Calls() {
			if err := s.AcceptCall(t.Context(), c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "all calls connected", func() bool { return count(connected) == calls })
	last, quiet := 0, 0
	eventually(t, "SAP has read all events", func() bool {
		if n := told(sessions); n != last {
			last, quiet = n, 0
		}
		quiet++
		return quiet > 100 // polls; nothing tells that the last event is on its way
	})

	before, eventsBefore := screens(sessions), told(sessions)
	began := time.Now()
	if status, body := call(t, http.MethodPost, "http://"+l.addrs["desk"]+"/sim/cti/A/stop", ""); status != http.StatusOK {
		t.Fatalf("stop A: %d %s", status, body)
	}
	eventually(t, "session on side B", func() bool { return l.linked() == "B" })
	t.Logf("A stopped with %d agents and %d calls: everything read again from B after %v", agents, calls, time.Since(began).Round(time.Millisecond))
	if diff := cmp.Diff(before, screens(sessions)); diff != "" {
		t.Errorf("screens changed (-before +after):\n%s", diff)
	}
	if n := told(sessions) - eventsBefore; n != 0 {
		t.Errorf("SAP was told %d times, nothing had changed", n)
	}

	// Both sides gone: SAP still gets answers; one call ends meanwhile.
	call(t, http.MethodPost, "http://"+l.addrs["desk"]+"/sim/cti/B/stop", "")
	eventually(t, "the link is down", func() bool { return l.node.Health().Condition.String() != "ok" })
	if found, err := sessions[0].PhoneCalls(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("calls while the switch is away: %v, %v", found, err)
	}
	if rows, err := sessions[0].Presence(t.Context(), "*"); err != nil || len(rows) != agents {
		t.Errorf("presence while the switch is away: %d rows, %v", len(rows), err)
	}
	if err := l.pg.CustomerHangUp(ids[0]); err != nil {
		t.Fatal(err)
	}
	eventsBefore = told(sessions)
	call(t, http.MethodPost, "http://"+l.addrs["desk"]+"/sim/cti/A/start", "")
	eventually(t, "session on side A", func() bool { return l.linked() == "A" })
	eventually(t, "the call that ended meanwhile is ended", func() bool { return count(connected) == calls-1 })
	after, loggedOff := screens(sessions), ici.Default().Code(ici.WorkmodeLoggedOff)
	changed := 0
	for i := range after {
		if after[i] != before[i] {
			changed++
		}
		if strings.Contains(after[i], "ended") || strings.Fields(after[i])[1] == loggedOff {
			t.Errorf("logged off: %s", after[i])
		}
	}
	if changed != 1 {
		t.Errorf("%d screens changed, want that of the ended call", changed)
	}
	t.Logf("both stopped, one call ended meanwhile, A back: SAP was told %d times", told(sessions)-eventsBefore)
	if n := told(sessions) - eventsBefore; n < 1 || n > 4 {
		t.Errorf("SAP was told %d times, want the end of one call and the state of its agent", n)
	}
	for _, v := range l.sap.Violations() {
		t.Errorf("SAP complains: %v", v)
	}
}
