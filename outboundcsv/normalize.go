package outboundcsv

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// trimBlanks removes outer blanks (rule 3).
func trimBlanks(s string) string {
	for s != "" && s[0] == ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// account applies rule 3 to an id without outer blanks.
func account(id, delimiter string, limit int, codes *codeSet) {
	switch {
	case id == "":
		codes.add(accountMissing)
	case strings.ContainsFunc(id, func(r rune) bool { return r < 0x20 || r > 0x7E || r == '"' }) || delimiter != "" && strings.Contains(id, delimiter):
		codes.add(accountInvalid)
	}
	if utf16Len(id) > limit {
		codes.add(accountTooLong)
	}
}

// text applies rules 6, 7 and 8 to a name or custom value and appends it, encoded.
// units is its length.
func (x *exporter) text(dst []byte, s string, limit int, codes *codeSet) (out []byte, units int) {
	if out, units, ok := x.short.text(dst, s, limit); ok {
		return out, units
	}
	s = x.sanitize(norm.NFC.String(s), codes)
	s = x.mappable(s, codes)
	if utf16Len(s) > limit {
		codes.add(truncated)
		s = strings.TrimRight(cutUTF16(s, limit), " ")
	}
	return x.enc.append(dst, s), utf16Len(s)
}

func (x *exporter) sanitize(s string, codes *codeSet) string {
	var b strings.Builder
	b.Grow(len(s))
	blank := true // leading blanks are trimmed
	for _, r := range s {
		switch {
		case r < 0x20 || r >= 0x7F && r <= 0x9F || r == 0x2028 || r == 0x2029 || x.delim != "" && strings.HasPrefix(x.delim, string(r)):
			codes.add(sanitized)
			r = ' '
		case r == '"':
			codes.add(sanitized)
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
		codes.add(encodingLost)
		return s
	}
	codes.add(charset)
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
			codes.add(phoneInvalid)
			return ""
		} else {
			s = r.InternationalPrefix + rest
		}
	}
	if !dialable(s) || s == "" { // e
		codes.add(phoneInvalid)
		return ""
	}
	if s = x.p.Phone.DialPrefix + s; len(s) > x.phoneLimit { // f
		codes.add(phoneTooLong)
		return ""
	}
	return s
}

// phones applies rules 4 and 5: the valid numbers in order, with their extensions,
// are in numbers, ends, found and exts until the next row.
func (x *exporter) phones(c *PlannedCall, codes *codeSet) {
	n := 0
	buf := x.numbers[:0]
next:
	for i := range c.Phones {
		ph := &c.Phones[i]
		start := len(buf)
		var ok bool
		if buf, ok = x.short.number(buf, ph.Number); !ok {
			buf = append(buf, x.number(ph.Number, codes)...)
		}
		if len(buf) == start {
			continue
		}
		for k := range n {
			if string(buf[x.ends[k]:x.ends[k+1]]) == string(buf[start:]) {
				codes.add(phoneDuplicate)
				buf = buf[:start]
				continue next
			}
		}
		if n == x.phoneColumns {
			codes.add(phonesDropped)
			buf = buf[:start]
			continue
		}
		x.exts[n] = ""
		if ph.Ext != "" {
			if x.extColumns[n] && len(ph.Ext) <= x.extLimit[n] && digits(ph.Ext) {
				x.exts[n] = ph.Ext
			} else {
				codes.add(extIgnored)
			}
		}
		n++
		x.ends[n] = len(buf)
	}
	x.numbers, x.found = buf, n
	if n == 0 {
		codes.add(noPhone)
	}
}

// digits reports that s has nothing but digits.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
