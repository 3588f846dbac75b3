package main

import (
	"fmt"
	"strings"

	"github.com/connects-go/connects/internal/iciprofile"
)

// plural is the name of the list type of a struct.
func plural(name string) string {
	switch {
	case strings.HasSuffix(name, "Info"), strings.HasSuffix(name, "Information"):
		return name + "List"
	case strings.HasSuffix(name, "y"):
		return strings.TrimSuffix(name, "y") + "ies"
	case strings.HasSuffix(name, "s"):
		return name + "es"
	}
	return name + "s"
}

func (g *gen) goType(t string) string {
	base, list := strings.CutSuffix(t, "[]")
	switch {
	case g.f.IsText(base):
		base = "string"
	case base == "xsd:boolean":
		base = "bool"
	}
	if list {
		return "[]" + base
	}
	return base
}

func types(g *gen) {
	for _, t := range g.f.Structs() {
		text := fmt.Sprintf("%s is the ICI type of that name (%s).", t.Name, statusWord[t.Status])
		if t.Note != "" {
			text += "\n\n" + sentence(strings.ToUpper(t.Note[:1])+t.Note[1:])
		}
		if t.ABAP != "" {
			text += "\n\nABAP: " + sentence(t.ABAP)
		}
		g.p("%s\ntype %s struct {", comment("", text), t.Name)
		for _, m := range t.Members {
			note := m.Meaning
			if note != "" {
				note += " "
			}
			g.p("\t%s %s // %s(%s)", goName(m.Name), g.goType(m.Type), note, origin(m.Status, m.Source))
		}
		g.p("}\n")
		g.p("// %s is a list of %s as a [Value].\ntype %s []%s\n", plural(t.Name), t.Name, plural(t.Name), t.Name)
	}
	g.p("const (\n\ttypeUnknown typeID = iota")
	for _, t := range g.f.Structs() {
		g.p("\ttype%s", t.Name)
	}
	g.p("\n\tnumTypes = iota\n)\n")
	g.p("// Numbers of the first member of each struct in the table of all members.\nconst (")
	n := 0
	for _, t := range g.f.Structs() {
		g.p("\tmember%s = %d", t.Name, n)
		n += len(t.Members)
	}
	g.p("\n\tnumMembers = %d\n)", n)
}

func appenders(g *gen) {
	for _, t := range g.f.Structs() {
		n := t.Name
		g.p("func (v %s) appendXML(dst []byte, e enc, t *tag) []byte {", n)
		g.p("\tdst = append(dst, t.open...)\n\tdst = v.appendMembers(dst, e)\n\treturn append(dst, t.close...)\n}\n")
		g.p("func (v *%s) appendMembers(dst []byte, e enc) []byte {", n)
		g.p("\tm := e.p.members[member%s : member%s+%d]", n, n, len(t.Members))
		for i, m := range t.Members {
			g.appendMember(i, m)
		}
		g.p("\treturn dst\n}\n")
		g.p("func (v *%s) isZero() bool {\n\treturn %s\n}\n", n, g.zero(t))
		g.p("func (v %s) appendXML(dst []byte, e enc, t *tag) []byte {", plural(n))
		g.p("\tdst = e.openList(dst, t, len(v))\n\titem := &e.p.item\n\tfor i := range v {")
		g.p("\t\tdst = append(dst, item.open...)\n\t\tdst = v[i].appendMembers(dst, e)\n\t\tdst = append(dst, item.close...)\n\t}")
		g.p("\treturn append(dst, t.close...)\n}\n")
	}
}

func (g *gen) appendMember(i int, m iciprofile.Member) {
	f := "v." + goName(m.Name)
	base, list := strings.CutSuffix(m.Type, "[]")
	switch {
	case list && g.f.IsText(base):
		g.p("\tif len(%s) > 0 || e.full {\n\t\tdst = Texts(%s).appendXML(dst, e, &m[%d])\n\t}", f, f, i)
	case list:
		g.p("\tif len(%s) > 0 || e.full {\n\t\tdst = %s(%s).appendXML(dst, e, &m[%d])\n\t}", f, plural(base), f, i)
	case g.f.IsText(base):
		g.p("\tdst = e.text(dst, &m[%d], %s)", i, f)
	case base == "xsd:boolean":
		g.p("\tdst = e.boolean(dst, &m[%d], %s)", i, f)
	default:
		g.p("\tif !%s.isZero() || e.full {", f)
		g.p("\t\tdst = append(dst, m[%d].open...)\n\t\tdst = %s.appendMembers(dst, e)\n\t\tdst = append(dst, m[%d].close...)\n\t}", i, f, i)
	}
}

func (g *gen) zero(t *iciprofile.Type) string {
	var parts []string
	for _, m := range t.Members {
		f := "v." + goName(m.Name)
		base, list := strings.CutSuffix(m.Type, "[]")
		switch {
		case list:
			parts = append(parts, "len("+f+") == 0")
		case g.f.IsText(base):
			parts = append(parts, f+` == ""`)
		case base == "xsd:boolean":
			parts = append(parts, "!"+f)
		default:
			parts = append(parts, f+".isZero()")
		}
	}
	return strings.Join(parts, " && ")
}

func decoders(g *gen) {
	for _, t := range g.f.Structs() {
		n := t.Name
		g.p("// DecodeICI sets the members that e contains; unknown elements are ignored. A bare text is taken\n// for the first member.\nfunc (v *%s) DecodeICI(e Element) {", n)
		if m := t.Members[0]; g.f.IsText(m.Type) {
			g.p("\tif !e.First().Exists() {\n\t\tv.%s = e.Text()\n\t\treturn\n\t}", goName(m.Name))
		}
		g.p("\tfor c := e.First(); c.Exists(); c = c.Next() {\n\t\tswitch e.member(type%s, c.Name()) {", n)
		for i, m := range t.Members {
			f := "v." + goName(m.Name)
			base, list := strings.CutSuffix(m.Type, "[]")
			g.p("\t\tcase %d:", i)
			switch {
			case list && g.f.IsText(base):
				g.p("\t\t\t%s = c.AppendTexts(%s)", f, f)
			case list:
				g.p("\t\t\t%s = appendDecoded(%s, c, type%s)", f, f, base)
			case g.f.IsText(base):
				g.p("\t\t\t%s = c.Text()", f)
			case base == "xsd:boolean":
				g.p("\t\t\t%s = c.Bool(false)", f)
			default:
				g.p("\t\t\t%s.DecodeICI(c)", f)
			}
		}
		g.p("\t\t}\n\t}\n}\n")
		g.p("// DecodeICI appends the rows of the array e.\nfunc (v *%s) DecodeICI(e Element) {\n\t*v = appendDecoded(*v, e, type%s)\n}\n", plural(n), n)
	}
}
