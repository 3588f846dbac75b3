package desk

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici"
)

// The types below are the state as the page gets it.
type (
	view struct {
		CTI       ctiView     `json:"cti"`
		Stores    []storeView `json:"stores"`
		Connector nodeView    `json:"connector"`
		Agents    []agentRow  `json:"agents"`
		Calls     []callRow   `json:"calls"`
		NoSAP     bool        `json:"noSAP"`
		NoPG      bool        `json:"noPG"`
	}
	ctiView struct {
		Sides []sideView `json:"sides"`
		Link  linkView   `json:"link"`
	}
	sideView struct {
		Name    string `json:"name"`
		Addr    string `json:"addr"`
		Running bool   `json:"running"`
		Stalled bool   `json:"stalled"`
	}
	linkView struct {
		Up   bool   `json:"up"`
		Side string `json:"side"`
	}
	nodeView struct {
		State     string `json:"state"`
		Condition string `json:"condition"`
		Reason    string `json:"reason"`
	}
	agentRow struct {
		ID     string   `json:"id"`
		Name   string   `json:"name"`
		Device string   `json:"device"`
		State  string   `json:"state"`
		SAP    *sapView `json:"sap"`
	}
	sapView struct {
		User      string     `json:"user"`
		Workmode  text       `json:"workmode"`
		Workmodes []text     `json:"workmodes"`
		Caps      []text     `json:"caps"`
		Calls     []itemView `json:"calls"`
	}
	text struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	}
	itemView struct {
		ID         string    `json:"id"`
		Status     string    `json:"status"`
		StatusText string    `json:"statusText"`
		Since      time.Time `json:"since"`
		Remote     []string  `json:"remote"`
		Dialed     string    `json:"dialed"`
		Direction  string    `json:"direction"`
		Reason     string    `json:"reason"`
		Queue      string    `json:"queue"`
		ConsultFor string    `json:"consultFor"`
		Caps       []text    `json:"caps"`
		Data       []datum   `json:"data"`
	}
	datum struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	callRow struct {
		ID       uint32   `json:"id"`
		From     string   `json:"from"`
		To       string   `json:"to"`
		State    string   `json:"state"`
		Parties  []string `json:"parties"`
		Customer bool     `json:"customer"`
	}
)

// snapshot collects what the page shows.
func (d *Desk) snapshot() any {
	v := view{NoSAP: d.parts.SAP == nil, NoPG: d.parts.PG == nil, Agents: []agentRow{}, Calls: []callRow{}}
	v.CTI.Sides = []sideView{}
	v.Stores = d.parts.Stores.view()
	d.mu.Lock()
	defer d.mu.Unlock()
	if pg := d.parts.PG; pg != nil {
		for _, s := range pg.Sides() {
			v.CTI.Sides = append(v.CTI.Sides, sideView{Name: s.Side, Addr: s.Addr, Running: s.Running, Stalled: s.Stalled})
			for _, c := range s.Sessions {
				if c.ID != 0 && !s.Stalled { // an open session: that is the connector's
					v.CTI.Link = linkView{Up: true, Side: s.Side}
				}
			}
		}
		for _, a := range pg.Agents() {
			v.Agents = append(v.Agents, agentRow{ID: a.ID, Name: a.FirstName + " " + a.LastName, Device: a.Device, State: stateText(a), SAP: d.desk(a.ID)})
		}
		for _, c := range pg.Calls() {
			v.Calls = append(v.Calls, callView(c))
		}
	} else {
		for _, id := range slices.Sorted(maps.Keys(d.sessions)) { // the desks keep their places
			v.Agents = append(v.Agents, agentRow{ID: id, Name: "Agent " + id, Device: d.deviceOf(id), SAP: d.desk(id)})
		}
	}
	if d.parts.Node != nil { // after the sides: a side in use beside OK is one that the connector has read
		h := d.parts.Node.Health()
		v.Connector = nodeView{State: h.State.String(), Condition: h.Condition.String()}
		for _, c := range h.Components {
			if c.Reason != "" {
				v.Connector.Reason = c.Name + ": " + c.Reason
			}
		}
	}
	d.forget(&v)
	return v
}

