package outboundcsv

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"
)

// PlannedCall is one row of a list as SAP plans it.
type PlannedCall struct {
	// ID names the call at the sender; it becomes the AccountNumber.
	ID string `json:"id"`
	// Action is "add" (also when empty) or "delete".
	Action    string  `json:"action,omitempty"`
	FirstName string  `json:"firstName,omitempty"`
	LastName  string  `json:"lastName,omitempty"`
	Phones    []Phone `json:"phones,omitempty"`
	// TimeZone is an IANA name such as Europe/Berlin. Bias and DST win over it.
	TimeZone string `json:"timeZone,omitempty"`
	// Bias is UTC minus local standard time in minutes: 300 for New York, -60 for Berlin.
	Bias *int `json:"bias,omitempty"`
	// DST says whether the place observes daylight saving time.
	DST *bool `json:"dst,omitempty"`
	// Custom holds the values of Custom columns by column name.
	Custom map[string]string `json:"custom,omitempty"`
}

// Phone is one number of a planned call.
type Phone struct {
	// Number is as SAP has it; the rules of the [Profile] make it dialable.
	Number string `json:"number"`
	// Ext is the extension, for the columns PhoneExt01 to PhoneExt10.
	Ext string `json:"ext,omitempty"`
}

// Actions of a [PlannedCall].
const (
	ActionAdd    = "add"    // to be called; the empty action is the same
	ActionDelete = "delete" // not to be called any more
)

// SyntaxError says where a list of planned calls stopped being JSON of the
// expected form.
type SyntaxError struct {
	Offset int64  // byte in the input, from 0
	Row    int    // planned call, from 1; 0 is the array itself
	Msg    string // what is wrong; it quotes no values
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("outboundcsv: planned call %d, byte %d: %s", e.Row, e.Offset, e.Msg)
}

// maxCall is the largest planned call in bytes of JSON. The exporter's limits
// per value are far below.
const maxCall = 256 << 10

// ReadCalls yields the planned calls of a JSON array, one at a time. The
// sequence ends after the first error, a *[SyntaxError] or that of r.
func ReadCalls(r io.Reader) iter.Seq2[PlannedCall, error] {
	return func(yield func(PlannedCall, error) bool) {
		s := &callScanner{r: r}
		if rows, done := s.each(yield); !done {
			decodeCalls(s.rest(), rows, s.base, yield)
		}
	}
}

// decodeCalls yields the planned calls from r. When rows is not 0, r begins with the last
// one of so many that were yielded, at that base of the input.
func decodeCalls(r io.Reader, rows int, base int64, yield func(PlannedCall, error) bool) {
	row, known := 0, 0
	if rows > 0 {
		row, known = rows-1, rows
		r = io.MultiReader(strings.NewReader("["), r)
		base--
	}
	lim := &limitReader{r: r, left: maxCall}
	in := bufio.NewReader(lim)
	begin, ahead, err := skipBlanks(in)
	first := base
	base += ahead
	d := json.NewDecoder(in)
	d.DisallowUnknownFields()
	var start, counted int64 // of the value, and bytes of all values before it
	fail := func(err error) {
		if ours, ok := err.(*SyntaxError); ok {
			if ours.Row == 0 {
				ours.Row, ours.Offset = row, d.InputOffset()+base
			}
		} else {
			switch {
			case lim.err != nil && lim.err != io.EOF:
				err = lim.err
			case err == io.EOF || err == io.ErrUnexpectedEOF:
				err = &SyntaxError{Offset: first + lim.total, Row: row, Msg: reason(err)}
			default:
				err = &SyntaxError{Offset: offsetOf(err, d, start, counted) + base, Row: row, Msg: reason(err)}
			}
		}
		yield(PlannedCall{}, err)
	}
	if err == nil && begin != '[' {
		err = &SyntaxError{Msg: "want an array of planned calls"}
	}
	if err == nil {
		_, err = d.Token()
	}
	if err != nil {
		fail(err)
		return
	}
	for d.More() {
		row++
		lim.left = maxCall
		if start = d.InputOffset(); row > max(known, 1) {
			start++ // the comma is before it
		}
		var c PlannedCall
		if err := d.Decode(&c); err != nil {
			fail(err)
			return
		}
		if c.Action != "" && c.Action != ActionAdd && c.Action != ActionDelete {
			fail(&SyntaxError{Offset: d.InputOffset() + base, Row: row, Msg: `action must be "add" or "delete"`})
			return
		}
		counted += d.InputOffset() - start
		if row > known && !yield(c, nil) {
			return
		}
	}
	row++
	if _, err := d.Token(); err != nil {
		if _, ok := err.(*json.SyntaxError); ok { // the offset of a value's error is another one
			err = &SyntaxError{Offset: d.InputOffset() + base, Row: row, Msg: err.Error()}
		}
		fail(err)
		return
	}
	lim.left = maxCall
	if _, err := d.Token(); err != io.EOF {
		fail(&SyntaxError{Offset: d.InputOffset() + base, Row: row, Msg: "data after the end of the array"})
	}
}

// skipBlanks skips what may be before a value, and returns how much that was and what comes.
func skipBlanks(r *bufio.Reader) (next byte, blanks int64, err error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return 0, blanks, err
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, blanks, r.UnreadByte()
		}
		blanks++
	}
}

// offsetOf is where the error is. encoding/json counts some errors from the value that
// begins at start, and those in the text of a value without what is between values.
func offsetOf(err error, d *json.Decoder, start, counted int64) int64 {
	switch e := err.(type) {
	case *json.SyntaxError:
		if strings.HasPrefix(e.Error(), "expected ") { // between values
			return e.Offset
		}
		return start + e.Offset - counted - 1 // is behind the byte
	case *json.UnmarshalTypeError:
		return start + e.Offset
	}
	return d.InputOffset()
}

func reason(err error) string {
	switch e := err.(type) {
	case *json.UnmarshalTypeError:
		return "field " + e.Field + ": want " + e.Type.String() + ", have " + e.Value
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return "the input ends too early"
	}
	return err.Error()
}

// limitReader stops a planned call that grows without end. The decoder reads
// ahead, so the limit is refilled for each call and not exact.
type limitReader struct {
	r     io.Reader
	left  int
	err   error
	total int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, &SyntaxError{Msg: "planned call is larger than 256 KiB"}
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	l.total += int64(n)
	l.err = err
	return n, err
}

// utf16Len counts UTF-16 units, which is how the import limits are counted.
func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// cutUTF16 returns the longest prefix of at most limit UTF-16 units that does
// not split a character.
func cutUTF16(s string, limit int) string {
	n := 0
	for i, r := range s {
		w := 1
		if r > 0xFFFF {
			w = 2
		}
		if n+w > limit {
			return s[:i]
		}
		n += w
	}
	return s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
