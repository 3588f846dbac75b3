package cpic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// maxNames limits the parameters of a call.
const maxNames = 1000

// callReader collects one call from its items.
type callReader struct {
	items  *itemReader
	big    bool // code page 4102
	dir    string
	c      *sapphone.Call
	token  []byte
	spills []*sapphone.Spill

	name    string // of the parameter whose value follows
	named   bool
	table   string // open table
	rows    *sapphone.Spill
	width   int
	count   int
	have    int
	packed  []byte
	total   int // of the compressed content
	hasSize bool
}

// readCall reads a call up to its end item. Nothing is handed over before. close
// frees the rows.
func readCall(r io.Reader, big bool, dir string, limit int64) (*callReader, error) {
	x := &callReader{items: newItemReader(r, limit), big: big, dir: dir,
		c: &sapphone.Call{In: map[string]sapphone.Value{}, Tables: map[string]sapphone.Table{}, Big: big, Wanted: []string{}}}
	if err := x.items.skipMark(); err != nil {
		return x, err
	}
	for first := true; ; first = false {
		t, v, err := x.items.next()
		if err != nil {
			return x, err
		}
		if first && t != tagCall && t != tagVersion && t > 0x0103 && t != tagFunction {
			return x, fmt.Errorf("%w: a call begins with %04X", ErrFrame, uint16(t))
		}
		if t == tagEnd {
			return x, x.end()
		}
		if err := x.item(t, v); err != nil {
			return x, err
		}
	}
}

func (x *callReader) close() {
	for _, s := range x.spills {
		_ = s.Close() // rows of a call that is over
	}
}

// text decodes a name; before the code page is settled it has one byte a character.
func (x *callReader) text(b []byte) string {
	wide := len(b)%2 == 0 && len(b) > 0
	for i := 0; wide && i+1 < len(b); i += 2 {
		hi := b[i+1]
		if x.big {
			hi = b[i]
		}
		wide = hi == 0
	}
	s := string(b)
	if wide {
		s = sapphone.DecodeUTF16(b, x.big)
	}
	return strings.TrimRight(s, " \x00")
}

func (x *callReader) item(t tag, v []byte) error {
	if x.named && t != tagValue {
		return fmt.Errorf("%w: no value for %s", ErrFrame, x.name)
	}
	if x.table != "" && (t < tagTableSize || t > tagTableID) {
		if err := x.tableEnd(); err != nil {
			return err
		}
	}
	if len(x.c.In)+len(x.c.Tables)+len(x.c.Wanted) > maxNames {
		return fmt.Errorf("%w: too many parameters", ErrTooLarge)
	}
	switch t {
	case tagFunction:
		x.c.Func = x.text(v)
	case tagProgram:
		x.c.Caller.Program = x.text(v)
	case tagUser:
		x.c.Caller.User = x.text(v)
	case tagClient:
		x.c.Caller.Client = x.text(v)
	case tagSystemID:
		x.c.Caller.System = x.text(v)
	case tagToken:
		x.token = slices.Clone(v)
	case tagWanted:
		x.c.Wanted = append(x.c.Wanted, x.text(v))
	case tagName:
		x.name, x.named = x.text(v), true
	case tagValue:
		if _, ok := x.c.In[x.name]; ok || !x.named {
			return fmt.Errorf("%w: value without a name of its own", ErrFrame)
		}
		x.c.In[x.name] = sapphone.Value{Raw: append([]byte{}, v...)}
		x.named = false
	case tagFast, tagDeepMark, tagDeepText:
		return ErrSerializer
	case tagTable:
		return x.tableStart(x.text(v))
	case tagTableID:
	case tagTableSize:
		return x.tableSize(v)
	case tagRow, tagRowPlain:
		if x.rows == nil || !x.hasSize || len(v) > x.width {
			return fmt.Errorf("%w: row of %d bytes in table %s of width %d", ErrFrame, len(v), x.table, x.width)
		}
		x.have++
		return x.rows.Add(sapphone.Row{Raw: append([]byte{}, v...)})
	case tagRowsPacked:
		return x.chunk(v)
	case tagTableEnd:
		return x.tableEnd()
	}
	return nil // tags that say nothing to us
}

func (x *callReader) tableStart(name string) error {
	if _, ok := x.c.Tables[name]; ok || name == "" {
		return fmt.Errorf("%w: table %q", ErrFrame, name)
	}
	s, err := sapphone.NewSpill(x.dir)
	if err != nil {
		return err
	}
	x.spills = append(x.spills, s)
	x.table, x.rows, x.width, x.count, x.have, x.hasSize, x.packed, x.total = name, s, 0, 0, 0, false, nil, 0
	return nil
}

func (x *callReader) tableSize(v []byte) error {
	if x.table == "" || len(v) != 8 || x.hasSize {
		return fmt.Errorf("%w: size of a table", ErrFrame)
	}
	w, n := binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	if w > 1<<20 || n > 1<<28 {
		return fmt.Errorf("%w: %d rows of %d bytes", ErrTooLarge, n, w)
	}
	x.width, x.count, x.hasSize = int(w), int(n), true
	return nil
}

