package outbound

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/internal/page"
	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

//go:embed page.html
var content string

// maxShown is how many lists page and console show without being asked for more.
const maxShown = 100

// maxReceiving is how many deliveries under way are shown.
const maxReceiving = 5

// View shows the outbound connector to operators.
type View struct {
	Name    string
	Queue   func() (*spool.Queue, error)
	Adopted func() []string
	Links   func() map[string]sapphone.Link // by transport
	State   func() (state, condition, reason string)
	// ResultDir has files of results, <list id>.csv; empty = none.
	ResultDir string
}

// forgetHelp says all of what forget does, because it cannot be taken back from here.
const forgetHelp = "an instance is gone for good, and its disk: deletions do not wait for it any more, nor for its rows in campaigns of the API; " +
	"what it had accepted and not placed is lost; refused while it, or who can open its spool, is there; should it come back it counts again"

// Commands are those of the console: status, lists, list, rejects, retry, hold,
// release, results, forget.
func (v *View) Commands() []console.Command {
	one := func(f func(ctx context.Context, w io.Writer, q *spool.Queue, id string) error) func(context.Context, io.Writer, []string) error {
		return func(ctx context.Context, w io.Writer, args []string) error {
			if len(args) != 1 {
				return errors.New("want the id of a list")
			}
			q, err := v.Queue()
			if err != nil {
				return err
			}
			return f(ctx, w, q, args[0])
		}
	}
	move := func(f func(q *spool.Queue) func(context.Context, string) error) func(context.Context, io.Writer, []string) error {
		return one(func(ctx context.Context, w io.Writer, q *spool.Queue, id string) error {
			if err := f(q)(ctx, id); err != nil {
				return err
			}
			return v.list(ctx, w, q, id)
		})
	}
	return []console.Command{
		{Name: "status", Help: "state, ways to SAP, what waits and why", Run: v.status},
		{Name: "lists", Args: "[all]", Help: "the lists, newest first", Run: v.lists},
		{Name: "list", Args: "ID", Help: "one list", Run: one(v.list)},
		{Name: "rejects", Args: "ID [FROM]", Help: "rows of a list that were rejected or changed, 1000 at a time", Run: v.rejects},
		{Name: "results", Args: "ID", Help: "what the dialer did with a list", Run: one(v.results)},
		{Name: "retry", Args: "ID", Help: "place a failed list again, or a waiting one now", Run: move(func(q *spool.Queue) func(context.Context, string) error { return q.Retry })},
		{Name: "hold", Args: "ID", Help: "keep a waiting list back", Run: move(func(q *spool.Queue) func(context.Context, string) error { return q.Hold })},
		{Name: "release", Args: "ID", Help: "let a held list go on", Run: move(func(q *spool.Queue) func(context.Context, string) error { return q.Release })},
		{Name: "forget", Args: "NAME", Help: forgetHelp, Run: v.forget},
	}
}

func (v *View) status(_ context.Context, w io.Writer, _ []string) error {
	state, condition, reason := v.State()
	fmt.Fprintf(w, "%s: %s, %s %s\n", v.Name, state, condition, reason)
	links := v.Links()
	for _, name := range sortedNames(links) {
		l := links[name]
		fmt.Fprintf(w, "%-8s %s since %s, %d calls, last %s  %s%s\n", name, l.State, when(l.Since), l.Calls, when(l.LastCall), l.Detail, because(l.Err))
	}
	q, err := v.Queue()
	if err != nil {
		return err
	}
	s := q.Status()
	fmt.Fprintf(w, "waiting  %d lists, %d rows%s\n", s.Waiting, s.Rows, because(s.Problem))
	if s.Refusing != nil {
		fmt.Fprintf(w, "refusing lists%s\n", because(s.Refusing))
	}
	for _, x := range s.Silent {
		fmt.Fprintf(w, "silent   %s\n", silence(&x))
	}
	for _, r := range s.Receiving[:min(len(s.Receiving), maxReceiving)] {
		fmt.Fprintf(w, "coming   campaign %s: %d rows, %d rejected\n", printable(r.Campaign), r.Rows, r.Rejected)
		writeRejects(w, r.Recent)
	}
	if p := s.Progress; p != nil {
		fmt.Fprintf(w, "now      %s\n", progress(p))
		writeRejects(w, p.Recent)
	}
	for _, name := range v.Adopted() {
		fmt.Fprintf(w, "adopted  the lists of %s\n", name)
	}
	c := s.Counters
	fmt.Fprintf(w, "since the start: %d lists accepted, %d repeated, %d refused; %d rows received, %d written, %d rejected, %d left out as repeated, %d deleted; %d lists placed, %d taken\n",
		c.Accepted, c.Repeated, c.Refused, c.Rows, c.Written, c.Rejected, c.LeftOut, c.Deleted, c.Placed, c.Taken)
	return nil
}

func (v *View) forget(ctx context.Context, w io.Writer, args []string) error {
	if len(args) != 1 {
		return errors.New("want the name of an instance")
	}
	q, err := v.Queue()
	if err != nil {
		return err
	}
	if err := q.Forget(ctx, args[0]); err != nil {
		return err
	}
	fmt.Fprintf(w, "instance %s is forgotten: nothing waits for it any more\n", printable(args[0]))
	return nil
}

// silence says who is waited for.
func silence(s *spool.Silence) string {
	return fmt.Sprintf("instance %s since %s: %d deletions in campaigns %s; when it is gone for good: forget %s",
		printable(s.Instance), when(s.Since), s.Deletions, printable(strings.Join(s.Campaigns, ", ")), printable(s.Instance))
}

func sortedNames(m map[string]sapphone.Link) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

