package cpic

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
)

// compressHeader is what compressed content begins with: length (4,
// little-endian), algorithm, magic 1F 9D, parameter.
const compressHeader = 8

const (
	algorithmLZC = 1
	algorithmLZH = 2
)

// decompress returns a reader of exactly the announced content, which must not be
// longer than limit. Less content, or more, is an error of the reader.
func decompress(b []byte, limit int64) (io.Reader, int64, error) {
	if len(b) < compressHeader || b[5] != 0x1F || b[6] != 0x9D {
		return nil, 0, fmt.Errorf("%w: no compressed content", ErrFrame)
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if n > limit {
		return nil, 0, fmt.Errorf("%w: compressed content of %d bytes", ErrTooLarge, n)
	}
	var r io.Reader
	switch b[4] & 0x0F {
	case algorithmLZH:
		r = newLZH(b[compressHeader:])
	case algorithmLZC:
		z, err := newLZC(b[compressHeader:], b[7])
		if err != nil {
			return nil, 0, err
		}
		r = z
	default:
		return nil, 0, fmt.Errorf("%w: compression algorithm %d", ErrFrame, b[4]&0x0F)
	}
	return &exact{r: r, left: n}, n, nil
}

// exact reads so many bytes, no fewer and no more.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		var one [1]byte
		if n, _ := io.ReadFull(e.r, one[:]); n > 0 {
			return 0, fmt.Errorf("%w: more content than announced", ErrTooLarge)
		}
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	} else if err == io.EOF {
		err = nil
	}
	return n, err
}

// newLZH reads LZH: two bits n, n bits to skip, then DEFLATE, all bits from the
// least significant on.
func newLZH(b []byte) io.Reader {
	if len(b) == 0 {
		return bytes.NewReader(nil)
	}
	return flate.NewReader(bufio.NewReader(&shifted{b: b, by: 2 + uint(b[0]&3)}))
}

// shifted reads bytes that begin by (2 to 5) bits later.
type shifted struct {
	b  []byte
	at int
	by uint
}

func (s *shifted) Read(p []byte) (int, error) {
	n := 0
	for ; n < len(p) && s.at < len(s.b); s.at++ {
		v := s.b[s.at] >> s.by
		if s.at+1 < len(s.b) {
			v |= s.b[s.at+1] << (8 - s.by)
		}
		p[n] = v
		n++
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Codes of LZC, which is that of Unix compress.
const (
	lzcFirstBits = 9
	lzcMostBits  = 16
	lzcClear     = 256
)

// lzc reads LZC. Codes come in groups of eight; when their length changes the
// rest of the group is skipped.
type lzc struct {
	b        []byte
	block    bool
	maxBits  uint
	bits     uint
	group    []byte // rest of the group
	groupBit uint
	prefix   []uint16
	suffix   []byte
	next     int
	last     int // code before, -1 = none
	first    byte
	out      []byte // decoded, in order
	stack    []byte
}

func newLZC(b []byte, parameter byte) (*lzc, error) {
	z := &lzc{b: b, block: parameter&0x80 != 0, maxBits: uint(parameter & 0x1F), last: -1}
	if z.maxBits < lzcFirstBits || z.maxBits > lzcMostBits {
		return nil, fmt.Errorf("%w: LZC codes of %d bits", ErrFrame, z.maxBits)
	}
	z.prefix, z.suffix = make([]uint16, 1<<z.maxBits), make([]byte, 1<<z.maxBits)
	z.reset()
	return z, nil
}

func (z *lzc) reset() {
	z.bits, z.next, z.last = lzcFirstBits, 256, -1
	if z.block {
		z.next = lzcClear + 1
	}
	z.group = nil
}

// code reads the next code; false at the end.
func (z *lzc) code() (int, bool) {
	if uint(len(z.group))*8 < z.groupBit+z.bits || len(z.group) == 0 {
		n := min(int(z.bits), len(z.b))
		z.group, z.b, z.groupBit = z.b[:n], z.b[n:], 0
		if uint(n)*8 < z.bits {
			return 0, false
		}
	}
	v, at := 0, z.groupBit
	for i := range z.bits {
		v |= int(z.group[(at+i)/8]>>((at+i)%8)&1) << i
	}
	z.groupBit += z.bits
	return v, true
}

func (z *lzc) Read(p []byte) (int, error) {
	for len(z.out) == 0 {
		c, ok := z.code()
		if !ok {
			return 0, io.EOF
		}
		if err := z.step(c); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.out)
	z.out = z.out[n:]
	return n, nil
}

func (z *lzc) step(c int) error {
	if z.block && c == lzcClear {
		z.reset()
		return nil
	}
	if z.last < 0 {
		if c > 255 {
			return fmt.Errorf("%w: LZC code %d", ErrFrame, c)
		}
		z.first, z.last, z.out = byte(c), c, append(z.stack[:0], byte(c))
		return nil
	}
	if c > z.next || c == z.next && z.next >= 1<<z.maxBits {
		return fmt.Errorf("%w: LZC code %d", ErrFrame, c)
	}
	z.stack = z.stack[:0]
	in := c
	if c == z.next { // the string that is just being made
		z.stack = append(z.stack, z.first)
		c = z.last
	}
	for c > 255 {
		z.stack = append(z.stack, z.suffix[c])
		c = int(z.prefix[c])
	}
	z.first = byte(c)
	z.stack = append(z.stack, z.first)
	for i, j := 0, len(z.stack)-1; i < j; i, j = i+1, j-1 {
		z.stack[i], z.stack[j] = z.stack[j], z.stack[i]
	}
	z.out = z.stack
	if z.next < 1<<z.maxBits {
		z.prefix[z.next], z.suffix[z.next] = uint16(z.last), z.first
		z.next++
		if z.next > 1<<z.bits-1 && z.bits < z.maxBits {
			z.bits++
			z.group = nil
		}
	}
	z.last = in
	return nil
}
