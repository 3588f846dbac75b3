package outbound

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/connects-go/connects/internal/page"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

//go:embed page.html
var content string

// pageList is a list as the page shows it.
type pageList struct {
	spool.List
	Stage, Class, When string
}

// pageRow is a row of a report as the page shows it.
type pageRow struct {
	spool.Reject
	Fate, Class string
}

func shownRows(rows []spool.Reject) []pageRow {
	var out []pageRow
	for _, r := range rows {
		class := "soft"
		if f := fate(r); f == "rejected" || f == "late" {
			class = "bad"
		}
		out = append(out, pageRow{r, fate(r), class})
	}
	return out
}

// pageReceiving is a delivery under way as the page shows it.
type pageReceiving struct {
	spool.Receiving
	Rate   string
	Recent []pageRow
}

type pageData struct {
	Title, Name, State, Class, Reason string
	Links                             []pageLink
	Waiting, Rows                     int
	Problem                           string
	Silent                            []string
	Progress                          *spool.Progress
	Percent                           int
	Receiving                         []pageReceiving
	Recent                            []pageRow
	MoreReceiving                     int
	Rate                              string
	Left                              string
	Adopted                           []string
	Lists                             []pageList
	Older                             int
	Behind                            string
	Counters                          spool.Counters
	List                              *pageList
	Rejects                           []pageRow
	MoreRejects                       bool
	Missing                           bool
}

type pageLink struct{ Name, State, Class, Detail, Last string }

// Handler returns the status page; it changes nothing. While a list is converted, or waits
// for another one, the page loads itself again.
func (v *View) Handler(hosts []string) (http.Handler, error) {
	t, err := page.Template(content)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { v.serve(w, t, "") })
	mux.HandleFunc("GET /list/{id}", func(w http.ResponseWriter, r *http.Request) { v.serve(w, t, r.PathValue("id")) })
	return page.Guard(hosts, mux), nil
}

func stateClass(l *spool.List) string {
	switch l.State {
	case spool.Taken:
		return "good"
	case spool.Failed:
		return "bad"
	case spool.Skipped, spool.Dropped, spool.Merged:
		return "soft"
	}
	return "warn"
}

// shown is a list as the page has it; of the one that is being written the numbers so far.
func shown(l spool.List, now *spool.Progress) pageList {
	p := pageList{List: l, Stage: l.State.String(), Class: stateClass(&l), When: pageTime(l.Accepted)}
	if now != nil && now.List == l.ID {
		p.Stage, p.Written, p.Rejected = "being written", now.Written, now.Rejected
	}
	return p
}

func pageTime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func (v *View) serve(w http.ResponseWriter, t *template.Template, id string) {
	state, condition, reason := v.State()
	d := &pageData{Title: v.Name + " · outbound", Name: v.Name, State: state, Reason: reason, Class: "good", Adopted: v.Adopted()}
	if condition != "ok" {
		d.Class = "warn"
	}
	links := v.Links()
	for _, name := range sortedNames(links) {
		l := links[name]
		p := pageLink{Name: name, State: l.State.String(), Class: "good", Detail: l.Detail + because(l.Err), Last: pageTime(l.LastCall)}
		if l.Err != nil || l.State == sapphone.Down || l.State == sapphone.Registering {
			p.Class = "warn"
		}
		d.Links = append(d.Links, p)
	}
	code := http.StatusOK
	q, err := v.Queue()
	if err != nil {
		d.Problem = err.Error()
	} else {
		if v.fill(d, q, id); d.Missing {
			code = http.StatusNotFound
		}
	}
	switch {
	case d.Progress != nil || d.Receiving != nil:
		w.Header().Set("Refresh", "2")
	case d.Behind != "":
		w.Header().Set("Refresh", "10")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = t.Execute(w, d) // the reader went away: nobody to tell
}

func (v *View) fill(d *pageData, q *spool.Queue, id string) {
	s := q.Status()
	d.Waiting, d.Rows, d.Counters, d.Progress = s.Waiting, s.Rows, s.Counters, s.Progress
	if s.Problem != nil {
		d.Problem = s.Problem.Error()
	}
	for _, x := range s.Silent {
		d.Silent = append(d.Silent, silence(&x))
	}
	if p := s.Progress; p != nil && p.Total > 0 {
		rate, left := p.Rate(time.Now())
		d.Percent, d.Rate, d.Left = int(100*p.Done()), fmt.Sprintf("%.0f", rate), left.Round(time.Second).String()
		d.Recent = shownRows(p.Recent)
	}
	for _, r := range s.Receiving[:min(len(s.Receiving), maxReceiving)] {
		d.Receiving = append(d.Receiving, pageReceiving{r, perSecond(r.Rows, time.Since(r.Since)), shownRows(r.Recent)})
	}
	d.MoreReceiving = len(s.Receiving) - len(d.Receiving)
	if id == "" {
		all := q.Lists()
		d.Behind = behind(all)
		slices.Reverse(all)
		d.Older = max(0, len(all)-maxShown)
		for _, l := range all[:min(len(all), maxShown)] {
			d.Lists = append(d.Lists, shown(l, s.Progress))
		}
		return
	}
	l, err := q.List(id)
	if err != nil {
		d.Missing = true
		return
	}
	one := shown(l, s.Progress)
	d.List = &one
	var rows []spool.Reject
	_ = q.Rejects(id, func(r spool.Reject) bool { // no report is an empty one
		if d.MoreRejects = len(rows) == maxShown; d.MoreRejects {
			return false
		}
		rows = append(rows, r)
		return true
	})
	d.Rejects = shownRows(rows)
}

func perSecond(n int, d time.Duration) string {
	if d <= 0 {
		return "0"
	}
	return fmt.Sprintf("%.0f", float64(n)/d.Seconds())
}