// chunk collects compressed rows. The first one begins with four bytes that we do
// not know and the length of the whole.
func (x *callReader) chunk(v []byte) error {
	if x.rows == nil || !x.hasSize {
		return fmt.Errorf("%w: rows without a table", ErrFrame)
	}
	if x.total == 0 {
		if len(v) < 8 {
			return fmt.Errorf("%w: compressed rows", ErrFrame)
		}
		x.total = int(binary.BigEndian.Uint32(v[4:]))
		if x.total == 0 || x.total > maxItem*4 {
			return fmt.Errorf("%w: %d bytes of compressed rows", ErrTooLarge, x.total)
		}
		v = v[8:]
	}
	if len(x.packed)+len(v) > x.total {
		return fmt.Errorf("%w: more compressed rows than announced", ErrFrame)
	}
	x.packed = append(x.packed, v...)
	if len(x.packed) < x.total {
		return nil
	}
	want := int64(x.width) * int64(x.count)
	r, n, err := decompress(x.packed, min(want, x.items.left+int64(1)<<30))
	if err != nil {
		return err
	}
	if n != want {
		return fmt.Errorf("%w: %d bytes for %d rows of %d", ErrFrame, n, x.count, x.width)
	}
	x.packed = nil
	for range x.count {
		row := make([]byte, x.width)
		if _, err := io.ReadFull(r, row); err != nil {
			return fmt.Errorf("%w: compressed rows: %w", ErrFrame, err)
		}
		if err := x.rows.Add(sapphone.Row{Raw: row}); err != nil {
			return err
		}
		x.have++
	}
	return nil
}

func (x *callReader) tableEnd() error {
	if x.table == "" {
		return nil
	}
	if x.have != x.count || x.packed != nil {
		return fmt.Errorf("%w: table %s has %d rows, announced were %d", ErrFrame, x.table, x.have, x.count)
	}
	x.c.Tables[x.table] = x.rows.Table(x.width)
	x.table, x.rows = "", nil
	return nil
}

func (x *callReader) end() error {
	if err := x.tableEnd(); err != nil {
		return err
	}
	if x.named || x.c.Func == "" {
		return fmt.Errorf("%w: the call is not whole", ErrFrame)
	}
	return nil
}

// reply is the stream that answers a call.
func reply(x *callReader, defs *sapphone.Definitions, res *sapphone.Result, err error) []byte {
	if err == nil {
		var b []byte
		if b, err = success(x, defs, res); err == nil {
			return b
		}
	}
	out := appendItem(nil, tagReply, nil)
	var ex *sapphone.ABAPException
	if errors.As(err, &ex) {
		out = appendItem(out, tagErrorNo, sapphone.EncodeUTF16("000", x.big))
		return appendEnd(appendItem(out, tagException, sapphone.EncodeUTF16(ex.Key, x.big)))
	}
	text := []rune(err.Error())
	out = appendItem(out, tagReturnCode, []byte{0, 0, 0, 3})
	return appendEnd(appendItem(out, tagErrorText, sapphone.EncodeUTF16(string(text[:min(len(text), 250)]), x.big)))
}

// success is a reply in the full order of the captures. Parameters that the caller
// wants and the result lacks have their initial value.
func success(x *callReader, defs *sapphone.Definitions, res *sapphone.Result) ([]byte, error) {
	out := appendItem(nil, tagReply, nil)
	out = appendItem(out, tagReplyMark, nil)
	if x.token != nil {
		out = appendItem(out, tagToken, x.token)
	}
	out = appendItem(out, tagReturnCode, []byte{0, 0, 0, 0})
	out = appendItem(out, tagParameters, nil)
	var values, tables []byte
	for _, name := range x.c.Wanted {
		if rows, ok := res.Tables[name]; ok {
			b, width, err := defs.EncodeTable(x.c.Func, name, rows, x.big)
			if err != nil {
				return nil, err
			}
			tables = appendItem(tables, tagTable, sapphone.EncodeUTF16(name, x.big))
			tables = appendItem(tables, tagTableID, []byte{0, 0, 0, 1})
			tables = appendItem(tables, tagTableSize, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(len(rows))))
			for _, row := range b {
				tables = appendItem(tables, tagRow, row)
			}
			continue
		}
		b, ok, err := defs.EncodeValue(x.c.Func, name, res.Out[name], x.big)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue // a table that we leave as it is
		}
		out = appendItem(out, tagWanted, sapphone.EncodeUTF16(name, x.big))
		values = appendItem(values, tagName, sapphone.EncodeUTF16(name, x.big))
		values = appendItem(values, tagValue, b)
	}
	return appendEnd(append(append(out, values...), tables...)), nil
}
