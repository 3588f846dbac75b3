package outboundcsv

import (
	"bufio"
	"context"
	"encoding/binary"
	stderrors "errors"
	"math/bits"

	"github.com/pkg/errors"
)

// repeats finds the ids that came more than once, in memory that does not grow with the
// list. It keeps an entry for each record: 32 bits of the hash of the id, and where the
// record is. The first byte of the hash chooses one of 256 parts. When there are many
// entries they go to a file, as one run of all parts. settle takes one part of all runs
// after the other through a table. Equal hashes are only a hint; the ids themselves decide.
type repeats struct {
	f      file
	size   int64 // of f
	runs   []run // in f; settle adds the last one, which stays in memory
	n      int   // entries in memory
	parts  [parts]part
	blocks [][]uint64
	next   []int32  // of each block, which one follows in its part
	table  []uint64 // first entries of ids
	piece  [4 << 10]byte
	aside  window
	found  int // records that came again
}

const (
	parts     = 256
	entryLen  = 8
	blockLen  = 64 // entries
	splitBits = 24 // of the hash, after those that choose the part
)

// part has the entries of one part in memory.
type part struct {
	n           int
	first, last int32 // blocks
}

// run is a place in the file and where each part ends, in bytes from there.
type run struct {
	off  int64
	ends [parts]uint32
}

// errTableFull ends a walk through entries.
var errTableFull = stderrors.New("outboundcsv: spool: too many ids for the table")

func (x *repeats) retained() int {
	return cap(x.blocks)*(24+blockLen*entryLen) + 4*cap(x.next) + entryLen*cap(x.table) + cap(x.runs)*(entryLen+4*parts) + len(x.piece) + cap(x.aside.b)
}

// add takes the record at off. An entry is the hash in the upper half and the offset
// divided by align in the lower.
func (x *repeats) add(s *spool, hash uint32, off int64) error {
	p := &x.parts[hash>>24]
	at := p.n % blockLen
	if at == 0 {
		b := int32(len(x.next))
		if int(b) == len(x.blocks) {
			x.moreBlocks()
		}
		x.next = append(x.next, 0)
		if p.n == 0 {
			p.first = b
		} else {
			x.next[p.last] = b
		}
		p.last = b
	}
	x.blocks[p.last][at] = uint64(hash)<<32 | uint64(off/align)
	p.n++
	if x.n++; x.n < s.limits.entries {
		return nil
	}
	return x.spill(s)
}

// moreBlocks makes room for a few at once.
func (x *repeats) moreBlocks() {
	const few = 16
	room := make([]uint64, few*blockLen)
	for i := range few {
		x.blocks = append(x.blocks, room[i*blockLen:][:blockLen])
	}
}

// inMemory yields the entries of part p that are in memory, a block at a time.
func (x *repeats) inMemory(p int, yield func([]uint64) error) error {
	b := x.parts[p].first
	for left := x.parts[p].n; left > 0; left -= blockLen {
		if err := yield(x.blocks[b][:min(left, blockLen)]); err != nil {
			return err
		}
		b = x.next[b]
	}
	return nil
}

// spill moves all entries to the file.
func (x *repeats) spill(s *spool) error {
	if x.f == nil {
		f, err := s.limits.create(s.dir)
		if err != nil {
			return errors.Wrap(err, "outboundcsv: spool")
		}
		x.f = f
	}
	x.endRun()
	buf := bufio.NewWriterSize(x.f, 64<<10)
	for p := range parts {
		x.inMemory(p, func(entries []uint64) error {
			for _, e := range entries {
				buf.Write(binary.LittleEndian.AppendUint64(buf.AvailableBuffer(), e))
			}
			return nil
		})
	}
	x.size += int64(x.n * entryLen)
	x.n, x.next = 0, x.next[:0]
	clear(x.parts[:])
	return errors.Wrap(buf.Flush(), "outboundcsv: spool")
}

