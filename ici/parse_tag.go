package ici

import (
	"strings"
	"unicode/utf8"
)

// startTag reads <name attributes> or <name attributes/>.
func (x *scanner) startTag() error {
	at := x.pos
	if len(x.stack) == 0 && len(x.nodes) > 1 {
		return x.fail(at, "second root element")
	}
	qname, i := x.name(at + 1)
	if qname == "" {
		return x.fail(at, "element name expected")
	}
	if len(qname) > x.lim.Name {
		return x.failAs(at, "name is too long", ErrTooLarge)
	}
	if len(x.stack) >= x.lim.Depth {
		return x.failAs(at, "elements are nested too deep", ErrTooLarge)
	}
	if len(x.nodes) > x.lim.Elements {
		return x.failAs(at, "too many elements", ErrTooLarge)
	}
	mark := len(x.ns)
	i, err := x.attributes(i)
	if err != nil {
		return err
	}
	prefix, local := splitName(qname)
	if local == "" || strings.IndexByte(local, ':') >= 0 {
		return x.fail(at, "malformed element name")
	}
	num := int32(len(x.nodes))
	x.nodes = append(x.nodes, node{name: local, space: x.uri(prefix)})
	n := &x.nodes[num]
	if len(x.attrs) > 0 {
		x.interpret(n, num)
	}
	if len(x.stack) > 0 {
		f := &x.stack[len(x.stack)-1]
		if f.last == 0 {
			x.nodes[f.node].first = num
		} else {
			x.nodes[f.last].next = num
		}
		f.last = num
	}
	if x.s[i] == '/' {
		if i+1 >= len(x.s) || x.s[i+1] != '>' {
			return x.fail(i, "> expected after /")
		}
		x.pos = i + 2
		n.start, n.end = int32(x.pos), int32(x.pos)
		x.ns = x.ns[:mark]
		return nil
	}
	x.pos = i + 1
	n.start = int32(x.pos)
	x.stack = append(x.stack, frame{node: num, qname: qname, ns: mark, span: -1})
	return nil
}

// attributes reads attributes from i up to / or >, whose place it returns, and puts namespace declarations aside.
func (x *scanner) attributes(i int) (int, error) {
	x.attrs = x.attrs[:0]
	declared := len(x.ns)
	for {
		j := x.skipSpace(i)
		if j >= len(x.s) {
			return 0, x.fail(j, "text ends inside a tag")
		}
		if c := x.s[j]; c == '>' || c == '/' {
			return j, nil
		}
		if j == i {
			return 0, x.fail(j, "blank expected before an attribute")
		}
		qname, k := x.name(j)
		if qname == "" {
			return 0, x.fail(j, "attribute name expected")
		}
		if len(qname) > x.lim.Name {
			return 0, x.failAs(j, "name is too long", ErrTooLarge)
		}
		k = x.skipSpace(k)
		if k >= len(x.s) || x.s[k] != '=' {
			return 0, x.fail(k, "= expected after an attribute name")
		}
		k = x.skipSpace(k + 1)
		if k >= len(x.s) || x.s[k] != '"' && x.s[k] != '\'' {
			return 0, x.fail(k, "attribute value in quotes expected")
		}
		end := strings.IndexByte(x.s[k+1:], x.s[k])
		if end < 0 {
			return 0, x.fail(k, "attribute value is not closed")
		}
		value, err := x.value(x.s[k+1:k+1+end], k+1)
		if err != nil {
			return 0, err
		}
		i = k + 1 + end + 1
		prefix, local := splitName(qname)
		switch {
		case local == "" || strings.IndexByte(local, ':') >= 0:
			return 0, x.fail(j, "malformed attribute name")
		case prefix == "xmlns" || prefix == "" && local == "xmlns":
			if prefix == "" {
				local = ""
			}
			for _, b := range x.ns[declared:] {
				if b.prefix == local {
					return 0, x.fail(j, "namespace declared twice")
				}
			}
			x.ns = append(x.ns, binding{local, value})
		default:
			for _, a := range x.attrs {
				if a.name == local && a.prefix == prefix {
					return 0, x.fail(j, "attribute stands twice")
				}
			}
			x.attrs = append(x.attrs, attribute{prefix, local, value})
		}
		if len(x.attrs)+len(x.ns)-declared > x.lim.Attributes {
			return 0, x.failAs(j, "too many attributes", ErrTooLarge)
		}
	}
}

// value checks an attribute value and resolves its references.
func (x *scanner) value(raw string, at int) (string, error) {
	dirty := false
	for i := 0; i < len(raw); i++ {
		switch textClass[raw[i]] {
		case tPlain, tBracket:
			dirty = dirty || raw[i] == '\t' || raw[i] == '\n'
		case tLess:
			return "", x.fail(at+i, "< in an attribute value")
		case tAmp:
			_, n := reference(raw[i:])
			if n == 0 {
				return "", x.fail(at+i, "unknown or malformed entity or character reference")
			}
			i += n - 1
			dirty = true
		case tCR:
			dirty = true
		case tNonChar:
			if isNonChar(raw[i:]) {
				return "", x.fail(at+i, "character that XML does not allow")
			}
		case tInvalid:
			return "", x.fail(at+i, "control character in an attribute value")
		}
	}
	if !dirty {
		return raw, nil
	}
	raw = attrSpace.Replace(raw)
	var b []byte
	for {
		i := strings.IndexByte(raw, '&')
		if i < 0 {
			return string(append(b, raw...)), nil
		}
		r, n := reference(raw[i:])
		b = utf8.AppendRune(append(b, raw[:i]...), r)
		raw = raw[i+n:]
	}
}

// attrSpace is what XML does to white space in attribute values.
var attrSpace = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")

// interpret looks at the few attributes that mean something in SOAP.
func (x *scanner) interpret(n *node, num int32) {
	for i := range x.attrs {
		a := &x.attrs[i]
		switch a.name {
		case "nil", "null":
			if a.prefix != "" && (a.value == "true" || a.value == "1") {
				n.flags |= isNil
			}
		case "id":
			if a.prefix == "" {
				n.flags |= hasID
				x.ids = append(x.ids, ref{num, a.value})
			}
		case "href":
			if a.prefix == "" {
				n.flags |= isRef
				x.hrefs = append(x.hrefs, ref{num, a.value})
			}
		case "type", "arrayType", "encodingStyle":
			if a.prefix != "" {
				x.typed = true
			}
		}
	}
}

// uri finds the namespace of a prefix, "" if it is not bound: readers go by local names.
func (x *scanner) uri(prefix string) string {
	for i := len(x.ns) - 1; i >= 0; i-- {
		if x.ns[i].prefix == prefix {
			return x.ns[i].uri
		}
	}
	return ""
}

func (x *scanner) endTag() error {
	at := x.pos
	if len(x.stack) == 0 {
		return x.fail(at, "end tag without a start tag")
	}
	f := &x.stack[len(x.stack)-1]
	rest := x.s[at+2:]
	if !strings.HasPrefix(rest, f.qname) {
		return x.fail(at, "</"+clip(f.qname)+"> expected")
	}
	i := x.skipSpace(at + 2 + len(f.qname))
	if i >= len(x.s) || x.s[i] != '>' {
		return x.fail(at, "</"+clip(f.qname)+"> expected")
	}
	x.nodes[f.node].end = int32(at)
	x.ns = x.ns[:f.ns]
	x.stack = x.stack[:len(x.stack)-1]
	x.pos = i + 1
	return nil
}
