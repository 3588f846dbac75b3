package wiregen

import "fmt"

func emitDecode(p *printer, m *Message, g string) {
	p.f("// DecodeFrom sets the message from a body in the layout of a version. See Message.\n")
	p.f("func (m *%s) DecodeFrom(body []byte, v Version) error {\n", g)
	p.f("*m = %s{", g)
	for _, f := range m.Floats {
		if f.List != nil {
			p.f("%s: m.%s[:0],", f.List.Name, f.List.Name)
		}
	}
	p.f("}\nd := newDecoder(body, v)\n")
	lv := "v"
	if len(m.ByLength) > 0 {
		lv = "lv"
		p.f("lv := v\nswitch len(body) {\n")
		for _, b := range m.ByLength {
			p.f("case %d:\nlv = %d\n", b.Length, b.Version)
		}
		p.f("}\n")
		border := 0
		for _, f := range m.Fixed {
			if s, _ := f.versions(); s > border {
				border = s
			}
		}
		p.f("if (lv >= %d) != (v >= %d) {\nm.LayoutVersion = lv\n}\n", border, border)
	}
	for _, f := range m.Fixed {
		if c := f.when(lv); c != "" {
			p.f("if %s {\n", c)
			decodeFixed(p, f)
			p.f("}\n")
			continue
		}
		decodeFixed(p, f)
	}
	ids := &listIDs{}
	declareLists(p, m.Floats, ids)
	table := "nil"
	if len(m.ranks) > 0 {
		table = "floats" + g
		p.f("for d.next() {\nswitch d.Tag() {\n")
		for _, f := range m.Floats {
			if f.List == nil {
				decodeSingle(p, m, f)
				continue
			}
			decodeList(p, m, f.List, ids)
		}
		p.f("default:\nd.extra(&m.Floating)\n}\n}\n")
	} else {
		p.f("for d.next() {\nd.extra(&m.Floating)\n}\n")
	}
	decodeEnd(p, m)
	p.f("return d.end(Type%s, &m.Floating, %s)\n}\n\n", g, table)
}

// listIDs numbers the lists of a message: state s0, absent mask a0, and so on.
type listIDs struct{ lists []*List }

func (ids *listIDs) of(l *List) int {
	for i, x := range ids.lists {
		if x == l {
			return i
		}
	}
	ids.lists = append(ids.lists, l)
	return len(ids.lists) - 1
}

func declareLists(p *printer, fields []*Field, ids *listIDs) {
	for _, f := range fields {
		l := f.List
		if l == nil {
			continue
		}
		if !l.single() {
			n := ids.of(l)
			p.f("var s%d listState\n", n)
			emitMask(p, fmt.Sprintf("a%d", n), l.Fields, true)
		}
		declareLists(p, l.Fields, ids)
	}
}

// emitMask declares the bits of the fields that a version always has.
func emitMask(p *printer, name string, fields []*Field, counts bool) {
	var mask uint64
	for _, f := range fields {
		if f.List == nil && (f.always() || counts && f.Count) && f.when("v") == "" && f.Tag.Number >= 0 {
			mask |= 1 << f.bit
		}
	}
	p.f("%s := Bits(%#x)\n", name, mask)
	for _, f := range fields {
		if f.List == nil && (f.always() || counts && f.Count) && f.when("v") != "" && f.Tag.Number >= 0 {
			p.f("if %s {\n%s |= 1 << %d\n}\n", f.when("v"), name, f.bit)
		}
	}
}

func decodeFixed(p *printer, f *Field) {
	var v string
	switch f.Type {
	case "BOOL":
		v = fmt.Sprintf("d.boolean(%q)", f.Name)
	case "UNSPEC":
		v = fmt.Sprintf("d.fixedBytes(%q, %d)", f.Name, f.Size)
	case "TASKID":
		p.f("m.%s, _ = ParseTaskID(d.Fixed(%q, TaskIDSize))\n", f.Name, f.Name)
		return
	default:
		v = f.convert(fmt.Sprintf("d.Uint%d(%q)", size(f.Type)*8, f.Name))
	}
	p.f("m.%s = %s\n", f.Name, v)
}

