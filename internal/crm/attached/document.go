package attached

import (
	"slices"
	"strings"
)

// Names of the document; they are inside the text that ICI carries, not names of
// ICI itself (ICI reference, section 6, ItemAttachedData).
const (
	rootName        = "ItemAttachedData"
	applicationName = "Application"
	idName          = "id"
	// wrapperName is the element that carries the document; tolerated as root.
	wrapperName = "attachedData"
	prolog      = `<?xml version="1.0" encoding="UTF-8"?>`
)

// Limits of a document; see [Limits].
const (
	DefaultMaxBytes = 64 << 10
	DefaultMaxDepth = 64
	DefaultMaxParts = 64
)

// Limits bound what [Parse] and [Document.Merge] take. Zero fields are the defaults.
type Limits struct {
	// MaxBytes is the longest document in bytes; default 64 kB.
	MaxBytes int
	// MaxDepth is the deepest nesting of elements, the root included; default 64.
	MaxDepth int
	// MaxParts is the most elements below the root; default 64.
	MaxParts int
}

func (l *Limits) orDefault() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	if out.MaxBytes <= 0 {
		out.MaxBytes = DefaultMaxBytes
	}
	if out.MaxDepth <= 0 {
		out.MaxDepth = DefaultMaxDepth
	}
	if out.MaxParts <= 0 {
		out.MaxParts = DefaultMaxParts
	}
	return out
}

// Part is one element below the root, normally an Application.
type Part struct {
	// Name is the element's name without prefix; ID is its attribute id.
	Name, ID string
	// XML is the whole element, byte for byte as it came.
	XML string

	open     int // length of the start tag
	empty    bool
	children []child
}

// child is one element directly below a part.
type child struct {
	name       string // with prefix
	start, end int    // in the part's XML
}

// Document is what one side attached. A nil Document is empty. It never changes.
type Document struct {
	parts []Part
	size  int // bytes of all parts
}

// Parse reads a document; limits may be nil. The text is taken as UTF-8 whatever
// its declaration says, because it came inside another document. An empty text
// is an empty Document. An error is a [*DocumentError]. The Document shares
// memory with the text.
func Parse(text string, limits *Limits) (*Document, error) {
	l := limits.orDefault()
	if len(text) > l.MaxBytes {
		return nil, &DocumentError{Offset: l.MaxBytes, Line: 1 + strings.Count(text[:l.MaxBytes], "\n"), Err: ErrTooLong}
	}
	p := parser{scanner: scanner{s: text}, limits: l, names: make([]string, 0, 8)}
	p.document()
	if p.fault != nil {
		return nil, p.fault
	}
	d := &Document{parts: p.parts}
	if p.inherit != "" {
		d.declare(p.inherit)
	}
	d.dropRepeated()
	return d, nil
}

// parser builds the parts while the scanner goes through the document.
type parser struct {
	scanner
	limits  Limits
	names   []string // open elements
	parts   []Part
	inherit string // xmlns attributes of the root
	// base is the number of open elements around a part: 1, or 2 in a wrapper.
	base int
}

func (p *parser) document() {
	p.s = strings.TrimPrefix(p.s, "\ufeff")
	if p.blanks(); p.pos == len(p.s) {
		return
	}
	if strings.HasPrefix(p.s[p.pos:], "<?xml") && len(p.s) > p.pos+5 && isBlank(p.s[p.pos+5]) {
		p.until("?>", "open XML declaration")
	}
	done := false
	for p.fault == nil {
		t := p.next()
		switch t.kind {
		case tokenEOF:
			if p.fault == nil && !done {
				p.fail(ErrNotXML, t.start, "end of the document")
			}
			return
		case tokenStart:
			if done {
				p.fail(ErrNotXML, t.start, "second root")
				return
			}
			p.start(&t)
			done = len(p.names) == 0
		case tokenEnd:
			p.end(&t)
			done = len(p.names) == 0
		case tokenText, tokenCDATA:
			if len(p.names) > p.base && p.base > 0 {
				break // inside a part
			}
			if t.kind == tokenCDATA || strings.Trim(p.s[t.start:t.end], " \t\r\n") != "" {
				p.fail(ErrNotXML, t.start, "text outside of an application")
			}
		}
	}
}

