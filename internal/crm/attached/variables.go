package attached

import "strconv"

// Scalar is the Index of an expanded variable that is not an array.
const Scalar = -1

// CallVariables is the number of call variables.
const CallVariables = 10

// ECC is one expanded call variable, or one element of an array.
type ECC struct {
	// Name is the name in the contact center, for example user.ced.
	Name string
	// Index is the element of an array from 0, or [Scalar].
	Index int
	// Value is UTF-8 text.
	Value string
}

// Variables are the data of a call as the contact center has them. They belong
// to one goroutine.
type Variables struct {
	// Call are the call variables 1 to 10.
	Call [CallVariables]string
	// MID is the media identifier: the peripheral call key of a voice call.
	MID string
	// ECC are the expanded variables, arrays element by element.
	ECC []ECC
	// WrapUp is the wrap-up data.
	WrapUp string
}

// Get returns the value of a target and whether there is one.
func (v *Variables) Get(t Target) (string, bool) {
	switch t.Kind {
	case CallVariable:
		if t.Number >= 1 && t.Number <= CallVariables {
			return v.Call[t.Number-1], true
		}
	case WrapUpData:
		return v.WrapUp, true
	case ECCVariable, ECCElement:
		for i := range v.ECC {
			if e := &v.ECC[i]; e.Index == t.index() && e.Name == t.Name {
				return e.Value, true
			}
		}
	}
	return "", false
}

// Set gives a target a value.
func (v *Variables) Set(t Target, value string) {
	switch t.Kind {
	case CallVariable:
		if t.Number >= 1 && t.Number <= CallVariables {
			v.Call[t.Number-1] = value
		}
	case WrapUpData:
		v.WrapUp = value
	case ECCVariable, ECCElement:
		for i := range v.ECC {
			if e := &v.ECC[i]; e.Index == t.index() && e.Name == t.Name {
				e.Value = value
				return
			}
		}
		v.ECC = append(v.ECC, ECC{Name: t.Name, Index: t.index(), Value: value})
	}
}

// callVariableName returns CV01 to CV10.
func callVariableName(n int) string {
	if n < 10 {
		return "CV0" + strconv.Itoa(n)
	}
	return "CV" + strconv.Itoa(n)
}