// convert turns an unsigned number into the type of the field.
func (f *Field) convert(x string) string {
	if f.goType() == fmt.Sprintf("uint%d", size(f.Type)*8) {
		return x
	}
	return fmt.Sprintf("%s(%s)", f.goType(), x)
}

// value reads the current floating field.
func (f *Field) value() string {
	switch f.Type {
	case "STRING":
		return "d.Text()"
	case "UNSPEC":
		return "d.Bytes()"
	case "BOOL":
		return "d.valueBool()"
	case "NAMEDVAR":
		return "d.valueNamedVar()"
	case "NAMEDARRAY":
		return "d.valueNamedArray()"
	}
	return f.convert(fmt.Sprintf("d.Value%d()", size(f.Type)*8))
}

// decodeCase opens the case of a field; a version without the field keeps it as extra.
func decodeCase(p *printer, f *Field) bool {
	if f.Tag.Number < 0 {
		return false
	}
	p.f("case %d", f.Tag.Number)
	if f.Or != nil {
		p.f(", %d", f.Or.Number)
	}
	p.f(": // %s\n", f.Name)
	if c := f.when("v"); c != "" {
		p.f("if !(%s) {\nd.extra(&m.Floating)\ncontinue\n}\n", c)
	}
	return true
}

func decodeSingle(p *printer, m *Message, f *Field) {
	if !decodeCase(p, f) {
		return
	}
	assign := fmt.Sprintf("m.%s = %s", f.Name, f.value())
	if f.Type == "TASKID" {
		assign = fmt.Sprintf("m.%s, _ = ParseTaskID(d.Sized(TaskIDSize))", f.Name)
	}
	p.f("if d.once(&m.Floating, %d) {\n%s\n", f.rank, assign)
	switch {
	case f.Typed != "":
		p.f("if %s && m.%s == 0xFFFF {\nm.Present |= 1 << %d\n}\n", f.empty("m"), f.Typed, f.bit)
	case !f.always():
		p.f("if %s {\nm.Present |= 1 << %d\n}\n", f.empty("m"), f.bit)
	}
	p.f("}\n")
}

// decodeList writes the cases of a list's members.
func decodeList(p *printer, m *Message, l *List, ids *listIDs) {
	for i, f := range l.Fields {
		if f.List != nil {
			decodeList(p, m, f.List, ids)
			continue
		}
		if !decodeCase(p, f) {
			continue
		}
		holder := "m"
		if l.outer != nil {
			holder = "x"
			n := ids.of(l.outer)
			p.f("if len(m.%s) == 0 {\n", l.outer.Name)
			openEntry(p, "m", l.outer, n, ids)
			p.f("s%d.started = true\n}\n", n)
			p.f("x := &m.%s[len(m.%s)-1]\n", l.outer.Name, l.outer.Name)
		}
		if l.single() {
			decodeElement(p, holder, l, f)
			continue
		}
		decodeMember(p, holder, l, f, i, ids)
	}
}

// countOf is the expression of the number that the count field says.
func countOf(holder string, l *List) string {
	c := fmt.Sprintf("int(%s.%s)", holder, l.Count)
	if l.Max > 0 {
		return fmt.Sprintf("min(%s, %d)", c, l.Max)
	}
	return c
}

func grow(p *printer, holder string, l *List, least int) {
	p.f("if len(%s.%s) == 0 {\n%s.%s = slices.Grow(%s.%s, d.room(%s, %d))\n}\n", holder, l.Name,
		holder, l.Name, holder, l.Name, countOf(holder, l), least)
}

func least(f *Field) int {
	switch f.Type {
	case "NAMEDVAR":
		return 2
	case "NAMEDARRAY":
		return 3
	}
	return size(f.Type)
}

func decodeElement(p *printer, holder string, l *List, f *Field) {
	p.f("d.rank(%d)\n", f.rank)
	grow(p, holder, l, least(f))
	name := holder + "." + l.Name
	if f.Packed {
		p.f("if n := d.elements(%d); n > 1 {\nfor i := range n {\n", size(f.Type))
		p.f("%s = append(%s, %s)\n}\ncontinue\n}\n", name, name, f.convert(fmt.Sprintf("d.at%d(i)", size(f.Type)*8)))
	}
	p.f("%s = append(%s, %s)\n", name, name, f.value())
}