func (p *parser) start(t *token) {
	depth := len(p.names)
	if depth >= p.limits.MaxDepth {
		p.fail(ErrTooDeep, t.start, "elements")
		return
	}
	name := local(t.name)
	switch {
	case p.base == 0 && name == rootName:
		p.base = depth + 1
		eachAttribute(t.attrs, func(name, raw string) bool {
			if name == "xmlns" || strings.HasPrefix(name, "xmlns:") {
				p.inherit += " " + name + `="` + strings.ReplaceAll(raw, `"`, "&quot;") + `"`
			}
			return true
		})
	case p.base == 0 && depth == 0 && name == wrapperName && !t.empty:
	case p.base == 0:
		p.fail(ErrRoot, t.start, "")
	case depth < p.base:
		p.fail(ErrRoot, t.start, "more than one")
	case depth == p.base:
		if len(p.parts) == p.limits.MaxParts {
			p.fail(ErrTooDeep, t.start, "applications")
			return
		}
		part := Part{Name: name, XML: p.s[t.start:], open: t.end - t.start, empty: t.empty}
		if t.empty {
			part.XML = p.s[t.start:t.end]
		}
		eachAttribute(t.attrs, func(name, raw string) bool {
			if name == idName {
				part.ID = unescapeAttribute(raw)
			}
			return name != idName
		})
		p.parts = append(p.parts, part)
	case depth == p.base+1:
		part := &p.parts[len(p.parts)-1]
		at := len(p.s) - len(part.XML)
		part.children = append(part.children, child{name: t.name, start: t.start - at, end: t.end - at})
	}
	if !t.empty {
		p.names = append(p.names, t.name)
	}
}

func (p *parser) end(t *token) {
	last := len(p.names) - 1
	if last < 0 || p.names[last] != t.name {
		p.fail(ErrNotXML, t.start, "end tag does not match")
		return
	}
	p.names = p.names[:last]
	if p.base == 0 {
		p.fail(ErrRoot, t.start, "")
		return
	}
	if last < p.base {
		return
	}
	part := &p.parts[len(p.parts)-1]
	at := len(p.s) - len(part.XML)
	switch last {
	case p.base:
		part.XML = p.s[at:t.end]
	case p.base + 1:
		part.children[len(part.children)-1].end = t.end - at
	}
}

// declare writes the root's name spaces into the parts that lack them.
func (d *Document) declare(attrs string) {
	for i := range d.parts {
		part := &d.parts[i]
		head := part.XML[:part.open]
		missing := ""
		eachAttribute(attrs, func(name, raw string) bool {
			has := false
			nameEnd := 1 + strings.IndexAny(head[1:], " \t\r\n/>")
			eachAttribute(strings.TrimRight(head[nameEnd:], "/>"), func(n, _ string) bool {
				has = has || n == name
				return true
			})
			if !has {
				missing += " " + name + `="` + raw + `"`
			}
			return true
		})
		at := 1 + strings.IndexAny(head[1:], " \t\r\n/>")
		part.XML = part.XML[:at] + missing + part.XML[at:]
		part.open += len(missing)
		for j := range part.children {
			part.children[j].start += len(missing)
			part.children[j].end += len(missing)
		}
	}
}

// dropRepeated keeps the last of several parts with one key and sums up.
func (d *Document) dropRepeated() {
	kept := d.parts[:0]
	for i := range d.parts {
		later := slices.ContainsFunc(d.parts[i+1:], d.parts[i].same)
		if !later {
			kept = append(kept, d.parts[i])
			d.size += len(d.parts[i].XML)
		}
	}
	d.parts = kept
}

func (p Part) same(other Part) bool { return p.Name == other.Name && p.ID == other.ID }

// Parts returns the parts in order.
func (d *Document) Parts() []Part {
	if d == nil {
		return nil
	}
	return slices.Clone(d.parts)
}

// Len returns the bytes that the document takes when written.
func (d *Document) Len() int {
	if d == nil || len(d.parts) == 0 {
		return 0
	}
	return len(prolog) + d.size + 2*len(rootName) + len("<></>")
}

// Merge returns a document with the parts of in, and those of d that in does not
// have; parts keep their places. Neither changes. The error is a
// [*DocumentError] when the result is above the limits.
func (d *Document) Merge(in *Document, limits *Limits) (*Document, error) {
	if in == nil || len(in.parts) == 0 {
		return d, nil
	}
	if d == nil || len(d.parts) == 0 {
		return in, nil
	}
	l := limits.orDefault()
	out := &Document{parts: make([]Part, 0, len(d.parts)+len(in.parts))}
	for _, part := range d.parts {
		if i := slices.IndexFunc(in.parts, part.same); i >= 0 {
			part = in.parts[i]
		}
		out.parts = append(out.parts, part)
	}
	for _, part := range in.parts {
		if !slices.ContainsFunc(d.parts, part.same) {
			out.parts = append(out.parts, part)
		}
	}
	for i := range out.parts {
		out.size += len(out.parts[i].XML)
	}
	if len(out.parts) > l.MaxParts {
		return nil, &DocumentError{Line: 1, What: "applications after the merge", Err: ErrTooDeep}
	}
	if out.Len() > l.MaxBytes {
		return nil, &DocumentError{Line: 1, What: "after the merge", Err: ErrTooLong}
	}
	return out, nil
}

