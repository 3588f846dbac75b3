package spool

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	stderrors "errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// Repeated is the code of a row that was left out because another list of the campaign
// brought it; see Options.SkipRepeats. It is ours, SAP and Cisco do not know it.
const Repeated outboundcsv.Code = "W_REPEATED"

// sum is what is compared of a row: a hash of its id and content (the first 8 bytes of
// a SHA-256), a hash of the id, and its place in the list.
type sum struct {
	row, id uint64
	at      uint32
}

const sumSize = 20 // bytes of a sum on disk

// rowHash is that of a planned call as JSON. Two of 100,000 rows that differ have the
// same in fewer than one of 1,000,000,000 lists.
func rowHash(b []byte) uint64 {
	h := sha256.Sum256(b)
	return binary.BigEndian.Uint64(h[:])
}

// writeSums writes the sums of a list, sorted by row.
func writeSums(dir string, all []sum) (name string, err error) {
	slices.SortFunc(all, func(a, b sum) int { return cmp.Or(cmp.Compare(a.row, b.row), cmp.Compare(a.at, b.at)) })
	return writeFile(dir, func(w *bufio.Writer) {
		var b [sumSize]byte
		for _, s := range all {
			binary.BigEndian.PutUint64(b[:], s.row)
			binary.BigEndian.PutUint64(b[8:], s.id)
			binary.BigEndian.PutUint32(b[16:], s.at)
			w.Write(b[:])
		}
	})
}

// writeFile writes a new flushed file. Its name is not final.
func writeFile(dir string, write func(*bufio.Writer)) (name string, err error) {
	f, err := os.CreateTemp(dir, "new-*.part")
	if err != nil {
		return "", spoolError("accept", err)
	}
	w := bufio.NewWriterSize(f, 64<<10)
	write(w) // the writer keeps its first error
	if err = w.Flush(); err == nil {
		err = f.Sync()
	}
	if err = stderrors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", spoolError("accept", err)
	}
	return f.Name(), nil
}

// sumFile reads the sums of a list, sorted by row. A list without sums has none.
type sumFile struct {
	f *os.File
	r *bufio.Reader
}

func openSums(name string) (*sumFile, error) {
	f, err := os.Open(name)
	if stderrors.Is(err, fs.ErrNotExist) {
		return &sumFile{}, nil
	}
	if err != nil {
		return nil, errors.Wrap(err, "spool: sums")
	}
	return &sumFile{f, bufio.NewReaderSize(f, 64<<10)}, nil
}

func (s *sumFile) next() (x sum, ok bool, err error) {
	if s.f == nil {
		return sum{}, false, nil
	}
	var b [sumSize]byte
	if _, err := io.ReadFull(s.r, b[:]); err == io.EOF {
		return sum{}, false, nil
	} else if err != nil {
		return sum{}, false, errors.Wrap(err, "spool: sums")
	}
	return sum{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint32(b[16:])}, true, nil
}

func (s *sumFile) close() {
	if s.f != nil {
		s.f.Close()
	}
}

// A list of which rows are left out has an index and sums of the others beside those
// that it came with.
func (q *Queue) indexPath(l *List) string {
	if l.Repeats > 0 {
		return q.listPath(l.ID, ".own.idx")
	}
	return q.listPath(l.ID, ".idx")
}

func (q *Queue) sumsPath(l *List) string {
	if l.Repeats > 0 {
		return q.listPath(l.ID, ".own.sum")
	}
	return q.listPath(l.ID, ".sum")
}

// listFiles are the ends of the names of all files of a list in the spool.
var listFiles = []string{".json", ".idx", ".own.idx", ".sum", ".own.sum", ".rep", ".rows"}

// marks says which rows of a list are left out, by their place.
type marks []byte

func (m marks) set(at uint32) { m[at/8] |= 1 << (at % 8) }
func (m marks) has(at int) bool {
	return at/8 < len(m) && m[at/8]&(1<<(at%8)) != 0
}

// readMarks reads those of a list; nil when nothing is left out.
func (q *Queue) readMarks(l *List) (marks, error) {
	if l.Repeats == 0 {
		return nil, nil
	}
	b, err := os.ReadFile(q.listPath(l.ID, ".rep"))
	return b, errors.Wrap(err, "spool: repeats")
}

