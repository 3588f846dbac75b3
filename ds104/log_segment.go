package ds104

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	stderrors "errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/pkg/errors"
)

// A segment is a file of blocks; a block is what one flush wrote. The head has a
// random salt that goes into the sum of every block, so that what a former use of the
// file has left is no block of this one. Numbers are big endian.
//
//	head    "DS104L", version (2), number (8), salt (8), seal (33), zeros (3), sum (4)
//	block   length (4), sum (4), seq (8), records (4), pending (4), moment (8), payload, zeros to 8
//
// The seq of a block is that of its last record, so that it follows from the block
// before. Pending is how many records before the block were not known to be on the disk
// when it was written: a crash may have kept them from it, although the block got there.
// The moment is when the block was written, by the clock of the store. The seal proves the
// key: a known text, encrypted, or zeros. The payload is records, or with a key a nonce
// and the records encrypted.
const (
	segmentMagic   = "DS104L"
	segmentVersion = 1
	segmentHead    = 64
	blockHead      = 32
	blockAlign     = 8
	// recordOverhead is the most that a record takes in its segment beside itself: the
	// head of a block, encryption and alignment.
	recordOverhead = blockHead + sealSize + blockAlign
	// segmentReserve is room for what has to be written on a full disk too.
	segmentReserve = 4 << 10
	// maxLooks is how many places behind the last block are looked at closely.
	maxLooks = 10_000
	// maxBlock bounds what is believed of a length.
	maxBlock = MaxMaxValue + maxJournal
)

// ErrDamaged: a file of a Log is not as it was written, and not only at its end, where
// a crash may cut. Nothing was changed. Restore a snapshot, or bring the store level
// from the other side of its pair.
var ErrDamaged = stderrors.New("ds104: damaged file")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is a file that is written.
type segment struct {
	f      *os.File
	number uint64
	salt   [8]byte
	size   int64  // that is allocated; 0: grows
	off    int64  // where the next block goes; the flusher's
	left   int64  // that no record has taken yet, without the reserve; the journal's
	start  uint64 // seq before its first record
}

// writeHead begins a segment.
func (s *segment) writeHead(seal cipher.AEAD) error {
	_, _ = rand.Read(s.salt[:]) // never fails
	h := make([]byte, 0, segmentHead)
	h = append(h, segmentMagic...)
	h = binary.BigEndian.AppendUint16(h, segmentVersion)
	h = binary.BigEndian.AppendUint64(h, s.number)
	h = append(h, s.salt[:]...)
	if seal != nil {
		h = sealTo(seal, h, s.salt[:], sealText)
	}
	h = h[:segmentHead-4]
	h = binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
	if _, err := s.f.WriteAt(h, 0); err != nil {
		return err
	}
	s.off, s.left = segmentHead, max(s.size-segmentHead-segmentReserve, 0)
	return nil
}

// sealText is what the head of a segment has encrypted.
var sealText = []byte("ds104")

// sealTo appends a nonce and the sealed text.
func sealTo(seal cipher.AEAD, dst, extra, plain []byte) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // never fails
	return seal.Seal(append(dst, nonce...), nonce, plain, extra)
}

func openSealed(seal cipher.AEAD, extra, sealed []byte) ([]byte, error) {
	if len(sealed) < sealSize {
		return nil, ErrDamaged
	}
	return seal.Open(nil, sealed[:12], sealed[12:], extra)
}

// blockSum is the sum of a block; head is its first bytes, without the sum.
func (s *segment) blockSum(head, payload []byte) uint32 {
	sum := crc32.Update(0, castagnoli, s.salt[:])
	sum = crc32.Update(sum, castagnoli, head[:4])
	sum = crc32.Update(sum, castagnoli, head[8:blockHead])
	return crc32.Update(sum, castagnoli, payload)
}