// Changed returns the parts of d that before does not have, or has otherwise.
func (d *Document) Changed(before *Document) *Document {
	return d.without(before, func(a, b *Part) bool { return a.same(*b) && a.XML == b.XML })
}

// Missing returns the parts of d that in has no part for.
func (d *Document) Missing(in *Document) *Document {
	return d.without(in, func(a, b *Part) bool { return a.same(*b) })
}

// without returns the parts of d that match none of o; nil when there are none.
func (d *Document) without(o *Document, match func(a, b *Part) bool) *Document {
	if d == nil || d == o {
		return nil
	}
	if o == nil {
		return d
	}
	out := &Document{}
next:
	for i := range d.parts {
		for j := range o.parts {
			if match(&d.parts[i], &o.parts[j]) {
				continue next
			}
		}
		out.parts = append(out.parts, d.parts[i])
		out.size += len(d.parts[i].XML)
	}
	if len(out.parts) == 0 {
		return nil
	}
	return out
}

// Application returns the part of one owner.
func (d *Document) Application(id string) (Part, bool) {
	if p := d.application(id); p != nil {
		return *p, true
	}
	return Part{}, false
}

func (d *Document) application(id string) *Part {
	if d == nil {
		return nil
	}
	for i := range d.parts {
		if d.parts[i].ID == id && d.parts[i].Name == applicationName {
			return &d.parts[i]
		}
	}
	return nil
}

// Value returns the text of an element: application is the owner, path the
// element below it, for example "Contact/Number". Names are compared without
// prefix; the first element that fits counts. The text of elements inside it is
// not part of it.
func (d *Document) Value(application, path string) (string, bool) {
	part := d.application(application)
	if part == nil {
		return "", false
	}
	first, rest, _ := strings.Cut(path, "/")
	for _, c := range part.children {
		if local(c.name) == first {
			if v, ok := value(part.XML[c.start:c.end], rest); ok {
				return v, true
			}
		}
	}
	return "", false
}

// value finds a path inside an element that was scanned before.
func value(xml, path string) (string, bool) {
	p := scanner{s: xml}
	t := p.next() // the element itself
	if path == "" {
		if t.empty {
			return "", true
		}
		return p.textOf(), true
	}
	if t.empty {
		return "", false
	}
	first, rest, _ := strings.Cut(path, "/")
	for depth := 0; ; {
		t := p.next()
		switch t.kind {
		case tokenEOF:
			return "", false
		case tokenStart:
			if depth == 0 && local(t.name) == first {
				if v, ok := value(xml[t.start:], rest); ok {
					return v, true
				}
			}
			if !t.empty {
				depth++
			}
		case tokenEnd:
			if depth--; depth < 0 {
				return "", false
			}
		}
	}
}

// textOf returns the character data up to the end of the open element.
func (p *scanner) textOf() string {
	var b []byte
	for depth := 0; ; {
		t := p.next()
		switch t.kind {
		case tokenEOF:
			return string(b)
		case tokenStart:
			if !t.empty {
				depth++
			}
		case tokenEnd:
			if depth--; depth < 0 {
				return string(b)
			}
		case tokenText:
			if depth == 0 {
				b = appendUnescaped(b, p.s[t.start:t.end])
			}
		case tokenCDATA:
			if depth == 0 {
				raw := p.s[t.start+len("<![CDATA[") : t.end-len("]]>")]
				b = append(b, strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\r", "\n")...)
			}
		}
	}
}

// AppendTo appends the document with its declaration; nothing for an empty one.
func (d *Document) AppendTo(dst []byte) []byte {
	if d == nil || len(d.parts) == 0 {
		return dst
	}
	dst = append(dst, prolog+"<"+rootName+">"...)
	for i := range d.parts {
		dst = append(dst, d.parts[i].XML...)
	}
	return append(dst, "</"+rootName+">"...)
}

// String returns the document; "" for an empty one. [Parse] reads it again, so
// it is also the form to store.
func (d *Document) String() string { return string(d.AppendTo(nil)) }
