// Package datastore is what people see of a data store: its web page and the commands
// of its console. The store itself is package ds104; the example is a session.
package datastore

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/console"
)

// Partner is the other side as this one sees it.
type Partner struct {
	Addr    string
	Up      bool
	Since   time.Time // of the last change of Up
	Err     string    // why it is down
	Term    uint64
	Decides bool
	Figures []ds104.Figure
	Synced  time.Time // when the sides were compared last; zero = never
	Sync    ds104.SyncStats
}

// View is what page and console look at. Its methods are called from many goroutines.
type View struct {
	Name    string
	Store   ds104.Store
	Server  *ds104.Server
	Partner func() (Partner, bool) // false: the store has none
	// Apply brings items to the partner now; nil = the store has none.
	Apply func(ctx context.Context, items []ds104.Item) (int, error)
	// Compare has the sides compared soon; nil = there is nothing to compare with.
	Compare  func()
	Operator ds104.Secret // who knows it may see values; empty = nobody
	// TieAfter is that of the server.
	TieAfter time.Duration
	// SnapshotDir is where the console writes and reads snapshots, and writes compacted
	// files; empty = not allowed.
	SnapshotDir string
	Started     time.Time

	busy sync.Mutex // one snapshot, restoring or compaction at a time
}

// maxShown is how many entries page and console show at once.
const maxShown = 200

// list returns the first entries of a prefix and whether there are more.
func (v *View) list(ctx context.Context, prefix string) ([]ds104.Entry, bool, error) {
	var out []ds104.Entry
	for e, err := range v.Store.List(ctx, prefix) {
		if err != nil {
			return nil, false, err
		}
		if len(out) == maxShown {
			return out, true, nil
		}
		out = append(out, e)
	}
	return out, false, nil
}

// role says what this side does.
func (v *View) role() (word, class string) {
	switch st := v.Server.Stats(); {
	case st.Side == ds104.Alone:
		return "stands alone", "good"
	case st.Council.Deciding:
		return "side " + st.Side.String() + " decides", "good"
	case st.Council.Voters == 0:
		return "side " + st.Side.String() + ", no connectors yet", "soft"
	case 2*st.Council.Connected < st.Council.Voters:
		return "side " + st.Side.String() + ", most connectors are away", "warn"
	default:
		return "side " + st.Side.String() + " follows", "soft"
	}
}

// Warning says what is wrong with the layout of a pair; empty = nothing.
func (v *View) Warning() string {
	if st := v.Server.Stats(); st.Side != ds104.Alone && st.Council.Voters == 2 && v.TieAfter == 0 {
		return "The pair has two voters only: when the machine of the deciding side ends, nobody can decide, and agents cannot be " +
			"taken over. Run a witness on a third machine, or set tie_after."
	}
	return ""
}

func left(e ds104.Entry) string {
	if e.Expires.IsZero() {
		return "no end"
	}
	return round(time.Until(e.Expires))
}

// age says how long ago an entry was written.
func age(e ds104.Entry) string {
	if e.Written.IsZero() {
		return "unknown time"
	}
	return round(max(time.Since(e.Written), 0)) // the clock of the other side may be ahead
}

func round(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d/time.Hour%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d/time.Minute%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d/time.Second%60)
	}
	return d.Round(100 * time.Millisecond).String()
}

// Commands returns the commands of the console.
func (v *View) Commands() []console.Command {
	return []console.Command{
		{Name: "status", Help: "figures of this side and of its partner", Run: v.status},
		{Name: "get", Args: "<key>", Help: "an entry, without its value", Run: v.get},
		{Name: "list", Args: "[prefix]", Help: fmt.Sprintf("the first %d entries of a prefix; their keys are as get takes them", maxShown), Run: v.listCommand},
		{Name: "expire", Args: "<key>", Help: "let an entry end now, on both sides", Run: v.expire},
		{Name: "origins", Help: fmt.Sprintf("the %d clients that store most", maxOrigins), Run: v.originsCommand},
		{Name: "compact", Args: "[file]", Help: "give unused room on the disk back; a store in one file is written to a new one", Run: v.compact},
		{Name: "snapshot", Args: "<file>", Help: "write all entries to a file", Run: v.snapshot},
		{Name: "restore", Args: "<file> [force]", Help: "read the entries of a snapshot that are not newer here; force: all", Run: v.restore},
		{Name: "voters", Args: "forget <name>", Help: "take a connector that will not come back off the voters", Run: v.voters},
	}
}

func table(w io.Writer, rows func(row func(name string, value any))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) })
	return t.Flush()
}

