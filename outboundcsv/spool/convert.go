package spool

import (
	"bufio"
	"context"
	stderrors "errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// disk is what tests make fail.
type disk interface {
	Create(name string) (diskFile, error)
	Rename(from, to string) error // never replaces: fs.ErrExist
	Remove(name string) error
}

type diskFile interface {
	io.Writer
	Sync() error
	Close() error
}

type realDisk struct{}

func (realDisk) Create(name string) (diskFile, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
}
func (realDisk) Rename(from, to string) error { return renameNew(from, to) }
func (realDisk) Remove(name string) error     { return os.Remove(name) }

// convert writes the list as a file of that name, flushed to the disk, and its
// report into the spool. It returns the list with its counts and codes; file is
// false when there is nothing to place, and then there is no file either.
func (q *Queue) convert(ctx context.Context, l *List, name string) (n *List, file bool, err error) {
	f, err := q.o.disk.Create(name)
	if err != nil {
		return nil, false, errors.Wrap(err, "spool: place")
	}
	defer func() {
		if !file {
			err = stderrors.Join(err, q.o.disk.Remove(name))
		}
	}()
	res, err := q.export(ctx, l, f)
	if err == nil {
		err = errors.Wrap(f.Sync(), "spool: place")
	}
	if err = stderrors.Join(err, errors.Wrap(f.Close(), "spool: place")); err != nil {
		return nil, false, err
	}
	c := *l
	c.Written, c.Rejected, c.Deleted, c.Codes, c.Reason = res.Written, res.Rejected, res.Deleted, res.Codes, ""
	file = res.Written > 0 || q.o.Profile.EmptyList == "write" && res.Rejected == 0
	return &c, file, nil
}

func (q *Queue) export(ctx context.Context, l *List, w io.Writer) (outboundcsv.Result, error) {
	rep, err := newReport(filepath.Join(q.dir, "reports"))
	if err != nil {
		return outboundcsv.Result{}, err
	}
	defer rep.discard()
	now := &live{p: Progress{List: l.ID, Since: q.o.Now()}, rep: rep}
	dead := 0
	rows, err := q.rows(l, now, &dead)
	if err != nil {
		return outboundcsv.Result{}, err
	}
	q.working(now)
	defer q.working(nil)
	res, err := outboundcsv.Export(ctx, q.o.Profile, rows, w, &outboundcsv.Options{
		SpoolDir: q.dir, Now: q.o.Now, Row: now.row,
		Progress: func(_, written int) {
			if now.wrote(written) {
				q.o.Changed()
			}
		},
	})
	if err != nil {
		return res, err
	}
	res.Deleted += dead
	return res, rep.keep(q.reportPath(l.ID))
}

// working shows what is being converted.
func (q *Queue) working(l *live) {
	q.mu.Lock()
	q.live = l
	q.mu.Unlock()
	q.o.Changed()
}

// sources are the lists whose rows belong into one file: the list itself, or
// with a policy that rewrites, everything the campaign has.
func (q *Queue) sources(l *List) []*List {
	var out []*List
	if !rewrites(&q.o.Profile) || q.o.API != nil && !l.Rewrite { // what the API has stays there
		for _, o := range q.snapshot() {
			if o.ID == l.ID || o.State == Merged && o.Into == l.ID {
				out = append(out, o)
			}
		}
		return out
	}
	for _, o := range q.snapshot() {
		// What the API took while a rewrite waited would be gone after it.
		if (o.ID <= l.ID || q.o.API != nil) && q.same(o, l.Source.Campaign) && !o.Wiped && !o.Rewrite &&
			(o.ID == l.ID || o.State == Taken || o.State == Placed || o.State == Skipped) {
			out = append(out, o)
		}
	}
	return out
}

// rows yields the rows of a list without the deleted ones, which it counts, and the
// repeated ones.
func (q *Queue) rows(l *List, now *live, dead *int) (iter.Seq2[outboundcsv.PlannedCall, error], error) {
	type source struct {
		path  string
		tombs map[string]bool
		marks marks
	}
	var all []source
	for _, s := range q.sources(l) {
		tombs, err := q.j.tombs(s.ID)
		if err != nil {
			return nil, err
		}
		now.p.Total += s.Received // nobody else has it yet
		marks, err := q.readMarks(s)
		if err != nil {
			return nil, err
		}
		all = append(all, source{q.listPath(s.ID, ".json"), tombs, marks})
	}
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for _, s := range all {
			f, err := os.Open(s.path)
			if err != nil {
				yield(outboundcsv.PlannedCall{}, errors.Wrap(err, "spool: rows"))
				return
			}
			stop, at := false, -1
			for c, err := range outboundcsv.ReadCalls(bufio.NewReaderSize(f, 256<<10)) {
				at++
				_, gone := s.tombs[strings.Trim(c.ID, " ")]
				repeated := s.marks.has(at)
				if now.read(err == nil && (gone || repeated)) {
					q.o.Changed()
				}
				switch {
				case err != nil:
				case repeated:
					if err = now.leaveOut(c.ID); err == nil {
						continue
					}
				case gone:
					*dead++
					continue
				}
				if !yield(c, err) || err != nil {
					stop = true
					break
				}
			}
			f.Close()
			if stop {
				return
			}
		}
	}, nil
}
