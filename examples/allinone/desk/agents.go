package desk

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// actWithin bounds one act of a person.
const actWithin = 20 * time.Second

// agentRoutes are the acts of the agents at their desks. Each goes through the
// simulated SAP, whose toolbar refuses what the connector does not offer.
func (d *Desk) agentRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /desk/agents/{id}/login", d.login)
	mux.HandleFunc("POST /desk/agents/{id}/logout", d.agent(func(ctx context.Context, s *icitest.Session, id string, _ *act) error {
		err := s.Logoff(ctx)
		if err == nil || errors.Is(err, icitest.ErrSessionEnded) {
			d.mu.Lock()
			if d.sessions[id] == s { // he may be back already
				delete(d.sessions, id)
			}
			d.mu.Unlock()
			return nil
		}
		return err
	}))
	mux.HandleFunc("POST /desk/agents/{id}/workmode", d.agent(func(ctx context.Context, s *icitest.Session, _ string, a *act) error {
		return s.SetWorkmodeID(ctx, a.Workmode)
	}))
	mux.HandleFunc("POST /desk/agents/{id}/act", d.agent(func(ctx context.Context, s *icitest.Session, _ string, a *act) error { return a.do(ctx, s) }))
	mux.HandleFunc("GET /desk/agents/{id}/presence", d.presence)
}

// act is the body of an agent's act.
type act struct {
	Op       string `json:"op"`
	Call     string `json:"call"`
	To       string `json:"to"`
	Digits   string `json:"digits"`
	Data     string `json:"data"`
	Workmode string `json:"workmode"`
}

// do presses the button of that name.
func (a *act) do(ctx context.Context, s *icitest.Session) error {
	switch a.Op {
	case "makeCall":
		_, err := s.MakeCall(ctx, a.To, a.Data)
		return err
	case "accept":
		return s.AcceptCall(ctx, a.Call)
	case "reject":
		return s.RejectCall(ctx, a.Call)
	case "drop":
		return s.DropCall(ctx, a.Call)
	case "hold":
		return s.HoldCall(ctx, a.Call)
	case "retrieve":
		return s.RetrieveCall(ctx, a.Call)
	case "consult":
		_, err := s.Consult(ctx, a.Call, a.To)
		return err
	case "blindTransfer":
		return s.BlindTransfer(ctx, a.Call, a.To)
	case "leaveConference":
		return s.LeaveConference(ctx, a.Call)
	case "sendDtmf":
		return s.SendDTMF(ctx, a.Call, a.Digits)
	case "wrapUpRequired":
		return s.RequireWrapUp(ctx, a.Call, true)
	case "setAttachedData":
		return s.SetAttachedData(ctx, a.Call, a.Data)
	case "toggle", "warmTransfer", "conference":
		first, second, err := pair(s, a.Call)
		if err != nil {
			return err
		}
		switch a.Op {
		case "toggle":
			held := ici.Default().Code(ici.PhoneCallStatusHeld)
			if c, ok := s.Call(second); ok && c.ProcessingStatus.ID == held {
				first, second = second, first
			}
			return s.ToggleCalls(ctx, second, first)
		case "warmTransfer":
			return s.WarmTransfer(ctx, first, second)
		}
		return s.Conference(ctx, first, second)
	}
	return errors.New("unknown act " + strconv.Quote(a.Op))
}

// pair finds the original call and its consultation among an agent's calls,
// whichever of them the button was pressed on.
func pair(s *icitest.Session, id string) (original, consult string, err error) {
	calls := s.Calls()
	for _, c := range calls {
		if c.ConsultationPhoneCallID != "" && (c.ID == id || c.ConsultationPhoneCallID == id) {
			return c.ConsultationPhoneCallID, c.ID, nil
		}
	}
	for _, c := range calls { // two calls that do not belong together
		if c.ID != id {
			return c.ID, id, nil
		}
	}
	return "", "", errors.New("there is no second call")
}

// agent runs f for a logged-on agent.
func (d *Desk) agent(f func(context.Context, *icitest.Session, string, *act) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		d.mu.Lock()
		s := d.sessions[id]
		d.mu.Unlock()
		if s == nil {
			fail(w, http.StatusNotFound, "agent "+strconv.Quote(id)+" is not logged on here")
			return
		}
		var a act
		if !decode(w, r, &a) {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), actWithin)
		defer cancel()
		if err := f(ctx, s, id, &a); err != nil {
			refuse(w, err)
			return
		}
		reply(w, http.StatusOK, struct{}{})
	}
}

// refuse tells a person what the connector said.
func refuse(w http.ResponseWriter, err error) {
	var f *ici.Fault
	if errors.As(err, &f) && f.Text != "" {
		fail(w, http.StatusConflict, f.Text)
		return
	}
	fail(w, http.StatusConflict, err.Error())
}

func (d *Desk) login(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	var spec struct {
		Language   string `json:"language"`
		Workcenter string `json:"workcenter"` // empty: the agent's own id, password and phone
		Ready      bool   `json:"ready"`
	}
	if !decode(w, r, &spec) {
		return
	}
	if spec.Language == "" {
		spec.Language = "EN"
	}
	if spec.Workcenter == "" {
		spec.Workcenter = id + ";pw" + id + ";" + d.deviceOf(id)
	}
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	s, err := d.parts.SAP.Logon(ctx, icitest.UserSpec{User: "U" + id, Language: spec.Language, Workcenter: spec.Workcenter, Ready: spec.Ready})
	if err != nil {
		refuse(w, err)
		return
	}
	d.mu.Lock()
	d.sessions[id] = s
	d.mu.Unlock()
	reply(w, http.StatusOK, map[string]string{"user": s.User})
}

// deviceOf is the phone of a simulated agent; a gateway of somebody else's is
// taken to count like ours.
func (d *Desk) deviceOf(id string) string {
	if d.parts.PG != nil {
		if a, ok := d.parts.PG.Agent(id); ok {
			return a.Device
		}
	}
	if n, err := strconv.Atoi(id); err == nil {
		return strconv.Itoa(n + 1000)
	}
	return id
}

// row is one line of a presence search.
type row struct {
	Name       string `json:"name"`
	Status     string `json:"status"`
	StatusText string `json:"statusText"`
	Address    string `json:"address"`
}

func (d *Desk) presence(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	s := d.sessions[r.PathValue("id")]
	d.mu.Unlock()
	if s == nil {
		fail(w, http.StatusNotFound, "agent "+strconv.Quote(r.PathValue("id"))+" is not logged on here")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actWithin)
	defer cancel()
	found, err := s.Presence(ctx, r.URL.Query().Get("q"))
	if err != nil {
		refuse(w, err)
		return
	}
	rows := make([]row, 0, len(found))
	for _, p := range found {
		rows = append(rows, row{Name: p.Name, Status: p.PresenceStatus.ID, StatusText: p.PresenceStatus.Description, Address: p.Address})
	}
	reply(w, http.StatusOK, map[string]any{"rows": rows})
}
