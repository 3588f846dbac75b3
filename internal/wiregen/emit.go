package wiregen

import (
	"fmt"
	"strings"
)

// emitMessage writes one message. done holds the entry types written so far.
func emitMessage(p *printer, m *Message, done map[string]bool) {
	g := goName(m.Name)
	emitStruct(p, m, g)
	for _, f := range m.Floats {
		emitEntries(p, m, f, done)
	}
	p.f("// Type returns Type%s.\nfunc (m *%s) Type() MessageType { return Type%s }\n\n", g, g, g)
	p.f("// String returns the message in one line, without passwords.\nfunc (m *%s) String() string { return Text(m) }\n\n", g)
	p.f("// LogValue implements slog.LogValuer; it shows no passwords.\n")
	p.f("func (m *%s) LogValue() slog.Value { return logValue(m) }\n\n", g)
	emitRole(p, m, g)
	if m.opaque() {
		emitOpaque(p, m, g)
		return
	}
	if len(m.ranks) > 0 {
		p.f("var floats%s = []floating{\n", g)
		for _, f := range m.ranks {
			if f.Tag.Number >= 0 {
				p.f("{tag: %d, name: %q, member: %v},\n", f.Tag.Number, f.Name, m.inList(f))
			} else {
				p.f("{name: %q, member: true}, // tag not published\n", f.Name)
			}
		}
		p.f("}\n\n")
		p.doc("Mark has the fields with these tags written even when they are empty or zero, and " +
			"reports whether the message has all of them.")
		p.f("func (m *%s) Mark(tags ...Tag) bool { return m.mark(floats%s, tags) }\n\n", g, g)
	}
	emitAppend(p, m, g)
	emitDecode(p, m, g)
	emitVisit(p, m, g)
	emitMapText(p, m, g)
}

func (m *Message) inList(f *Field) bool {
	for _, x := range m.Floats {
		if x == f {
			return false
		}
	}
	return true
}

func emitStruct(p *printer, m *Message, g string) {
	dir := map[string]string{"client->server": "client to server", "server->client": "server to client", "both": "both directions"}[m.Direction]
	text := fmt.Sprintf("%s is %s, message %d, %s", g, m.Name, m.Number, dir)
	if m.Since != 0 {
		text += fmt.Sprintf(", from version %d", m.Since)
	}
	text += ": " + m.Doc + "."
	p.doc(text)
	para := func(text string) {
		p.f("//\n")
		p.doc(text)
	}
	if m.Confirm != "" {
		para("It is answered by " + m.Confirm + ", or by a failure.")
	}
	if m.Answer != "" {
		para("It is answered by " + m.Answer + "; it has no invoke id, so only one may be outstanding.")
	}
	for _, n := range m.Notes {
		para("Note: " + n + ".")
	}
	switch {
	case m.Header:
		para("The guides print no field table for it; it is taken to be a header without body (assumed).")
	case m.opaque():
		para("Its layout is not public: the body is kept as it is.")
	case m.Status == "assumed":
		para("Its layout rests on a weak source (assumed).")
	}
	if len(m.Known) > 0 {
		para("Known of it: " + strings.Join(m.Known, ", ") + ".")
	}
	if m.InvokeBody {
		para("The invoke id is taken to be the first four bytes of the body (assumed).")
	}
	p.f("type %s struct {\n", g)
	if m.opaque() {
		p.f("Body []byte // the bytes after the header\n}\n\n")
		return
	}
	if len(m.ByLength) > 0 {
		p.doc("LayoutVersion is the version whose fixed part was on the wire when it was not that of " +
			"the session's version. The length of the body decides, not the version.")
		p.f("LayoutVersion Version\n\n")
	}
	for _, f := range m.Fixed {
		p.doc(f.comment())
		p.f("%s %s\n", f.Name, f.goType())
	}
	emitMembers(p, m.Floats)
	p.f("\nFloating\n}\n\n")
}

