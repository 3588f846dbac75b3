package ici

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// parse reads one XML document in a single pass. The text must be UTF-8 without byte order mark. Beyond XML 1.0 it
// refuses document type declarations and every entity but the five of XML, so nothing in a message can make it grow.
func parse(p *Profile, src string, lim *Limits) (*document, error) {
	x := scanners.Get().(*scanner)
	defer x.release()
	x.s, x.lim, x.pos = src, lim, 0
	x.nodes = append(x.nodes[:0], node{})
	if err := x.run(); err != nil {
		return nil, err
	}
	d := &document{p: p, src: src, nodes: slices.Clone(x.nodes), typed: x.typed}
	if len(x.decoded) > 0 {
		text := string(x.arena)
		for _, r := range x.decoded {
			d.nodes[r.node].text = text[r.start:r.end]
		}
	}
	if len(x.hrefs) > 0 {
		if err := d.resolve(x.ids, x.hrefs, lim.Elements); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// scanners keeps the buffers of scanners; a scanner in it refers to no message.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

type scanner struct {
	s   string
	pos int
	lim *Limits

	nodes   []node
	stack   []frame
	ns      []binding
	attrs   []attribute
	ids     []ref
	hrefs   []ref
	arena   []byte // texts whose references were resolved
	decoded []span // where they are
	typed   bool
}

// span is the text of one element in the arena.
type span struct {
	node       int32
	start, end int32
}

// release drops everything that refers to the message and keeps buffers of usual size.
func (x *scanner) release() {
	if cap(x.nodes) > 4096 || cap(x.arena) > maxKeptBuffer || cap(x.stack) > 1024 || cap(x.ids)+cap(x.hrefs) > 1024 {
		return
	}
	clear(x.nodes)
	clear(x.stack[:cap(x.stack)])
	clear(x.ns[:cap(x.ns)])
	clear(x.attrs[:cap(x.attrs)])
	clear(x.ids)
	clear(x.hrefs)
	*x = scanner{
		nodes: x.nodes[:0], stack: x.stack[:0], ns: x.ns[:0], attrs: x.attrs[:0], ids: x.ids[:0], hrefs: x.hrefs[:0],
		arena: x.arena[:0], decoded: x.decoded[:0],
	}
	scanners.Put(x)
}

// frame is one open element.
type frame struct {
	node  int32
	last  int32 // last child
	qname string
	ns    int // bindings before the element
	span  int // number of its text in decoded, -1 = the text is part of the source
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
	if len(x.nodes) == 1 {
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
	if rest > at+end {
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
		cr := false
		for i := 0; i < len(body); i++ {
			switch textClass[body[i]] {
			case tInvalid:
				return x.fail(at+9+i, "control character in text")
			case tNonChar:
				if isNonChar(body[i:]) {
					return x.fail(at+9+i, "character that XML does not allow")
				}
			case tCR:
				cr = true
			}
		}
		if cr {
			body = lineEnds.Replace(body)
		}
		x.addPiece(body)
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
	i := start
	for ; i < len(s); i++ {
		c := textClass[s[i]]
		if c == tPlain {
			continue
		}
		if c == tLess {
			break
		}
		if c == tAmp || c == tCR {
			return x.textWithReferences(i)
		}
		if err := x.checkByte(i, c); err != nil {
			return err
		}
	}
	x.pos = i
	if len(x.stack) == 0 {
		if strings.Trim(s[start:i], " \t\r\n") != "" {
			return x.fail(start, "text outside the root element")
		}
		return nil
	}
	x.addPiece(s[start:i])
	return nil
}

// checkByte looks at a byte that may be wrong in text.
func (x *scanner) checkByte(i int, class uint8) error {
	switch {
	case class == tInvalid:
		return x.fail(i, "control character in text")
	case class == tBracket && strings.HasPrefix(x.s[i:], "]]>"):
		return x.fail(i, "]]> in text")
	case class == tNonChar && isNonChar(x.s[i:]):
		return x.fail(i, "character that XML does not allow")
	}
	return nil
}

func isNonChar(s string) bool {
	return strings.HasPrefix(s, "\uFFFE") || strings.HasPrefix(s, "\uFFFF")
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// textWithReferences reads character data from x.pos on; the first reference or carriage return stands at i.
func (x *scanner) textWithReferences(i int) error {
	if len(x.stack) == 0 {
		if x.s[i] == '&' || strings.Trim(x.s[x.pos:i], " \t\r\n") != "" {
			return x.fail(x.pos, "text outside the root element")
		}
		x.pos = i + 1 // a carriage return between markup
		return nil
	}
	f := &x.stack[len(x.stack)-1]
	keep := f.last == 0
	if keep {
		x.openSpan(f)
	}
	s, a := x.s, x.arena
	chunk := x.pos
	for ; i < len(s); i++ {
		c := textClass[s[i]]
		if c == tPlain {
			continue
		}
		if c == tLess {
			break
		}
		switch c {
		case tAmp:
			a = append(a, s[chunk:i]...)
			if i+4 <= len(s) && s[i+2] == 't' && s[i+3] == ';' && s[i+1] == 'l' {
				a = append(a, '<')
				i += 3
			} else if i+4 <= len(s) && s[i+2] == 't' && s[i+3] == ';' && s[i+1] == 'g' {
				a = append(a, '>')
				i += 3
			} else {
				r, n := reference(s[i:])
				if n == 0 {
					return x.fail(i, "unknown or malformed entity or character reference")
				}
				a = utf8.AppendRune(a, r)
				i += n - 1
			}
			chunk = i + 1
		case tCR:
			a = append(append(a, s[chunk:i]...), '\n')
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			chunk = i + 1
		default:
			if err := x.checkByte(i, c); err != nil {
				return err
			}
		}
	}
	x.pos = i
	if keep {
		x.arena = append(a, s[chunk:i]...)
		x.decoded[f.span].end = int32(len(x.arena))
	}
	return nil
}

// openSpan moves the text of an element to the end of the arena, if it is not there already.
func (x *scanner) openSpan(f *frame) {
	if f.span >= 0 {
		return
	}
	f.span = len(x.decoded)
	at := int32(len(x.arena))
	x.arena = append(x.arena, x.nodes[f.node].text...)
	x.decoded = append(x.decoded, span{f.node, at, int32(len(x.arena))})
}

// addPiece adds plain text to the innermost element. Text of an element that has child elements is not kept: nobody
// reads it.
func (x *scanner) addPiece(piece string) {
	f := &x.stack[len(x.stack)-1]
	if f.last != 0 || piece == "" {
		return
	}
	if n := &x.nodes[f.node]; f.span < 0 && n.text == "" {
		n.text = piece
		return
	}
	x.openSpan(f)
	x.arena = append(x.arena, piece...)
	x.decoded[f.span].end = int32(len(x.arena))
}

// reference reads &name; or &#number; at the start of s and gives the character with the length of the reference, 0 if
// it is malformed or names a character that XML does not allow.
func reference(s string) (rune, int) {
	switch {
	case strings.HasPrefix(s, "&amp;"):
		return '&', 5
	case strings.HasPrefix(s, "&lt;"):
		return '<', 4
	case strings.HasPrefix(s, "&gt;"):
		return '>', 4
	case strings.HasPrefix(s, "&quot;"):
		return '"', 6
	case strings.HasPrefix(s, "&apos;"):
		return '\'', 6
	case !strings.HasPrefix(s, "&#"):
		return 0, 0
	}
	end := strings.IndexByte(s[:min(len(s), 16)], ';')
	if end < 3 {
		return 0, 0
	}
	digits, base := s[2:end], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, 0
	}
	v, err := strconv.ParseUint(digits, base, 32)
	if err != nil || !isChar(rune(min(v, utf8.MaxRune+1))) {
		return 0, 0
	}
	return rune(v), end + 1
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
