package cti

import "strconv"

// Side is one of the two CTI servers of a duplex peripheral gateway. The zero value is neither,
// for connections that have no partner.
type Side byte

// The two sides.
const (
	SideA Side = 'A'
	SideB Side = 'B'
)

// String returns A, B, an empty string for the zero value, or Side(n).
func (s Side) String() string {
	switch s {
	case 0:
		return ""
	case SideA, SideB:
		return string(rune(s))
	}
	return "Side(" + strconv.Itoa(int(s)) + ")"
}

// Other returns the partner of a side.
func (s Side) Other() Side {
	if s == SideA {
		return SideB
	}
	return SideA
}
