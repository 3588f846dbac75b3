package sapphone

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	pkgerrors "github.com/pkg/errors"
)

// Recorder stores calls as they came, a file of JSON each, so that an operator can
// complete the definition file. Values of customers are masked (letters become
// x, digits 9) unless Full is set; names, lengths and counts are what matters. It is
// safe for concurrent use.
type Recorder struct {
	// Dir is where the files go.
	Dir string
	// Full stores values as they are: personal data, and what Replay needs. The bytes of
	// the wire are kept, so what is played is the call as it came.
	Full bool
	// MaxRows is how many rows of a table are stored; 0 is 20, or with Full all.
	MaxRows int
	// MaxCalls is how many recordings Dir may have; 0 is 1000. Further calls are not stored.
	MaxCalls int
	Now      func() time.Time // nil = time.Now

	mu sync.Mutex
	n  int
}

// Recording is a stored call. Its JSON is the form that [HTTP] takes too, with
// what only the wire knows beside it.
type Recording struct {
	Time       time.Time                `json:"time"`
	Function   string                   `json:"function"`
	System     string                   `json:"system,omitempty"`
	Client     string                   `json:"client,omitempty"`
	Key        string                   `json:"key,omitempty"`
	Masked     bool                     `json:"masked,omitempty"`
	BigEndian  bool                     `json:"bigEndian,omitempty"`
	Wanted     []string                 `json:"wanted,omitempty"`
	Parameters map[string]RecordedValue `json:"parameters"`
	Tables     map[string]RecordedTable `json:"tables"`
}

// RecordedValue is a parameter: its length in bytes, text, and with Full the bytes.
type RecordedValue struct {
	Bytes int    `json:"bytes,omitempty"`
	Text  string `json:"text"`
	// Coding is how the text was read from the bytes: a code page of SAP, 4103 or 4102 for
	// characters as the connection has them and 4110 (UTF-8) for a STRING, or "bytes" for
	// what is no text: it stands there in hexadecimal, or decoded when its type is known.
	// It is empty for a value that came as text.
	Coding string `json:"coding,omitempty"`
	Hex    string `json:"hex,omitempty"`
}

// Codings of a [RecordedValue].
const (
	codingUTF16LE = "4103"
	codingUTF16BE = "4102"
	codingUTF8    = "4110"
	codingBytes   = "bytes"
)

// RecordedTable is a table: how many rows of what width came, and some of them.
type RecordedTable struct {
	Rows   int                        `json:"rows"`
	Width  int                        `json:"width,omitempty"` // bytes
	Sample []map[string]RecordedValue `json:"sample,omitempty"`
}

// rawField is the name under which a row without fields is recorded.
const rawField = "row"

// Record stores a call. Nothing says of which types its values are: what cannot be
// characters of the connection and is UTF-8 without a zero is taken for a STRING.
func (r *Recorder) Record(c *Call) error { return r.record(c, nil) }

// record stores a call with what is known of the function; fn may be nil.
func (r *Recorder) record(c *Call, fn *Func) error {
	now, most, rows := r.Now, r.MaxCalls, r.MaxRows
	if now == nil {
		now = time.Now
	}
	if most == 0 {
		most = 1000
	}
	if rows == 0 && !r.Full {
		rows = 20
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == 0 {
		es, err := os.ReadDir(r.Dir)
		if err != nil {
			return pkgerrors.Wrap(err, "sapphone: record")
		}
		r.n = len(es)
	}
	if r.n >= most {
		return errors.New("sapphone: enough calls are recorded")
	}
	rec := Recording{Time: now().UTC(), Function: c.Func, System: c.Caller.System, Client: c.Caller.Client, Key: c.Key, Masked: !r.Full,
		BigEndian: c.Big, Wanted: c.Wanted, Parameters: map[string]RecordedValue{}, Tables: map[string]RecordedTable{}}
	for name, v := range c.In {
		var field *Field
		if fn != nil {
			if field = fn.in(name); field == nil {
				field = fn.out(name)
			}
		}
		rec.Parameters[name] = r.value(v.Raw, v.Text, field, c.Big)
	}
	for name, t := range c.Tables {
		out := RecordedTable{Rows: t.Len, Width: t.Width}
		for row, err := range t.Rows {
			if err != nil {
				return err
			}
			if rows > 0 && len(out.Sample) >= rows {
				break
			}
			m := map[string]RecordedValue{}
			if row.Raw != nil {
				m[rawField] = r.value(row.Raw, "", &Field{Type: rawField}, c.Big)
			}
			for f, s := range row.Fields {
				m[f] = r.value(nil, s, nil, false)
			}
			out.Sample = append(out.Sample, m)
		}
		rec.Tables[name] = out
	}
	b, err := json.MarshalIndent(rec, "", "\t")
	if err != nil {
		return pkgerrors.Wrap(err, "sapphone: record")
	}
	r.n++
	name := fmt.Sprintf("%s-%04d-%s.json", rec.Time.Format("20060102T150405"), r.n, fileName(c.Func))
	f, err := os.OpenFile(filepath.Join(r.Dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return pkgerrors.Wrap(err, "sapphone: record")
	}
	_, err = f.Write(append(b, '\n'))
	return pkgerrors.Wrap(errors.Join(err, f.Close()), "sapphone: record")
}

// fileName keeps what a file name can have.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 40)]
}

func (r *Recorder) value(raw []byte, text string, f *Field, big bool) RecordedValue {
	v := RecordedValue{Bytes: len(raw), Text: text}
	if raw != nil {
		v.Text, v.Coding = readable(raw, f, big)
		if r.Full {
			v.Hex = hex.EncodeToString(raw)
		}
	}
	if !r.Full {
		v.Text = mask(v.Text)
	}
	return v
}

// readable is the text of a value and how it was read. A field with a Type is a
// structure, of which the characters can be read.
func readable(raw []byte, f *Field, big bool) (text, coding string) {
	page := codingUTF16LE
	if big {
		page = codingUTF16BE
	}
	chars := strings.TrimRight(DecodeUTF16(raw, big), " ")
	if f != nil && f.Type != "" {
		return chars, page
	}
	if f != nil {
		if s, err := f.decode(raw, big); err == nil {
			switch f.kind {
			case kindChar, kindNumc, kindDate, kindTime:
				return s, page
			case kindString:
				return s, codingUTF8
			}
			return s, codingBytes
		}
	}
	odd := func(r rune) bool { return r < ' ' || r == unicode.ReplacementChar }
	switch {
	case len(raw) == 0:
		return "", page
	case utf8.Valid(raw) && bytes.IndexByte(raw, 0) < 0: // characters of two bytes nearly always have a zero among them
		return string(raw), codingUTF8
	case len(raw)%2 == 0 && !strings.ContainsFunc(chars, odd):
		return chars, page
	}
	return hex.EncodeToString(raw), codingBytes
}

// mask hides values but not their form.
func mask(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '9'
		case unicode.IsUpper(r):
			return 'X'
		case unicode.IsLetter(r):
			return 'x'
		case r < 0x20 || r == unicode.ReplacementChar || r > 0x7E:
			return '.'
		}
		return r
	}, s)
}