// endRun notes where the parts of what is in memory will be in the file.
func (x *repeats) endRun() {
	r := run{off: x.size}
	sum := uint32(0)
	for p := range parts {
		sum += uint32(x.parts[p].n * entryLen)
		r.ends[p] = sum
	}
	x.runs = append(x.runs, r)
}

// part returns where part p of the run is, in bytes from its begin.
func (r *run) part(p int) (from, to uint32) {
	if p > 0 {
		from = r.ends[p-1]
	}
	return from, r.ends[p]
}

// settle marks in the spool the records of ids that came more than once: the first gets
// a link to the last, the others are flagged as later ones.
func (x *repeats) settle(ctx context.Context, s *spool) error {
	x.endRun()
	for p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.settlePart(ctx, s, p, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// settlePart takes the entries of part p whose hash goes on with the given bits. When they have
// too many ids for the table, it begins again with one more bit: marking twice is the same as once.
func (x *repeats) settlePart(ctx context.Context, s *spool, p, width int, prefix uint32) error {
	n := 0
	for i := range x.runs {
		from, to := x.runs[i].part(p)
		n += int(to-from) / entryLen
	}
	if n < 2 {
		return nil
	}
	size := 1 << bits.Len(uint(2*n-1))
	if width < splitBits {
		size = min(size, s.limits.entries/2)
	}
	if cap(x.table) < size {
		x.table = make([]uint64, size)
	}
	table := x.table[:size]
	clear(table)
	free := size / 2
	err := x.eachEntry(p, func(e uint64) error {
		hash := uint32(e >> 32)
		if hash<<8>>(32-width) != prefix {
			return nil
		}
		i := hash & uint32(size-1)
		for ; table[i] != 0; i = (i + 1) & uint32(size-1) {
			if uint32(table[i]>>32) != hash {
				continue
			}
			same, err := x.mark(ctx, s, offset(table[i]), offset(e))
			if same || err != nil {
				return err
			}
		}
		if free--; free < 0 {
			return errTableFull
		}
		table[i] = e
		return nil
	})
	if err != errTableFull {
		return err
	}
	for bit := range uint32(2) {
		if err := x.settlePart(ctx, s, p, width+1, prefix<<1|bit); err != nil {
			return err
		}
	}
	return nil
}

func offset(entry uint64) int64 { return int64(uint32(entry)) * align }

// eachEntry yields the entries of part p in the order in which they came.
func (x *repeats) eachEntry(p int, yield func(e uint64) error) error {
	for i := range x.runs[:len(x.runs)-1] {
		r := &x.runs[i]
		for from, to := r.part(p); from < to; {
			b := x.piece[:min(int(to-from), len(x.piece))]
			if _, err := x.f.ReadAt(b, r.off+int64(from)); err != nil {
				return errors.Wrap(err, "outboundcsv: spool")
			}
			for from += uint32(len(b)); len(b) > 0; b = b[entryLen:] {
				if err := yield(binary.LittleEndian.Uint64(b)); err != nil {
					return err
				}
			}
		}
	}
	return x.inMemory(p, func(entries []uint64) error {
		for _, e := range entries {
			if err := yield(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// mark marks two records, when they have the same id.
func (x *repeats) mark(ctx context.Context, s *spool, first, later int64) (same bool, err error) {
	if x.found++; x.found%progressRows == 0 && ctx.Err() != nil {
		return false, ctx.Err()
	}
	var a, b record
	if err := s.record(&s.aside, first, &a); err != nil {
		return false, err
	}
	if err := s.record(&x.aside, later, &b); err != nil || string(a.id) != string(b.id) {
		return false, err
	}
	if b.flags&flagDeletion == 0 {
		a.flags |= flagAdded
	}
	a.link = later
	b.flags |= flagLater
	if err := s.set(first, &a); err != nil {
		return false, err
	}
	return true, s.set(later, &b)
}
