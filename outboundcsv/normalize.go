package outboundcsv

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// account applies rule 3.
func account(id, delimiter string, limit int, codes *codeSet) string {
	id = strings.Trim(id, " ")
	switch {
	case id == "":
		codes.add(AccountMissing)
	case strings.ContainsFunc(id, func(r rune) bool { return r < 0x20 || r > 0x7E || r == '"' }) || delimiter != "" && strings.Contains(id, delimiter):
		codes.add(AccountInvalid)
	}
	if utf16Len(id) > limit {
		codes.add(AccountTooLong)
	}
	return id
}

// text applies rules 6, 7 and 8 to a name or custom value.
func (x *exporter) text(s string, limit int, codes *codeSet) string {
	if !x.clean(s) {
		s = x.sanitize(norm.NFC.String(s), codes)
		s = x.mappable(s, codes)
	}
	if len(s) > limit && utf16Len(s) > limit { // never fewer bytes than units
		codes.add(Truncated)
		s = strings.TrimRight(cutUTF16(s, limit), " ")
	}
	return s
}

// clean reports that rules 6 and 7 leave s as it is: the common case. It looks at
// what needs no Unicode tables; everything else goes the long way.
func (x *exporter) clean(s string) bool {
	blank := true // leading ones are trimmed
	for _, r := range s {
		switch {
		case r == ' ':
			if blank {
				return false
			}
			blank = true
			continue
		case r < 0x20 || r == '"' || r == x.delimRune:
			return false
		case r >= 0x7F && (r <= 0x9F || r >= latinEnd || !x.enc.can(r)):
			return false
		}
		blank = false
	}
	return !blank || s == ""
}

func (x *exporter) sanitize(s string, codes *codeSet) string {
	var b strings.Builder
	b.Grow(len(s))
	blank := true // leading blanks are trimmed
	for _, r := range s {
		switch {
		case r < 0x20 || r >= 0x7F && r <= 0x9F || r == 0x2028 || r == 0x2029 || x.delim != "" && strings.HasPrefix(x.delim, string(r)):
			codes.add(Sanitized)
			r = ' '
		case r == '"':
			codes.add(Sanitized)
			r = '\''
		}
		if r == ' ' {
			if !blank {
				b.WriteByte(' ')
			}
			blank = true
			continue
		}
		blank = false
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ")
}

func (x *exporter) mappable(s string, codes *codeSet) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !x.enc.can(r) }) {
		return s
	}
	if x.p.Unmappable == "reject" {
		codes.add(Encoding)
		return s
	}
	codes.add(Charset)
	return strings.Map(func(r rune) rune {
		if x.enc.can(r) {
			return r
		}
		return '?'
	}, s)
}

// dash and blank tell the characters that people put between digits (rule 4c).
func dash(r rune) bool {
	return r == '-' || r >= 0x2010 && r <= 0x2015 || r == 0x2212 || r == 0xFF0D
}

func blank(r rune) bool {
	return r == ' ' || r == '\t' || r == 0xA0 || r == 0x2007 || r == 0x202F || r == 0x3000
}

// Classes of the bytes of a number.
const (
	digit = 1 + iota // stays
	gap              // goes
)

// classes tells the characters of usual numbers; others need the long way.
var classes = func() (t [256]byte) {
	for _, c := range []byte("0123456789*#") {
		t[c] = digit
	}
	for _, c := range []byte(" \t()./-") {
		t[c] = gap
	}
	return t
}()