// block makes a block of records that stand in b behind blockHead bytes of room. It
// returns the block and, with a key, the buffer that it used.
func (s *segment) block(b, scratch []byte, seq uint64, count int, pending uint64, moment int64, seal cipher.AEAD) (block, buf []byte) {
	binary.BigEndian.PutUint64(b[8:], seq)
	binary.BigEndian.PutUint32(b[16:], uint32(count))
	binary.BigEndian.PutUint32(b[20:], uint32(pending))
	binary.BigEndian.PutUint64(b[24:], uint64(moment))
	if seal != nil {
		scratch = append(scratch[:0], b[:blockHead]...)
		scratch = sealTo(seal, scratch, append(s.salt[:], b[8:blockHead]...), b[blockHead:])
		b = scratch
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-blockHead))
	binary.BigEndian.PutUint32(b[4:], s.blockSum(b, b[blockHead:]))
	for len(b)%blockAlign != 0 {
		b = append(b, 0)
	}
	return b, b
}

// write appends a block. It is on the disk after flushFile.
func (s *segment) write(block []byte) error {
	if _, err := s.f.WriteAt(block, s.off); err != nil {
		return err
	}
	s.off += int64(len(block))
	return nil
}

// segmentReader reads a segment.
type segmentReader struct {
	segment
	path string
	src  io.ReaderAt
	end  int64 // size of src
	seal cipher.AEAD
	buf  []byte
	seen int64 // moment of the last block
}

// openSegment opens a segment for reading. Errors: ErrVersion, ErrKey, ErrDamaged, and
// errNoHead of a file that never became a segment.
func openSegment(path string, number uint64, seal cipher.AEAD) (*segmentReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Wrap(err, "ds104: open")
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, errors.Wrap(err, "ds104: open")
	}
	r := newSegmentReader(f, st.Size(), path, number, seal)
	r.f = f
	if err := r.readHead(); err != nil {
		_ = f.Close()
		return nil, errors.WithMessage(err, path)
	}
	return r, nil
}

func newSegmentReader(src io.ReaderAt, size int64, path string, number uint64, seal cipher.AEAD) *segmentReader {
	return &segmentReader{segment: segment{number: number, off: segmentHead}, path: path, src: src, end: size, seal: seal}
}

var errNoHead = stderrors.New("ds104: a segment without a head")

func (r *segmentReader) readHead() error {
	var h [segmentHead]byte
	if n, _ := r.src.ReadAt(h[:], 0); n < len(h) {
		return errNoHead
	}
	if string(h[:6]) == segmentMagic && binary.BigEndian.Uint16(h[6:]) > segmentVersion {
		return ErrVersion
	}
	if string(h[:6]) != segmentMagic || binary.BigEndian.Uint32(h[segmentHead-4:]) != crc32.Checksum(h[:segmentHead-4], castagnoli) {
		return errNoHead
	}
	if n := binary.BigEndian.Uint64(h[8:]); n != r.number {
		return errors.WithMessagef(ErrDamaged, "is segment %x", n)
	}
	copy(r.salt[:], h[16:24])
	sealed := h[24 : 24+sealSize+len(sealText)]
	if plain := [sealSize]byte{}; string(sealed[:sealSize]) == string(plain[:]) != (r.seal == nil) {
		return ErrKey
	}
	if r.seal != nil {
		if text, err := openSealed(r.seal, r.salt[:], sealed); err != nil || string(text) != string(sealText) {
			return ErrKey
		}
	}
	return nil
}