func emitMembers(p *printer, fields []*Field) {
	for _, f := range fields {
		if l := f.List; l != nil {
			text := fmt.Sprintf("%s is the list that %s counts", l.Name, l.Count)
			if l.Max > 0 {
				text += fmt.Sprintf(", at most %d entries", l.Max)
			}
			if l.single() {
				p.doc(text + ". " + l.Fields[0].comment())
				p.f("%s []%s\n", l.Name, l.Fields[0].goType())
				continue
			}
			p.doc(text + ".")
			p.f("%s []%s\n", l.Name, l.Entry)
			continue
		}
		p.doc(f.comment())
		p.f("%s %s\n", f.Name, f.goType())
	}
}

// comment is the documentation of a field.
func (f *Field) comment() string {
	s := f.Name + ": " + f.Type
	if f.Size > 0 {
		s += fmt.Sprintf(" of %d bytes", f.Size)
	}
	if f.Tag != nil {
		if f.Tag.Number >= 0 {
			s += fmt.Sprintf(", tag %d", f.Tag.Number)
		} else {
			s += ", tag number not published"
		}
		if size(f.Type) == 0 {
			s += fmt.Sprintf(", at most %d bytes", f.Max)
			if f.Type == "STRING" {
				s += " with its NUL"
			}
			if f.MaxBefore > 0 {
				s += fmt.Sprintf(" (%d before version %d)", f.MaxOld, f.MaxBefore)
			}
		}
	}
	since, until := f.versions()
	if since > 0 {
		s += fmt.Sprintf(", from version %d", since)
	}
	if until > 0 {
		s += fmt.Sprintf(", up to version %d", until)
	}
	if f.Required || f.Typed != "" {
		s += ", required"
	}
	if f.Assumed {
		s += ", assumed"
	}
	if f.counts || f.Count {
		s += ", written as the length of its list unless that is empty"
	}
	if f.Default != "" {
		s += ", taken from " + f.Default + " when zero"
	}
	s += "."
	if f.Doc != "" {
		s += " " + strings.ToUpper(f.Doc[:1]) + f.Doc[1:] + "."
	}
	return s
}

func emitEntries(p *printer, m *Message, f *Field, done map[string]bool) {
	l := f.List
	if l == nil {
		return
	}
	if !l.single() && !done[l.Entry] {
		done[l.Entry] = true
		p.doc(fmt.Sprintf("%s is an entry of the list %s of %s and of lists like it.", l.Entry, l.Name, m.Name))
		p.f("type %s struct {\n", l.Entry)
		emitMembers(p, l.Fields)
		p.f("\nPresence\n}\n\n")
		p.f("var floats%s = []floating{\n", l.Entry)
		for _, x := range l.Fields {
			if x.List == nil {
				p.f("{tag: %d, name: %q},\n", x.Tag.Number, x.Name)
			}
		}
		p.f("}\n\n")
		p.doc("Mark has the members with these tags written even when they are empty or zero, and " +
			"reports whether the entry has all of them.")
		p.f("func (x *%s) Mark(tags ...Tag) bool { return x.mark(floats%s, tags) }\n\n", l.Entry, l.Entry)
	}
	for _, x := range l.Fields {
		emitEntries(p, m, x, done)
	}
}

func emitRole(p *printer, m *Message, g string) {
	if m.Role == "request" || m.Role == "confirm" {
		switch {
		case m.InvokeBody:
			p.f("// Invoke returns the first four bytes of the body, 0 when it is shorter (assumed).\n")
			p.f("func (m *%s) Invoke() uint32 { return bodyInvoke(m.Body) }\n\n", g)
			p.f("// SetInvoke sets the first four bytes of the body (assumed).\n")
			p.f("func (m *%s) SetInvoke(id uint32) { m.Body = setBodyInvoke(m.Body, id) }\n\n", g)
		default:
			p.f("// Invoke returns m.InvokeID.\nfunc (m *%s) Invoke() uint32 { return m.InvokeID }\n\n", g)
			p.f("// SetInvoke sets m.InvokeID.\nfunc (m *%s) SetInvoke(id uint32) { m.InvokeID = id }\n\n", g)
		}
		p.f("func (m *%s) %s() {}\n\n", g, m.Role)
	}
	if m.Role == "event" || m.Role == "request" && m.Direction != "client->server" {
		p.f("func (m *%s) event() {}\n\n", g)
	}
}

