package spool

import (
	"context"
	stderrors "errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// target is the import file, hidden the name under which it is written.
func (q *Queue) target() string { return filepath.Join(q.o.File.Dir, q.o.File.Name) }
func (q *Queue) hidden(l *List) string {
	return filepath.Join(q.o.File.Dir, "."+q.o.File.Name+"."+l.ID+".part")
}

// exists tells a file that is not there from a directory that is not.
func (q *Queue) exists(name string) (bool, error) {
	if st, err := os.Stat(q.o.File.Dir); err != nil {
		return false, errors.Wrap(err, "spool: import directory")
	} else if !st.IsDir() {
		return false, errors.Wrap(&fs.PathError{Op: "open", Path: q.o.File.Dir, Err: fs.ErrInvalid}, "spool: import directory")
	}
	_, err := os.Lstat(name)
	if stderrors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, errors.Wrap(err, "spool: import directory")
}

// fileStep makes one step with the import directory, and reports whether another
// may follow at once.
func (q *Queue) fileStep(ctx context.Context) (again bool, err error) {
	var next *List
	for _, l := range q.snapshot() {
		switch l.State {
		case Placing:
			return true, q.rename(l)
		case Withdrawing:
			_, err := q.withdraw(l)
			return true, err
		case Placed:
			if err := q.here(l); err != nil {
				return false, err
			}
			there, err := q.exists(q.target())
			if err != nil || there {
				return false, err // the next one waits behind it
			}
			return true, q.taken(l)
		case Waiting:
			if next == nil {
				next = l
			}
		}
	}
	if next == nil {
		_, err := q.exists(q.target()) // a directory that is gone shows before a list comes
		return false, err
	}
	if there, err := q.exists(q.target()); err != nil {
		return false, err
	} else if there {
		return false, ErrForeignFile
	}
	return true, q.place(ctx, next)
}

// place converts a list and puts it into the import directory.
func (q *Queue) place(ctx context.Context, l *List) error {
	if err := q.merge(l); err != nil {
		return err
	}
	mark, err := q.mark()
	if err != nil {
		return err
	}
	n, file, err := q.convert(ctx, l, q.hidden(l))
	if err != nil {
		var bad *outboundcsv.SyntaxError
		if stderrors.As(err, &bad) { // our own file is broken: no later try will do better
			n := *l
			n.State, n.Reason = Failed, "its rows in the spool cannot be read"
			q.count(func(c *Counters) { c.Failed++ })
			return q.save(&n)
		}
		return err
	}
	if !file {
		return q.nothing(n)
	}
	n.State, n.Placed, n.Mark = Placing, q.o.Now().UTC(), mark
	if err := q.save(n); err != nil {
		return stderrors.Join(err, errors.Wrap(q.o.disk.Remove(q.hidden(l)), "spool: place"))
	}
	return q.rename(n)
}

// nothing ends a list without rows to place.
func (q *Queue) nothing(n *List) error {
	n.State = Skipped
	if n.Rejected > 0 {
		n.State = Failed
	}
	if n.Wiped {
		n.State = Dropped
	}
	q.count(func(c *Counters) {
		c.Rejected += int64(n.Rejected)
		if n.State == Failed {
			c.Failed++
		} else {
			c.Skipped++
		}
	})
	return q.save(n, q.resent(n)...)
}

// rename gives the hidden file of a list its name. After a crash this is where
// the list goes on: the hidden file is there, or the rename has happened.
func (q *Queue) rename(l *List) error {
	if err := q.here(l); err != nil {
		return err
	}
	there, err := q.exists(q.hidden(l))
	if err != nil {
		return err
	}
	if there {
		err := q.o.disk.Rename(q.hidden(l), q.target())
		if stderrors.Is(err, fs.ErrExist) {
			return ErrForeignFile
		}
		if err != nil {
			return errors.Wrap(err, "spool: place")
		}
		if err := syncDir(q.o.File.Dir); err != nil {
			return err
		}
	}
	n := *l
	n.State = Placed
	q.count(func(c *Counters) {
		c.Placed++
		c.Written += int64(n.Written)
		c.Rejected += int64(n.Rejected)
	})
	q.o.Logger.Info("list placed", slog.String("list", n.ID), slog.Int("written", n.Written), slog.Int("rejected", n.Rejected))
	return q.happened(&n)
}

// taken notes that the importer took the file.
func (q *Queue) taken(l *List) error {
	n := *l
	n.State, n.Taken = Taken, q.o.Now().UTC()
	q.count(func(c *Counters) { c.Taken++ })
	q.o.Logger.Info("list taken by the importer", slog.String("list", n.ID))
	return q.happened(&n)
}

// withdraw takes a placed file back, for a deletion. The file gets its hidden
// name again in one step; taken says that the importer was faster. A crash in
// between ends up here again.
func (q *Queue) withdraw(l *List) (taken bool, err error) {
	if err := q.here(l); err != nil {
		return false, err
	}
	hidden, err := q.exists(q.hidden(l))
	if err != nil {
		return false, err
	}
	if !hidden {
		err := q.o.disk.Rename(q.target(), q.hidden(l))
		if stderrors.Is(err, fs.ErrNotExist) {
			return true, q.taken(l)
		}
		if err != nil {
			return false, errors.Wrap(err, "spool: withdraw")
		}
	}
	if err := q.o.disk.Remove(q.hidden(l)); err != nil {
		return false, errors.Wrap(err, "spool: withdraw")
	}
	n := *l
	n.State, n.Placed = Waiting, n.Taken
	q.count(func(c *Counters) {
		c.Placed--
		c.Written -= int64(n.Written)
		c.Rejected -= int64(n.Rejected)
	})
	return false, q.save(&n)
}

// merge puts the rows of later waiting lists of the campaign behind those of l,
// when that is switched on.
func (q *Queue) merge(l *List) error {
	if !q.o.MergeQueued || rewrites(&q.o.Profile) {
		return nil
	}
	var all []*List
	for _, o := range q.snapshot() {
		if o.ID > l.ID && o.State == Waiting && o.Source.Campaign == l.Source.Campaign {
			n := *o
			n.State, n.Into = Merged, l.ID
			all = append(all, &n)
		}
	}
	if all == nil {
		return nil
	}
	if err := q.j.put(nil, all...); err != nil {
		return err
	}
	for _, n := range all {
		q.remember(n)
	}
	return nil
}

// CheckFile tries in an import directory what placing a list needs: a file that is
// written, flushed, renamed within the directory without replacing another one, and
// removed. Its names begin with a dot. oneStep is false when the file system cannot
// refuse to replace in the step that renames (NFS); then the queue looks before it
// renames, which is enough as long as nobody else writes that name.
func CheckFile(f File) (oneStep bool, err error) {
	create := func() (string, error) {
		t, err := os.CreateTemp(f.Dir, ".check-*.part")
		if err != nil {
			return "", errors.Wrap(err, "spool: import directory")
		}
		_, err = t.WriteString("x")
		if err == nil {
			err = t.Sync()
		}
		return t.Name(), errors.Wrap(stderrors.Join(err, t.Close()), "spool: import directory")
	}
	a, err := create()
	if a != "" {
		defer os.Remove(a)
	}
	if err != nil {
		return false, err
	}
	b, err := create()
	if b != "" {
		defer os.Remove(b)
	}
	if err != nil {
		return false, err
	}
	to := a + ".renamed"
	if err := renameNew(a, to); err != nil {
		return false, errors.Wrap(err, "spool: import directory")
	}
	defer os.Remove(to)
	if err := renameNew(b, to); !stderrors.Is(err, fs.ErrExist) {
		return false, fmt.Errorf("spool: import directory: a rename replaced a file (%v)", err)
	}
	return !stderrors.Is(renameAtOnce(b, to), stderrors.ErrUnsupported), nil
}