// next returns the records of the next block and their number; io.EOF when there is
// no further block that follows seq.
func (r *segmentReader) next(seq uint64) (records []byte, count int, last uint64, err error) {
	var h [blockHead]byte
	payload, ok, err := r.blockAt(r.off, h[:])
	if err != nil {
		return nil, 0, 0, err
	}
	last, count = binary.BigEndian.Uint64(h[8:]), int(binary.BigEndian.Uint32(h[16:]))
	if !ok {
		return nil, 0, 0, r.after(seq)
	}
	if last != seq+uint64(count) {
		return nil, 0, 0, errors.WithMessagef(ErrDamaged, "%s at %d: changes %d to %d where %d was expected", r.path, r.off, last-uint64(count)+1, last, seq+1)
	}
	r.seen = int64(binary.BigEndian.Uint64(h[24:]))
	at := r.off
	r.off += int64(blockHead+len(payload)+blockAlign-1) / blockAlign * blockAlign
	if r.seal != nil {
		if payload, err = openSealed(r.seal, append(r.salt[:], h[8:]...), payload); err != nil {
			return nil, 0, 0, errors.WithMessagef(ErrDamaged, "%s at %d", r.path, at)
		}
	}
	return payload, count, last, nil
}

// blockAt reads the block at an offset, if there is a whole one.
func (r *segmentReader) blockAt(off int64, h []byte) (payload []byte, ok bool, err error) {
	if off+blockHead > r.end {
		return nil, false, nil
	}
	if _, err := r.src.ReadAt(h, off); err != nil {
		return nil, false, errors.Wrap(err, "ds104: read")
	}
	n := int64(binary.BigEndian.Uint32(h))
	if n == 0 || n > maxBlock || off+blockHead+n > r.end {
		return nil, false, nil
	}
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	payload = r.buf[:n]
	if _, err := r.src.ReadAt(payload, off+blockHead); err != nil {
		return nil, false, errors.Wrap(err, "ds104: read")
	}
	return payload, binary.BigEndian.Uint32(h[4:]) == r.blockSum(h, payload), nil
}

// after tells whether the end of the blocks is the end of what was acknowledged: a block
// that stands whole behind it proves damage, when it was written after what is missing
// was on the disk.
func (r *segmentReader) after(seq uint64) error {
	const window = 1 << 20
	buf := make([]byte, window+blockHead)
	var h [blockHead]byte
	looks := 0 // bounded: values may be made to look like blocks
	for base := r.off + blockAlign; base < r.end; base += window {
		n, err := r.src.ReadAt(buf, base)
		if err != nil && err != io.EOF {
			return errors.Wrap(err, "ds104: read")
		}
		for i := 0; i+blockHead <= n && i < window; i += blockAlign {
			if s := binary.BigEndian.Uint64(buf[i+8:]); s <= seq || s > seq+1<<32 || binary.BigEndian.Uint32(buf[i:]) == 0 {
				continue
			}
			if looks++; looks > maxLooks {
				return io.EOF
			}
			_, ok, err := r.blockAt(base+int64(i), h[:])
			if err != nil {
				return err
			}
			s := binary.BigEndian.Uint64(h[8:])
			before := s - uint64(binary.BigEndian.Uint32(h[16:])) // seq of what is before the block
			if ok && before-uint64(binary.BigEndian.Uint32(h[20:])) > seq {
				return errors.WithMessagef(ErrDamaged, "%s between %d and %d", r.path, r.off, base+int64(i))
			}
		}
	}
	return io.EOF
}

func (r *segmentReader) close() { _ = r.f.Close() }

// replay gives every record of the rest of the segment to f, and returns the seq of
// the last one.
func (r *segmentReader) replay(seq uint64, f func(*record) error) (uint64, error) {
	for {
		b, count, last, err := r.next(seq)
		if err == io.EOF {
			return seq, nil
		}
		if err != nil {
			return seq, err
		}
		for range count {
			var rec record
			if rec, b, err = cutRecord(b); err == nil {
				err = f(&rec)
			}
			if err != nil {
				return seq, fmt.Errorf("%w: %s before %d: %w", ErrDamaged, r.path, r.off, err)
			}
		}
		if len(b) > 0 {
			return seq, errors.WithMessagef(ErrDamaged, "%s before %d: more than its records", r.path, r.off)
		}
		seq = last
	}
}
