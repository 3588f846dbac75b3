package lang

import (
	"errors"
	"strconv"
	"strings"
)

// Reasons inside a [*Problem]; compare with errors.Is.
var (
	// ErrSyntax: the line is neither a section, an entry nor a comment.
	ErrSyntax = errors.New("lang: not a section, an entry or a comment")
	// ErrEncoding: the line is not UTF-8.
	ErrEncoding = errors.New("lang: not UTF-8")
	// ErrNumber: the entry of a section with numbers is none.
	ErrNumber = errors.New("lang: not a number")
	// ErrTooLow: a not-ready reason is not above 999.
	ErrTooLow = errors.New("lang: not-ready reasons have numbers above 999")
	// ErrDuplicate: the entry, or the language, was there before.
	ErrDuplicate = errors.New("lang: twice")
	// ErrEmpty: the entry has no text.
	ErrEmpty = errors.New("lang: no text")
	// ErrTooLarge: the file, the line or the number of entries is above the limit.
	ErrTooLarge = errors.New("lang: too large")
	// ErrFileName: the file's name is not a language code.
	ErrFileName = errors.New("lang: file name is not a language code")
	// ErrUnknown: the section or entry means nothing to us. Only a warning.
	ErrUnknown = errors.New("lang: unknown, ignored")
	// ErrManyReasons: more reasons than the old product took. Only a warning.
	ErrManyReasons = errors.New("lang: more than 47 not-ready reasons")
	// ErrNoDirectory: there is no directory with language files. Only a warning.
	ErrNoDirectory = errors.New("lang: no language files, built-in English is used")
)

// Problem is one thing that is wrong with a language file.
type Problem struct {
	// File is the file's name, Line its line from 1; zero is the file itself.
	File string
	Line int
	// What names the section or entry at fault; may be empty.
	What string
	// Err is one of the reasons of this package, or that of the file system.
	Err error
}

// Error returns one line: file:line: reason: what.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString("lang: ")
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.What != "" {
		b.WriteString(p.What + ": ")
	}
	b.WriteString(strings.TrimPrefix(p.Err.Error(), "lang: "))
	return b.String()
}

// Unwrap returns the reason.
func (p *Problem) Unwrap() error { return p.Err }
