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
	if utf16Len(s) > limit {
		codes.add(Truncated)
		s = strings.TrimRight(cutUTF16(s, limit), " ")
	}
	return s
}

// clean reports that rules 6 and 7 leave s as it is: the common case.
func (x *exporter) clean(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c >= 0x7F || c == '"' || x.delim != "" && c == x.delim[0] {
			return false
		}
		if c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			return false
		}
	}
	return true
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

// phones applies rules 4 and 5: the valid numbers in order, with their extensions.
func (x *exporter) phones(c *PlannedCall, codes *codeSet) (numbers, exts [MaxPhones]string) {
	n := 0
	for _, ph := range c.Phones {
		s := x.number(ph.Number, codes)
		if s == "" {
			continue
		}
		dup := false
		for _, o := range numbers[:n] {
			dup = dup || o == s
		}
		switch {
		case dup:
			codes.add(PhoneDuplicate)
			continue
		case n == x.phoneColumns:
			codes.add(PhonesDropped)
			continue
		}
		numbers[n] = s
		if ph.Ext != "" {
			if x.extColumns[n] && len(ph.Ext) <= x.extLimit[n] && !strings.ContainsFunc(ph.Ext, func(r rune) bool { return r > 0x7F || !unicode.IsDigit(r) }) {
				exts[n] = ph.Ext
			} else {
				codes.add(ExtIgnored)
			}
		}
		n++
	}
	if n == 0 {
		codes.add(NoPhone)
	}
	return numbers, exts
}
