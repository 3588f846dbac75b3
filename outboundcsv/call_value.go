package outboundcsv

import (
	"unicode/utf16"
	"unicode/utf8"
)

// stringBytes has what ends the simple part of a string.
var stringBytes = func() (t [256]byte) {
	for c := range t {
		switch {
		case c < 0x20 || c == '"' || c == '\\':
			t[c] = 1
		case c >= utf8.RuneSelf:
			t[c] = 2
		}
	}
	return t
}()

// text scans a string.
func (s *callScanner) text(v *span) bool {
	if !s.is('"') {
		return false
	}
	b, i, high := s.buf, s.at, byte(0)
	*v = span{from: i}
	for ; i < len(b); i++ {
		class := stringBytes[b[i]]
		if high |= class; class != 1 {
			continue
		}
		switch {
		case b[i] == '"':
			if v.to, s.at = i, i+1; high&2 != 0 && !utf8.Valid(b[v.from:i]) {
				return s.unusual()
			}
			return true
		case b[i] != '\\':
			s.at = i
			return false
		}
		if v.escaped = true; len(b)-i < 6 {
			break // too little to tell which
		}
		_, n := escape(b[i:])
		if n == 0 {
			s.at = i
			return false
		}
		i += n - 1
	}
	s.at = len(b)
	return false
}

// escape decodes what begins with a backslash and has 6 bytes or more. n is 0 when it is
// wrong or one half of a pair.
func escape[T string | []byte](b T) (r rune, n int) {
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		for i := 2; i < 6; i++ {
			c := b[i]
			switch {
			case c >= '0' && c <= '9':
				c -= '0'
			case c|0x20 >= 'a' && c|0x20 <= 'f':
				c = c | 0x20 - 'a' + 10
			default:
				return 0, 0
			}
			r = r<<4 | rune(c)
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
	}
	return 0, 0
}

// number scans the bias.
func (s *callScanner) number() bool {
	i := s.at
	minus := i < len(s.buf) && s.buf[i] == '-'
	if minus {
		i++
	}
	from := i
	for s.bias = 0; i < len(s.buf) && s.buf[i] >= '0' && s.buf[i] <= '9' && i-from < 6; i++ {
		s.bias = s.bias*10 + int(s.buf[i]-'0')
	}
	if i == len(s.buf) {
		s.at = i // more digits may come
		return false
	}
	if i == from || s.buf[from] == '0' && i-from > 1 {
		return s.unusual()
	}
	if minus {
		s.bias = -s.bias
	}
	s.at = i
	return true
}

func (s *callScanner) boolean() bool {
	rest := s.buf[s.at:]
	switch {
	case len(rest) < len("false"):
		s.at = len(s.buf)
		return false
	case string(rest[:4]) == "true":
		s.dst, s.at = true, s.at+4
	case string(rest[:5]) == "false":
		s.dst, s.at = false, s.at+5
	default:
		return s.unusual()
	}
	return true
}

// value is the call that was scanned. It shares no memory with buf: its strings are parts of
// one.
func (s *callScanner) value() PlannedCall {
	all := string(s.buf[s.start:s.at])
	text := func(v span) string {
		t := all[max(v.from-s.start, 0):max(v.to-s.start, 0)]
		if v.escaped {
			return unescaped(t)
		}
		return t
	}
	c := PlannedCall{ID: text(s.id), Action: text(s.action), FirstName: text(s.first), LastName: text(s.last), TimeZone: text(s.zone)}
	if s.seen&fieldPhones != 0 {
		c.Phones = make([]Phone, len(s.phones))
		for i, p := range s.phones {
			c.Phones[i] = Phone{text(p.number), text(p.ext)}
		}
	}
	if s.seen&fieldBias != 0 {
		c.Bias = new(s.bias)
	}
	if s.seen&fieldDST != 0 {
		c.DST = new(s.dst)
	}
	if s.seen&fieldCustom != 0 {
		c.Custom = make(map[string]string, len(s.custom))
		for _, kv := range s.custom {
			c.Custom[text(kv[0])] = text(kv[1])
		}
	}
	return c
}

// unescaped decodes the escapes of a string that was scanned.
func unescaped(s string) string {
	b := make([]byte, 0, len(s))
	for s != "" {
		if s[0] != '\\' {
			b, s = append(b, s[0]), s[1:]
			continue
		}
		r, n := escape(s[:min(len(s), 6)] + "....") // the last one may be short
		b, s = utf8.AppendRune(b, r), s[n:]
	}
	return string(b)
}