// repeats marks the rows of a list that another list of its campaign brought within the
// repeat window, here or, with a ledger, at another instance. It returns how many; their
// list counts as one that leaves them out when the journal has that number. Lists of the
// campaign must not be accepted at the same time.
func (q *Queue) repeats(ctx context.Context, l *List) (int, error) {
	if !q.o.SkipRepeats || l.Received == 0 || l.Rewrite {
		return 0, nil
	}
	found := &found{marks: make(marks, (l.Received+7)/8)}
	for _, o := range q.snapshot() {
		if o.ID == l.ID || !sameSource(&o.Source, &l.Source) || q.o.Now().Sub(o.Accepted) >= q.o.RepeatWindow || !places(o) {
			continue
		}
		if err := q.compareOwn(l, o, found); err != nil {
			return 0, err
		}
	}
	pieces := 0
	if q.o.Ledger != nil {
		var err error
		if pieces, err = q.compareOthers(ctx, l, found); err != nil {
			return 0, err
		}
	}
	if found.n == 0 {
		return 0, nil
	}
	if err := q.writeMarks(l, found); err != nil {
		return 0, err
	}
	n := *l
	n.Repeats = found.n
	if pieces > 0 { // the others shall not take what is left out here for placed
		if _, err := q.publish(ctx, &n, pieces); err != nil {
			return 0, err
		}
	}
	return found.n, nil
}

func sameSource(a, b *Source) bool {
	return a.System == b.System && a.Client == b.Client && a.Campaign == b.Campaign
}

// places reports whether the rows of a list are, or will be, placed.
func places(l *List) bool {
	return l.State != Claiming && l.State != Dropped && l.State != Failed && !l.Wiped && !l.Rewrite
}

// found are the repeated rows of one list.
type found struct {
	marks marks
	n     int
}

func (f *found) add(at uint32) {
	if int(at)/8 < len(f.marks) && !f.marks.has(int(at)) {
		f.marks.set(at)
		f.n++
	}
}

// compareOwn looks for rows of l in another list here, those that were taken out of it
// excepted.
func (q *Queue) compareOwn(l, o *List, found *found) error {
	buried, err := q.j.tombs(o.ID)
	if err != nil {
		return err
	}
	gone := map[uint64]bool{}
	for id, removed := range buried {
		if removed {
			gone[idHash(id)] = true
		}
	}
	other, err := openSums(q.sumsPath(o))
	if err != nil {
		return err
	}
	defer other.close()
	return q.join(l, func() (uint64, bool, error) {
		for {
			s, ok, err := other.next()
			if err != nil || !ok || !gone[s.id] {
				return s.row, ok, err
			}
		}
	}, found)
}

// join marks the rows of l whose hash is in the sorted sequence other.
func (q *Queue) join(l *List, other func() (row uint64, ok bool, err error), found *found) error {
	mine, err := openSums(q.listPath(l.ID, ".sum"))
	if err != nil {
		return err
	}
	defer mine.close()
	s, more, err := mine.next()
	have, ok, err2 := other()
	for more && ok && err == nil && err2 == nil {
		if have < s.row {
			have, ok, err2 = other()
			continue
		}
		if have == s.row {
			found.add(s.at)
		}
		s, more, err = mine.next()
	}
	return stderrors.Join(err, err2)
}

// writeMarks writes what is left out of a list, and index and sums of the rest.
func (q *Queue) writeMarks(l *List, found *found) error {
	dir := filepath.Join(q.dir, "lists")
	var ids []uint64
	var rest []sum
	all, err := openSums(q.listPath(l.ID, ".sum"))
	if err != nil {
		return err
	}
	defer all.close()
	s, more, err := all.next()
	for ; more && err == nil; s, more, err = all.next() {
		if !found.marks.has(int(s.at)) {
			ids, rest = append(ids, s.id), append(rest, s)
		}
	}
	if err != nil {
		return err
	}
	for _, f := range []struct {
		ext   string
		write func() (string, error)
	}{
		{".rep", func() (string, error) { return writeFile(dir, func(w *bufio.Writer) { w.Write(found.marks) }) }},
		{".own.idx", func() (string, error) { return writeIndex(dir, ids) }},
		{".own.sum", func() (string, error) { return writeSums(dir, rest) }},
	} {
		name, err := f.write()
		if err != nil {
			return err
		}
		if err := os.Rename(name, q.listPath(l.ID, f.ext)); err != nil {
			return spoolError("repeats", err)
		}
	}
	return syncDir(dir)
}

// window is until when rows of a list are compared.
func (q *Queue) window(l *List) time.Time { return l.Accepted.Add(q.o.RepeatWindow) }