// usual applies rules 4a to 4f to a number of the usual characters and appends it
// to dst. false: the number needs the long way; dst is as it was.
func (x *exporter) usual(dst []byte, s string) ([]byte, bool) {
	start, i, r := len(dst), 0, &x.p.Phone
	dst = append(dst, r.DialPrefix...)
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if i < len(s) && s[i] == '+' {
		if i++; strings.Contains(s, "(0)") || r.InternationalPrefix == "" || r.CountryCode != "" && (len(s)-i < len(r.CountryCode) || !plain(s[i:i+len(r.CountryCode)])) {
			return dst[:start], false
		}
		if r.CountryCode != "" && s[i:i+len(r.CountryCode)] == r.CountryCode {
			dst, i = append(dst, r.TrunkPrefix...), i+len(r.CountryCode)
		} else {
			dst = append(dst, r.InternationalPrefix...)
		}
	}
	from := len(dst)
	for ; i < len(s); i++ {
		switch classes[s[i]] {
		case digit:
			dst = append(dst, s[i])
		case gap:
		default:
			return dst[:start], false
		}
	}
	if len(dst) == from || len(dst)-start > x.phoneLimit {
		return dst[:start], false // nothing, or too long: with the codes of the long way
	}
	return dst, true
}

// plain reports that nothing is written between the digits.
func plain(s string) bool {
	for i := range len(s) {
		if classes[s[i]] != digit {
			return false
		}
	}
	return true
}

// number applies rules 4a to 4f to one number. It returns "" for one that is
// skipped or dropped.
func (x *exporter) number(s string, codes *codeSet) string {
	s = strings.Map(func(r rune) rune { // a
		switch {
		case r >= 0xFF10 && r <= 0xFF19:
			return '0' + r - 0xFF10
		case r == 0xFF0B:
			return '+'
		}
		return r
	}, s)
	if strings.HasPrefix(strings.TrimLeftFunc(s, blank), "+") { // b
		s = strings.Replace(s, "(0)", "", 1)
	}
	s = strings.Map(func(r rune) rune { // c
		if blank(r) || dash(r) || strings.ContainsRune("()./", r) || r == 0xFF08 || r == 0xFF09 {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(s, "+"); ok { // d
		r := &x.p.Phone
		if national, own := strings.CutPrefix(rest, r.CountryCode); own && r.CountryCode != "" {
			s = r.TrunkPrefix + national
		} else if r.InternationalPrefix == "" {
			codes.add(PhoneInvalid)
			return ""
		} else {
			s = r.InternationalPrefix + rest
		}
	}
	if !dialable(s) || s == "" { // e
		codes.add(PhoneInvalid)
		return ""
	}
	if s = x.p.Phone.DialPrefix + s; len(s) > x.phoneLimit { // f
		codes.add(PhoneTooLong)
		return ""
	}
	return s
}

// phones applies rules 4 and 5: the valid numbers in order, with their extensions,
// are in phoneValues and extValues until the next row.
func (x *exporter) phones(c *PlannedCall, codes *codeSet) {
	clear(x.phoneValues[:x.phoneColumns])
	clear(x.extValues[:x.phoneColumns])
	n := 0
	buf := x.numbers[:0]
	var ends [MaxPhones + 1]int
next:
	for i := range c.Phones {
		ph := &c.Phones[i]
		start := ends[n]
		var ok bool
		if buf, ok = x.usual(buf[:start], ph.Number); !ok {
			buf = append(buf[:start], x.number(ph.Number, codes)...)
		}
		if len(buf) == start {
			continue
		}
		for k := range n {
			if string(buf[ends[k]:ends[k+1]]) == string(buf[start:]) {
				codes.add(PhoneDuplicate)
				continue next
			}
		}
		if n == x.phoneColumns {
			codes.add(PhonesDropped)
			continue
		}
		if ph.Ext != "" {
			if x.extColumns[n] && len(ph.Ext) <= x.extLimit[n] && !strings.ContainsFunc(ph.Ext, func(r rune) bool { return r > 0x7F || !unicode.IsDigit(r) }) {
				x.extValues[n] = ph.Ext
			} else {
				codes.add(ExtIgnored)
			}
		}
		n++
		ends[n] = len(buf)
	}
	x.numbers = buf
	if n == 0 {
		codes.add(NoPhone)
		return
	}
	all := string(buf[:ends[n]]) // one allocation for the row
	for k := range n {
		x.phoneValues[k] = all[ends[k]:ends[k+1]]
	}
}
