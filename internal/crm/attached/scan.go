package attached

import (
	"strings"
	"unicode/utf8"
)

// scanner splits a document into tags and text and refuses what is not well
// formed. It copies nothing.
type scanner struct {
	s   string
	pos int
	// fault is the first thing that is wrong, nil so far.
	fault *DocumentError
}

type tokenKind uint8

const (
	tokenEOF tokenKind = iota
	tokenStart
	tokenEnd
	tokenText
	tokenCDATA
	tokenOther // comment or processing instruction
)

// token is one piece of the document; s[start:end] is its text.
type token struct {
	kind       tokenKind
	start, end int
	name       string // of a tag
	attrs      string // of a start tag, raw
	empty      bool   // <a/>
}

// maxAttributes bounds the attributes of one element.
const maxAttributes = 32

func (p *scanner) fail(err error, at int, what string) {
	if p.fault == nil {
		p.fault = &DocumentError{
			Offset: at, Line: 1 + strings.Count(p.s[:min(at, len(p.s))], "\n"), What: what, Err: err,
		}
	}
}

// next returns the next token; tokenEOF at the end and after a fault.
func (p *scanner) next() token {
	t := token{start: p.pos}
	rest := p.s[p.pos:]
	switch {
	case rest == "":
		return token{start: p.pos, end: p.pos}
	case rest[0] != '<':
		t.kind = tokenText
		p.text()
	case strings.HasPrefix(rest, "</"):
		t.kind = tokenEnd
		p.pos += 2
		t.name = p.name()
		p.blanks()
		p.expect(">")
	case strings.HasPrefix(rest, "<!--"):
		t.kind = tokenOther
		p.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		t.kind = tokenCDATA
		p.pos += len("<![CDATA[")
		p.until("]]>", "open CDATA section")
	case strings.HasPrefix(rest, "<!"):
		p.fail(ErrDTD, p.pos, "")
	case strings.HasPrefix(rest, "<?"):
		t.kind = tokenOther
		p.instruction()
	default:
		t.kind = tokenStart
		p.startTag(&t)
	}
	t.end = p.pos
	if p.fault != nil {
		return token{start: t.start, end: t.start}
	}
	return t
}

// text reads character data up to the next tag.
func (p *scanner) text() {
	for p.pos < len(p.s) && p.fault == nil {
		switch c := p.s[p.pos]; {
		case plain[c] && c != ']':
			p.pos++
		case c == '<':
			return
		case c == '&':
			p.reference()
		case c == ']' && strings.HasPrefix(p.s[p.pos:], "]]>"):
			p.fail(ErrNotXML, p.pos, "]]> in text")
		case c >= ' ' && c < utf8.RuneSelf:
			p.pos++
		default:
			p.char()
		}
	}
}

// char reads one character that XML allows.
func (p *scanner) char() {
	c := p.s[p.pos]
	if c < utf8.RuneSelf {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			p.fail(ErrNotXML, p.pos, "control character")
			return
		}
		p.pos++
		return
	}
	r, n := utf8.DecodeRuneInString(p.s[p.pos:])
	switch {
	case r == utf8.RuneError && n == 1:
		p.fail(ErrNotXML, p.pos, "not UTF-8")
	case r == 0xFFFE || r == 0xFFFF:
		p.fail(ErrNotXML, p.pos, "character not allowed")
	}
	p.pos += n
}

// reference reads &name; or &#n;.
func (p *scanner) reference() {
	if _, n := decodeReference(p.s[p.pos:]); n > 0 {
		p.pos += n
		return
	}
	p.fail(ErrNotXML, p.pos, "unknown entity")
}

// until moves behind the mark.
func (p *scanner) until(mark, what string) {
	i := strings.Index(p.s[p.pos:], mark)
	if i < 0 {
		p.fail(ErrNotXML, p.pos, what)
		return
	}
	for end := p.pos + i; p.pos < end && p.fault == nil; {
		p.char()
	}
	p.pos += len(mark)
}

func (p *scanner) comment() {
	start := p.pos
	p.pos += len("<!--")
	p.until("-->", "open comment")
	// -- may stand nowhere in a comment, so --- cannot end one.
	if body := p.s[start+4 : max(start+4, min(p.pos, len(p.s))-3)]; p.fault == nil &&
		(strings.Contains(body, "--") || strings.HasSuffix(body, "-")) {
		p.fail(ErrNotXML, start, "-- in a comment")
	}
}

func (p *scanner) instruction() {
	start := p.pos
	p.pos += len("<?")
	target := p.name()
	if p.fault != nil {
		return
	}
	if strings.EqualFold(target, "xml") {
		p.fail(ErrNotXML, start, "XML declaration inside the document")
		return
	}
	if !strings.HasPrefix(p.s[p.pos:], "?>") && !p.blanks() {
		p.fail(ErrNotXML, p.pos, "processing instruction")
		return
	}
	p.until("?>", "open processing instruction")
}

func (p *scanner) startTag(t *token) {
	p.pos++
	t.name = p.name()
	if p.fault == nil && p.pos < len(p.s) && p.s[p.pos] == '>' {
		p.pos++
		return
	}
	p.attributes(t)
}

