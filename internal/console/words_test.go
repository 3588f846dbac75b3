package console_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/console"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		" \t ":                         nil,
		"get call/1":                   {"get", "call/1"},
		"  get\u00a0 a\u3000b ":        {"get", "a", "b"},
		`get "a b"  c`:                 {"get", "a b", "c"},
		`get "a \"b\" \\ \x00\xff\n"`:  {"get", "a \"b\" \\ \x00\xff\n"},
		`"get" "" "\u202e\U0001F600ü"`: {"get", "", "\u202e\U0001F600ü"},
		`get a"b" c"`:                  {"get", `a"b"`, `c"`},
		`get it's ` + "`x y`":          {"get", "it's", "`x", "y`"},
	} {
		got, err := console.Words(line)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", line, err, d)
		}
	}
	for line, want := range map[string]string{
		`get "a`:        "word 2", // no end
		`get "a\"`:      "word 2",
		`get a"b "`:     "word 3",
		`get "\q"`:      "word 2", // no escape
		`"a\400"`:       "word 1",
		`get a "b"c`:    "word 3: a blank",
		`get "a""b"`:    "word 2: a blank",
		"get \"a\nb\"":  "word 2",
		`get "\ud800" `: "word 2", // half a character
	} {
		if got, err := console.Words(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want an error that names %s", line, got, err, want)
		}
	}
}

// FuzzWords: every text is one word in the form of %q, and no line is too odd.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"get call/1", `get "a b"`, "\xff\xfe", `a"b\`, "\u202e \u00a0", "", `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := console.Words(fmt.Sprintf(" get  %q %+q\t", s, s))
		if err != nil || !slices.Equal(words, []string{"get", s, s}) {
			t.Errorf("%q became %q, %v", s, words, err)
		}
		words, err = console.Words(s)
		if !strings.Contains(s, `"`) && (err != nil || !slices.Equal(words, strings.FieldsFunc(s, unicode.IsSpace))) {
			t.Errorf("%q: %q, %v", s, words, err)
		}
	})
}
