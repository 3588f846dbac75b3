package spool

import (
	"bufio"
	"context"
	"encoding/json"
	stderrors "errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	total, dead := 0, 0
	rows, err := q.rows(l, &total, &dead)
	if err != nil {
		return outboundcsv.Result{}, err
	}
	rep, err := newReport(filepath.Join(q.dir, "reports"))
	if err != nil {
		return outboundcsv.Result{}, err
	}
	defer rep.discard()
	p := Progress{List: l.ID, Total: total, Since: q.o.Now()}
	q.progressing(&p)
	defer q.progressing(nil)
	res, err := outboundcsv.Export(ctx, q.o.Profile, rows, w, &outboundcsv.Options{
		SpoolDir: q.dir, Now: q.o.Now, Row: rep.row,
		Progress: func(read, written int) {
			n := p
			n.Read, n.Written = read, written
			q.progressing(&n)
		},
	})
	if err != nil {
		return res, err
	}
	res.Deleted += dead
	return res, rep.keep(q.reportPath(l.ID))
}

func (q *Queue) progressing(p *Progress) {
	q.mu.Lock()
	q.progress = p
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
		if o.ID <= l.ID && o.Source.Campaign == l.Source.Campaign && !o.Wiped && !o.Rewrite &&
			(o.ID == l.ID || o.State == Taken || o.State == Placed || o.State == Skipped) {
			out = append(out, o)
		}
	}
	return out
}

// rows yields the rows of a list without the deleted ones, which it counts.
func (q *Queue) rows(l *List, total, dead *int) (iter.Seq2[outboundcsv.PlannedCall, error], error) {
	type source struct {
		path  string
		tombs map[string]bool
	}
	var all []source
	for _, s := range q.sources(l) {
		tombs, err := q.j.tombs(s.ID)
		if err != nil {
			return nil, err
		}
		*total += s.Received
		all = append(all, source{q.listPath(s.ID, ".json"), tombs})
	}
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for _, s := range all {
			f, err := os.Open(s.path)
			if err != nil {
				yield(outboundcsv.PlannedCall{}, errors.Wrap(err, "spool: rows"))
				return
			}
			stop := false
			for c, err := range outboundcsv.ReadCalls(bufio.NewReaderSize(f, 256<<10)) {
				if err == nil && s.tombs[strings.Trim(c.ID, " ")] {
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

// report collects rejected rows and warnings of one list, a line of JSON each.
type report struct {
	f *os.File
	w *bufio.Writer
}

func newReport(dir string) (*report, error) {
	f, err := os.CreateTemp(dir, "new-*.part")
	if err != nil {
		return nil, errors.Wrap(err, "spool: report")
	}
	return &report{f, bufio.NewWriter(f)}, nil
}

func (r *report) row(id string, codes []outboundcsv.Code, rejected bool) error {
	b, err := json.Marshal(Reject{id, codes, rejected})
	if err != nil {
		return errors.Wrap(err, "spool: report")
	}
	_, err = r.w.Write(append(b, '\n'))
	return errors.Wrap(err, "spool: report")
}

func (r *report) keep(name string) error {
	err := r.w.Flush()
	if err == nil {
		err = r.f.Sync()
	}
	if err = stderrors.Join(err, r.f.Close()); err == nil {
		err = os.Rename(r.f.Name(), name)
	}
	return errors.Wrap(err, "spool: report")
}

func (r *report) discard() {
	r.f.Close()
	os.Remove(r.f.Name()) // kept under another name when all went well
}

func readReport(r io.Reader, yield func(Reject) bool) error {
	d := json.NewDecoder(r)
	for {
		var one Reject
		if err := d.Decode(&one); err == io.EOF {
			return nil
		} else if err != nil {
			return errors.Wrap(err, "spool: report")
		}
		if !yield(one) {
			return nil
		}
	}
}

// Rate is rows per second so far, and Left the time that the rest will take.
func (p *Progress) Rate(now time.Time) (perSecond float64, left time.Duration) {
	gone := now.Sub(p.Since).Seconds()
	if gone <= 0 || p.Read == 0 {
		return 0, 0
	}
	perSecond = float64(p.Read) / gone
	return perSecond, time.Duration(float64(max(p.Total-p.Read, 0)) / perSecond * float64(time.Second))
}
