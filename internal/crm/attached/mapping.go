package attached

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
)

// Longest values in bytes of the code page, without the terminating zero (CTI
// reference, sections 4.3 and 16).
const (
	MaxCallVariable = 40
	MaxECCValue     = 210
	MaxWrapUpData   = 39
)

// Rule passes one value of SAP's document to the contact center.
type Rule struct {
	// Application is the owner of the part; default SAP-IC.
	Application string
	// Element is the element in it, for example "WrapUpReason" or
	// "Contact/Number".
	Element string
	// Target is CV01 to CV10, ECC.<name>, ECCA.<name>[index] or WrapUpData.
	Target string
	// MaxBytes shortens the value further, for an expanded variable that is
	// configured shorter than 210; zero is the target's own limit.
	MaxBytes int
}

// Mapping is a checked set of rules, as many as a site needs.
type Mapping struct {
	rules   []rule
	charset encoding.Encoding
}

type rule struct {
	application, element string
	target               Target
	max                  int
}

// Change is one value that has to go to the contact center.
type Change struct {
	Target Target
	// Value is the new value, shortened to what the target takes; "" clears it.
	Value string
	// Truncated: the value was longer. Replaced: characters that the code page
	// does not have became "?".
	Truncated, Replaced bool
	// Rule is the place of the rule in the configuration, from 0; -1 for an
	// element of an array that is given back only to keep the array whole.
	Rule int
}

// NewMapping checks the rules. charset is the code page of the contact center,
// nil for UTF-8. The error reports everything that is wrong.
func NewMapping(rules []Rule, charset encoding.Encoding) (*Mapping, error) {
	m := &Mapping{charset: charset}
	var errs []error
	for i, r := range rules {
		fail := func(err error) { errs = append(errs, fmt.Errorf("rule %d: %w", i+1, err)) }
		t, err := ParseTarget(r.Target)
		if err != nil {
			fail(err)
		}
		if r.Application == "" {
			r.Application = DefaultApplication
		}
		if !validPath(r.Element) {
			fail(fmt.Errorf("attached: Element %q is not a name or names with / between", r.Element))
		}
		limit := t.limit()
		if r.MaxBytes < 0 || r.MaxBytes > limit && err == nil {
			fail(fmt.Errorf("attached: MaxBytes=%d is not 0 to %d", r.MaxBytes, limit))
		}
		if r.MaxBytes > 0 {
			limit = r.MaxBytes
		}
		m.rules = append(m.rules, rule{r.Application, r.Element, t, limit})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

func (t Target) limit() int {
	switch t.Kind {
	case CallVariable:
		return MaxCallVariable
	case WrapUpData:
		return MaxWrapUpData
	}
	return MaxECCValue
}

func validPath(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || !utf8.ValidString(name) {
			return false
		}
		for i, r := range name {
			if !nameChar(r, i == 0) {
				return false
			}
		}
	}
	return true
}

// Apply returns what of the incoming document has to be written to the contact
// center: the targets whose value differs from that in v. v may be nil: all
// targets then. Neither d nor v changes; see [Variables.Set]. When an element of
// an array changes, all known elements of the array are returned.
func (m *Mapping) Apply(d *Document, v *Variables) []Change {
	if v == nil {
		v = &Variables{}
	}
	c := cutter{charset: m.charset}
	var changes []Change
	done := make(map[Target]bool, len(m.rules))
	for i := range m.rules {
		r := &m.rules[i]
		if done[r.target] {
			continue
		}
		raw, ok := d.Value(r.application, r.element)
		if !ok {
			continue
		}
		done[r.target] = true
		value, truncated, replaced := c.cut(raw, r.max)
		if now, known := v.Get(r.target); known && now == value || !known && value == "" {
			continue
		}
		changes = append(changes, Change{Target: r.target, Value: value, Truncated: truncated, Replaced: replaced, Rule: i})
	}
	return completeArrays(changes, v)
}

// completeArrays adds the elements that did not change of the arrays that did.
func completeArrays(changes []Change, v *Variables) []Change {
	for i := range len(changes) {
		t := changes[i].Target
		if t.Kind != ECCElement {
			continue
		}
		for j := range v.ECC {
			e := &v.ECC[j]
			other := Target{Kind: ECCElement, Name: e.Name, Index: e.Index}
			if e.Index < 0 || e.Name != t.Name || hasTarget(changes, other) {
				continue
			}
			changes = append(changes, Change{Target: other, Value: e.Value, Rule: -1})
		}
	}
	return changes
}

func hasTarget(changes []Change, t Target) bool {
	for i := range changes {
		if changes[i].Target == t {
			return true
		}
	}
	return false
}
