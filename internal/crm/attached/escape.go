package attached

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// plain marks the bytes that need no escape in text or attributes.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != 0x7F && c != '<' && c != '>' && c != '&' && c != '"'
	}
	return t
}()

// appendText appends a value as XML character data; it is fit for attributes in
// double quotes too. What XML cannot hold becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		n, with := 1, ""
		switch c {
		case '<':
			with = "&lt;"
		case '>':
			with = "&gt;"
		case '&':
			with = "&amp;"
		case '"':
			with = "&quot;"
		case '\t':
			with = "&#9;"
		case '\n':
			with = "&#10;"
		case '\r':
			with = "&#13;"
		default:
			var r rune
			r, n = utf8.DecodeRuneInString(s[i:])
			switch {
			case r == 0x7F:
				with = "&#127;"
			case c < ' ', r == utf8.RuneError && n == 1, r == 0xFFFE, r == 0xFFFF:
				with = "\uFFFD"
			default:
				i += n
				continue
			}
		}
		dst = append(append(dst, s[from:i]...), with...)
		i += n
		from = i
	}
	return append(dst, s[from:]...)
}

// decodeReference reads the reference at the start of s. n is its length, 0 for
// one that is not allowed.
func decodeReference(s string) (r rune, n int) {
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 3 {
		return 0, 0
	}
	switch body := s[1:end]; body {
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "amp":
		r = '&'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		if body[0] != '#' {
			return 0, 0
		}
		base, digits := 10, body[1:]
		if digits[0] == 'x' {
			base, digits = 16, digits[1:]
		}
		v, err := strconv.ParseUint(digits, base, 32)
		if err != nil || !legal(rune(v)) || v > utf8.MaxRune {
			return 0, 0
		}
		r = rune(v)
	}
	return r, end + 1
}

// legal reports the characters of XML 1.0.
func legal(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

// appendUnescaped appends the value of scanned text: references resolved, line
// ends as XML has them.
func appendUnescaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		switch s[i] {
		case '&':
			if r, n := decodeReference(s[i:]); n > 0 {
				dst = utf8.AppendRune(dst, r)
				i += n
				continue
			}
			dst = append(dst, s[i])
		case '\r':
			dst = append(dst, '\n')
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
		default:
			dst = append(dst, s[i])
		}
		i++
	}
	return dst
}

// unescapeAttribute returns an attribute's value.
func unescapeAttribute(raw string) string {
	if !strings.ContainsAny(raw, "&\r\n\t") {
		return raw
	}
	raw = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ").Replace(raw)
	return string(appendUnescaped(nil, raw))
}

// EscapeName returns a name that can stand in XML: characters that cannot
// become _xHHHH_, and so does an underscore that would read as such. Dots stay.
// The empty name becomes "_".
func EscapeName(name string) string {
	ok := name != "" && name != "_"
	for i, r := range name {
		if !nameChar(r, i == 0) || r == '_' && readsEscaped(name[i:]) {
			ok = false
			break
		}
	}
	if ok {
		return name
	}
	if name == "" {
		return "_"
	}
	var b strings.Builder
	for i, r := range name {
		if !nameChar(r, i == 0) || r == '_' && readsEscaped(name[i:]) || name == "_" {
			const hex = "0123456789ABCDEF"
			b.WriteString("_x")
			digits := 4
			if r > 0xFFFF {
				digits = 6
			}
			for d := digits - 1; d >= 0; d-- {
				b.WriteByte(hex[r>>(4*d)&15])
			}
			b.WriteByte('_')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// UnescapeName undoes [EscapeName]. A byte that was not UTF-8 comes back as U+FFFD.
func UnescapeName(name string) string {
	if name == "_" {
		return ""
	}
	if !strings.Contains(name, "_x") {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		if n := escaped(name[i:]); n > 0 {
			v, _ := strconv.ParseUint(name[i+2:i+n-1], 16, 32)
			b.WriteRune(rune(v))
			i += n
			continue
		}
		b.WriteByte(name[i])
		i++
	}
	return b.String()
}

// readsEscaped reports whether an underscore at the start of s could read as the
// beginning of an escape. What follows the digits does not count: it may become
// an underscore itself.
func readsEscaped(s string) bool {
	if len(s) < 6 || s[1] != 'x' {
		return false
	}
	for _, c := range []byte(s[2:6]) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// escaped returns the length of the _xHHHH_ or _xHHHHHH_ at the start of s, or 0.
func escaped(s string) int {
	if !strings.HasPrefix(s, "_x") {
		return 0
	}
	i := 2
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] >= 'A' && s[i] <= 'F') {
		i++
	}
	if (i == 6 || i == 8) && i < len(s) && s[i] == '_' {
		return i + 1
	}
	return 0
}
