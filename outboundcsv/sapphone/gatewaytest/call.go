package gatewaytest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
)

// Call is a call of an ABAP program. Values and rows are bytes as SAP sends them;
// [Chars] makes those of characters.
type Call struct {
	Func   string
	Import []Param
	Wanted []string // export parameters and tables
	Tables []Table

	Mark     bool // the session mark before the first item
	TrimRows bool // without trailing blanks, as a side that cannot compress sends them
	Compress bool // rows as LZH in several chunks
	// Raw is sent instead of everything above.
	Raw []byte
	// CutAfter drops the connection after so many bytes of the stream.
	CutAfter int
}

// Param is a parameter with its value.
type Param struct {
	Name  string
	Value []byte
}

// Table is a table with its rows, all of Width bytes.
type Table struct {
	Name  string
	Width int
	Rows  [][]byte
}

// Answer is what the program returned.
type Answer struct {
	Values    map[string][]byte
	Tables    map[string][][]byte
	Exception string // key
	Failure   string // text of a system failure
	Raw       []byte
}

// Chars encodes text of n characters, blank padded, little-endian.
func Chars(s string, n int) []byte { return chars(s, n, false) }

func chars(s string, n int, big bool) []byte {
	u := utf16.Encode([]rune(s))
	var out []byte
	for i := 0; i < max(n, len(u)); i++ {
		v := uint16(' ')
		if i < len(u) {
			v = u[i]
		}
		if big {
			out = append(out, byte(v>>8), byte(v))
		} else {
			out = append(out, byte(v), byte(v>>8))
		}
	}
	return out
}

func text(b []byte, big bool) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		if big {
			u[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
		} else {
			u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8
		}
	}
	return string(utf16.Decode(u))
}

// item is one item: tag, length, value, tag.
func item(dst []byte, tag uint16, v []byte) []byte {
	dst = append(dst, byte(tag>>8), byte(tag))
	if len(v) >= 0xFFFF {
		dst = append(dst, 0xFF, 0xFF, byte(len(v)>>24), byte(len(v)>>16))
	}
	dst = append(dst, byte(len(v)>>8), byte(len(v)))
	dst = append(dst, v...)
	return append(dst, byte(tag>>8), byte(tag))
}

// stream is the call in the order of the captures.
func (c *Call) stream(big bool) []byte {
	var b []byte
	if c.Mark {
		b = append(b, 0xD9, 0xC6, 0xC3, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0, 0xF0)
	}
	name := func(s string) []byte { return chars(s, 0, big) }
	b = item(b, 0x0502, nil)
	b = item(b, 0x000B, name("754"))
	b = item(b, 0x0102, name(c.Func))
	b = item(b, 0x0512, nil)
	for _, w := range c.Wanted {
		b = item(b, 0x0205, name(w))
	}
	for _, p := range c.Import {
		b = item(b, 0x0201, name(p.Name))
		b = item(b, 0x0203, p.Value)
	}
	for i, t := range c.Tables {
		b = item(b, 0x0301, name(t.Name))
		b = item(b, 0x0330, []byte{0, 0, 0, byte(i + 1)})
		size := binary.BigEndian.AppendUint32(nil, uint32(t.Width))
		b = item(b, 0x0302, binary.BigEndian.AppendUint32(size, uint32(len(t.Rows))))
		if c.Compress {
			b = compressed(b, bytes.Join(t.Rows, nil))
			continue
		}
		for _, r := range t.Rows {
			if c.TrimRows {
				for len(r) >= 2 && (r[len(r)-2] == ' ' && r[len(r)-1] == 0 || big && r[len(r)-2] == 0 && r[len(r)-1] == ' ') {
					r = r[:len(r)-2]
				}
			}
			b = item(b, 0x0304, r)
		}
	}
	return append(b, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF)
}

// Stream returns the bytes of the call as they are on the wire after the header.
func (c *Call) Stream() []byte { return c.stream(false) }

// compressed appends rows as LZH: DEFLATE that begins two bits later, in chunks.
func compressed(dst, rows []byte) []byte {
	var z bytes.Buffer
	w, err := flate.NewWriter(&z, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is valid
	}
	if _, err := w.Write(rows); err != nil {
		panic(err) // into memory
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	p := binary.LittleEndian.AppendUint32(nil, uint32(len(rows)))
	p = append(p, 0x12, 0x1F, 0x9D, 0x02)
	carry := byte(0) // the two bits n = 0
	for _, v := range z.Bytes() {
		p = append(p, carry|v<<2)
		carry = v >> 6
	}
	p = append(p, carry)
	head := append([]byte{0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(p)))...)
	for first := true; first || len(p) > 0; first = false {
		n := min(len(p), 16_000)
		dst = item(dst, 0x0305, append(head, p[:n]...))
		head, p = nil, p[n:]
	}
	return dst
}

// parseAnswer reads the item stream of an answer strictly.
func parseAnswer(b []byte, big bool) (*Answer, error) {
	a := &Answer{Values: map[string][]byte{}, Tables: map[string][][]byte{}, Raw: b}
	name, table, left := "", "", 0
	for at := 0; ; {
		if at+6 > len(b) {
			return nil, errors.New("gatewaytest: the answer has no end")
		}
		tag, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		at += 4
		if tag == 0xFFFF {
			if n != 0 || at+2 != len(b) || left != 0 {
				return nil, fmt.Errorf("gatewaytest: bad end of the answer, %d rows are missing", left)
			}
			return a, nil
		}
		if n == 0xFFFF {
			n = int(binary.BigEndian.Uint32(b[at:]))
			at += 4
		}
		if at+n+2 > len(b) || binary.BigEndian.Uint16(b[at+n:]) != tag {
			return nil, fmt.Errorf("gatewaytest: item %04X at %d is broken", tag, at)
		}
		v := b[at : at+n]
		at += n + 2
		if len(a.Values)+len(a.Tables) == 0 && a.Exception == "" && a.Failure == "" && table == "" && at == n+6 && tag != 0x0500 {
			return nil, fmt.Errorf("gatewaytest: an answer begins with %04X", tag)
		}
		switch tag {
		case 0x0201:
			name = text(v, big)
		case 0x0203:
			a.Values[name] = v
		case 0x0301:
			table = text(v, big)
			a.Tables[table] = nil
		case 0x0302:
			left = int(binary.BigEndian.Uint32(v[4:]))
		case 0x0304:
			a.Tables[table] = append(a.Tables[table], v)
			left--
		case 0x0401:
			a.Exception = text(v, big)
		case 0x0402:
			a.Failure = text(v, big)
		}
	}
}
