package dialing

import "strings"

// ToSAP returns a caller's number as SAP wants it. It never fails: what is not
// a number becomes [Plan.Anonymous].
func (p *Plan) ToSAP(number string) string {
	var buf [64]byte
	b := p.AppendToSAP(buf[:0], number)
	if string(b) == number { // no allocation for what is right already
		return number
	}
	return string(b)
}

// DialedToSAP is ToSAP for a number that an agent dialled: the outside line
// prefix is dropped first, and * and # stay.
func (p *Plan) DialedToSAP(number string) string {
	var buf [64]byte
	return string(p.append(buf[:0], number, true))
}

// AppendToSAP appends what ToSAP returns.
func (p *Plan) AppendToSAP(dst []byte, number string) []byte {
	return p.append(dst, number, false)
}

func (p *Plan) append(dst []byte, number string, dialed bool) []byte {
	var buf [MaxDialed]byte
	c, f := clean(buf[:0], number)
	if c.code && dialed && f.err == nil {
		return append(dst, c.digits...)
	}
	if c.code || f.err != nil {
		return append(dst, p.anonymous...)
	}
	d := c.digits
	if dialed && !c.plus && len(d) > p.internalMax && len(p.outside) < len(d) &&
		string(d[:len(p.outside)]) == p.outside {
		d = d[len(p.outside):]
		return p.appendExternal(dst, d)
	}
	return p.appendE164(dst, d, c.plus)
}

// appendE164 appends the number in its form for SAP.
func (p *Plan) appendE164(dst, d []byte, plus bool) []byte {
	switch {
	case plus:
		return append(append(dst, '+'), d...)
	case len(d) > p.internalMax:
		return p.appendExternal(dst, d)
	case p.internalPrefix == "" || len(d) < p.internalMin:
		return append(dst, d...)
	}
	dst = append(append(dst, '+'), p.internalPrefix...)
	return append(dst, d...)
}

// appendExternal is appendE164 for a number that left the switch.
func (p *Plan) appendExternal(dst, d []byte) []byte {
	dst = append(dst, '+')
	if m := p.match(d); m != nil {
		dst = append(dst, m.To...)
		d = d[len(m.From):]
	}
	return append(dst, d...)
}

// match returns the rule with the longest beginning of d.
func (p *Plan) match(d []byte) *Match {
	for i := range p.matches {
		m := &p.matches[i]
		if len(m.From) < len(d) && string(d[:len(m.From)]) == m.From {
			return m
		}
	}
	return nil
}

// cleaned is a number without what does not belong to it.
type cleaned struct {
	digits []byte // also * and # when code
	plus   bool
	code   bool // has * or #
}

// fault says why a number is none; err is nil for a good one. It is apart from
// cleaned so that the digits can stay on the stack.
type fault struct {
	err   error
	place int // of the character at fault, from 1
	char  rune
}

// clean drops the wrapping and the delimiters of a number. dst must have room
// for MaxDialed digits.
func clean(dst []byte, s string) (c cleaned, f fault) {
	c = cleaned{digits: dst}
	start, end := trim(s)
	place := 0
	for i, r := range s {
		place++
		if i < start {
			continue
		}
		if i >= end {
			break
		}
		switch {
		case r >= '0' && r <= '9', r == '*', r == '#':
			if len(c.digits) == MaxDialed {
				f.err = ErrTooLong
				return c, f
			}
			c.digits = append(c.digits, byte(r))
			c.code = c.code || r == '*' || r == '#'
			// (0) is for people who dial from inside the country.
			if n := len(c.digits); r == '0' && c.plus && n > 1 && s[i-1] == '(' && i+1 < end && s[i+1] == ')' {
				c.digits = c.digits[:n-1]
			}
		case r == '+' && !c.plus && len(c.digits) == 0:
			c.plus = true
		case delimiter(r):
		default:
			f.err, f.place, f.char = ErrCharacter, place, r
			if isLetter(r) {
				f.err = ErrLetter
			}
			return c, f
		}
	}
	if len(c.digits) == 0 {
		f.err = ErrEmpty
	}
	return c, f
}

// trim returns the part of the text that is the number: without "sip:", "tel:",
// leading slashes, and what follows @ or ;.
func trim(s string) (start, end int) {
	end = len(s)
	for start < end && (s[start] == ' ' || s[start] == '/' || s[start] == '<' || s[start] == '"') {
		start++
	}
	for _, scheme := range [...]string{"sip:", "sips:", "tel:"} {
		if end-start >= len(scheme) && strings.EqualFold(s[start:start+len(scheme)], scheme) {
			start += len(scheme)
			break
		}
	}
	for start < end && s[start] == '/' {
		start++
	}
	if i := strings.IndexAny(s[start:end], "@;>"); i >= 0 {
		end = start + i
	}
	return start, end
}

// delimiter reports characters that people write between digits.
func delimiter(r rune) bool {
	switch r {
	case ' ', '\t', '-', '.', '/', '(', ')', '"',
		'\u00a0', '\u202f', '\u2007', '\u2009', // blanks
		'\u2010', '\u2011', '\u2012', '\u2013', // hyphens
		'\u200e', '\u202a', '\u202c', '\u2060': // marks that come with copied numbers
		return true
	}
	return false
}
