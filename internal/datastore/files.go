package datastore

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/connects-go/connects/ds104"
)

// file returns the path of a file that the console may write or read.
func (v *View) file(args []string) (string, error) {
	name, err := one(args, "file name")
	switch {
	case err != nil:
		return "", err
	case v.SnapshotDir == "":
		return "", fmt.Errorf("no directory for files is configured")
	case name != filepath.Base(name) || strings.HasPrefix(name, "."):
		return "", fmt.Errorf("give a plain file name; the directory is %s", v.SnapshotDir)
	}
	return filepath.Join(v.SnapshotDir, name), nil
}

func (v *View) compact(ctx context.Context, w io.Writer, args []string) error {
	if l, ok := v.Store.(*ds104.Log); ok {
		if len(args) > 0 {
			return fmt.Errorf("use: compact; the files of this store are written anew where they are")
		}
		before := l.Stats().DiskSize
		if err := l.Compact(ctx); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%d bytes on the disk, %d before\n", l.Stats().DiskSize, before)
		return err
	}
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

// progressEvery is how often a long command says how far it is.
const progressEvery = time.Second

func (v *View) restore(ctx context.Context, w io.Writer, args []string) error {
	o := &ds104.LoadOptions{}
	if len(args) == 2 && args[1] == "force" {
		o.Force, args = true, args[:1]
	}
	path, err := v.file(args)
	if err != nil {
		return err
	}
	if !v.busy.TryLock() {
		return fmt.Errorf("another one is under way")
	}
	defer v.busy.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	said := time.Now()
	o.Progress = func(done, total int) {
		if time.Since(said) < progressEvery {
			return
		}
		said = time.Now()
		if _, err := fmt.Fprintf(w, "%d of %d entries\n", done, total); err != nil {
			cancel(err) // the operator has gone
		}
	}
	n, err := ds104.LoadSnapshot(ctx, v.Store, path, o)
	if n.Written > 0 && v.Compare != nil {
		v.Compare()
	}
	if err != nil {
		return fmt.Errorf("%w; %d of %d entries were written until then", err, n.Written, n.Entries)
	}
	_, err = fmt.Fprintf(w, "snapshot of %s: %d entries written, %d left out because newer ones are here, %d because their time has passed\n",
		n.Taken.Format(time.RFC3339), n.Written, n.Newer, n.Expired)
	return err
}
