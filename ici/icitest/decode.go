package icitest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/connects-go/connects/ici"
)

// names gives the profile's member names of the Go structs of package ici. Only names are taken from there: reading is
// done here with reflection, so that the fast codec of package ici is checked by something that it did not write.
type names struct {
	profile *ici.Profile
	mu      sync.RWMutex
	byType  map[reflect.Type][]string
}

func newNames(p *ici.Profile) *names {
	return &names{profile: p, byType: map[reflect.Type][]string{}}
}

func (x *names) of(t reflect.Type) []string {
	x.mu.RLock()
	m, ok := x.byType[t]
	x.mu.RUnlock()
	if !ok {
		m = x.profile.TypeMembers(t.Name())
		x.mu.Lock()
		x.byType[t] = m
		x.mu.Unlock()
	}
	return m
}

// problem is told about something that does not fit, with the path of the element.
type problem func(format string, args ...any)

// decode fills the struct that v points to. Every member may occur once, and nothing else may occur.
func (x *names) decode(n *Node, v any, bad problem) {
	if n != nil {
		x.decodeStruct(n, reflect.ValueOf(v).Elem(), n.Name, bad)
	}
}

func (x *names) decodeStruct(n *Node, v reflect.Value, path string, bad problem) {
	members := x.of(v.Type())
	seen := map[string]bool{}
	if strings.TrimSpace(n.Text) != "" {
		bad("%s: text between members", path)
	}
	for _, c := range n.Children {
		i := -1
		for j, name := range members {
			if name == c.Name {
				i = j
			}
		}
		at := path + "/" + c.Name
		switch {
		case i < 0:
			bad("%s: %s has no such member", at, v.Type().Name())
			continue
		case seen[c.Name]:
			bad("%s: occurs twice", at)
			continue
		case c.Space != "":
			bad("%s: member is in a namespace", at)
		}
		seen[c.Name] = true
		x.decodeValue(c, v.Field(i), at, bad)
	}
}

func (x *names) decodeValue(n *Node, v reflect.Value, path string, bad problem) {
	switch v.Kind() {
	case reflect.String:
		if len(n.Children) > 0 {
			bad("%s: elements inside a text", path)
		}
		v.SetString(n.Text)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.TrimSpace(n.Text))
		if err != nil {
			bad("%s: %q is no boolean", path, n.Text)
		}
		v.SetBool(b)
	case reflect.Struct:
		x.decodeStruct(n, v, path, bad)
	case reflect.Slice:
		x.checkArray(n, path, bad)
		s := reflect.MakeSlice(v.Type(), len(n.Children), len(n.Children))
		for i, c := range n.Children {
			x.decodeValue(c, s.Index(i), fmt.Sprintf("%s[%d]", path, i), bad)
		}
		if s.Len() > 0 {
			v.Set(s)
		}
	}
}

// checkArray compares SOAP-ENC:arrayType with what is there.
func (x *names) checkArray(n *Node, path string, bad problem) {
	if strings.TrimSpace(n.Text) != "" {
		bad("%s: text in an array", path)
	}
	t := n.Attr(x.profile.Wire(ici.WireEncoding), "arrayType")
	if t == "" {
		return
	}
	open := strings.LastIndexByte(t, '[')
	if open < 0 || !strings.HasSuffix(t, "]") {
		bad("%s: arrayType %q", path, t)
		return
	}
	if count, err := strconv.Atoi(t[open+1 : len(t)-1]); err != nil || count != len(n.Children) {
		bad("%s: arrayType %q with %d rows", path, t, len(n.Children))
	}
	for _, c := range n.Children {
		if c.Name != x.profile.Wire(ici.WireItem) {
			bad("%s: row is called %s", path, c.Name)
		}
	}
}
