package lang

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed builtin.lfg
var builtinData []byte

// builtin returns the English that is always there. The file is ours; a fault in
// it is a programming error that every test of this package finds.
var builtin = sync.OnceValue(func() *File {
	f, err := Parse("built-in", builtinData)
	if err != nil {
		panic(err)
	}
	return f
})

// Known returns the entries that the product uses, in the order of the built-in
// English: what a complete file holds, its not-ready reasons aside.
func Known() []Entry {
	return append([]Entry(nil), builtin().Entries...)
}

// canonical gives named entries their spelling: files do not mind the case.
var canonical = sync.OnceValue(func() map[Section]map[string]string {
	m := map[Section]map[string]string{}
	for _, e := range builtin().Entries {
		if m[e.Section] == nil {
			m[e.Section] = map[string]string{}
		}
		m[e.Section][strings.ToLower(e.ID)] = e.ID
	}
	return m
})
