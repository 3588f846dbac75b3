package lang

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a language file.
const (
	// MaxFile is the largest file in bytes.
	MaxFile = 1 << 20
	// MaxLine is the longest line in bytes.
	MaxLine = 1024
	// MaxEntries is the most entries of a file.
	MaxEntries = 5000
	// MaxNumber is the highest number of an entry: an offset and 65,535.
	MaxNumber = 1 << 20
	// LowestReason is the lowest not-ready reason (SAP keeps those below).
	LowestReason = 1000
	// manyReasons is the old product's limit per language.
	manyReasons = 47
)

// Entry is one text of a file.
type Entry struct {
	Section Section
	// ID is the number or the name, as it stands in the file.
	ID string
	// Text is what the agent sees.
	Text string
	// Line is where it stands, from 1.
	Line int
}

// File is one language file that was understood.
type File struct {
	// Name is the file's name.
	Name string
	// Entries are the texts in the order of the file.
	Entries []Entry
	// Warnings are what an operator should look at; the file is good.
	Warnings []*Problem
}

// Parse reads a language file. The error joins every [*Problem] of the file.
func Parse(name string, data []byte) (*File, error) {
	p := parser{file: &File{Name: name}, seen: map[Section]map[string]int{}}
	if len(data) > MaxFile {
		return nil, &Problem{File: name, What: strconv.Itoa(len(data)) + " bytes", Err: ErrTooLarge}
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &Problem{File: name, What: "UTF-16 byte order mark", Err: ErrEncoding}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	p.section = noSection
	for raw := range bytes.Lines(data) {
		p.line++
		p.parseLine(raw)
	}
	if n := len(p.seen[WorkModeSupplementary]); n > manyReasons {
		p.warn(0, strconv.Itoa(n)+" in ["+WorkModeSupplementary.String()+"]", ErrManyReasons)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.file, nil
}

const noSection = sections

// skipSection is a section that we do not know.
const skipSection = sections + 1

type parser struct {
	file    *File
	line    int
	section Section
	seen    map[Section]map[string]int // line of an entry
	errs    []error
	full    bool
}

func (p *parser) fail(what string, err error) {
	if len(p.errs) < 50 { // a file of another kind need not fill the log
		p.errs = append(p.errs, &Problem{File: p.file.Name, Line: p.line, What: what, Err: err})
	}
}

func (p *parser) warn(line int, what string, err error) {
	p.file.Warnings = append(p.file.Warnings, &Problem{File: p.file.Name, Line: line, What: what, Err: err})
}

func (p *parser) parseLine(raw []byte) {
	if len(raw) > MaxLine {
		p.fail("line of "+strconv.Itoa(len(raw))+" bytes", ErrTooLarge)
		return
	}
	if !utf8.Valid(raw) {
		p.fail("", ErrEncoding)
		return
	}
	line := strings.TrimSpace(string(raw))
	switch {
	case line == "" || line[0] == '#':
	case line[0] == '[':
		p.parseSection(line)
	default:
		p.parseEntry(line)
	}
}

func (p *parser) parseSection(line string) {
	name, ok := strings.CutSuffix(line[1:], "]")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		p.fail("", ErrSyntax)
		p.section = skipSection
		return
	}
	s, ok := sectionByName(name)
	if !ok {
		p.warn(p.line, "["+name+"]", ErrUnknown)
		s = skipSection
	}
	p.section = s
}

func (p *parser) parseEntry(line string) {
	id, text, ok := strings.Cut(line, "=")
	id, text = strings.TrimSpace(id), strings.TrimSpace(text)
	if !ok || id == "" || p.section == noSection {
		p.fail("", ErrSyntax)
		return
	}
	if p.section == skipSection {
		return
	}
	if text == "" {
		p.fail(id, ErrEmpty)
		return
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		p.fail(id, ErrSyntax)
		return
	}
	if p.section.Numeric() {
		n, err := number(id)
		if err != nil {
			p.fail(id, err)
			return
		}
		if p.section == WorkModeSupplementary && n < LowestReason {
			p.fail(id, ErrTooLow)
			return
		}
		id = strconv.Itoa(n)
	}
	key := strings.ToLower(id)
	if p.seen[p.section] == nil {
		p.seen[p.section] = map[string]int{}
	}
	if before := p.seen[p.section][key]; before > 0 {
		p.fail(id+", first in line "+strconv.Itoa(before), ErrDuplicate)
		return
	}
	p.seen[p.section][key] = p.line
	if len(p.file.Entries) >= MaxEntries {
		if !p.full {
			p.fail(strconv.Itoa(MaxEntries)+" entries", ErrTooLarge)
		}
		p.full = true
		return
	}
	p.file.Entries = append(p.file.Entries, Entry{Section: p.section, ID: id, Text: text, Line: p.line})
}

func number(s string) (int, error) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrNumber
		}
		n = n*10 + int(s[i]-'0')
		if n > MaxNumber {
			return 0, ErrTooLarge
		}
	}
	return n, nil
}