func (v *View) status(_ context.Context, w io.Writer, _ []string) error {
	return table(w, func(row func(string, any)) {
		role, _ := v.role()
		row("name", v.Name)
		row("role", role)
		row("up for", round(time.Since(v.Started)))
		if st := v.Server.Stats(); st.Side != ds104.Alone {
			row("term", st.Council.Term)
		}
		if warning := v.Warning(); warning != "" {
			row("warning", warning)
		}
		for _, f := range v.Server.Figures() {
			row(f.Name, f.Number)
		}
		p, ok := v.Partner()
		if !ok {
			return
		}
		state := "up"
		if !p.Up {
			state = "down: " + p.Err
		}
		row("partner", p.Addr+" "+state)
		if !p.Synced.IsZero() {
			row("compared", fmt.Sprintf("%s ago, %d buckets differed", round(time.Since(p.Synced)), p.Sync.Buckets))
		}
	})
}

func one(args []string, what string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("give one %s, in double quotes when it has blanks", what)
	}
	return args[0], nil
}

func (v *View) get(ctx context.Context, w io.Writer, args []string) error {
	key, err := one(args, "key")
	if err != nil {
		return err
	}
	e, err := v.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	return table(w, func(row func(string, any)) {
		row("key", fmt.Sprintf("%q", e.Key))
		row("bytes", len(e.Value))
		row("revision", e.Revision)
		row("written", age(e)+" ago")
		row("ends in", left(e))
		row("origin", fmt.Sprintf("%q", e.Origin))
	})
}

// listCommand shows keys as console.Words reads them.
func (v *View) listCommand(ctx context.Context, w io.Writer, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("give one prefix, in double quotes when it has blanks")
	}
	entries, more, err := v.list(ctx, strings.Join(args, ""))
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		fmt.Fprintf(t, "%q\t%d bytes\trevision %d\t%s old\t%s\t%q\n", e.Key, len(e.Value), e.Revision, age(e), left(e), e.Origin)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if more {
		_, err = fmt.Fprintln(w, "and more")
	} else {
		_, err = fmt.Fprintf(w, "%d entries\n", len(entries))
	}
	return err
}

func (v *View) expire(ctx context.Context, w io.Writer, args []string) error {
	key, err := one(args, "key")
	if err != nil {
		return err
	}
	e, err := v.Store.Get(ctx, key)
	if err != nil {
		return err
	}
	rep, ok := v.Store.(ds104.Replica)
	if !ok {
		if err := v.Store.Delete(ctx, key, e.Revision); err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, "ended")
		return err
	}
	rev, err := rep.Remove(ctx, key, e.Revision)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, v.endPartner(ctx, key, rev))
	return err
}

// applyTime is how long the partner may take for an entry.
const applyTime = 5 * time.Second

// endPartner ends an entry that has ended here on the other side too, and says how it
// stands.
func (v *View) endPartner(ctx context.Context, key string, rev ds104.Revision) string {
	switch {
	case v.Server.Stats().Side == ds104.Alone:
		return "ended"
	case v.Apply == nil:
		return "ended on this side only: no partner is configured"
	}
	ctx, cancel := context.WithTimeout(ctx, applyTime)
	defer cancel()
	n, err := v.Apply(ctx, []ds104.Item{{Entry: ds104.Entry{Key: key, Revision: rev}, Deleted: true}})
	switch {
	case err != nil:
		return fmt.Sprintf("ended on this side; the partner follows when the sides are compared, now it says: %v", err)
	case n == 0:
		return "ended on this side; the partner has a newer entry, which comes back when the sides are compared"
	}
	return "ended on this side; ended on the partner"
}

// maxOrigins is how many clients console and page show.
const maxOrigins = 10

// origins returns the clients that store most; nil when the store does not count.
func (v *View) origins() []ds104.OriginUse {
	if c, ok := v.Store.(interface {
		Origins(n int) []ds104.OriginUse
	}); ok {
		return c.Origins(maxOrigins)
	}
	return nil
}

func (v *View) originsCommand(_ context.Context, w io.Writer, _ []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range v.origins() {
		fmt.Fprintf(t, "%q\t%d bytes\t%d entries\n", o.Origin, o.Bytes, o.Entries)
	}
	return t.Flush()
}

func (v *View) voters(_ context.Context, w io.Writer, args []string) error {
	if len(args) != 2 || args[0] != "forget" {
		return fmt.Errorf("use: voters forget <name>")
	}
	if !v.Server.ForgetVoter(args[1]) {
		return fmt.Errorf("no voter of that name that is away")
	}
	_, err := fmt.Fprintln(w, "forgotten")
	return err
}
