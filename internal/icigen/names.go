package main

import (
	"strings"
	"unicode"

	"github.com/connects-go/connects/internal/iciprofile"
)

// initialisms are words that Go spells in another case than the wire.
var initialisms = map[string]string{
	"id": "ID", "ids": "IDs", "url": "URL", "ici": "ICI", "dtmf": "DTMF",
}

// goName turns a wire name in lower camel case into an exported Go name.
func goName(wire string) string {
	var b strings.Builder
	for _, w := range camelWords(wire) {
		if s, ok := initialisms[strings.ToLower(w)]; ok {
			b.WriteString(s)
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

func camelWords(s string) []string {
	var out []string
	start := 0
	for i, r := range s {
		if i > start && unicode.IsUpper(r) {
			out = append(out, s[start:i])
			start = i
		}
	}
	return append(out, s[start:])
}

var statusWord = map[iciprofile.Status]string{
	iciprofile.Verified: "verified",
	iciprofile.Indirect: "verified indirectly",
	iciprofile.Derived:  "derived",
	iciprofile.Assumed:  "assumed",
}

// origin is the note on a name's status and source that ends a doc comment.
func origin(s iciprofile.Status, source string) string {
	if source == "" || source == "THIS" || source == "connects" {
		return statusWord[s]
	}
	return statusWord[s] + ": " + source
}

// sentence makes a text end in a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// comment breaks a text into comment lines of at most 120 columns.
func comment(indent, text string) string {
	var b strings.Builder
	for _, par := range strings.Split(text, "\n") {
		line := indent + "//"
		for _, w := range strings.Fields(par) {
			if len(line)+1+len(w) > 120 && line != indent+"//" {
				b.WriteString(line + "\n")
				line = indent + "//"
			}
			line += " " + w
		}
		b.WriteString(line + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
