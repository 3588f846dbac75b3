package attached

import (
	"errors"
	"strconv"
	"strings"
)

// Reasons inside a [*DocumentError]; compare with errors.Is.
var (
	// ErrNotXML: the text is not a well-formed document.
	ErrNotXML = errors.New("attached: not a well-formed XML document")
	// ErrRoot: the root is not ItemAttachedData.
	ErrRoot = errors.New("attached: root is not ItemAttachedData")
	// ErrDTD: document types and their entities are not taken.
	ErrDTD = errors.New("attached: document type is not allowed")
	// ErrTooLong: the document, alone or merged, is above the limit.
	ErrTooLong = errors.New("attached: document is too long")
	// ErrTooDeep: elements or attributes are nested or repeated above the limit.
	ErrTooDeep = errors.New("attached: too many nested elements, parts or attributes")
)

// DocumentError says why a document was refused. It holds nothing of it.
type DocumentError struct {
	// Offset is the byte at fault, from 0; Line its line, from 1.
	Offset, Line int
	// What describes the fault, for example "end tag does not match".
	What string
	// Err is one of the reasons of this package.
	Err error
}

// Error returns one line for people, in English.
func (e *DocumentError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Error())
	b.WriteString(": line " + strconv.Itoa(e.Line) + ", byte " + strconv.Itoa(e.Offset))
	if e.What != "" {
		b.WriteString(": " + e.What)
	}
	return b.String()
}

// Unwrap returns the reason.
func (e *DocumentError) Unwrap() error { return e.Err }
