package outboundcsv

import (
	"bufio"
	"context"
	"encoding/binary"
	"hash/maphash"
	"io"
	"os"
	"slices"

	"github.com/pkg/errors"
)

// record is one converted row in the spool.
type record struct {
	id      string
	codes   codeSet
	row     []byte // encoded, without line end; empty when rejected
	deleted bool
}

// spool holds the converted rows on disk until the whole list was read: only
// then is it known which row of an id is the last. In memory it keeps one hash
// for each row.
type spool struct {
	f      *os.File
	w      *bufio.Writer
	seed   maphash.Seed
	hashes []uint64
	buf    []byte
}

func newSpool(f *os.File) *spool {
	return &spool{f: f, w: bufio.NewWriterSize(f, 256<<10), seed: maphash.MakeSeed()}
}

// add appends one record: length, flags, codes, id, row.
func (s *spool) add(r *record) error {
	b := s.buf[:0]
	b = append(b, 0, 0, 0, 0)
	if r.deleted {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	b = append(b, byte(len(r.codes)))
	for _, c := range r.codes {
		b = append(b, byte(len(c)))
		b = append(b, c...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.id)))
	b = append(b, r.id...)
	b = append(b, r.row...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	s.buf = b
	s.hashes = append(s.hashes, maphash.String(s.seed, r.id))
	_, err := s.w.Write(b)
	return errors.Wrap(err, "outboundcsv: spool")
}

// repeat is what is known of an id that may have come more than once.
type repeat struct {
	last   int64 // offset of its last record
	times  int
	placed bool
}

// each yields the rows as the file has them: the last content of every id at
// the place of its first.
func (s *spool) each(ctx context.Context, yield func(*record) error) error {
	if err := s.w.Flush(); err != nil {
		return errors.Wrap(err, "outboundcsv: spool")
	}
	repeats, err := s.repeats(ctx)
	if err != nil {
		return err
	}
	var rec record
	return s.scan(ctx, func(_ int64, b []byte) error {
		if repeats == nil && b[0] == 0 && b[1] == 0 { // nobody asks for its id
			rec.codes, rec.deleted, rec.id = rec.codes[:0], false, ""
			l, w := binary.Uvarint(b[2:])
			rec.row = b[2+w+int(l):]
			return yield(&rec)
		}
		parse(b, &rec)
		r := repeats[rec.id]
		if rec.id == "" {
			r = nil // without id nothing can be the same
		}
		switch {
		case r == nil || r.times == 1:
			if rec.deleted {
				return nil // nothing to take out: no row and no error
			}
			return yield(&rec)
		case r.placed:
			return nil
		}
		r.placed = true
		if err := s.at(r.last, &rec); err != nil {
			return err
		}
		if !rec.deleted {
			rec.codes.add(DuplicateID)
		}
		return yield(&rec)
	})
}

// repeats finds the ids that came more than once. A hash that occurs twice is a
// candidate; the ids themselves decide.
func (s *spool) repeats(ctx context.Context) (map[string]*repeat, error) {
	twice := twice(s.hashes)
	if len(twice) == 0 {
		return nil, nil
	}
	m := map[string]*repeat{}
	i := 0
	var rec record
	err := s.scan(ctx, func(off int64, b []byte) error {
		i++
		if !twice[s.hashes[i-1]] {
			return nil
		}
		parse(b, &rec)
		if r := m[rec.id]; r != nil {
			r.last, r.times = off, r.times+1
		} else {
			m[rec.id] = &repeat{last: off, times: 1}
		}
		return nil
	})
	return m, err
}

// twice finds the hashes that occur more than once, in a table that is at most half
// full: it takes 16 to 32 bytes for each row, for a moment.
func twice(hashes []uint64) map[uint64]bool {
	out := map[uint64]bool{}
	size := 2
	for size < 2*len(hashes) {
		size *= 2
	}
	table, mask := make([]uint64, size), uint64(size-1)
	for _, h := range hashes {
		if h == 0 { // is what free places have
			out[0] = true
			continue
		}
		i := h & mask
		for table[i] != 0 && table[i] != h {
			i = (i + 1) & mask
		}
		if table[i] == h {
			out[h] = true
		}
		table[i] = h
	}
	return out
}

// scan reads the records in order. b is valid until the next.
func (s *spool) scan(ctx context.Context, f func(off int64, b []byte) error) error {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return errors.Wrap(err, "outboundcsv: spool")
	}
	r := bufio.NewReaderSize(s.f, 256<<10)
	var long []byte
	var off int64
	for i := 0; ; i++ {
		if i%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		head, err := r.Peek(4)
		if err == io.EOF && len(head) == 0 {
			return nil
		} else if err != nil {
			return errors.Wrap(err, "outboundcsv: spool")
		}
		n := 4 + int(binary.BigEndian.Uint32(head))
		if n <= r.Size() { // without copying it
			b, err := r.Peek(n)
			if err != nil {
				return errors.Wrap(err, "outboundcsv: spool")
			}
			if err := f(off, b[4:]); err != nil {
				return err
			}
			if _, err := r.Discard(n); err != nil {
				return errors.Wrap(err, "outboundcsv: spool")
			}
		} else {
			long = slices.Grow(long[:0], n)[:n]
			if _, err := io.ReadFull(r, long); err != nil {
				return errors.Wrap(err, "outboundcsv: spool")
			}
			if err := f(off, long[4:]); err != nil {
				return err
			}
		}
		off += int64(n)
	}
}

// at reads the record at off.
func (s *spool) at(off int64, rec *record) error {
	var head [4]byte
	if _, err := s.f.ReadAt(head[:], off); err != nil {
		return errors.Wrap(err, "outboundcsv: spool")
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := s.f.ReadAt(b, off+4); err != nil {
		return errors.Wrap(err, "outboundcsv: spool")
	}
	parse(b, rec)
	return nil
}

// parse reads what add wrote. row aliases b.
func parse(b []byte, r *record) {
	r.deleted = b[0] == 1
	n := int(b[1])
	b = b[2:]
	r.codes = r.codes[:0]
	for range n {
		r.codes = append(r.codes, Code(b[1:1+b[0]]))
		b = b[1+b[0]:]
	}
	l, w := binary.Uvarint(b)
	r.id = string(b[w : w+int(l)])
	r.row = b[w+int(l):]
}
