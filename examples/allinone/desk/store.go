package desk

import (
	"net/http"
	"strconv"

	"github.com/connects-go/connects/ds104"
)

// StoreSide is a server of the data store pair.
type StoreSide interface {
	Name() string // A or B
	Addr() string
	Running() bool
	Stop() error
	Start() error
}

// Stores are the data store that the connector uses.
type Stores struct {
	Sides [2]StoreSide
	Pair  *ds104.Pair
}

// storeView is one side as the page gets it. State is how the connector sees it:
// deciding, level, catching up or down.
type storeView struct {
	Name    string `json:"name"`
	Addr    string `json:"addr"`
	Running bool   `json:"running"`
	State   string `json:"state"`
}

func (s *Stores) view() []storeView {
	out := []storeView{}
	if s == nil {
		return out
	}
	st := s.Pair.Stats()
	for i, side := range s.Sides {
		v := storeView{Name: side.Name(), Addr: side.Addr(), Running: side.Running(), State: "down"}
		switch seen := st.Sides[i]; {
		case !seen.Up:
		case seen.Deciding:
			v.State = "deciding"
		case seen.Level:
			v.State = "level"
		default:
			v.State = "catching up"
		}
		out = append(out, v)
	}
	return out
}

// storeRoutes is the control of the data store pair.
func (d *Desk) storeRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /sim/store", func(w http.ResponseWriter, r *http.Request) { reply(w, http.StatusOK, d.parts.Stores.view()) })
	mux.HandleFunc("POST /sim/store/{side}/{act}", func(w http.ResponseWriter, r *http.Request) {
		n := -1
		for i, s := range d.parts.Stores.Sides {
			if s.Name() == r.PathValue("side") {
				n = i
			}
		}
		if n < 0 {
			fail(w, http.StatusNotFound, "side "+strconv.Quote(r.PathValue("side"))+": want A or B")
			return
		}
		var err error
		switch r.PathValue("act") {
		case "stop":
			err = d.parts.Stores.Sides[n].Stop()
		case "start":
			err = d.parts.Stores.Sides[n].Start()
		default:
			fail(w, http.StatusNotFound, "act "+strconv.Quote(r.PathValue("act"))+": want stop or start")
			return
		}
		if err != nil {
			fail(w, http.StatusConflict, err.Error())
			return
		}
		reply(w, http.StatusOK, d.parts.Stores.view()[n])
	})
}
