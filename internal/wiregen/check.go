package wiregen

import (
	"errors"
	"fmt"
)

// check finds what no single line can show, and numbers the fields.
func (t *Table) check(file string) error {
	var errs []error
	bad := func(m *Message, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s: %s", m.where, m.Name, fmt.Sprintf(format, args...)))
	}
	numbers := map[int]string{}
	for _, m := range t.Messages {
		if other := numbers[m.Number]; other != "" {
			bad(m, "number %d belongs to %s", m.Number, other)
		}
		numbers[m.Number] = m.Name
		if m.Category == "" || m.Status == "" || m.Role == "" || m.Doc == "" {
			bad(m, "needs category, status, role and doc")
		}
		if m.Role == "request" && (m.Confirm == "" || !m.invoke()) {
			bad(m, "a request needs confirm and an invoke id")
		}
		if m.Role == "confirm" && !m.invoke() {
			bad(m, "a confirmation needs an invoke id")
		}
		if m.Confirm != "" {
			if c := t.messages[m.Confirm]; c == nil || c.Role != "confirm" {
				bad(m, "%s is no confirmation", m.Confirm)
			}
		}
		if m.Answer != "" && t.messages[m.Answer] == nil {
			bad(m, "unknown message %s", m.Answer)
		}
		if m.opaque() && len(m.Fixed)+len(m.Floats) > 0 {
			bad(m, "an opaque message has no fields")
		}
		if m.InvokeBody && !m.opaque() {
			bad(m, "invoke body is for opaque messages")
		}
		t.fields(m, bad)
	}
	entries := map[string]string{}
	for _, m := range t.Messages {
		for _, f := range m.Floats {
			t.entries(m, f, entries, bad)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if len(t.Messages) == 0 {
		return &SyntaxError{file, 0, "no messages"}
	}
	return nil
}

func (t *Table) fields(m *Message, bad func(*Message, string, ...any)) {
	names := map[string]bool{}
	type span struct{ since, until int }
	tags := map[int][]span{}
	name := func(n string) {
		if names[n] {
			bad(m, "field %s is there twice", n)
		}
		names[n] = true
	}
	for _, f := range m.Fixed {
		name(f.Name)
		if f.Type == "STRING" || f.Type == "NAMEDVAR" || f.Type == "NAMEDARRAY" || f.Type == "UNSPEC" && f.Size == 0 {
			bad(m, "fixed field %s has no size", f.Name)
		}
		if f.Default != "" && m.has(f.Default) == nil {
			bad(m, "%s: no fixed field %s", f.Name, f.Default)
		}
	}
	var walk func(fields []*Field, l *List)
	walk = func(fields []*Field, l *List) {
		bit := 0
		for _, f := range fields {
			if f.List != nil {
				name(f.List.Name)
				f.List.lo = len(m.ranks)
				walk(f.List.Fields, f.List)
				f.List.hi = len(m.ranks) - 1
				t.list(m, f.List, fields, bad)
				continue
			}
			name(f.Name)
			f.rank = len(m.ranks)
			m.ranks = append(m.ranks, f)
			if f.bit = f.rank; l != nil {
				f.bit = bit
				bit++
			}
			if f.Typed != "" && m.has(f.Typed) == nil {
				bad(m, "%s: no fixed field %s", f.Name, f.Typed)
			}
			if f.Type == "TASKID" && l != nil {
				bad(m, "%s: TASKID in a list", f.Name)
			}
			if f.Tag.Number < 0 {
				continue
			}
			since, until := f.versions()
			if until == 0 {
				until = 1 << 10
			}
			for _, s := range tags[f.Tag.Number] {
				if since <= s.until && s.since <= until {
					bad(m, "tag %s is there twice", f.Tag.Name)
				}
			}
			tags[f.Tag.Number] = append(tags[f.Tag.Number], span{since, until})
		}
	}
	walk(m.Floats, nil)
	if len(m.ranks) > 64 {
		bad(m, "more than 64 floating fields")
	}
}

func (t *Table) list(m *Message, l *List, siblings []*Field, bad func(*Message, string, ...any)) {
	if len(l.Fields) == 0 || l.single() && len(l.Fields) != 1 {
		bad(m, "list %s has %d fields", l.Name, len(l.Fields))
	}
	if c := m.has(l.Count); c != nil && l.outer == nil {
		c.counts = true
		return
	}
	for _, f := range siblings {
		if f.Name == l.Count && f.Count {
			return
		}
	}
	bad(m, "list %s: no count %s", l.Name, l.Count)
}

// entries checks that entries of one name are alike.
func (t *Table) entries(m *Message, f *Field, known map[string]string, bad func(*Message, string, ...any)) {
	if f.List == nil || f.List.single() {
		return
	}
	form := ""
	for _, x := range f.List.Fields {
		t.entries(m, x, known, bad)
		form += fmt.Sprintf("%s %s %d %v;", x.Name, x.Type, x.Max, x.Tag)
	}
	if k, ok := known[f.List.Entry]; ok && k != form {
		bad(m, "entry %s has other members elsewhere", f.List.Entry)
	}
	known[f.List.Entry] = form
}
