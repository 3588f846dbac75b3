package ici

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// parse reads one XML document in a single pass. The text must be UTF-8 without byte order mark. Beyond XML 1.0 it
// refuses document type declarations and every entity but the five of XML, so nothing in a message can make it grow.
func parse(p *Profile, src string, lim *Limits) (*document, error) {
	x := &scanner{s: src, lim: lim}
	x.d = &document{p: p, src: src}
	// One allocation in the common case: an element takes at least 25 bytes in real messages.
	x.d.nodes = make([]node, 1, min(len(src)/40+8, 1024))
	x.stack = x.stackBuf[:0]
	x.ns = x.nsBuf[:0]
	x.attrs = x.attrBuf[:0]
	if err := x.run(); err != nil {
		return nil, err
	}
	if err := x.d.resolve(lim.Elements); err != nil {
		return nil, err
	}
	return x.d, nil
}

type scanner struct {
	d     *document
	s     string
	pos   int
	lim   *Limits
	stack []frame
	ns    []binding
	attrs []attribute

	stackBuf [24]frame
	nsBuf    [16]binding
	attrBuf  [16]attribute
}

// frame is one open element.
type frame struct {
	node  int32
	last  int32 // last child
	qname string
	ns    int // bindings before the element
	arena int // start of its text in the arena, -1 = the text is part of the source
}

type binding struct{ prefix, uri string }

type attribute struct{ prefix, name, value string }

func (x *scanner) fail(at int, msg string) error { return x.failAs(at, msg, ErrSyntax) }

func (x *scanner) failAs(at int, msg string, err error) error {
	at = min(at, len(x.s))
	before := x.s[:at]
	return &ParseError{
		Line: strings.Count(before, "\n") + 1, Column: at - strings.LastIndexByte(before, '\n'), Offset: at, Msg: msg, Err: err,
	}
}

func (x *scanner) run() error {
	s := x.s
	if strings.HasPrefix(s, "<?xml") && len(s) > 5 && isSpace(s[5]) {
		end := strings.Index(s, "?>")
		if end < 0 {
			return x.fail(0, "XML declaration is not closed")
		}
		x.pos = end + 2
	}
	for x.pos < len(s) {
		if s[x.pos] != '<' {
			if err := x.text(); err != nil {
				return err
			}
			continue
		}
		if x.pos+1 >= len(s) {
			return x.fail(x.pos, "text ends inside a tag")
		}
		var err error
		switch s[x.pos+1] {
		case '/':
			err = x.endTag()
		case '!':
			err = x.declaration()
		case '?':
			err = x.instruction()
		default:
			err = x.startTag()
		}
		if err != nil {
			return err
		}
	}
	if len(x.stack) > 0 {
		return x.fail(len(s), "text ends before </"+clip(x.stack[len(x.stack)-1].qname)+">")
	}
	if len(x.d.nodes) == 1 {
		return x.fail(len(s), "no element found")
	}
	return nil
}

// clip shortens a name for an error text.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func (x *scanner) instruction() error {
	at := x.pos
	end := strings.Index(x.s[at:], "?>")
	if end < 0 {
		return x.fail(at, "processing instruction is not closed")
	}
	name, rest := x.name(at + 2)
	if name == "" {
		return x.fail(at, "processing instruction without a name")
	}
	if strings.EqualFold(name, "xml") {
		return x.fail(at, "XML declaration is not at the start")
	}
	if rest > at+end && rest != at+end {
		return x.fail(at, "processing instruction is malformed")
	}
	x.pos = at + end + 2
	return nil
}

func (x *scanner) declaration() error {
	at, rest := x.pos, x.s[x.pos:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		end := strings.Index(rest[4:], "--")
		if end < 0 {
			return x.fail(at, "comment is not closed")
		}
		if !strings.HasPrefix(rest[4+end:], "-->") {
			return x.fail(at+4+end, "-- inside a comment")
		}
		x.pos = at + 4 + end + 3
		return nil
	case strings.HasPrefix(rest, "<![CDATA["):
		end := strings.Index(rest[9:], "]]>")
		if end < 0 {
			return x.fail(at, "CDATA section is not closed")
		}
		if len(x.stack) == 0 {
			return x.fail(at, "text outside the root element")
		}
		body := rest[9 : 9+end]
		for i := 0; i < len(body); i++ {
			if textClass[body[i]] == tInvalid {
				return x.fail(at+9+i, "control character in text")
			}
		}
		x.addText(body, strings.IndexByte(body, '\r') >= 0)
		x.pos = at + 9 + end + 3
		return nil
	case strings.HasPrefix(rest, "<!DOCTYPE"):
		return x.fail(at, "document type declarations are not allowed")
	}
	return x.fail(at, "malformed markup")
}

// Classes of a byte in text.
const (
	tPlain = iota
	tLess
	tAmp
	tCR
	tBracket // ] may start the forbidden ]]>
	tNonChar // 0xEF may start U+FFFE, U+FFFF
	tInvalid
)

var textClass = func() (t [256]uint8) {
	for i := range 0x20 {
		t[i] = tInvalid
	}
	t['\t'], t['\n'] = tPlain, tPlain
	t['\r'], t['<'], t['&'], t[']'], t[0xEF] = tCR, tLess, tAmp, tBracket, tNonChar
	return t
}()

