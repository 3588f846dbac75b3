package dialing

import (
	"strings"
	"unicode"
)

// MaxDTMF is the most digits of one DTMF request (DTMFString of
// SEND_DTMF_SIGNAL_REQ is 32 with its zero).
const MaxDTMF = 31

// ToSwitch returns the number as the switch has to dial it. An error is a
// [*NumberError] with the place of the character at fault.
func (p *Plan) ToSwitch(number string) (string, error) {
	var buf [MaxDialed]byte
	c, f := clean(buf[:0], number)
	if f.err != nil {
		return "", &NumberError{Place: f.place, Rune: f.char, Err: f.err}
	}
	if c.code {
		if c.plus {
			i := strings.IndexAny(number, "*#")
			return "", &NumberError{Place: len([]rune(number[:i])) + 1, Rune: rune(number[i]), Err: ErrCharacter}
		}
		return string(c.digits), nil
	}
	if !c.plus && len(c.digits) <= p.internalMax {
		return string(c.digits), nil
	}
	var e164buf [2 * MaxDialed]byte
	e := p.appendE164(e164buf[:0], c.digits, c.plus)[1:]
	if len(e) > MaxE164 {
		return "", &NumberError{Err: ErrTooLong}
	}
	var out [2 * MaxDialed]byte
	b := p.appendDialed(out[:0], e)
	if len(b) > MaxDialed {
		return "", &NumberError{Err: ErrTooLong}
	}
	return string(b), nil
}

// Internal reports whether a number, in the form of either side, is one of our
// own, and returns its internal form.
func (p *Plan) Internal(number string) (string, bool) {
	s, err := p.ToSwitch(number)
	if err != nil || len(s) > p.internalMax || !isDigits(s) {
		return "", false
	}
	return s, true
}

// appendDialed appends the form for the switch of an E.164 number without its plus.
func (p *Plan) appendDialed(dst, e []byte) []byte {
	if n := len(p.internalPrefix); n > 0 && len(e)-n >= p.internalMin && len(e)-n <= p.internalMax &&
		string(e[:n]) == p.internalPrefix {
		return append(dst, e[n:]...)
	}
	if p.dialPlus {
		return append(append(dst, '+'), e...)
	}
	base := len(dst)
	dst = append(dst, p.outside...)
	start := len(dst)
	for i := range p.national {
		m := &p.national[i]
		if len(e) <= len(m.To) || string(e[:len(m.To)]) != m.To {
			continue
		}
		dst = append(append(dst, m.From...), e[len(m.To):]...)
		// A national number that reads as an internal one, or by another rule
		// (0 followed by 0 is international), is dialled internationally.
		if len(dst)-base > p.internalMax && p.reads(dst[start:], m) {
			return dst
		}
		dst = dst[:start]
	}
	return append(append(dst, p.international.From...), e...)
}

// reads reports whether d is read by rule m.
func (p *Plan) reads(d []byte, m *Match) bool {
	got := p.match(d)
	return got != nil && *got == *m
}

// CheckDTMF looks at the digits for DTMF tones: 0 to 9, *, #, A to D, at most 31.
// An error is a [*NumberError].
func CheckDTMF(digits string) error {
	if digits == "" {
		return &NumberError{Err: ErrEmpty}
	}
	place := 0
	for _, r := range digits {
		place++
		switch {
		case r >= '0' && r <= '9', r == '*', r == '#', r >= 'A' && r <= 'D', r >= 'a' && r <= 'd':
		case isLetter(r):
			return &NumberError{Place: place, Rune: r, Err: ErrLetter}
		default:
			return &NumberError{Place: place, Rune: r, Err: ErrCharacter}
		}
	}
	if place > MaxDTMF {
		return &NumberError{Err: ErrTooLong}
	}
	return nil
}

func isLetter(r rune) bool { return unicode.IsLetter(r) }
