package dialing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Defaults and limits of [Rules].
const (
	// DefaultInternalMaxLength is the longest internal number in digits
	// (CtiNumberInternMaxLength).
	DefaultInternalMaxLength = 5
	// MaxInternalMaxLength is the largest value for it.
	MaxInternalMaxLength = 16
	// DefaultInternational is the international rule (assumed).
	DefaultInternational = "00,"
	// DefaultAnonymous is what SAP sees of a caller without a number.
	DefaultAnonymous = "0"
	// MaxE164 is the longest international number in digits (ITU-T E.164).
	MaxE164 = 15
	// MaxDialed is the longest number the switch takes, in bytes (DialedNumber
	// of MAKE_CALL_REQ is 40 with its zero).
	MaxDialed = 39
)

// Match is one rule of the kind X,Y: a leading X is replaced by Y.
type Match struct {
	// From is X, digits; empty fits every number.
	From string
	// To is Y, digits of an E.164 number without the plus; empty for the
	// international rule, whose numbers have the country already.
	To string
}

// String writes the rule as X,Y.
func (m Match) String() string { return m.From + "," + m.To }

// ParseMatch reads a rule such as "0,41" or "00,". Blanks around the parts do
// not matter.
func ParseMatch(s string) (Match, error) {
	from, to, ok := strings.Cut(s, ",")
	m := Match{From: strings.TrimSpace(from), To: strings.TrimSpace(to)}
	switch {
	case !ok:
		return Match{}, fmt.Errorf("dialing: rule %q is not of the form X,Y", s)
	case !isDigits(m.From) || !isDigits(m.To):
		return Match{}, fmt.Errorf("dialing: rule %q has something but digits", s)
	case m.From == "" && m.To == "":
		return Match{}, fmt.Errorf("dialing: rule %q is empty", s)
	case len(m.From) > MaxE164 || len(m.To) > MaxE164:
		return Match{}, fmt.Errorf("dialing: rule %q has more than %d digits", s, MaxE164)
	}
	return m, nil
}

// Rules describe one site. The zero value knows internal numbers of up to five
// digits and the international prefix 00.
type Rules struct {
	// InternalMaxLength is the longest internal number in digits, 1 to 16;
	// default 5. The longest internal number must be shorter than the shortest
	// external one (CtiNumberInternMaxLength).
	InternalMaxLength int
	// InternalMinLength is the shortest internal number in digits that has an
	// E.164 form, 1 to InternalMaxLength; default 1. Shorter ones are short codes
	// that go to SAP as they are. Set it when InternalPrefix is shared with
	// somebody else: with prefix 4131555 and lengths 1 to 5, +41315550100 is our
	// internal number 0100.
	InternalMinLength int
	// InternalPrefix is put before internal numbers to make them E.164 numbers,
	// digits, for example 4131555 (CtiNumberInternPrefix). Empty: internal
	// numbers go to SAP as they are.
	InternalPrefix string
	// National are rules "X,Y", for example "0,41": national numbers begin with
	// 0 and belong to country 41 (CtiNumberNationalMatch). Several are possible;
	// towards the switch the first whose Y fits is taken.
	National []string
	// International is the rule for international numbers; default "00,".
	International string
	// OutsideLine is dialled before every number that leaves the switch, digits.
	OutsideLine string
	// DialPlus gives numbers that leave the switch as E.164 with + to it,
	// without OutsideLine, for switches that take + dialling.
	DialPlus bool
	// Anonymous is what SAP gets for a caller without a number; default "0".
	Anonymous string
}

// Plan is a checked set of [Rules].
type Plan struct {
	internalMin    int
	internalMax    int
	internalPrefix string
	matches        []Match // National and International, longest From first
	national       []Match // as configured
	international  Match
	outside        string
	dialPlus       bool
	anonymous      string
}

// New checks the rules and makes a Plan; nil is the zero Rules. The error
// reports everything that is wrong.
func New(r *Rules) (*Plan, error) {
	if r == nil {
		r = &Rules{}
	}
	p := &Plan{
		internalMin:    r.InternalMinLength,
		internalMax:    r.InternalMaxLength,
		internalPrefix: r.InternalPrefix,
		outside:        r.OutsideLine,
		dialPlus:       r.DialPlus,
		anonymous:      r.Anonymous,
	}
	if p.internalMax == 0 {
		p.internalMax = DefaultInternalMaxLength
	}
	if p.internalMin == 0 {
		p.internalMin = 1
	}
	if p.anonymous == "" {
		p.anonymous = DefaultAnonymous
	}
	var errs []error
	if p.internalMax < 1 || p.internalMax > MaxInternalMaxLength {
		errs = append(errs, fmt.Errorf("dialing: InternalMaxLength=%d is not 1 to %d", p.internalMax, MaxInternalMaxLength))
	}
	if p.internalMin < 1 || p.internalMin > p.internalMax {
		errs = append(errs, fmt.Errorf("dialing: InternalMinLength=%d is not 1 to %d", p.internalMin, p.internalMax))
	}
	if !isDigits(p.internalPrefix) || len(p.internalPrefix) >= MaxE164 {
		errs = append(errs, fmt.Errorf("dialing: InternalPrefix=%q is not 0 to %d digits", p.internalPrefix, MaxE164-1))
	}
	if !isDigits(p.outside) || len(p.outside) > 8 {
		errs = append(errs, fmt.Errorf("dialing: OutsideLine=%q is not 0 to 8 digits", p.outside))
	}
	for _, s := range r.National {
		m, err := ParseMatch(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("National: %w", err))
			continue
		}
		if m.To == "" {
			errs = append(errs, fmt.Errorf("dialing: National rule %q has no country", s))
		}
		p.national = append(p.national, m)
	}
	international := r.International
	if international == "" {
		international = DefaultInternational
	}
	m, err := ParseMatch(international)
	if err != nil {
		errs = append(errs, fmt.Errorf("International: %w", err))
	}
	if err == nil && m.To != "" {
		errs = append(errs, fmt.Errorf("dialing: International rule %q must end with its comma", international))
	}
	p.international = m
	p.matches = append(slices.Clone(p.national), m)
	slices.SortStableFunc(p.matches, func(a, b Match) int { return len(b.From) - len(a.From) })
	for i := 1; i < len(p.matches); i++ {
		if p.matches[i].From == p.matches[i-1].From {
			errs = append(errs, fmt.Errorf("dialing: two rules begin with %q", p.matches[i].From))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// Anonymous returns what SAP gets for a caller without a number.
func (p *Plan) Anonymous() string { return p.anonymous }

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