func emitOpaque(p *printer, m *Message, g string) {
	p.f("// AppendTo appends the body as it is.\n")
	p.f("func (m *%s) AppendTo(dst []byte, _ Version) ([]byte, error) { return append(dst, m.Body...), nil }\n\n", g)
	p.f("// DecodeFrom copies the body.\n")
	p.f("func (m *%s) DecodeFrom(body []byte, _ Version) error {\nm.Body = slices.Clone(body)\nreturn nil\n}\n\n", g)
	p.f("// VisitFields visits the body as one field of bytes.\n")
	p.f("func (m *%s) VisitFields(_ Version, f func(FieldValue) bool) { visitBody(m.Body, f) }\n\n", g)
	p.f("// MapText does nothing: where text stands in the body is not known.\n")
	p.f("func (m *%s) MapText(func(string) string) {}\n\n", g)
	p.f("func (m *%s) bytes() []byte { return m.Body }\n\n", g)
}

// when returns the condition under which version variable v has the field, or "".
func (f *Field) when(v string) string {
	since, until := f.versions()
	switch {
	case since > 0 && until > 0:
		return fmt.Sprintf("%s >= %d && %s <= %d", v, since, v, until)
	case since > 0:
		return fmt.Sprintf("%s >= %d", v, since)
	case until > 0:
		return fmt.Sprintf("%s <= %d", v, until)
	}
	return ""
}

// filled returns the condition that the field of x is not empty.
func (f *Field) filled(x string) string {
	switch f.Type {
	case "STRING":
		return fmt.Sprintf("%s.%s != \"\"", x, f.Name)
	case "UNSPEC":
		return fmt.Sprintf("len(%s.%s) > 0", x, f.Name)
	case "BOOL":
		return fmt.Sprintf("%s.%s", x, f.Name)
	case "TASKID":
		return fmt.Sprintf("%s.%s != (TaskID{})", x, f.Name)
	}
	return fmt.Sprintf("%s.%s != 0", x, f.Name)
}

// empty returns the condition that the field of x is empty.
func (f *Field) empty(x string) string {
	switch f.Type {
	case "STRING":
		return fmt.Sprintf("%s.%s == \"\"", x, f.Name)
	case "UNSPEC":
		return fmt.Sprintf("len(%s.%s) == 0", x, f.Name)
	case "BOOL":
		return fmt.Sprintf("!%s.%s", x, f.Name)
	case "TASKID":
		return fmt.Sprintf("%s.%s == (TaskID{})", x, f.Name)
	}
	return fmt.Sprintf("%s.%s == 0", x, f.Name)
}

// written returns the condition under which the floating field of x is written.
// siblings are the fields beside it.
func (f *Field) written(x string, siblings []*Field) string {
	bit := fmt.Sprintf("(1<<%d)", f.bit)
	switch {
	case f.Typed != "":
		return fmt.Sprintf("%s || %s.Present&%s != 0 || m.%s != 0xFFFF && %s.Absent&%s == 0", f.filled(x), x, bit, f.Typed, x, bit)
	case f.Count:
		for _, s := range siblings {
			if s.List != nil && s.List.Count == f.Name {
				return fmt.Sprintf("%s || %s.Present&%s != 0 || len(%s.%s) > 0 && %s.Absent&%s == 0",
					f.filled(x), x, bit, x, s.List.Name, x, bit)
			}
		}
	case f.always():
		return fmt.Sprintf("%s || %s.Absent&%s == 0", f.filled(x), x, bit)
	}
	return fmt.Sprintf("%s || %s.Present&%s != 0", f.filled(x), x, bit)
}

// listOf returns the list among the fields that f counts.
func listOf(f *Field, fields []*Field) *List {
	for _, s := range fields {
		if s.List != nil && s.List.Count == f.Name {
			return s.List
		}
	}
	return nil
}
