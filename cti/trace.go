package cti

import (
	"log/slog"
	"strconv"
	"unicode/utf8"
)

// AppendText appends a message in one line of text: its name and every field
// that is set, in the order of the specification. Passwords are shown as
// ****; numbers of a group of constants with their name. The line is for
// people; its form may change.
func AppendText(dst []byte, m Message) []byte {
	dst = append(dst, m.Type().String()...)
	m.VisitFields(0, func(f FieldValue) bool {
		dst = append(dst, ' ')
		dst = append(dst, f.Name...)
		if f.List {
			dst = append(dst, '[')
			dst = strconv.AppendInt(dst, int64(f.Entry), 10)
			dst = append(dst, ']')
		}
		dst = append(dst, '=')
		dst = appendValue(dst, f)
		return true
	})
	for _, x := range ExtraFields(m) {
		dst = append(dst, ' ')
		dst = append(append(dst, x.Tag.String()...), '=')
		dst = appendHex(dst, x.Data)
	}
	return dst
}

// Text returns what AppendText appends.
func Text(m Message) string { return string(AppendText(nil, m)) }

func appendValue(dst []byte, f FieldValue) []byte {
	if f.Secret {
		return append(dst, "****"...)
	}
	switch f.Kind {
	case KindNumber, KindTime:
		dst = strconv.AppendInt(dst, f.Number, 10)
		if f.Group != "" {
			if s := ConstantName(f.Group, f.Number); s != "" {
				dst = append(append(append(dst, '('), s...), ')')
			}
		}
	case KindBool:
		dst = strconv.AppendBool(dst, f.Number != 0)
	case KindText:
		dst = strconv.AppendQuote(dst, f.Text)
	case KindBytes:
		dst = appendHex(dst, f.Bytes)
	case KindNamedVar:
		dst = append(append(dst, f.Var.Name...), ':')
		dst = strconv.AppendQuote(dst, f.Var.Value)
	case KindNamedArray:
		dst = append(append(dst, f.Var.Name...), '[')
		dst = strconv.AppendUint(dst, uint64(f.Var.Index), 10)
		dst = append(dst, ']', ':')
		dst = strconv.AppendQuote(dst, f.Var.Value)
	case KindTaskID:
		dst = strconv.AppendUint(dst, f.Task.Group(), 16)
		dst = append(dst, '/')
		dst = strconv.AppendInt(dst, int64(f.Task.SequenceNumber), 10)
	}
	return dst
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, "0x"...)
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// logValue is the slog form of a message: a group of its name and its fields,
// without passwords.
func logValue(m Message) slog.Value {
	attrs := []slog.Attr{slog.String("msg_type", m.Type().String())}
	m.VisitFields(0, func(f FieldValue) bool {
		key := f.Name
		if f.List {
			key += "." + strconv.Itoa(f.Entry)
		}
		var v slog.Value
		switch {
		case f.Secret:
			v = slog.StringValue("****")
		case f.Kind == KindNumber || f.Kind == KindTime:
			v = slog.Int64Value(f.Number)
		case f.Kind == KindText && utf8.ValidString(f.Text):
			v = slog.StringValue(f.Text)
		default:
			v = slog.StringValue(string(appendValue(nil, f)))
		}
		attrs = append(attrs, slog.Attr{Key: key, Value: v})
		return true
	})
	return slog.GroupValue(attrs...)
}
