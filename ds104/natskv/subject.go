package natskv

import "strings"

const hexDigits = "0123456789ABCDEF"

// plain tells what stands in subjects as it is.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// encode turns a key, or the beginning of one, into a subject.
func encode(key string) string {
	var b strings.Builder
	for i, part := range strings.Split(key, "/") {
		if i > 0 {
			b.WriteByte('.')
		}
		if part == "" {
			b.WriteByte('=') // no empty tokens
		}
		for j := range len(part) {
			if c := part[j]; plain(c) {
				b.WriteByte(c)
			} else {
				b.WriteString("=" + string(hexDigits[c>>4]) + string(hexDigits[c&15]))
			}
		}
	}
	return b.String()
}

// decode is the reverse of encode; false for a subject that is none of ours.
func decode(subject string) (string, bool) {
	var b strings.Builder
	for i, token := range strings.Split(subject, ".") {
		if i > 0 {
			b.WriteByte('/')
		}
		if token == "=" {
			continue
		}
		for j := 0; j < len(token); j++ {
			if token[j] != '=' {
				b.WriteByte(token[j])
				continue
			}
			if j+2 >= len(token) {
				return "", false
			}
			hi, lo := strings.IndexByte(hexDigits, token[j+1]), strings.IndexByte(hexDigits, token[j+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			j += 2
		}
	}
	return b.String(), true
}

// filter returns the narrowest subject filter for a prefix: whole parts of it.
func filter(prefix string) string {
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		return encode(prefix[:i]) + ".>"
	}
	return ">"
}
