package attached

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind says which data of a call a [Target] is.
type Kind uint8

// The kinds of targets.
const (
	// CallVariable is one of the call variables 1 to 10.
	CallVariable Kind = iota + 1
	// ECCVariable is an expanded variable.
	ECCVariable
	// ECCElement is one element of an expanded array.
	ECCElement
	// WrapUpData is the wrap-up data of the call.
	WrapUpData
)

// wrapUpName is how a rule names the wrap-up data.
const wrapUpName = "WrapUpData"

// MaxIndex is the highest index of an expanded array: they have up to 255 elements.
const MaxIndex = 254

// Target is one place in the data of a call.
type Target struct {
	Kind Kind
	// Number is that of a call variable, 1 to 10.
	Number int
	// Name is that of an expanded variable, without the prefix ECC. or ECCA.
	Name string
	// Index is that of an array's element.
	Index int
}

func (t Target) index() int {
	if t.Kind == ECCElement {
		return t.Index
	}
	return Scalar
}

// String returns the form that [ParseTarget] reads.
func (t Target) String() string {
	switch t.Kind {
	case CallVariable:
		return callVariableName(t.Number)
	case ECCVariable:
		return eccPrefix + t.Name
	case ECCElement:
		if t.Index < 0 {
			return arrPrefix + t.Name
		}
		return arrPrefix + t.Name + "[" + strconv.Itoa(t.Index) + "]"
	case WrapUpData:
		return wrapUpName
	}
	return "Kind(" + strconv.Itoa(int(t.Kind)) + ")"
}

// ParseTarget reads CV01 to CV10, ECC.<name>, ECCA.<name>[index] or WrapUpData.
func ParseTarget(s string) (Target, error) {
	if s == wrapUpName {
		return Target{Kind: WrapUpData}, nil
	}
	if len(s) == 4 && ours(s) {
		n, _ := strconv.Atoi(s[2:])
		return Target{Kind: CallVariable, Number: n}, nil
	}
	t, err := parseECC(s)
	if err == nil && t.Kind == ECCElement && t.Index < 0 {
		err = fmt.Errorf("attached: %q needs an index, as in %s[0]", s, s)
	}
	return t, err
}

// parseECC reads ECC.<name>, ECCA.<name> or ECCA.<name>[index].
func parseECC(s string) (Target, error) {
	t := Target{Kind: ECCVariable}
	name, ok := strings.CutPrefix(s, eccPrefix)
	if !ok {
		if name, ok = strings.CutPrefix(s, arrPrefix); !ok {
			return Target{}, fmt.Errorf("attached: %q is not CV01 to CV10, %s<name>, %s<name>[index] or %s",
				s, eccPrefix, arrPrefix, wrapUpName)
		}
		t.Kind, t.Index = ECCElement, -1
		if open := strings.IndexByte(name, '['); open >= 0 && strings.HasSuffix(name, "]") {
			digits := name[open+1 : len(name)-1]
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil || n > MaxIndex {
				return Target{}, fmt.Errorf("attached: %q has no index from 0 to %d", s, MaxIndex)
			}
			name, t.Index = name[:open], int(n)
		}
	}
	t.Name = name
	switch {
	case name == "":
		return Target{}, fmt.Errorf("attached: %q has no name", s)
	case len(name) > maxECCName:
		return Target{}, fmt.Errorf("attached: %q has a name of more than %d bytes", s, maxECCName)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7F || r == '[' || r == ']' || r == 0xFFFD }):
		return Target{}, fmt.Errorf("attached: %q has a character that no variable's name has", s)
	}
	return t, nil
}
