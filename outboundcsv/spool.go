package outboundcsv

import (
	"context"
	"encoding/binary"
	stderrors "errors"
	"hash/maphash"
	"io"
	"math"
	"slices"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/internal/scratch"
)

// spool holds the converted rows until the whole list was read: only then is it known
// which row of an id is the last. Rows go to a file in pieces; a list that is smaller
// than one piece needs no file.
//
// A record is a head, the row, the id unless the row begins with it, and zeros up to a multiple of 8. The head has
// in 4 bytes each: the length without the zeros; that of the id; codes and flags;
// a link. The last two are set again for ids that came more than once (repeats.go).
type spool struct {
	dir    string
	limits spoolLimits
	f      file
	buf    []byte // records that are not in the file yet
	base   int64  // offset of buf
	seed   maphash.Seed
	seen   repeats
	ahead  window // for reading in order
	aside  window // for single records
}

// file is a [scratch.File], or one that fails in a test.
type file interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// spoolLimits are the usual ones when they are zero; tests make them small.
type spoolLimits struct {
	piece    int    // bytes of records in memory: 128 KiB
	entries  int    // of repeats in memory, a power of 2: 131,072
	hashMask uint32 // bits of the hash in use: all
	create   func(dir string) (file, error)
	done     func(retained int) // gets the bytes of memory at the end
}

// record is one converted row in the spool.
type record struct {
	id    []byte
	row   []byte // encoded, without line end; empty when rejected
	codes codeSet
	flags uint32
	link  int64 // offset of the last record with this id; 0 is none
	next  int64 // offset of the record behind it
}

const (
	headLen  = 16
	align    = 8           // links count in it
	maxSpool = align << 32 // bytes that a link can reach
)

// Flags beside the codes in a head.
const (
	flagDeletion uint32 = 1 << (31 - iota) // the call is a deletion
	flagLater                              // an earlier record has the same id
	flagAdded                              // of the first record of an id: not all are deletions
	flagIDInRow                            // the row begins with the id; otherwise the id is behind it
	allFlags     = flagDeletion | flagLater | flagAdded | flagIDInRow
)

var (
	errSpoolFull = stderrors.New("outboundcsv: spool: the list is larger than 32 GiB")
	errDamaged   = stderrors.New("outboundcsv: spool: the file is damaged")
)

func newSpool(dir string, l spoolLimits) *spool {
	if l.piece == 0 {
		l.piece = 128 << 10
	}
	if l.entries == 0 {
		l.entries = 128 << 10
	}
	if l.hashMask == 0 {
		l.hashMask = math.MaxUint32
	}
	if l.create == nil {
		l.create = func(dir string) (file, error) { return scratch.Create(dir, "list-*.spool") }
	}
	return &spool{
		dir: dir, limits: l, seed: maphash.MakeSeed(),
		buf:   make([]byte, align, 4<<10), // so that no record is at 0
		ahead: window{ahead: l.piece}, aside: window{ahead: 512}, seen: repeats{aside: window{ahead: 512}},
	}
}

// close gives the files back to the system. They have no names.
func (s *spool) close() {
	if s.limits.done != nil {
		s.limits.done(cap(s.buf) + cap(s.ahead.b) + cap(s.aside.b) + s.seen.retained())
	}
	for _, f := range []file{s.f, s.seen.f} {
		if f != nil {
			f.Close()
		}
	}
}

// slack is room for a head and a row in most encodings.
const slack = 2 * MaxRow

// begin starts a record; the row is to be appended to buf.
func (s *spool) begin() (start int) {
	start = len(s.buf)
	if room := s.limits.piece + slack; cap(s.buf)-start < slack && cap(s.buf) < room {
		s.buf = append(make([]byte, 0, room), s.buf...) // most lists that come here fill it
	}
	var head [headLen]byte // end fills it in
	s.buf = append(s.buf, head[:]...)
	return start
}

// end ends the record that starts there in buf. The flags say what it is.
func (s *spool) end(start int, id string, codes codeSet, flags uint32) error {
	if flags&flagIDInRow == 0 {
		s.buf = append(s.buf, id...)
	}
	n, off := len(s.buf)-start, s.base+int64(start)
	if n > math.MaxInt32 || off >= maxSpool {
		return errSpoolFull
	}
	word := uint32(codes) | flags
	head := s.buf[start : start+headLen]
	binary.LittleEndian.PutUint32(head, uint32(n))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(id)))
	binary.LittleEndian.PutUint32(head[8:], word)
	binary.LittleEndian.PutUint32(head[12:], 0)
	s.buf = append(s.buf, "\x00\x00\x00\x00\x00\x00\x00"[:-n&(align-1)]...)
	if id != "" { // without id nothing can be the same
		if err := s.seen.add(s, uint32(maphash.String(s.seed, id))&s.limits.hashMask, off); err != nil {
			return err
		}
	}
	if len(s.buf) < s.limits.piece {
		return nil
	}
	return s.flush()
}

