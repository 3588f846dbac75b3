package attached

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// Cut returns s, shortened on a character border so that it takes at most max
// bytes in the code page of the contact center; nil is UTF-8. Characters that
// the code page does not have become "?".
func Cut(s string, max int, charset encoding.Encoding) (out string, truncated, replaced bool) {
	c := cutter{charset: charset}
	return c.cut(s, max)
}

// cutter keeps an encoder; it belongs to one goroutine.
type cutter struct {
	charset encoding.Encoding
	enc     *encoding.Encoder
}

func (c *cutter) cut(s string, max int) (out string, truncated, replaced bool) {
	s, replaced = clean(s)
	ascii := isASCII(s)
	if ascii || c.charset == nil {
		if len(s) <= max {
			return s, false, replaced
		}
		at := max
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		return s[:at], true, replaced
	}
	if c.enc == nil {
		c.enc = c.charset.NewEncoder()
	}
	var b strings.Builder
	used := 0
	var src [utf8.UTFMax]byte
	var dst [16]byte
	for i, r := range s {
		n := 1
		if r >= utf8.RuneSelf {
			w := utf8.EncodeRune(src[:], r)
			c.enc.Reset()
			var err error
			if n, _, err = c.enc.Transform(dst[:], src[:w], true); err != nil {
				r, n, replaced = '?', 1, true
			}
		}
		if used += n; used > max {
			return b.String(), true, replaced
		}
		if b.Len() == 0 {
			b.Grow(len(s) - i)
		}
		b.WriteRune(r)
	}
	return b.String(), false, replaced
}

// clean turns control characters into blanks and what is not UTF-8 into "?".
func clean(s string) (string, bool) {
	bad := func(r rune) bool { return r < ' ' || r == 0x7F || r == utf8.RuneError }
	if strings.IndexFunc(s, bad) < 0 {
		return s, false
	}
	replaced := false
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			replaced = true
			return '?'
		case bad(r):
			return ' '
		}
		return r
	}, s), replaced
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
