package cti

import (
	"reflect"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// textMap converts the strings of messages between UTF-8 and the charset of the wire. A nil
// *textMap leaves them as they are. It is for one goroutine, or for those who share a lock.
type textMap struct {
	enc encoding.Encoding
	in  *encoding.Decoder
	out *encoding.Encoder
	bad int
}

// newTextMap returns a map for a charset; nil for nil.
func newTextMap(enc encoding.Encoding) *textMap {
	if enc == nil {
		return nil
	}
	return &textMap{enc: enc, in: enc.NewDecoder(), out: enc.NewEncoder()}
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decode makes the strings of a message that was received UTF-8.
func (t *textMap) decode(m Message) {
	if t != nil {
		m.MapText(t.decodeString)
	}
}

func (t *textMap) decodeString(s string) string {
	if ascii(s) {
		return s
	}
	t.in.Reset()
	u, err := t.in.String(s)
	if err != nil {
		return s
	}
	return u
}

// append encodes m with its strings in the charset of the wire. m is not changed, because a
// server may be sending the same event to several clients at this moment. bad is the number of
// characters that were sent as '?'.
func (t *textMap) append(dst []byte, m Message, v Version) (b []byte, bad int, err error) {
	if t == nil || asciiMessage(m) {
		b, err = AppendMessage(dst, m, v)
		return b, 0, err
	}
	c := clone(m)
	t.bad = 0
	c.MapText(t.encodeString)
	b, err = AppendMessage(dst, c, v)
	return b, t.bad, err
}

func (t *textMap) encodeString(s string) string {
	if ascii(s) {
		return s
	}
	t.out.Reset()
	if b, err := t.out.String(s); err == nil {
		return b
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		t.out.Reset()
		if r != utf8.RuneError {
			if c, err := t.out.String(string(r)); err == nil {
				b = append(b, c...)
				continue
			}
		}
		b = append(b, '?')
		t.bad++
	}
	return string(b)
}

// asciiMessage tells whether no text of m needs a conversion.
func asciiMessage(m Message) bool {
	ok := true
	m.VisitFields(0, func(f FieldValue) bool {
		switch f.Kind {
		case KindText:
			ok = ascii(f.Text)
		case KindNamedVar, KindNamedArray:
			ok = ascii(f.Var.Name) && ascii(f.Var.Value)
		}
		return ok
	})
	return ok
}

// clone copies a message with all its lists. Only messages with text outside of ASCII are
// cloned, and only when they are sent, so reflection is cheap enough here.
func clone(m Message) Message {
	v := reflect.ValueOf(m).Elem()
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	cloneLists(c.Elem())
	return c.Interface().(Message)
}

func cloneLists(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				cloneLists(v.Field(i))
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		s := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(s, v)
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Slice {
			for i := range s.Len() {
				cloneLists(s.Index(i))
			}
		}
		v.Set(s)
	}
}
