package ici

import (
	"iter"
	"slices"
	"strings"
)

// Element is one XML element of a message that was read. The zero Element does not exist; reading it gives zero values,
// so lookups can be chained. It stays valid as long as somebody holds it, may be read from several goroutines at once
// and must not be changed.
type Element struct {
	d *document
	i int32
}

// Exists reports whether the element is there.
func (e Element) Exists() bool { return e.d != nil && e.i > 0 }

// Name gives the local name as received.
func (e Element) Name() string {
	if !e.Exists() {
		return ""
	}
	return e.d.nodes[e.i].name
}

// Space gives the namespace, "" if the element has none.
func (e Element) Space() string {
	if !e.Exists() {
		return ""
	}
	return e.d.nodes[e.i].space
}

// Nil reports whether the element is absent or carries xsi:nil.
func (e Element) Nil() bool { return !e.Exists() || e.d.nodes[e.i].flags&isNil != 0 }

// Text gives the character data with references resolved. An element that has child elements gives its inner XML as
// received, so that a document that somebody forgot to escape is not lost.
func (e Element) Text() string {
	if !e.Exists() {
		return ""
	}
	n := &e.d.nodes[e.i]
	if n.first != 0 {
		return e.d.src[n.start:n.end]
	}
	return n.text
}

// plain is the text of an element where one text is expected. Somebody who sends a code with its description gets the
// code; anything else with child elements gives its inner XML.
func (e Element) plain() string {
	if c := e.First(); c.Exists() {
		if id := e.Child(e.d.p.members[memberTextElement].name); id.Exists() {
			return id.Text()
		}
	}
	return e.Text()
}

// Bool reads true, false, 1, 0, X (ABAP) and empty (false). Absent, nil and anything else give def.
func (e Element) Bool(def bool) bool {
	if e.Nil() {
		return def
	}
	switch s := strings.TrimSpace(e.Text()); {
	case s == "", s == "0", strings.EqualFold(s, "false"):
		return false
	case s == "1", strings.EqualFold(s, "true"), strings.EqualFold(s, "x"):
		return true
	}
	return def
}

// First gives the first child element.
func (e Element) First() Element {
	if !e.Exists() {
		return Element{}
	}
	return Element{e.d, e.d.nodes[e.i].first}
}

// Next gives the next element with the same parent.
func (e Element) Next() Element {
	if !e.Exists() {
		return Element{}
	}
	return Element{e.d, e.d.nodes[e.i].next}
}

// Children runs over the child elements.
func (e Element) Children() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for c := e.First(); c.Exists(); c = c.Next() {
			if !yield(c) {
				return
			}
		}
	}
}

// Child gives the first child element with that local name, exactly or without regard to case.
func (e Element) Child(name string) Element {
	for c := e.First(); c.Exists(); c = c.Next() {
		if c.Name() == name {
			return c
		}
	}
	for c := e.First(); c.Exists(); c = c.Next() {
		if strings.EqualFold(c.Name(), name) {
			return c
		}
	}
	return Element{}
}

// AppendTexts appends the rows of an array of strings: one per child element whatever its name, or the text itself when
// the element has no children and is not empty. A row that is a code with its description gives the code.
func (e Element) AppendTexts(dst []string) []string {
	if e.Nil() {
		return dst
	}
	c := e.First()
	if !c.Exists() {
		if s := e.Text(); strings.TrimSpace(s) != "" {
			return append(dst, s)
		}
		return dst
	}
	dst = slices.Grow(dst, e.count())
	for ; c.Exists(); c = c.Next() {
		dst = append(dst, c.plain())
	}
	return dst
}

func (e Element) count() int {
	n := 0
	for c := e.First(); c.Exists(); c = c.Next() {
		n++
	}
	return n
}

func (e Element) member(t typeID, name string) int { return e.d.p.member(t, name) }

type decodable[T any] interface {
	*T
	DecodeICI(Element)
}

// appendDecoded appends the rows of an array of structs. An element whose own children are members is one row: arrays
// also come as repeated elements without a wrapper.
func appendDecoded[T any, P decodable[T]](dst []T, e Element, t typeID) []T {
	if e.Nil() || !e.First().Exists() {
		return dst
	}
	wrapper, members := false, false
	for c := e.First(); c.Exists(); c = c.Next() {
		wrapper = wrapper || c.First().Exists()
		members = members || e.member(t, c.Name()) >= 0
	}
	if !wrapper && members {
		dst = append(dst, *new(T))
		P(&dst[len(dst)-1]).DecodeICI(e)
		return dst
	}
	dst = slices.Grow(dst, e.count())
	for c := e.First(); c.Exists(); c = c.Next() {
		dst = append(dst, *new(T))
		P(&dst[len(dst)-1]).DecodeICI(c)
	}
	return dst
}
