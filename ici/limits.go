package ici

import (
	"errors"
	"fmt"
)

// Limits bound what a reader accepts. The zero value of each field means its default.
type Limits struct {
	Body       int64 // bytes of a message after decompression and as received, DefaultBodyLimit
	Depth      int   // nested elements, DefaultDepthLimit
	Elements   int   // elements of a message, those behind references counted each time, DefaultElementLimit
	Attributes int   // attributes of one element, DefaultAttributeLimit
	Name       int   // bytes of one name, DefaultNameLimit
}

// Defaults of [Limits].
const (
	DefaultBodyLimit      = 4 << 20
	DefaultDepthLimit     = 64
	DefaultElementLimit   = 20000
	DefaultAttributeLimit = 64
	DefaultNameLimit      = 256
)

func (l *Limits) withDefaults() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	setDefault(&out.Body, DefaultBodyLimit)
	setDefault(&out.Depth, DefaultDepthLimit)
	setDefault(&out.Elements, DefaultElementLimit)
	setDefault(&out.Attributes, DefaultAttributeLimit)
	setDefault(&out.Name, DefaultNameLimit)
	return out
}

func setDefault[T int | int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func (l *Limits) validate() error {
	if l == nil {
		return nil
	}
	var errs []error
	check := func(name string, v int64) {
		if v < 0 {
			errs = append(errs, fmt.Errorf("ici: Limits.%s=%d is negative", name, v))
		}
	}
	check("Body", l.Body)
	check("Depth", int64(l.Depth))
	check("Elements", int64(l.Elements))
	check("Attributes", int64(l.Attributes))
	check("Name", int64(l.Name))
	if l.Body > 1<<30 {
		errs = append(errs, fmt.Errorf("ici: Limits.Body=%d is above 1 GiB", l.Body))
	}
	return errors.Join(errs...)
}

// ParseError says where a message is wrong. Err is ErrSyntax, ErrTooLarge, ErrCharset or ErrEnvelope.
type ParseError struct {
	Line, Column int // of the text converted to UTF-8, from 1; the column counts bytes; 0 = the whole message
	Offset       int // bytes before the place
	Msg          string
	Err          error
}

// Error says what is wrong, and where.
func (e *ParseError) Error() string {
	if e.Line == 0 {
		return e.Err.Error() + ": " + e.Msg
	}
	return fmt.Sprintf("%v: line %d column %d: %s", e.Err, e.Line, e.Column, e.Msg)
}

// Unwrap gives Err.
func (e *ParseError) Unwrap() error { return e.Err }
