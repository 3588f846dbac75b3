package outboundcsv

import (
	"slices"
	"strings"
)

// short has the short ways through the rules, for the values that nearly all calls
// have. They decide byte by byte in tables and say when a value needs the long way.
type short struct {
	enc   *encoder
	delim rune
	ids   [256]bool // stay in an id
	texts [256]byte

	phoneLimit                     int
	country                        string
	plain, national, international string // what to put in front, dial prefix included
	noInternational                bool
}

// maxShort is the longest number for the short way, in bytes.
const maxShort = 64

// Classes of the bytes of a text.
const (
	textStays = iota
	textBlank
	textLead // first byte of U+0080 to U+02FF in UTF-8
	textLong // needs the long way
)

// Classes of the bytes of a number; the first is added to its length.
const (
	numberDigit = 1 << iota
	numberParen
	numberLong // needs the long way
)

// numberBytes has the characters of usual numbers.
var numberBytes = func() (t [256]byte) {
	for c := range t {
		t[c] = numberLong
	}
	for _, c := range []byte("0123456789*#") {
		t[c] = numberDigit
	}
	for _, c := range []byte(" \t)./-") { // rule 4c
		t[c] = 0
	}
	t['('] = numberParen
	return t
}()

func (t *short) prepare(x *exporter) {
	r := &x.p.Phone
	t.enc, t.delim, t.phoneLimit = &x.enc, x.delimRune, x.phoneLimit
	t.country, t.noInternational = r.CountryCode, r.InternationalPrefix == ""
	t.plain, t.national, t.international = r.DialPrefix, r.DialPrefix+r.TrunkPrefix, r.DialPrefix+r.InternationalPrefix
	for c := range t.texts {
		is := func(class byte) { t.texts[c] = class }
		switch {
		case c < 0x20 || c == '"' || c == 0x7F || c < 0x80 && rune(c) == x.delimRune:
			is(textLong)
		case c == ' ':
			is(textBlank)
		case c < 0x80:
			is(textStays)
		case c >= 0xC2 && c < 0xC0|latinEnd>>6 && !x.enc.ascii:
			is(textLead)
		default:
			is(textLong)
		}
		t.ids[c] = c >= 0x20 && c <= 0x7E && c != '"' && rune(c) != x.delimRune
	}
}

// account reports that rule 3 finds nothing wrong with an id.
func (t *short) account(id string, limit int) bool {
	if id == "" || len(id) > limit {
		return false
	}
	for i := range len(id) {
		if !t.ids[id[i]] {
			return false
		}
	}
	return true
}

// text appends a text, encoded, that rules 6 to 8 leave as it is. units is its length
// in UTF-16 units. Characters from U+0300 may combine with the one before them, so a
// text of smaller ones is in Unicode NFC.
func (t *short) text(dst []byte, s string, limit int) (out []byte, units int, ok bool) {
	last := byte(textBlank) // leading blanks are trimmed
	i := 0
	for ; i < len(s); i++ {
		class := t.texts[s[i]]
		if class >= textLead || class&last != 0 {
			break // not ASCII, or a second blank
		}
		last = class
	}
	if i == len(s) {
		if i > limit || last == textBlank && i > 0 {
			return dst, 0, false
		}
		if t.enc.utf16 {
			return t.enc.append(dst, s), i, true
		}
		return append(dst, s...), i, true
	}
	if t.texts[s[i]] != textLead {
		return dst, 0, false
	}
	return t.latin(dst, s, i, limit, last)
}

// latin is text from the first character at i that is not ASCII.
func (t *short) latin(dst []byte, s string, i, limit int, last byte) (out []byte, units int, ok bool) {
	dst = slices.Grow(dst, len(s))
	b := dst[len(dst):][:len(s)] // for a byte a character; other encodings get it in the end
	units = copy(b, s[:i])
	for ; i < len(s); i++ {
		c := s[i]
		class := t.texts[c]
		switch {
		case class == textStays:
		case class == textLead && i+1 < len(s) && s[i+1]&0xC0 == 0x80:
			i++
			r := rune(c&0x1F)<<6 | rune(s[i]&0x3F)
			if r <= 0x9F || r == t.delim {
				return dst, 0, false
			}
			if t.enc.single != nil {
				if c = t.enc.latin[r]; c == 0 {
					return dst, 0, false
				}
			}
		case class == textBlank && last != textBlank:
		default:
			return dst, 0, false
		}
		last = class
		b[units] = c
		units++
	}
	if units > limit || last == textBlank {
		return dst, 0, false
	}
	if t.enc.single == nil {
		return t.enc.append(dst, s), units, true
	}
	return dst[:len(dst)+units], units, true
}

// number appends a number of the usual characters by rules 4a to 4f. The long way has
// the codes of those that it does not take.
func (t *short) number(dst []byte, s string) ([]byte, bool) {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if i == len(s) || len(s)-i > maxShort {
		return dst, false
	}
	prefix, plus := t.plain, s[i] == '+'
	if plus {
		i++
		prefix = t.international
	}
	dst = slices.Grow(dst, len(prefix)+maxShort)
	start := len(dst)
	out := append(dst, prefix...)
	number := (*[maxShort]byte)(out[len(out):][:maxShort])
	n, seen := 0, byte(0)
	for ; i < len(s); i++ {
		class := numberBytes[s[i]]
		number[n%maxShort] = s[i] // the next one overwrites what goes
		n += int(class & numberDigit)
		seen |= class
	}
	if n == 0 || seen&numberLong != 0 {
		return dst, false
	}
	out = out[:len(out)+n]
	if plus {
		switch {
		case seen&numberParen != 0 && strings.Contains(s, "(0)"):
			return dst, false
		case t.country != "" && strings.HasPrefix(string(number[:n]), t.country):
			if n == len(t.country) {
				return dst, false
			}
			out = append(append(dst, t.national...), string(number[len(t.country):n])...)
		case t.noInternational:
			return dst, false
		}
	}
	if len(out)-start > t.phoneLimit {
		return dst, false
	}
	return out, true
}
