package wiregen

import "fmt"

func emitAppend(p *printer, m *Message, g string) {
	p.f("// AppendTo appends the body in the layout of a version. See Message.\n")
	p.f("func (m *%s) AppendTo(dst []byte, v Version) ([]byte, error) {\n", g)
	p.f("e := newEncoder(dst, v)\n")
	lv := "v"
	if len(m.ByLength) > 0 {
		lv = "lv"
		p.f("lv := v\nif m.LayoutVersion != 0 {\nlv = m.LayoutVersion\n}\n")
	}
	for _, f := range m.Fixed {
		if c := f.when(lv); c != "" {
			p.f("if %s {\n", c)
			appendFixed(p, m, f)
			p.f("}\n")
			continue
		}
		appendFixed(p, m, f)
	}
	p.f("e.floats()\n")
	appendFloats(p, "m", m.Floats)
	p.f("return e.end(Type%s, &m.Floating)\n}\n\n", g)
}

func appendFixed(p *printer, m *Message, f *Field) {
	x := "m." + f.Name
	if f.Default != "" {
		d := m.has(f.Default)
		p.f("x := %s\nif x == 0 {\nx = %s(m.%s)\n}\n", x, f.goType(), d.Name)
		x = "x"
	}
	if f.counts {
		if l := listOf(f, m.Floats); l != nil {
			p.f("e.u16(e.count(%q, %s, len(m.%s)))\n", f.Name, x, l.Name)
			return
		}
	}
	switch f.Type {
	case "BOOL":
		p.f("e.boolean(%s)\n", x)
	case "UNSPEC":
		p.f("e.fixedBytes(%q, %s, %d)\n", f.Name, x, f.Size)
	case "TASKID":
		p.f("e.b = %s.AppendTo(e.b)\n", x)
	default:
		p.f("e.u%d(%s)\n", size(f.Type)*8, f.unsigned(x))
	}
}

// unsigned converts a number to the unsigned type of its size.
func (f *Field) unsigned(x string) string {
	if f.Enum != nil && size(f.Enum.Type) > size(f.Type) {
		if size(f.Type) == 2 {
			return fmt.Sprintf("e.narrow(%q, uint32(%s))", f.Name, x)
		}
		return fmt.Sprintf("uint8(e.narrow(%q, uint32(%s)<<8)>>8)", f.Name, x)
	}
	u := fmt.Sprintf("uint%d", size(f.Type)*8)
	if f.goType() == u {
		return x
	}
	return fmt.Sprintf("%s(%s)", u, x)
}

func appendFloats(p *printer, x string, fields []*Field) {
	for _, f := range fields {
		if f.List != nil {
			appendList(p, x, f.List)
			continue
		}
		cond := f.written(x, fields)
		if f.Tag.Number < 0 {
			cond = f.filled(x)
		}
		if c := f.when("v"); c != "" {
			cond = fmt.Sprintf("%s && (%s)", c, cond)
		}
		p.f("if %s {\n", cond)
		value := x + "." + f.Name
		if l := listOf(f, fields); f.Count && l != nil {
			value = fmt.Sprintf("e.count(%q, %s, len(%s.%s))", f.Name, value, x, l.Name)
		}
		appendFloat(p, f, value)
		p.f("}\n")
	}
}

func appendFloat(p *printer, f *Field, x string) {
	if f.Tag.Number < 0 {
		p.f("e.fail(%q, ErrNoTag)\n", f.Name)
		return
	}
	tag := f.Tag.Number
	limit := fmt.Sprint(f.Max)
	if f.MaxBefore > 0 {
		p.f("limit := %d\nif v < %d {\nlimit = %d\n}\n", f.Max, f.MaxBefore, f.MaxOld)
		limit = "limit"
	}
	switch f.Type {
	case "STRING":
		p.f("e.text(%d, %q, %s, %s)\n", tag, f.Name, limit, x)
	case "UNSPEC":
		p.f("e.bytes(%d, %q, %s, %s)\n", tag, f.Name, limit, x)
	case "BOOL":
		p.f("e.fbool(%d, %q, %s)\n", tag, f.Name, x)
	case "NAMEDVAR":
		p.f("e.namedVar(%d, %q, %s)\n", tag, f.Name, x)
	case "NAMEDARRAY":
		p.f("e.namedArray(%d, %q, %s)\n", tag, f.Name, x)
	case "TASKID":
		p.f("if e.tag(%d, TaskIDSize, %q) {\ne.b = %s.AppendTo(e.b)\n}\n", tag, f.Name, x)
	default:
		p.f("e.f%d(%d, %q, %s)\n", size(f.Type)*8, tag, f.Name, f.unsigned(x))
	}
}

func appendList(p *printer, x string, l *List) {
	i, y := "i", "x"
	if l.outer != nil {
		i, y = "j", "y"
	}
	if l.single() {
		f := l.Fields[0]
		loop := func() {
			p.f("for %s := range %s.%s {\n", i, x, l.Name)
			appendFloat(p, f, fmt.Sprintf("%s.%s[%s]", x, l.Name, i))
			p.f("}\n")
		}
		if c := f.when("v"); c != "" {
			p.f("if %s {\n", c)
			loop()
			p.f("}\n")
			return
		}
		loop()
		return
	}
	p.f("for %s := range %s.%s {\n%s := &%s.%s[%s]\n", i, x, l.Name, y, x, l.Name, i)
	appendFloats(p, y, l.Fields)
	p.f("}\n")
}
