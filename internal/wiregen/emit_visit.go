package wiregen

import (
	"bytes"
	"fmt"
)

func emitVisit(p *printer, m *Message, g string) {
	p.f("// VisitFields calls f for every field. See Message.\n")
	p.f("func (m *%s) VisitFields(v Version, f func(FieldValue) bool) {\n", g)
	p.f("w := visitor{f: f}\n")
	lv := "v"
	if len(m.ByLength) > 0 {
		lv = "lv"
		p.f("lv := v\nif m.LayoutVersion != 0 {\nlv = m.LayoutVersion\n}\n")
	}
	for _, f := range m.Fixed {
		if c := f.when(lv); c != "" {
			if since, _ := f.versions(); since == 0 {
				c = lv + " != 0 && " + c
			}
			p.f("if %s || %s == 0 && %s {\n", c, lv, f.filled("m"))
			visitField(p, f, "m."+f.Name)
			p.f("}\n")
			continue
		}
		visitField(p, f, "m."+f.Name)
	}
	visitFloats(p, "m", m.Floats)
	p.f("}\n\n")
}

func visitFloats(p *printer, x string, fields []*Field) {
	for _, f := range fields {
		if l := f.List; l != nil {
			visitList(p, x, l)
			continue
		}
		cond := f.written(x, fields)
		if f.Tag.Number < 0 {
			cond = "v == 0 && " + f.filled(x)
		}
		if c := f.when("v"); c != "" {
			cond = fmt.Sprintf("(v == 0 || %s) && (%s)", c, cond)
		}
		p.f("if %s {\n", cond)
		visitField(p, f, x+"."+f.Name)
		p.f("}\n")
	}
}

func visitList(p *printer, x string, l *List) {
	i, y := "i", "x"
	if l.outer != nil {
		i, y = "j", "y"
	}
	p.f("for %s := range %s.%s {\n", i, x, l.Name)
	if l.outer == nil {
		p.f("w.at(i)\n")
	}
	if l.single() {
		f := l.Fields[0]
		if c := f.when("v"); c != "" {
			p.f("if v == 0 || %s {\n", c)
			visitField(p, f, fmt.Sprintf("%s.%s[%s]", x, l.Name, i))
			p.f("}\n")
		} else {
			visitField(p, f, fmt.Sprintf("%s.%s[%s]", x, l.Name, i))
		}
	} else {
		p.f("%s := &%s.%s[%s]\n", y, x, l.Name, i)
		visitFloats(p, y, l.Fields)
	}
	p.f("}\n")
	if l.outer == nil {
		p.f("w.done()\n")
	}
}

func visitField(p *printer, f *Field, x string) {
	switch f.Type {
	case "BOOL":
		p.f("w.boolean(%q, %s)\n", f.Name, x)
	case "TIME":
		p.f("w.time(%q, %s)\n", f.Name, x)
	case "STRING":
		if f.Secret {
			p.f("w.secretText(%q, %s)\n", f.Name, x)
			return
		}
		p.f("w.text(%q, %s)\n", f.Name, x)
	case "UNSPEC":
		if f.Size > 0 {
			p.f("w.fixedBytes(%q, %s, %d)\n", f.Name, x, f.Size)
			return
		}
		if f.Secret {
			p.f("w.secretBytes(%q, %s)\n", f.Name, x)
			return
		}
		p.f("w.bytes(%q, %s)\n", f.Name, x)
	case "NAMEDVAR":
		p.f("w.namedVar(%q, %s)\n", f.Name, x)
	case "NAMEDARRAY":
		p.f("w.namedArray(%q, %s)\n", f.Name, x)
	case "TASKID":
		p.f("w.put(FieldValue{Name: %q, Kind: KindTaskID, Task: %s})\n", f.Name, x)
	default:
		group := ""
		if f.Enum != nil {
			group = f.Enum.Name
		}
		p.f("w.number(%q, %q, int64(%s))\n", f.Name, group, x)
	}
}

func emitMapText(p *printer, m *Message, g string) {
	body := &printer{}
	mapTexts(body, "m", m.Floats)
	p.f("// MapText replaces every text. See Message.\n")
	arg := "f"
	if len(bytes.TrimSpace(body.b)) == 0 {
		arg = "_"
	}
	p.f("func (m *%s) MapText(%s func(string) string) {\n", g, arg)
	p.b = append(p.b, body.b...)
	p.f("}\n\n")
}

func mapTexts(p *printer, x string, fields []*Field) {
	for _, f := range fields {
		l := f.List
		if l == nil {
			if f.Type == "STRING" {
				p.f("mapText(&%s.%s, f)\n", x, f.Name)
			}
			continue
		}
		i, y := "i", "x"
		if l.outer != nil {
			i, y = "j", "y"
		}
		inner := &printer{}
		if l.single() {
			item := fmt.Sprintf("%s.%s[%s]", x, l.Name, i)
			switch l.Fields[0].Type {
			case "STRING":
				inner.f("mapText(&%s, f)\n", item)
			case "NAMEDVAR", "NAMEDARRAY":
				inner.f("mapText(&%s.Name, f)\nmapText(&%s.Value, f)\n", item, item)
			}
		} else {
			members := &printer{}
			mapTexts(members, y, l.Fields)
			if len(members.b) > 0 {
				inner.f("%s := &%s.%s[%s]\n", y, x, l.Name, i)
				inner.b = append(inner.b, members.b...)
			}
		}
		if len(inner.b) > 0 {
			p.f("for %s := range %s.%s {\n%s}\n", i, x, l.Name, inner.b)
		}
	}
}