// text reads character data up to the next tag.
func (x *scanner) text() error {
	s, start := x.s, x.pos
	i, dirty := start, false
loop:
	for ; i < len(s); i++ {
		switch textClass[s[i]] {
		case tPlain:
		case tLess:
			break loop
		case tAmp:
			_, _, n := reference(s[i:])
			if n == 0 {
				return x.fail(i, "unknown or malformed entity or character reference")
			}
			i += n - 1
			dirty = true
		case tCR:
			dirty = true
		case tBracket:
			if strings.HasPrefix(s[i:], "]]>") {
				return x.fail(i, "]]> in text")
			}
		case tNonChar:
			if strings.HasPrefix(s[i:], "\uFFFE") || strings.HasPrefix(s[i:], "\uFFFF") {
				return x.fail(i, "character that XML does not allow")
			}
		case tInvalid:
			return x.fail(i, "control character in text")
		}
	}
	x.pos = i
	if len(x.stack) == 0 {
		if strings.Trim(s[start:i], " \t\r\n") != "" {
			return x.fail(start, "text outside the root element")
		}
		return nil
	}
	x.addPiece(s[start:i], dirty, true)
	return nil
}

func (x *scanner) addText(piece string, cr bool) { x.addPiece(piece, cr, false) }

// addPiece adds text to the innermost element. Text of an element that has child elements is not kept: nobody reads it.
func (x *scanner) addPiece(piece string, dirty, refs bool) {
	f := &x.stack[len(x.stack)-1]
	n := &x.d.nodes[f.node]
	if f.last != 0 || piece == "" {
		return
	}
	if n.text == "" && !dirty {
		n.text = piece
		return
	}
	a := &x.d.arena
	if a.Cap() == 0 {
		a.Grow(len(x.s) - int(n.start)) // all resolved text is shorter than its source, so it never grows again
	}
	if f.arena < 0 {
		f.arena = a.Len()
		a.WriteString(n.text)
	}
	unescapeTo(a, piece, refs)
	n.text = a.String()[f.arena:]
}

// unescapeTo resolves references (where refs is set) and line ends.
func unescapeTo(a *strings.Builder, s string, refs bool) {
	for {
		i := 0
		for i < len(s) && s[i] != '\r' && (s[i] != '&' || !refs) {
			i++
		}
		a.WriteString(s[:i])
		if i == len(s) {
			return
		}
		s = s[i:]
		if s[0] == '\r' {
			a.WriteByte('\n')
			s = s[1:]
			if strings.HasPrefix(s, "\n") {
				s = s[1:]
			}
			continue
		}
		r, b, n := reference(s)
		if b != 0 {
			a.WriteByte(b)
		} else {
			a.WriteRune(r)
		}
		s = s[n:]
	}
}

// reference reads &name; or &#number; at the start of s: one of the five entities gives b, a character reference r.
// n is its length, 0 if it is malformed or names a character that XML does not allow.
func reference(s string) (r rune, b byte, n int) {
	switch {
	case len(s) >= 4 && s[2] == 't' && s[3] == ';' && s[1] == 'l':
		return 0, '<', 4
	case len(s) >= 4 && s[2] == 't' && s[3] == ';' && s[1] == 'g':
		return 0, '>', 4
	case strings.HasPrefix(s, "&amp;"):
		return 0, '&', 5
	case strings.HasPrefix(s, "&quot;"):
		return 0, '"', 6
	case strings.HasPrefix(s, "&apos;"):
		return 0, '\'', 6
	case !strings.HasPrefix(s, "&#"):
		return 0, 0, 0
	}
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 3 {
		return 0, 0, 0
	}
	digits, base := s[2:end], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, 0, 0
	}
	v, err := strconv.ParseUint(digits, base, 32)
	if err != nil || !isChar(rune(min(v, utf8.MaxRune+1))) {
		return 0, 0, 0
	}
	return rune(v), 0, end + 1
}

func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// Classes of a byte in a name.
const (
	nNo = iota
	nLater
	nStart
)

var nameClass = func() (t [256]uint8) {
	for i := range t {
		switch {
		case i >= 'a' && i <= 'z', i >= 'A' && i <= 'Z', i == '_', i >= utf8.RuneSelf:
			t[i] = nStart
		case i >= '0' && i <= '9', i == '-', i == '.', i == ':':
			t[i] = nLater
		}
	}
	return t
}()

// name reads a name at i and returns it with the place after it. An empty name means that there is none.
func (x *scanner) name(i int) (string, int) {
	s := x.s
	if i >= len(s) || nameClass[s[i]] != nStart {
		return "", i
	}
	j := i + 1
	for j < len(s) && nameClass[s[j]] != nNo {
		j++
	}
	return s[i:j], j
}

func splitName(q string) (prefix, local string) {
	if i := strings.IndexByte(q, ':'); i >= 0 {
		return q[:i], q[i+1:]
	}
	return "", q
}

func (x *scanner) skipSpace(i int) int {
	for i < len(x.s) && isSpace(x.s[i]) {
		i++
	}
	return i
}
