package outboundcsv

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf16"
)

// FormatError says where a file is not what its profile says.
type FormatError struct {
	Row  int    // from 1, the header included
	Want string // what was expected
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("outboundcsv: row %d: want %s", e.Row, e.Want)
}

// ReadRows yields the rows of a file that [Export] wrote with the same profile:
// one value for each column, decoded, the padding of fixed columns removed. It
// is for tests and tools; an importer is less strict. The sequence ends after
// the first error, a *[FormatError] or that of r.
func ReadRows(p Profile, r io.Reader) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		if err := p.Validate(); err != nil {
			yield(nil, err)
			return
		}
		x := newExporter(p, 2000)
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 16*MaxRow)
		lines.Split(splitRows(string(x.enc.append(nil, x.eol))))
		n := 0
		for lines.Scan() {
			n++
			b := lines.Bytes()
			if n == 1 {
				var found bool
				if b, found = bytes.CutPrefix(b, []byte(x.enc.bom())); !found {
					yield(nil, &FormatError{Row: 1, Want: "a byte order mark"})
					return
				}
				if p.Header {
					if !bytes.Equal(b, x.header()) {
						yield(nil, &FormatError{Row: 1, Want: "the names of the columns"})
						return
					}
					continue
				}
			}
			row, err := x.split(b, n)
			if !yield(row, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err == bufio.ErrTooLong {
			yield(nil, &FormatError{Row: n + 1, Want: fmt.Sprintf("at most %d characters", MaxRow)})
		} else if err != nil {
			yield(nil, err)
		}
	}
}

// splitRows cuts at line ends; the last row may lack one.
func splitRows(eol string) bufio.SplitFunc {
	return func(data []byte, atEOF bool) (int, []byte, error) {
		// In UTF-16 a line end begins at an even offset.
		step := 1
		if len(eol) > 1 && eol[1] == 0 {
			step = 2
		}
		for i := 0; i+len(eol) <= len(data); i += step {
			if string(data[i:i+len(eol)]) == eol {
				return i + len(eol), data[:i], nil
			}
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	}
}

func (x *exporter) split(b []byte, n int) ([]string, error) {
	s, ok := x.enc.decode(b)
	if !ok {
		return nil, &FormatError{Row: n, Want: "text in " + x.p.Encoding}
	}
	if x.delim != "" {
		row := strings.Split(s, x.delim)
		if len(row) != len(x.columns) {
			return nil, &FormatError{Row: n, Want: fmt.Sprintf("%d values, have %d", len(x.columns), len(row))}
		}
		return row, nil
	}
	row := make([]string, len(x.columns))
	for i, c := range x.columns {
		v := cutUTF16(s, c.width)
		if utf16Len(v) != c.width {
			return nil, &FormatError{Row: n, Want: fmt.Sprintf("%d characters in column %d", c.width, i+1)}
		}
		row[i], s = strings.TrimRight(v, " "), s[len(v):]
	}
	if s != "" {
		return nil, &FormatError{Row: n, Want: "nothing after the last column"}
	}
	return row, nil
}

// decode is the reverse of append. It reports whether b is text in the encoding.
func (e *encoder) decode(b []byte) (string, bool) {
	switch {
	case e.utf16:
		if len(b)%2 != 0 {
			return "", false
		}
		u := make([]uint16, len(b)/2)
		for i := range u {
			u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
		return string(utf16.Decode(u)), true
	case e.single != nil:
		var sb strings.Builder
		for _, c := range b {
			sb.WriteRune(e.single.DecodeByte(c))
		}
		return sb.String(), true
	}
	s := string(b)
	return s, !e.ascii || isASCII(s)
}
