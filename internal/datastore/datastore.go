// Package datastore is what people see of a data store: its web page and the commands
// of its console. The store itself is package ds104.
package datastore

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
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
	Name     string
	Store    ds104.Store
	Server   *ds104.Server
	Partner  func() (Partner, bool) // false: the store has none
	Operator ds104.Secret           // who knows it may see values; empty = nobody
	// SnapshotDir is where the console writes snapshots and compacted files; empty =
	// not allowed.
	SnapshotDir string
	Started     time.Time

	busy sync.Mutex // one snapshot or compaction at a time
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

func left(e ds104.Entry) string {
	if e.Expires.IsZero() {
		return "no end"
	}
	return round(time.Until(e.Expires))
}

func round(d time.Duration) string {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute).String()
	case d > time.Minute:
		return d.Round(time.Second).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// Commands returns the commands of the console.
func (v *View) Commands() []console.Command {
	return []console.Command{
		{Name: "status", Help: "figures of this side and of its partner", Run: v.status},
		{Name: "get", Args: "<key>", Help: "an entry, without its value", Run: v.get},
		{Name: "list", Args: "[prefix]", Help: fmt.Sprintf("the first %d entries of a prefix", maxShown), Run: v.listCommand},
		{Name: "expire", Args: "<key>", Help: "let an entry end now", Run: v.expire},
		{Name: "compact", Args: "<file>", Help: "write the store without unused room to a new file", Run: v.compact},
		{Name: "snapshot", Args: "<file>", Help: "write all entries to a file", Run: v.snapshot},
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
		return "", fmt.Errorf("give one %s", what)
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
		row("ends in", left(e))
		row("origin", e.Origin)
	})
}

func (v *View) listCommand(ctx context.Context, w io.Writer, args []string) error {
	entries, more, err := v.list(ctx, strings.Join(args, " "))
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		fmt.Fprintf(t, "%q\t%d bytes\trevision %d\t%s\t%s\n", e.Key, len(e.Value), e.Revision, left(e), e.Origin)
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
	if err := v.Store.Delete(ctx, key, e.Revision); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "ended; the other side follows when the sides are compared")
	return err
}

// file returns where the console may write a file of that name.
func (v *View) file(args []string) (string, error) {
	name, err := one(args, "file name")
	switch {
	case err != nil:
		return "", err
	case v.SnapshotDir == "":
		return "", fmt.Errorf("no directory for files is configured")
	case name != filepath.Base(name) || strings.HasPrefix(name, "."):
		return "", fmt.Errorf("give a plain file name; it is written to %s", v.SnapshotDir)
	}
	return filepath.Join(v.SnapshotDir, name), nil
}

func (v *View) compact(_ context.Context, w io.Writer, args []string) error {
	b, ok := v.Store.(*ds104.Bolt)
	if !ok {
		return fmt.Errorf("the store has no file")
	}
	path, err := v.file(args)
	if err != nil {
		return err
	}
	if !v.busy.TryLock() {
		return fmt.Errorf("another one is under way")
	}
	defer v.busy.Unlock()
	if err := b.Compact(path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s is written; put it in place of the store's file while the store is stopped\n", path)
	return err
}

func (v *View) snapshot(ctx context.Context, w io.Writer, args []string) error {
	path, err := v.file(args)
	if err != nil {
		return err
	}
	if !v.busy.TryLock() {
		return fmt.Errorf("another one is under way")
	}
	defer v.busy.Unlock()
	n, err := ds104.SaveSnapshot(ctx, v.Store, path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d entries in %s\n", n, path)
	return err
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
