package icitest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Node is one element of a parsed message.
type Node struct {
	Space    string // namespace
	Name     string // local name
	Attrs    []xml.Attr
	Text     string // character data directly inside, with references resolved
	Children []*Node
}

// Child returns the first child with a local name, or nil. It may be called on nil.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Content returns the text of a node; nil has none.
func (n *Node) Content() string {
	if n == nil {
		return ""
	}
	return n.Text
}

// Attr returns an attribute by namespace and local name.
func (n *Node) Attr(space, name string) string {
	if n != nil {
		for _, a := range n.Attrs {
			if a.Name.Space == space && a.Name.Local == name {
				return a.Value
			}
		}
	}
	return ""
}

// maxDepth is how deep elements may be nested.
const maxDepth = 64

// parse reads a UTF-8 document with encoding/xml.
func parse(data []byte) (*Node, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("icitest: not UTF-8")
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("icitest: declared charset %q is not UTF-8", label)
	}
	var stack []*Node
	var root *Node
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			n := &Node{Space: t.Name.Space, Name: t.Name.Local, Attrs: append([]xml.Attr(nil), t.Attr...)}
			if len(stack) == maxDepth {
				return nil, errors.New("icitest: nested too deeply")
			}
			if len(stack) > 0 {
				p := stack[len(stack)-1]
				p.Children = append(p.Children, n)
			} else if root != nil {
				return nil, errors.New("icitest: two root elements")
			} else {
				root = n
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].Text += string(t)
			} else if strings.TrimSpace(string(t)) != "" {
				return nil, errors.New("icitest: text outside of the root element")
			}
		case xml.Directive:
			return nil, errors.New("icitest: document type declaration")
		}
	}
	if root == nil {
		return nil, errors.New("icitest: no element")
	}
	return root, nil
}
