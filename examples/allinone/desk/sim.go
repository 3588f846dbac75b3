package desk

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/connects-go/connects/cti/ctitest"
)

// newCall is the body of POST /sim/calls.
type newCall struct {
	From      string              `json:"from"` // E.164; empty: the caller hides the number
	To        string              `json:"to"`
	Variables map[string]string   `json:"variables"` // CV01 to CV10
	ECC       map[string]string   `json:"ecc"`       // user.ced and so on
	ECCArrays map[string][]string `json:"eccArrays"`
}

// simRoutes is the control of the simulated switch for people and scripts.
func (d *Desk) simRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /sim/calls", func(w http.ResponseWriter, r *http.Request) {
		var c newCall
		if !decode(w, r, &c) {
			return
		}
		if c.To == "" {
			fail(w, http.StatusBadRequest, `"to" is empty: want a skill group, agent or phone number such as "5001"`)
			return
		}
		id, err := d.parts.PG.CustomerCall(r.Context(), ctitest.CallSpec{From: c.From, To: c.To, Variables: c.Variables, ECC: c.ECC, ECCArrays: c.ECCArrays})
		if err != nil {
			fail(w, http.StatusUnprocessableEntity, err.Error())
			return
		}
		w.Header().Set("Location", fmt.Sprintf("/sim/calls/%d", id))
		reply(w, http.StatusCreated, map[string]uint32{"callId": id})
	})
	mux.HandleFunc("GET /sim/calls", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, list(d.parts.PG.Calls())) })
	mux.HandleFunc("GET /sim/agents", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, list(d.parts.PG.Agents())) })
	mux.HandleFunc("GET /sim/cti", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, d.parts.PG.Sides())
	})
	mux.HandleFunc("DELETE /sim/calls/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
		if err != nil {
			fail(w, http.StatusBadRequest, "call id "+strconv.Quote(r.PathValue("id"))+" is not a number")
			return
		}
		if err := d.parts.PG.CustomerHangUp(uint32(id)); err != nil {
			fail(w, http.StatusNotFound, err.Error())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /sim/cti/{side}/{act}", func(w http.ResponseWriter, r *http.Request) {
		var side ctitest.SideID
		switch r.PathValue("side") {
		case "A":
			side = ctitest.A
		case "B":
			side = ctitest.B
		default:
			fail(w, http.StatusNotFound, "side "+strconv.Quote(r.PathValue("side"))+": want A or B")
			return
		}
		s := d.parts.PG.Side(side)
		var err error
		switch r.PathValue("act") {
		case "stop":
			s.Stop()
		case "start":
			s.Stall(false)
			if !s.Running() {
				err = s.Start()
			}
		case "stall":
			s.Stall(true)
		default:
			fail(w, http.StatusNotFound, "act "+strconv.Quote(r.PathValue("act"))+": want stop, start or stall")
			return
		}
		if err == nil {
			err = relieve(d.parts.PG)
		}
		if err != nil {
			fail(w, http.StatusConflict, err.Error())
			return
		}
		reply(w, http.StatusOK, d.parts.PG.Sides()[side])
	})
}

// relieve makes the side that answers the active one. The sides of a real pair
// miss each other's heartbeat within a second.
func relieve(pg *ctitest.PG) error {
	active, ok := pg.Active()
	if !ok {
		return nil
	}
	sides := pg.Sides()
	if o := sides[active.Other()]; !sides[active].Stalled || !o.Running || o.Stalled {
		return nil
	}
	return pg.Switch()
}

// list makes nil an empty JSON array.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
