package workcenter

import (
	"errors"
	"strconv"
	"strings"
)

// Reasons inside an [*Error]; compare with errors.Is.
var (
	// ErrMissing: the field is absent or empty.
	ErrMissing = errors.New("workcenter: missing")
	// ErrTooMany: the text has more fields than the form.
	ErrTooMany = errors.New("workcenter: too many fields")
	// ErrTooLong: the field is longer than the contact center takes.
	ErrTooLong = errors.New("workcenter: too long")
	// ErrCharacter: the field holds a character that cannot stand there.
	ErrCharacter = errors.New("workcenter: character not allowed")
	// ErrMedia: the media field does not follow the grammar.
	ErrMedia = errors.New("workcenter: not a list of media")
	// ErrShadow: shadow login was asked for and is not permitted.
	ErrShadow = errors.New("workcenter: shadow login is not permitted")
	// ErrNoAgent: no agent id is known for this SAP user or agent name.
	ErrNoAgent = errors.New("workcenter: no agent id is mapped")
)

// Field names one part of the work center text.
type Field string

// The fields. FieldText is the text as a whole.
const (
	FieldText      Field = "text"
	FieldAgentID   Field = "agentid"
	FieldAgentName Field = "agentname"
	FieldPassword  Field = "password"
	FieldDevice    Field = "device"
	FieldMedia     Field = "media"
)

// Error says why a work center text was refused. It holds nothing of the text.
type Error struct {
	// Type is the login type in force.
	Type LoginType
	// Field is the field at fault.
	Field Field
	// Place is the number of the field in the typed text, from 1. Zero is the
	// text as a whole, or an agent id that is not typed but mapped.
	Place int
	// Char is the place of the character at fault inside the field, from 1;
	// zero when no single character is at fault.
	Char int
	// Want is the form that was expected, for example "device[;media]".
	Want string
	// Err is one of the reasons of this package, or what a [Mapper] returned.
	Err error
}

// Error returns one line for people, in English.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("workcenter: ")
	if e.Place > 0 {
		b.WriteString("field " + strconv.Itoa(e.Place) + " (" + string(e.Field) + ")")
	} else {
		b.WriteString(string(e.Field))
	}
	if e.Char > 0 {
		b.WriteString(", character " + strconv.Itoa(e.Char))
	}
	b.WriteString(": " + strings.TrimPrefix(e.Err.Error(), "workcenter: "))
	b.WriteString("; expected " + e.Want)
	return b.String()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
