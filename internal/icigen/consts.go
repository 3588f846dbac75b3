package main

import (
	"fmt"
	"strings"

	"github.com/connects-go/connects/internal/iciprofile"
)

func ops(g *gen) {
	g.p("// The services of the interface. A [Profile] gives their names on the wire.\nconst (\n\tServiceUnknown Service = iota")
	for _, s := range g.f.Services {
		who := "served by the connector"
		if !s.Inbound {
			who = "served by SAP"
		}
		g.p("%s", comment("\t", fmt.Sprintf("%s, %s: %s (%s)", s.Name, who, sentence(s.Purpose), origin(s.Status, s.Source))))
		g.p("\tService%s", s.Key)
	}
	g.p("\n\tnumServices = iota\n)\n")
	g.p("// The operations of all services. A [Profile] gives their names on the wire.\nconst (\n\tOpUnknown Op = iota")
	for _, s := range g.f.Services {
		for _, o := range s.Ops {
			text := fmt.Sprintf("%s.%s(%s) %s: %s", s.Name, o.Name, paramList(o), o.Result.Type, sentence(o.Doc))
			if o.Since != "" {
				text += " Since " + sentence(o.Since)
			}
			if len(o.Faults) > 0 {
				text += " Faults: " + strings.Join(o.Faults, ", ") + "."
			}
			g.p("%s", comment("\t", text+" ("+origin(o.Status, o.Source)+")"))
			g.p("\tOp%s%s", s.Key, goName(o.Name))
		}
	}
	g.p("\n\tnumOps = iota\n)")
}

func paramList(o *iciprofile.Op) string {
	var names []string
	for _, p := range o.Params {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

func params(g *gen) {
	type use struct {
		typ, status, notes string
		ops                []string
	}
	uses := map[string]*use{}
	for _, s := range g.f.Services {
		for _, o := range s.Ops {
			for _, p := range o.Params {
				u := uses[p.Name]
				if u == nil {
					u = &use{typ: p.Type, status: statusWord[p.Status]}
					uses[p.Name] = u
				}
				if u.notes == "" {
					u.notes = p.Note
				}
				u.ops = append(u.ops, "Op"+s.Key+goName(o.Name))
			}
		}
	}
	g.p("// The parameters of all operations; one name has one constant wherever it is used.\nconst (\n\tParamUnknown Param = iota")
	for _, name := range g.f.ParamNames() {
		u := uses[name]
		text := u.typ
		if u.notes != "" {
			text += ", " + u.notes
		}
		text += ", of "
		if len(u.ops) > 4 {
			text += fmt.Sprintf("%s and %d more", strings.Join(u.ops[:3], ", "), len(u.ops)-3)
		} else {
			text += strings.Join(u.ops, ", ")
		}
		g.p("%s", comment("\t", name+": "+text+". ("+u.status+")"))
		g.p("\tParam%s", goName(name))
	}
	g.p("\n\tnumParams = iota\n)\n")
	g.p("// Names and numbers of the envelope, read with [Profile.Wire].\nconst (")
	for i, w := range g.f.Wire {
		g.p("%s", comment("\t", fmt.Sprintf("%s, by default %s. (%s)", w.Key, w.Value, origin(w.Status, w.Source))))
		if i == 0 {
			g.p("\tWire%s Wire = iota", goName(w.Key))
		} else {
			g.p("\tWire%s", goName(w.Key))
		}
	}
	g.p("\n\tnumWires = iota\n)")
}

func codes(g *gen) {
	g.p("// The sets of codes.\nconst (\n\tEnumUnknown Enum = iota")
	for _, e := range g.f.Enums {
		g.p("%s", comment("\t", e.Name+": "+sentence(e.Note)))
		g.p("\tEnum%s", e.Name)
	}
	g.p("\n\tnumEnums = iota\n)\n")
	g.p("// The codes of all sets. A [Profile] gives the text of each on the wire.\nconst (\n\tCodeUnknown Code = iota")
	for _, e := range g.f.Enums {
		g.p("")
		for _, c := range e.Codes {
			g.p("%s", comment("\t", fmt.Sprintf("%s %q: %s. (%s)", e.Name, c.ID, c.Text, origin(c.Status, c.Source))))
			g.p("\t%s%s", e.Name, c.Key)
		}
		for _, c := range e.Ranges {
			g.p("%s", comment("\t", fmt.Sprintf("Further codes: %s, %s. (%s)", c.ID, c.Text, origin(c.Status, c.Source))))
		}
	}
	g.p("\n\tnumCodes = iota\n)\n")
	g.p("// The fault codes.\nconst (\n\tFaultUnknown FaultCode = iota")
	for _, x := range g.f.Faults {
		g.p("%s", comment("\t", fmt.Sprintf("%s: %s. (%s)", x.Code, x.Note, statusWord[x.Status])))
		g.p("\tFault%s", goName(x.Code))
	}
	g.p("\n\tnumFaults = iota\n)")
}
