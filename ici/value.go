package ici

import (
	"strconv"
	"unicode/utf8"
)

// Value is something that can go over the wire as a parameter or a result: [Text], [Bool], [Texts], [Rows] and the
// generated structs and lists ([User], [PhoneCall], [Queues] ...). The set is closed. Both a struct and a pointer to it
// are Values; a pointer avoids a copy on the heap.
type Value interface {
	appendXML(dst []byte, e enc, t *tag) []byte
}

// Text is a string as a Value. Text("") is the answer of an operation without data.
type Text string

// Bool is a boolean as a Value.
type Bool bool

// Texts is an array of strings as a Value.
type Texts []string

// Style says how values are written.
type Style uint8

const (
	encoded = 0
	literal = 1
)

// The two styles of SOAP 1.1.
const (
	Encoded Style = encoded // rpc/encoded: xsi:type on every text, SOAP-ENC:arrayType on every array
	Literal Style = literal // document/literal: bare elements
)

// enc is what a value needs to write itself.
type enc struct {
	p     *Profile
	style Style
	full  bool // write empty members too
}

// tag holds one element name in all forms in which it is written, made once per profile.
type tag struct {
	name    string
	open    string
	close   string
	text    [2]string
	boolean [2]string
	texts   string // encoded array of strings up to the count
	list    string // encoded array of structs up to the count
}

func newTag(name string) tag {
	array := "<" + name + ` xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:`
	return tag{
		name:    name,
		open:    "<" + name + ">",
		close:   "</" + name + ">",
		text:    [2]string{"<" + name + ` xsi:type="xsd:string">`, "<" + name + ">"},
		boolean: [2]string{"<" + name + ` xsi:type="xsd:boolean">`, "<" + name + ">"},
		texts:   array + "string[",
		list:    array + "anyType[",
	}
}

func (v Text) appendXML(dst []byte, e enc, t *tag) []byte {
	dst = append(dst, t.text[e.style]...)
	dst = appendEscaped(dst, string(v))
	return append(dst, t.close...)
}

func (v Bool) appendXML(dst []byte, e enc, t *tag) []byte { return e.boolean(dst, t, bool(v)) }

func (v Texts) appendXML(dst []byte, e enc, t *tag) []byte {
	if e.style == Literal {
		dst = append(dst, t.open...)
	} else {
		dst = append(dst, t.texts...)
		dst = strconv.AppendInt(dst, int64(len(v)), 10)
		dst = append(dst, `]">`...)
	}
	item := &e.p.item
	for _, s := range v {
		dst = append(dst, item.text[e.style]...)
		dst = appendEscaped(dst, s)
		dst = append(dst, item.close...)
	}
	return append(dst, t.close...)
}

// openList writes the start of an array of n structs.
func (e enc) openList(dst []byte, t *tag, n int) []byte {
	if e.style == Literal {
		return append(dst, t.open...)
	}
	dst = append(dst, t.list...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, `]">`...)
}

// text writes one member, or nothing when it is empty.
func (e enc) text(dst []byte, t *tag, s string) []byte {
	if s == "" && !e.full {
		return dst
	}
	dst = append(dst, t.text[e.style]...)
	dst = appendEscaped(dst, s)
	return append(dst, t.close...)
}

func (e enc) boolean(dst []byte, t *tag, b bool) []byte {
	dst = append(dst, t.boolean[e.style]...)
	dst = strconv.AppendBool(dst, b)
	return append(dst, t.close...)
}

// Row is one struct of an array, written in advance. It belongs to the profile that made it.
type Row struct{ form [2]string }

// Rows is an array of rows that were written in advance as a Value: an immutable index can hand out thousands of rows
// without writing any of them again.
type Rows []Row

// EncodeRow writes v as one row of an array, for [Rows].
func (p *Profile) EncodeRow(v Value) Row {
	var r Row
	for s := range r.form {
		r.form[s] = string(v.appendXML(nil, enc{p, Style(s), p.full}, &p.item))
	}
	return r
}

func (v Rows) appendXML(dst []byte, e enc, t *tag) []byte {
	dst = e.openList(dst, t, len(v))
	for i := range v {
		dst = append(dst, v[i].form[e.style]...)
	}
	return append(dst, t.close...)
}

// escape classes of a byte inside an element text.
const (
	plain = iota
	entity
	invalid
	multi
)

var escapeClass = func() (t [256]uint8) {
	for i := range t {
		switch {
		case i == '&' || i == '<' || i == '>' || i == '\r':
			t[i] = entity
		case i < ' ' && i != '\t' && i != '\n':
			t[i] = invalid
		case i >= utf8.RuneSelf:
			t[i] = multi
		}
	}
	return t
}()

// appendEscaped writes text content. Bytes that XML cannot carry (control characters, broken UTF-8) become U+FFFD.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		switch escapeClass[s[i]] {
		case plain:
			i++
			continue
		case multi:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF || n > 1 && r == utf8.RuneError {
				i += n
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			i += n
		case invalid:
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\uFFFD"...)
			i++
		default:
			dst = append(dst, s[start:i]...)
			switch s[i] {
			case '&':
				dst = append(dst, "&amp;"...)
			case '<':
				dst = append(dst, "&lt;"...)
			case '>':
				dst = append(dst, "&gt;"...)
			default:
				dst = append(dst, "&#xD;"...)
			}
			i++
		}
		start = i
	}
	return append(dst, s[start:]...)
}

// attr escapes an attribute value.
func attr(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			b = append(b, "&quot;"...)
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}