func progress(p *spool.Progress) string {
	rate, left := p.Rate(time.Now())
	return fmt.Sprintf("list %s: %d of %d rows read, %d written (%d with warnings), %d rejected, %d left out, %.0f rows/s, %s left",
		p.List, p.Read, p.Total, p.Written, p.Warnings, p.Rejected, p.LeftOut, rate, left.Round(time.Second))
}

// writeRejects shows rows of a report by id and codes; a report has no other data.
func writeRejects(w io.Writer, rows []spool.Reject) {
	for _, r := range rows {
		fmt.Fprintf(w, "         %-8s %s %v\n", fate(r), formulaSafe(printable(r.ID)), r.Codes)
	}
}

func (v *View) lists(_ context.Context, w io.Writer, args []string) error {
	q, err := v.Queue()
	if err != nil {
		return err
	}
	all := q.Lists()
	slices.Reverse(all)
	more := 0
	if !slices.Contains(args, "all") && len(all) > maxShown {
		more = len(all) - maxShown
		all = all[:maxShown]
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tCAMPAIGN\tSTATE\tROWS\tWRITTEN\tREJECTED\tACCEPTED\tREASON")
	for _, l := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", l.ID, printable(l.Source.Campaign), l.State, l.Received, l.Written, l.Rejected, when(l.Accepted), l.Reason)
	}
	if more > 0 {
		fmt.Fprintf(t, "%d older ones: lists all\n", more)
	}
	return t.Flush()
}

// printable keeps a sender from drawing on the operator's screen.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7F && r < 0xA0 {
			return '.'
		}
		return r
	}, s)
}

func (v *View) list(_ context.Context, w io.Writer, q *spool.Queue, id string) error {
	l, err := q.List(id)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "list %s, campaign %q of %s/%s, key %q\n", l.ID, l.Source.Campaign, l.Source.System, l.Source.Client, l.Source.Key)
	fmt.Fprintf(w, "%s %s\n%d rows received, %d written, %d rejected, %d left out as repeated, %d deleted\n", l.State, l.Reason, l.Received, l.Written, l.Rejected, l.Repeats, l.Deleted)
	fmt.Fprintf(w, "accepted %s, placed %s, taken %s\ncodes %v, SHA-256 %s\n", when(l.Accepted), when(l.Placed), when(l.Taken), l.Codes, l.Hash)
	return nil
}

// maxRejects is how many rows the console shows at a time.
const maxRejects = 1000

// rejects shows the report of a list, also while the list is written, from a row of
// the report on.
func (v *View) rejects(ctx context.Context, w io.Writer, args []string) error {
	from := 1
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 1 {
			return errors.New("want the number of a line, from 1")
		}
		from, args = n, args[:1]
	}
	if len(args) != 1 {
		return errors.New("want the id of a list")
	}
	q, err := v.Queue()
	if err != nil {
		return err
	}
	n, more := 0, false
	var failed error
	err = q.Rejects(args[0], func(r spool.Reject) bool {
		if n++; n < from {
			return ctx.Err() == nil
		}
		if more = n >= from+maxRejects; more {
			return false
		}
		_, failed = fmt.Fprintf(w, "%-8s %s %v\n", fate(r), formulaSafe(printable(r.ID)), r.Codes)
		return failed == nil && ctx.Err() == nil
	})
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("the list was not converted yet, or its report is not kept any more")
	}
	switch p := q.Status().Progress; {
	case err != nil || failed != nil:
	case more:
		fmt.Fprintf(w, "more: rejects %s %d\n", args[0], from+maxRejects)
	case p != nil && strings.TrimLeft(p.List, "0") == strings.TrimLeft(args[0], "0"):
		fmt.Fprintln(w, "the list is being written: this is what there is so far")
	}
	return errors.Join(err, failed)
}

// fate is what became of a row of a report.
func fate(r spool.Reject) string {
	switch {
	case r.Rejected:
		return "rejected"
	case slices.Contains(r.Codes, spool.DeleteTooLate):
		return "late"
	case slices.Contains(r.Codes, spool.Repeated):
		return "left out"
	}
	return "changed"
}

// formulaSafe keeps a spreadsheet from taking a copied id for a formula.
func formulaSafe(s string) string {
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (v *View) results(_ context.Context, w io.Writer, q *spool.Queue, id string) error {
	r, err := v.Results(q, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%d rows of the list have a result, %d are closed; %d rows of other lists\n", r.Rows, r.Closed, r.Foreign)
	for n := range outboundcsv.CallResult(100) {
		if c := r.Results[n]; c > 0 {
			fmt.Fprintf(w, "%8d  %s\n", c, n)
		}
	}
	return nil
}

// Results reads the file of results of a list.
func (v *View) Results(q *spool.Queue, id string) (outboundcsv.ResultReport, error) {
	l, err := q.List(id)
	if err != nil {
		return outboundcsv.ResultReport{}, err
	}
	if v.ResultDir == "" {
		return outboundcsv.ResultReport{}, errors.New("no directory for results is configured")
	}
	root, err := os.OpenRoot(v.ResultDir)
	if err != nil {
		return outboundcsv.ResultReport{}, err
	}
	defer root.Close()
	f, err := root.Open(l.ID + ".csv")
	if err != nil {
		return outboundcsv.ResultReport{}, err
	}
	defer f.Close()
	return outboundcsv.ReadResults(f, func(account string) bool {
		ok, err := q.Has(l.ID, account)
		return ok && err == nil
	})
}

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
	Counters                          spool.Counters
	List                              *pageList
	Rejects                           []pageRow
	MoreRejects                       bool
	Missing                           bool
}

type pageLink struct{ Name, State, Class, Detail, Last string }

// Handler returns the status page; it changes nothing. While a list is converted the
// page loads itself again.
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
	if d.Progress != nil || d.Receiving != nil {
		w.Header().Set("Refresh", "2")
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