func stateText(a ctitest.AgentInfo) string {
	s := strings.ToLower(strings.ReplaceAll(a.State, "_", " "))
	if a.Pending != "" {
		s += ", then " + strings.ToLower(strings.ReplaceAll(a.Pending, "_", " "))
	}
	return s
}

func callView(c ctitest.CallInfo) callRow {
	r := callRow{ID: c.ID, From: c.From, To: c.To, State: strings.ToLower(c.State), Parties: []string{}}
	for _, p := range c.Parties {
		r.Parties = append(r.Parties, p.Device)
		r.Customer = r.Customer || p.Kind == "external"
	}
	return r
}

// desk is what an agent's SAP session shows; nil when he is not logged on. The
// lock is held.
func (d *Desk) desk(id string) *sapView {
	s := d.sessions[id]
	if s == nil {
		return nil
	}
	st := s.State()
	if st.Ended {
		delete(d.sessions, id)
		return nil
	}
	v := &sapView{User: s.User, Workmode: textOf(st.User.CurrentWorkmode), Workmodes: texts(st.User.WorkmodeList), Caps: texts(st.User.CapabilityList), Calls: []itemView{}}
	for _, c := range s.Calls() {
		v.Calls = append(v.Calls, d.item(id, c))
	}
	return v
}

func (d *Desk) item(agent string, c ici.PhoneCall) itemView {
	key := agent + " " + c.ID
	m := d.since[key]
	if m.status != c.ProcessingStatus.ID {
		m = mark{status: c.ProcessingStatus.ID, at: time.Now().UTC()}
		d.since[key] = m
	}
	return itemView{
		ID: c.ID, Status: c.ProcessingStatus.ID, StatusText: c.ProcessingStatus.Description, Since: m.at,
		Remote: c.RemoteNumbers, Dialed: c.DialedNumber, Direction: c.Direction, Reason: c.CallReason.Description, Queue: c.Queue,
		ConsultFor: c.ConsultationPhoneCallID, Caps: texts(c.CapabilityList), Data: flatten(c.AttachedData),
	}
}

// forget drops the marks of items that are gone.
func (d *Desk) forget(v *view) {
	live := map[string]bool{}
	for _, a := range v.Agents {
		if a.SAP != nil {
			for _, c := range a.SAP.Calls {
				live[a.ID+" "+c.ID] = true
			}
		}
	}
	for k := range d.since {
		if !live[k] {
			delete(d.since, k)
		}
	}
}

func textOf(e ici.TextElement) text { return text{ID: e.ID, Text: e.Description} }

func texts(es []ici.TextElement) []text {
	out := make([]text, 0, len(es))
	for _, e := range es {
		out = append(out, textOf(e))
	}
	return out
}

// flatten lists the leaves of an ItemAttachedData document: name and value, the
// owner in front unless it is SAP-IC.
func flatten(doc string) []datum {
	var out []datum
	var path []string
	leaf, value := false, ""
	dec := xml.NewDecoder(strings.NewReader(doc))
	for {
		t, err := dec.Token()
		if err != nil {
			return out
		}
		switch t := t.(type) {
		case xml.StartElement:
			name := t.Name.Local
			if len(path) == 1 { // Application
				name = ""
				for _, a := range t.Attr {
					if a.Value != "SAP-IC" {
						name = a.Value
					}
				}
			} else if len(t.Attr) > 0 {
				for _, a := range t.Attr {
					name += "[" + a.Value + "]"
				}
			}
			path = append(path, name)
			leaf, value = true, ""
		case xml.CharData:
			value += string(t)
		case xml.EndElement:
			if leaf && len(path) > 2 {
				out = append(out, datum{Name: strings.TrimPrefix(strings.Join(path[1:], "."), "."), Value: value})
			}
			leaf = false
			path = path[:max(len(path)-1, 0)]
		}
	}
}
