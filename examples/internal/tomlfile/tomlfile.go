// Package tomlfile reads the configuration files of the programs. Its errors say where in
// the file something is wrong, and what was expected, as a person writes it.
package tomlfile

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/connects-go/connects/internal/spelling"
)

// Read decodes the file of that name into the struct that to points to, whose fields
// have toml tags. Settings that the file does not have stay as they are. Unknown keys are
// errors, all of them at once; every line of the error begins with "name:line: ".
func Read(name string, to any) error {
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return Decode(name, string(src), to)
}

// Decode is [Read] for the content src of a file.
func Decode(name, src string, to any) error {
	md, err := toml.Decode(src, to)
	if err != nil {
		return fmt.Errorf("%s%w", name, placed(err))
	}
	var errs []error
	seen := map[string]bool{}
	for _, key := range md.Undecoded() {
		if seen[key.String()] || seen[strings.Join(key[:len(key)-1], ".")] {
			continue // of an unknown table only the table is named
		}
		seen[key.String()] = true
		for _, line := range linesOf(src, key) {
			errs = append(errs, fmt.Errorf("%s:%d: unknown key %q%s", name, line, key, suggest(Keys(to), key)))
		}
	}
	return errors.Join(errs...)
}

// Prefix puts the file name before every line of an error about settings; nil stays nil.
func Prefix(name string, err error) error {
	if err == nil || name == "" {
		return err
	}
	return errors.New(name + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+name+": "))
}

// Duration is a time with its unit: "5s", "1m30s". A bare number is an error.
type Duration time.Duration

// Value returns the time.
func (d Duration) Value() time.Duration { return time.Duration(d) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration; write it with a unit, for example \"5s\"", text)
	}
	*d = Duration(v)
	return nil
}

// Level is a level of the log: "debug", "info", "warn" or "error".
type Level slog.Level

// Level implements slog.Leveler.
func (l Level) Level() slog.Level { return slog.Level(l) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	if (*slog.Level)(l).UnmarshalText(text) != nil {
		return fmt.Errorf("%q is none of debug, info, warn, error", text)
	}
	return nil
}

// How the decoder reports a value of the wrong type, and what its types are to a person.
var (
	typeError = regexp.MustCompile(`^toml: line (\d+) \(last key "(.*)"\): (.*)$`)
	typeNames = regexp.MustCompile(`^incompatible types: TOML value has type (.*); destination has type (.*)$`)
	noTable   = regexp.MustCompile(`^type mismatch for .*: expected table but found (.*)$`)
)

func typeName(t string) string {
	switch {
	case t == "string":
		return "text in quotes"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"), t == "integer":
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number with a fraction"
	case strings.HasPrefix(t, "bool"):
		return "true or false"
	case strings.HasPrefix(t, "[]"), t == "slice":
		return "a list in brackets"
	case strings.HasPrefix(t, "map["):
		return "a table"
	}
	return t
}

// placed puts line and key of a decoding error in front: ":line: key: ".
func placed(err error) error {
	if p, ok := errors.AsType[toml.ParseError](err); ok {
		key := ""
		if p.LastKey != "" {
			key = p.LastKey + ": "
		}
		return fmt.Errorf(":%d: %s%s", p.Position.Line, key, p.Message)
	}
	m := typeError.FindStringSubmatch(err.Error())
	if m == nil {
		return fmt.Errorf(": %w", err)
	}
	what := m[3]
	if n := typeNames.FindStringSubmatch(what); n != nil {
		what = fmt.Sprintf("want %s, have %s", typeName(n[2]), typeName(n[1]))
	} else if n := noTable.FindStringSubmatch(what); n != nil {
		what = "want a table, have " + typeName(n[1])
	}
	return fmt.Errorf(":%s: %s: %s", m[1], m[2], what)
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
func suggest(all []string, key toml.Key) string {
	table, name := strings.Join(key[:len(key)-1], "."), key[len(key)-1]
	best, distance := "", 0
	var elsewhere []string
	for _, known := range all {
		dot := strings.LastIndex(known, ".")
		d := spelling.Distance(name, known[dot+1:])
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

// Keys returns every key that a file for the struct that to points to may have, dotted
// and in order. Of a map only the key of the map is there.
func Keys(to any) []string {
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
	walk(reflect.TypeOf(to).Elem(), "")
	slices.Sort(out)
	return out
}