// ReadRecording reads what a Recorder wrote.
func ReadRecording(r io.Reader) (*Recording, error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	rec := &Recording{}
	if err := d.Decode(rec); err != nil {
		return nil, pkgerrors.Wrap(err, "sapphone: recording")
	}
	return rec, nil
}

// Call makes the call of a recording again. A masked recording, or one without
// all rows, is refused: it must not look like a list of SAP.
func (r *Recording) Call() (*Call, error) {
	if r.Masked {
		return nil, errors.New("sapphone: the recording is masked")
	}
	c := &Call{Func: r.Function, Caller: Caller{System: r.System, Client: r.Client}, Key: r.Key, Wanted: r.Wanted, Big: r.BigEndian,
		In: map[string]Value{}, Tables: map[string]Table{}}
	for name, v := range r.Parameters {
		raw, err := v.raw()
		if err != nil {
			return nil, err
		}
		c.In[name] = Value{Raw: raw}
		if raw == nil {
			c.In[name] = Value{Text: v.Text}
		}
	}
	for name, t := range r.Tables {
		if len(t.Sample) != t.Rows {
			return nil, fmt.Errorf("sapphone: the recording has %d of %d rows of %s", len(t.Sample), t.Rows, name)
		}
		rows := make([]Row, t.Rows)
		for i, s := range t.Sample {
			if v, ok := s[rawField]; ok && (v.Hex != "" || v.Coding != "") {
				raw, err := v.raw()
				if err != nil {
					return nil, err
				}
				rows[i].Raw = raw
				continue
			}
			rows[i].Fields = map[string]string{}
			for f, v := range s {
				rows[i].Fields[f] = v.Text
			}
		}
		c.Tables[name] = Table{Len: t.Rows, Width: t.Width, Rows: each(rows)}
	}
	return c, nil
}

func (v *RecordedValue) raw() ([]byte, error) {
	if v.Hex == "" && v.Coding == "" {
		return nil, nil // it came as text
	}
	b, err := hex.DecodeString(v.Hex)
	return b, pkgerrors.Wrap(err, "sapphone: recording")
}

func each(rows []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Check compares recordings with the definitions: what is missing or does not
// fit, a line each, in the order of the recordings. It is what an operator runs
// before going live.
func (d *Definitions) Check(recordings ...*Recording) []string {
	var out []string
	add := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, r := range recordings {
		f := d.Functions[r.Function]
		if f == nil {
			add("%s: not defined", r.Function)
			continue
		}
		if d.Mapping[r.Function] == nil {
			add("%s: no mapping says what it means", r.Function)
		}
		for _, name := range sorted(r.Parameters) {
			p, v := f.in(name), r.Parameters[name]
			switch {
			case p == nil:
				add("%s: parameter %s of %d bytes is not defined", r.Function, name, v.Bytes)
			case p.Type == "" && p.kind != kindString && p.kind != kindXString && v.Bytes > p.size:
				add("%s: parameter %s has %d bytes, the definition %d", r.Function, name, v.Bytes, p.size)
			}
		}
		for _, name := range sorted(r.Tables) {
			p, t := find(f.Tables, name), r.Tables[name]
			if p == nil {
				add("%s: table %s with rows of %d bytes is not defined", r.Function, name, t.Width)
				continue
			}
			typ := d.Types[p.Type]
			if t.Width > 0 && t.Width != typ.LengthBytes {
				add("%s: rows of %s have %d bytes, type %s has %d", r.Function, name, t.Width, p.Type, typ.LengthBytes)
			}
			for _, s := range t.Sample {
				for _, field := range sorted(s) {
					if field != rawField && typ.field(field) == nil {
						add("%s: field %s of %s is not defined", r.Function, field, name)
					}
				}
			}
		}
		for _, name := range r.Wanted {
			if f.out(name) == nil && find(f.Tables, name) == nil {
				add("%s: %s is wanted back and not defined", r.Function, name)
			}
		}
	}
	return out
}
