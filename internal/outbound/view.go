package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/connects-go/connects/internal/console"
	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

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
	if why := behind(q.Lists()); why != "" {
		fmt.Fprintf(w, "         %s\n", why)
	}
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

// behind says which list keeps others waiting, if one does: the importer takes one file at a time.
func behind(all []spool.List) string {
	var first *spool.List
	waits := false
	for i, l := range all {
		waits = waits || l.State == spool.Waiting
		if l.State == spool.Placed && first == nil {
			first = &all[i]
		}
	}
	if first == nil || !waits {
		return ""
	}
	return fmt.Sprintf("list %s was placed at %s UTC and is not taken yet; the next one waits for that", first.ID, pageTime(first.Placed))
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
