package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// loadFile reads a configuration file. Its errors name file, line and key;
// unknown keys are errors, all of them at once.
func loadFile(name string) (*file, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f, err := parse(string(src))
	if err != nil {
		return nil, prefixed(name, err)
	}
	return f, nil
}

// prefixed puts the file name before every line of joined errors.
func prefixed(name string, err error) error {
	var lines []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		lines = append(lines, name+line)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// parse returns the settings, with defaults. Errors begin with ":line: ".
func parse(src string) (*file, error) {
	f := newFile()
	md, err := toml.Decode(src, f)
	if err != nil {
		return nil, placed(err)
	}
	var errs []error
	seen := map[string]bool{}
	for _, key := range md.Undecoded() {
		if seen[key.String()] || seen[strings.Join(key[:len(key)-1], ".")] {
			continue // of an unknown table only the table is named
		}
		seen[key.String()] = true
		for _, line := range linesOf(src, key) {
			errs = append(errs, fmt.Errorf(":%d: unknown key %q%s", line, key, suggest(key)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.fill()
	return f, nil
}

// typeError is how the decoder reports a value of the wrong type.
var typeError = regexp.MustCompile(`^toml: line (\d+) \(last key "(.*)"\): (.*)$`)

// placed puts line and key of a decoding error in front.
func placed(err error) error {
	if p, ok := errors.AsType[toml.ParseError](err); ok {
		key := ""
		if p.LastKey != "" {
			key = p.LastKey + ": "
		}
		return fmt.Errorf(":%d: %s%s", p.Position.Line, key, p.Message)
	}
	if m := typeError.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf(":%s: %s: %s", m[1], m[2], m[3])
	}
	return fmt.Errorf(": %w", err)
}

// linesOf returns where a key is set: every line when a table occurs more than
// once, line 0 when it hides in an inline table.
func linesOf(src string, key toml.Key) []int {
	var out []int
	table := ""
	for i, line := range strings.Split(src, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			header, _, _ := strings.Cut(strings.TrimLeft(line, "["), "]")
			table = unquoted(header)
			if table == key.String() {
				out = append(out, i+1)
			}
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		full := unquoted(name)
		if table != "" {
			full = table + "." + full
		}
		if full == key.String() {
			out = append(out, i+1)
		}
	}
	if out == nil {
		last := key[len(key)-1]
		for i, line := range strings.Split(src, "\n") {
			if strings.Contains(line, last) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				return []int{i + 1}
			}
		}
		out = []int{0}
	}
	return out
}

// unquoted removes blanks and quotes around the parts of a dotted key.
func unquoted(key string) string {
	parts := strings.Split(key, ".")
	for i, p := range parts {
		parts[i] = strings.Trim(strings.TrimSpace(p), `"'`)
	}
	return strings.Join(parts, ".")
}

// suggest returns the text about what was probably meant.
func suggest(key toml.Key) string {
	table, name := strings.Join(key[:len(key)-1], "."), key[len(key)-1]
	best, distance := "", 0
	var elsewhere []string
	for _, known := range knownKeys() {
		dot := strings.LastIndex(known, ".")
		d := editDistance(name, known[dot+1:])
		if known[:max(dot, 0)] == table && d <= 1+len(name)/3 && (best == "" || d < distance) {
			best, distance = known[dot+1:], d
		}
		if d == 0 {
			where := "at the top of the file"
			if dot >= 0 {
				where = "in [" + known[:dot] + "]"
			}
			elsewhere = append(elsewhere, where)
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case elsewhere != nil:
		return fmt.Sprintf("; %q belongs %s", name, strings.Join(elsewhere, " or "))
	}
	return ""
}

// knownKeys returns every key of the file, dotted.
func knownKeys() []string {
	var out []string
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for f := range t.Fields() {
			key := f.Tag.Get("toml")
			if prefix != "" {
				key = prefix + "." + key
			}
			out = append(out, key)
			ft := f.Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				walk(ft, key)
			}
		}
	}
	walk(reflect.TypeFor[file](), "")
	slices.Sort(out)
	return out
}

// editDistance is how many letters must be changed, added or left out.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