// flush moves the records to the file.
func (s *spool) flush() error {
	if s.f == nil {
		f, err := s.limits.create(s.dir)
		if err != nil {
			return errors.Wrap(err, "outboundcsv: spool")
		}
		s.f = f
	}
	if _, err := s.f.Write(s.buf); err != nil {
		return errors.Wrap(err, "outboundcsv: spool")
	}
	s.base, s.buf = s.base+int64(len(s.buf)), s.buf[:0]
	return nil
}

// each yields the rows as the import file has them: the last content of every id at
// the place of its first, or that it was deleted again. settle comes before.
func (s *spool) each(ctx context.Context, yield func(r *record, deleted bool) error) error {
	var r record
	end := s.base + int64(len(s.buf))
	for rows, off := 1, int64(align); off < end; rows++ {
		if rows%progressRows == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := s.record(&s.ahead, off, &r); err != nil {
			return err
		}
		off = r.next
		added := r.flags&(flagDeletion|flagAdded) != flagDeletion
		switch {
		case r.flags&flagLater != 0:
			continue
		case r.link != 0:
			if err := s.record(&s.aside, r.link, &r); err != nil {
				return err
			}
			r.codes.add(duplicateID)
		}
		deleted := r.flags&flagDeletion != 0
		if deleted && !added {
			continue // nothing to take out: no row and no error
		}
		if err := yield(&r, deleted); err != nil {
			return err
		}
	}
	return nil
}

// record reads the record at off. It is valid until the next one through the same window.
func (s *spool) record(w *window, off int64, r *record) error {
	b, err := w.read(s, off, headLen)
	if err != nil {
		return err
	}
	n, id := int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))
	word := binary.LittleEndian.Uint32(b[8:])
	r.link = int64(binary.LittleEndian.Uint32(b[12:])) * align
	if id > n-headLen {
		return errDamaged
	}
	if n > int64(len(b)) {
		if b, err = w.read(s, off, int(n)); err != nil {
			return err
		}
	}
	r.codes, r.flags = codeSet(word&^allFlags), word&allFlags
	if b = b[headLen:n]; r.flags&flagIDInRow != 0 {
		r.id, r.row = b[:id], b
	} else {
		r.row, r.id = b[:len(b)-int(id)], b[len(b)-int(id):]
	}
	r.next = (off + n + align - 1) &^ (align - 1)
	return nil
}

// set changes the flags and the link of a record.
func (s *spool) set(off int64, r *record) error {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], uint32(r.codes)|r.flags)
	binary.LittleEndian.PutUint32(b[4:], uint32(r.link/align))
	if off += 8; off >= s.base {
		copy(s.buf[off-s.base:], b[:])
		return nil
	}
	for _, w := range []*window{&s.ahead, &s.aside, &s.seen.aside} {
		w.b = w.b[:0]
	}
	_, err := s.f.WriteAt(b[:], off)
	return errors.Wrap(err, "outboundcsv: spool")
}

// window is a piece of the file.
type window struct {
	b     []byte
	base  int64
	ahead int // bytes to read at once, when that many are there
}

// read returns n bytes at off, or more, valid until the next call.
func (w *window) read(s *spool, off int64, n int) ([]byte, error) {
	if off >= s.base {
		if from := off - s.base; from+int64(n) <= int64(len(s.buf)) {
			return s.buf[from:], nil
		}
		return nil, errDamaged
	}
	if off+int64(n) > s.base {
		return nil, errDamaged
	}
	if off < w.base || off+int64(n) > w.base+int64(len(w.b)) {
		size := int(min(int64(max(n, w.ahead)), s.base-off))
		w.b, w.base = slices.Grow(w.b[:0], size)[:size], off
		if _, err := s.f.ReadAt(w.b, off); err != nil {
			w.b = w.b[:0]
			return nil, errors.Wrap(err, "outboundcsv: spool")
		}
	}
	return w.b[off-w.base:], nil
}