func openEntry(p *printer, holder string, l *List, n int, ids *listIDs) {
	first := 0
	if l.Fields[0].List == nil {
		first = least(l.Fields[0])
	}
	grow(p, holder, l, first)
	p.f("%s.%s = append(%s.%s, %s{Presence: Presence{Absent: a%d}})\n", holder, l.Name, holder, l.Name, l.Entry, n)
	for _, f := range l.Fields {
		if f.List != nil && !f.List.single() {
			p.f("s%d = listState{}\n", ids.of(f.List))
		}
	}
}

func decodeMember(p *printer, holder string, l *List, f *Field, index int, ids *listIDs) {
	n := ids.of(l)
	entry := "x"
	if l.outer != nil {
		entry = "y"
	}
	name := holder + "." + l.Name
	set := func(value string) {
		p.f("%s.%s = %s\n", entry, f.Name, value)
		if f.always() || f.Count {
			p.f("%s.Absent &^= 1 << %d\n", entry, f.bit)
		}
		if !f.always() {
			p.f("if %s {\n%s.Present |= 1 << %d\n}\n", f.empty(entry), entry, f.bit)
		}
	}
	if f.Packed {
		p.f("if n := d.elements(%d); n > 1 || s%d.column(%d) {\nbase := d.columns(&s%d, %d, len(%s))\n",
			size(f.Type), n, f.bit, n, f.bit, name)
		p.f("for i := range n {\nif base+i == len(%s) {\n", name)
		openEntry(p, holder, l, n, ids)
		p.f("}\n%s := &%s[base+i]\n", entry, name)
		set(f.convert(fmt.Sprintf("d.at%d(i)", size(f.Type)*8)))
		p.f("}\ncontinue\n}\n")
	}
	opener := fmt.Sprint(index == 0)
	if l.AnyOrder {
		opener = fmt.Sprintf("s%d.starter == %d", n, f.bit)
	}
	p.f("if d.starts(&s%d, %d, %d, %s, %d, %d) {\n", n, f.rank, f.bit, opener, l.lo, l.hi)
	openEntry(p, holder, l, n, ids)
	p.f("}\n%s := &%s[len(%s)-1]\n", entry, name, name)
	set(f.value())
}

// decodeEnd notes what is missing and drops the memory of lists that stayed empty.
func decodeEnd(p *printer, m *Message) {
	required, counts := false, false
	for _, f := range m.Floats {
		required = required || f.List == nil && f.always() && f.Tag.Number >= 0
		counts = counts || f.List == nil && f.Count
	}
	if required || counts {
		emitMask(p, "required", m.Floats, false)
		for _, f := range m.Floats {
			if f.List != nil {
				continue
			}
			if f.Typed != "" {
				p.f("if m.%s == 0xFFFF {\nrequired &^= 1 << %d\n}\n", f.Typed, f.bit)
			}
			if l := listOf(f, m.Floats); f.Count && l != nil {
				p.f("if len(m.%s) > 0 {\nrequired |= 1 << %d\n}\n", l.Name, f.bit)
			}
		}
		p.f("m.Absent = required &^ Bits(d.seen)\n")
	}
	for _, f := range m.Floats {
		l := f.List
		if l == nil {
			continue
		}
		var counted []*Field
		for _, x := range l.Fields {
			if x.Count {
				counted = append(counted, x)
			}
		}
		if len(counted) > 0 {
			p.f("for i := range m.%s {\nx := &m.%s[i]\n", l.Name, l.Name)
			for _, x := range counted {
				inner := listOf(x, l.Fields)
				p.f("if len(x.%s) == 0 {\nx.Absent &^= 1 << %d\n}\n", inner.Name, x.bit)
			}
			p.f("}\n")
		}
		p.f("if len(m.%s) == 0 {\nm.%s = nil\n}\n", l.Name, l.Name)
	}
}
