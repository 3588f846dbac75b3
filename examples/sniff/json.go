package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/connects-go/connects/cti"
)

// appendFields appends the fields of m as a JSON object in the order of the
// specification. Fields of a list are arrays in wire order.
func appendFields(dst []byte, m cti.Message, v cti.Version, raw bool) []byte {
	if raw {
		return append(dst, "{}"...)
	}
	var names []string
	values := map[string][]byte{}
	lists := map[string]bool{}
	m.VisitFields(v, func(f cti.FieldValue) bool {
		b, seen := values[f.Name]
		switch {
		case !seen:
			names = append(names, f.Name)
			if lists[f.Name] = f.List; f.List {
				b = append(b, '[')
			}
		default:
			b = append(b, ',')
		}
		values[f.Name] = appendValue(b, f)
		return true
	})
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		dst = append(dst, values[name]...)
		if lists[name] {
			dst = append(dst, ']')
		}
	}
	return append(dst, '}')
}

func appendValue(dst []byte, f cti.FieldValue) []byte {
	switch f.Kind {
	case cti.KindBool:
		return strconv.AppendBool(dst, f.Number != 0)
	case cti.KindText:
		return appendText(dst, f.Text)
	case cti.KindBytes:
		return appendBytes(dst, f.Bytes)
	case cti.KindNamedVar:
		dst = append(dst, `{"name":`...)
		dst = appendText(dst, f.Var.Name)
		dst = append(dst, `,"value":`...)
		return append(appendText(dst, f.Var.Value), '}')
	case cti.KindNamedArray:
		dst = append(dst, `{"index":`...)
		dst = strconv.AppendUint(dst, uint64(f.Var.Index), 10)
		dst = append(dst, `,"name":`...)
		dst = appendText(dst, f.Var.Name)
		dst = append(dst, `,"value":`...)
		return append(appendText(dst, f.Var.Value), '}')
	case cti.KindTaskID:
		dst = append(dst, `{"group":"`...)
		dst = strconv.AppendUint(dst, f.Task.Group(), 10)
		dst = append(dst, `","sequence":`...)
		dst = strconv.AppendInt(dst, int64(f.Task.SequenceNumber), 10)
		return append(dst, '}')
	}
	return strconv.AppendInt(dst, f.Number, 10)
}

// appendText appends a text as a string, or its bytes when it is not UTF-8.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		return appendBytes(dst, []byte(s))
	}
	return appendString(dst, s)
}

func appendBytes(dst, b []byte) []byte {
	dst = append(dst, `{"hex":"`...)
	return append(hex.AppendEncode(dst, b), `"}`...)
}

func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return append(dst, `""`...) // a string always encodes
	}
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

func appendError(dst []byte, err error) []byte {
	dst = append(dst, `{"error":`...)
	return append(appendString(dst, err.Error()), '}')
}