// attributes reads the rest of a start tag.
func (p *scanner) attributes(t *token) {
	attrs := p.pos
	var seen [maxAttributes]string
	n := 0
	for p.fault == nil {
		blank := p.blanks()
		if p.pos >= len(p.s) {
			p.fail(ErrNotXML, p.pos, "open tag")
			return
		}
		switch c := p.s[p.pos]; {
		case c == '>':
			t.attrs = p.s[attrs:p.pos]
			p.pos++
			return
		case c == '/':
			t.attrs, t.empty = p.s[attrs:p.pos], true
			p.expect("/>")
			return
		case !blank:
			p.fail(ErrNotXML, p.pos, "tag")
			return
		}
		if n == maxAttributes {
			p.fail(ErrTooDeep, p.pos, "attributes")
			return
		}
		at := p.pos
		seen[n] = p.name()
		for _, s := range seen[:n] {
			if s == seen[n] {
				p.fail(ErrNotXML, at, "attribute twice")
			}
		}
		n++
		p.blanks()
		p.expect("=")
		p.blanks()
		p.quoted()
	}
}

// quoted reads an attribute's value.
func (p *scanner) quoted() {
	if p.fault != nil {
		return
	}
	if p.pos >= len(p.s) || p.s[p.pos] != '"' && p.s[p.pos] != '\'' {
		p.fail(ErrNotXML, p.pos, "attribute without quotes")
		return
	}
	quote := p.s[p.pos]
	for p.pos++; p.pos < len(p.s) && p.fault == nil; {
		switch c := p.s[p.pos]; c {
		case quote:
			p.pos++
			return
		case '<':
			p.fail(ErrNotXML, p.pos, "< in an attribute")
		case '&':
			p.reference()
		default:
			p.char()
		}
	}
	p.fail(ErrNotXML, p.pos, "open attribute")
}

// name reads a name; at most one colon, inside.
func (p *scanner) name() string {
	if p.fault != nil {
		return ""
	}
	start, colon := p.pos, -1
	if p.pos < len(p.s) && nameByte[p.s[p.pos]] == nameStart { // most names are plain
		for p.pos < len(p.s) && nameByte[p.s[p.pos]] != 0 {
			p.pos++
		}
	}
	for p.pos < len(p.s) {
		r, n := rune(p.s[p.pos]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(p.s[p.pos:])
		}
		if r == ':' && colon < 0 && p.pos > start {
			colon = p.pos
		} else if !nameChar(r, p.pos == start || p.pos == colon+1 && colon >= 0) {
			break
		}
		p.pos += n
	}
	if p.pos == start || p.pos == colon+1 {
		p.fail(ErrNotXML, p.pos, "name")
		return ""
	}
	return p.s[start:p.pos]
}

func (p *scanner) expect(s string) {
	if p.fault == nil && !strings.HasPrefix(p.s[p.pos:], s) {
		p.fail(ErrNotXML, p.pos, "expected "+s)
	}
	if p.fault == nil {
		p.pos += len(s)
	}
}

// blanks skips white space and reports whether there was some.
func (p *scanner) blanks() bool {
	start := p.pos
	for p.pos < len(p.s) && isBlank(p.s[p.pos]) {
		p.pos++
	}
	return p.pos > start
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

const nameStart = 2

// nameByte is [nameChar] for ASCII: 0 no, 1 not at the start, nameStart.
var nameByte = func() (t [256]byte) {
	for c := rune(0); c < utf8.RuneSelf; c++ {
		if nameChar(c, true) {
			t[c] = nameStart
		} else if nameChar(c, false) {
			t[c] = 1
		}
	}
	return t
}()

// nameChar reports the characters of a name without colon (XML 1.0, fifth
// edition, section 2.3).
func nameChar(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		return true
	case r >= '0' && r <= '9', r == '-', r == '.', r == 0xB7:
		return !first
	case r < 0xC0, r == 0xD7, r == 0xF7, r == 0x37E, r == utf8.RuneError:
		return false
	case r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return !first
	}
	return r <= 0x1FFF || r == 0x200C || r == 0x200D || r >= 0x2070 && r <= 0x218F ||
		r >= 0x2C00 && r <= 0x2FEF || r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF ||
		r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

// local returns a name without its prefix.
func local(name string) string {
	if i := strings.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

// eachAttribute calls f for the attributes of a start tag that was scanned
// before; the value is raw.
func eachAttribute(attrs string, f func(name, raw string) bool) {
	for {
		i := 0
		for i < len(attrs) && isBlank(attrs[i]) {
			i++
		}
		eq := strings.IndexByte(attrs[i:], '=')
		if eq < 0 {
			return
		}
		name := strings.TrimRight(attrs[i:i+eq], " \t\r\n")
		i += eq + 1
		for isBlank(attrs[i]) {
			i++
		}
		end := strings.IndexByte(attrs[i+1:], attrs[i])
		if !f(name, attrs[i+1:i+1+end]) {
			return
		}
		attrs = attrs[i+end+2:]
	}
}
