package outboundcsv

import (
	"bytes"
	"io"
)

// callScanner reads planned calls in the form in which nearly all are written, without
// reflection. At anything else, be it right or wrong, it stops, and encoding/json
// goes on from there: what is valid and what an error says is decided in one place.
type callScanner struct {
	r    io.Reader
	buf  []byte
	base int64 // offset of buf[0] in the input
	err  error // of r

	// Of the call under work, as places in buf.
	start, at                     int
	seen                          int // fields, by bit
	id, action, first, last, zone span
	bias                          int
	dst                           bool
	phones                        []phoneSpan
	custom                        [][2]span
}

// span is a string between its quotes.
type span struct {
	from, to int
	escaped  bool
}

type phoneSpan struct{ number, ext span }

const (
	scanPiece = 64 << 10 // of the input in memory
	// scanCall is the longest call that waits for more input: it is scanned again from
	// its begin. A longer one is for encoding/json.
	scanCall = 8 << 10
)

// fill reads more. It reports whether there is more.
func (s *callScanner) fill() bool {
	if s.buf == nil {
		s.buf = make([]byte, 0, scanPiece)
	}
	for try := 0; s.err == nil && len(s.buf) < cap(s.buf); try++ {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if s.err = err; n > 0 {
			return true
		}
		if try == 100 && err == nil {
			s.err = io.ErrNoProgress
		}
	}
	return false
}

// drop drops what is before that place in buf.
func (s *callScanner) drop(before int) {
	s.base += int64(before)
	s.buf = s.buf[:copy(s.buf, s.buf[before:])]
}

// rest is the input from the begin of buf on.
func (s *callScanner) rest() io.Reader {
	if s.err != nil {
		return io.MultiReader(bytes.NewReader(s.buf), errReader{s.err})
	}
	return io.MultiReader(bytes.NewReader(s.buf), s.r)
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// each yields calls until it is done or encoding/json has to go on. Then rows is how many
// were yielded, and buf begins with the last of them or at the begin of the input.
func (s *callScanner) each(yield func(PlannedCall, error) bool) (rows int, done bool) {
	last := 0 // where the last call begins
	for pos := 0; ; {
		s.at = pos
		call, end := s.next(rows == 0)
		switch {
		case call:
			rows++
			last, pos = s.start, s.at
			if !yield(s.value(), nil) {
				return rows, true
			}
		case end && s.err == io.EOF:
			return rows, true
		default:
			short := s.at == len(s.buf) && s.at-pos < scanCall // it may be only that there was no more
			s.drop(last)
			if pos, last = pos-last, 0; !short || !s.fill() {
				return rows, false
			}
		}
	}
}

// next scans one call with what is before it, or the end of the array and all there is
// behind it.
func (s *callScanner) next(first bool) (call, end bool) {
	s.blanks()
	if first {
		if !s.is('[') {
			return false, false
		}
		s.blanks()
	}
	if s.is(']') {
		s.blanks()
		return false, s.at == len(s.buf)
	}
	if !first {
		if !s.is(',') {
			return false, false
		}
		s.blanks()
	}
	s.start = s.at
	return s.call(), false
}

func (s *callScanner) blanks() {
	for s.at < len(s.buf) && (s.buf[s.at] == ' ' || s.buf[s.at] == '\n' || s.buf[s.at] == '\r' || s.buf[s.at] == '\t') {
		s.at++
	}
}

// is takes the character, when it comes next.
func (s *callScanner) is(c byte) bool {
	if s.at < len(s.buf) && s.buf[s.at] == c {
		s.at++
		return true
	}
	return false
}

// members scans an object. member takes a value. Where it fails, at is the end of buf
// when there was too little, as in all methods.
func (s *callScanner) members(member func(key span) bool) bool {
	if !s.is('{') {
		return false
	}
	s.blanks()
	if s.is('}') {
		return true
	}
	for {
		var key span
		if !s.text(&key) {
			return false
		}
		s.blanks()
		if !s.is(':') {
			return false
		}
		s.blanks()
		if !member(key) {
			return false
		}
		s.blanks()
		if s.is('}') {
			return true
		}
		if !s.is(',') {
			return false
		}
		s.blanks()
	}
}

// once refuses a field that comes twice.
func (s *callScanner) once(seen *int, field int) bool {
	if *seen&field != 0 {
		return s.unusual()
	}
	*seen |= field
	return true
}

// Fields that can be absent.
const (
	fieldID = 1 << iota
	fieldAction
	fieldFirst
	fieldLast
	fieldPhones
	fieldZone
	fieldBias
	fieldDST
	fieldCustom
)

func (s *callScanner) call() bool {
	s.seen, s.phones, s.custom = 0, s.phones[:0], s.custom[:0]
	s.id, s.action, s.first, s.last, s.zone = span{}, span{}, span{}, span{}, span{}
	return s.members(func(key span) bool {
		switch string(s.buf[key.from:key.to]) {
		case "id":
			return s.once(&s.seen, fieldID) && s.text(&s.id)
		case "action":
			return s.once(&s.seen, fieldAction) && s.text(&s.action) && s.known()
		case "firstName":
			return s.once(&s.seen, fieldFirst) && s.text(&s.first)
		case "lastName":
			return s.once(&s.seen, fieldLast) && s.text(&s.last)
		case "phones":
			return s.once(&s.seen, fieldPhones) && s.list()
		case "timeZone":
			return s.once(&s.seen, fieldZone) && s.text(&s.zone)
		case "bias":
			return s.once(&s.seen, fieldBias) && s.number()
		case "dst":
			return s.once(&s.seen, fieldDST) && s.boolean()
		case "custom":
			return s.once(&s.seen, fieldCustom) && s.members(func(key span) bool {
				var v span
				if !s.text(&v) {
					return false
				}
				s.custom = append(s.custom, [2]span{key, v})
				return true
			})
		}
		return s.unusual()
	})
}

// unusual is false, and no matter of too little input.
func (s *callScanner) unusual() bool {
	s.at = min(s.at, len(s.buf)-1)
	return false
}

func (s *callScanner) known() bool {
	switch string(s.buf[s.action.from:s.action.to]) {
	case "", ActionAdd, ActionDelete:
		return true
	}
	return s.unusual()
}

// list scans the phones.
func (s *callScanner) list() bool {
	if !s.is('[') {
		return false
	}
	s.blanks()
	if s.is(']') {
		return true
	}
	for {
		var p phoneSpan
		seen := 0
		if !s.members(func(key span) bool {
			switch string(s.buf[key.from:key.to]) {
			case "number":
				return s.once(&seen, 1) && s.text(&p.number)
			case "ext":
				return s.once(&seen, 2) && s.text(&p.ext)
			}
			return s.unusual()
		}) {
			return false
		}
		s.phones = append(s.phones, p)
		s.blanks()
		if s.is(']') {
			return true
		}
		if !s.is(',') {
			return false
		}
		s.blanks()
	}
}
