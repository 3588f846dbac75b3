package dialing

import (
	"errors"
	"strconv"
	"strings"
)

// Reasons inside a [*NumberError]; compare with errors.Is.
var (
	// ErrEmpty: there is no digit.
	ErrEmpty = errors.New("dialing: no digits")
	// ErrLetter: a letter stands in the number.
	ErrLetter = errors.New("dialing: letter in a number")
	// ErrCharacter: something else stands in the number that cannot be dialled.
	ErrCharacter = errors.New("dialing: character cannot be dialled")
	// ErrTooLong: the number is longer than the network or the switch takes.
	ErrTooLong = errors.New("dialing: too long")
)

// NumberError says why a number cannot be dialled. It does not hold the number.
type NumberError struct {
	// Place is the place of the character at fault, from 1; zero for the whole.
	Place int
	// Rune is the character at fault, if there is one.
	Rune rune
	// Err is one of the reasons of this package.
	Err error
}

// Error returns one line for people, in English.
func (e *NumberError) Error() string {
	s := "dialing: "
	if e.Place > 0 {
		s += "character " + strconv.Itoa(e.Place) + " (" + strconv.QuoteRune(e.Rune) + "): "
	}
	return s + strings.TrimPrefix(e.Err.Error(), "dialing: ")
}

// Unwrap returns the reason.
func (e *NumberError) Unwrap() error { return e.Err }
