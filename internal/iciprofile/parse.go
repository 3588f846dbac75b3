package iciprofile

import (
	"errors"
	"fmt"
	"strings"
)

// Format is the only version of the grammar so far.
const Format = "1"

// Parse reads a whole profile. All errors are reported together, each a *LineError.
func Parse(file, text string) (*File, error) {
	p := &parser{f: &File{}, file: file}
	for i, line := range strings.Split(text, "\n") {
		p.line = i + 1
		words, err := Words(line)
		if err != nil {
			p.fail("%v", err)
			continue
		}
		if len(words) > 0 {
			p.statement(words)
		}
	}
	if !p.format {
		p.line = 1
		p.fail("statement \"format %s\" is missing", Format)
	}
	if len(p.errs) == 0 {
		p.check()
	}
	return p.f, errors.Join(p.errs...)
}

type parser struct {
	f       *File
	file    string
	line    int
	errs    []error
	format  bool
	service *Service
	op      *Op
	typ     *Type
	enum    *Enum
	// prefixes may stand before their services
	prefixes []Alias
}

func (p *parser) fail(format string, args ...any) {
	p.errs = append(p.errs, &LineError{File: p.file, Line: p.line, Msg: fmt.Sprintf(format, args...)})
}

// shape lists the keywords with the least and the greatest number of words after them (-1: any) and what must precede.
var shape = map[string]struct {
	min, max int
	within   string
}{
	"format":      {1, 1, ""},
	"wire":        {4, 4, ""},
	"prefix":      {4, 4, ""},
	"service":     {5, 5, ""},
	"purpose":     {1, 1, "service"},
	"namespace":   {3, 3, "service"},
	"path":        {3, 3, "service"},
	"fallback":    {1, 1, "service"},
	"op":          {3, 3, "service"},
	"doc":         {1, 1, "op"},
	"since":       {1, 1, "op"},
	"channels":    {1, 1, "op"},
	"alias":       {1, -1, "op"},
	"param":       {4, 4, "op"},
	"result":      {4, 4, "op"},
	"faults":      {1, -1, "op"},
	"paramalias":  {4, 4, ""},
	"memberalias": {4, 4, ""},
	"secret":      {1, 1, ""},
	"type":        {4, 4, ""},
	"abap":        {1, 1, "type"},
	"member":      {5, 5, "type"},
	"enum":        {2, 2, ""},
	"code":        {5, 5, "enum"},
	"range":       {4, 4, "enum"},
	"fault":       {5, 5, ""},
}

func (p *parser) statement(w []string) {
	key, a := w[0], w[1:]
	sh, ok := shape[key]
	if !ok {
		p.fail("unknown keyword %q", key)
		return
	}
	if len(a) < sh.min || sh.max >= 0 && len(a) > sh.max {
		p.fail("%s: %d words expected, %d found", key, sh.min, len(a))
		return
	}
	switch {
	case sh.within == "service" && p.service == nil, sh.within == "op" && p.op == nil,
		sh.within == "type" && p.typ == nil, sh.within == "enum" && p.enum == nil:
		p.fail("%s without %s before it", key, sh.within)
		return
	}
	switch key {
	case "format":
		p.format = true
		if a[0] != Format {
			p.fail("format %s is not supported", a[0])
		}
	case "wire":
		p.f.Wire = append(p.f.Wire, Wire{a[0], a[1], p.status(a[2]), a[3]})
	case "prefix":
		p.status(a[2])
		p.prefixes = append(p.prefixes, Alias{a[0], a[1], Status(a[2]), a[3], p.line})
	case "service":
		p.service = &Service{Key: a[0], Built: a[1], Name: a[1], Inbound: a[2] == "in", Status: p.status(a[3]), Source: a[4], Line: p.line}
		if a[2] != "in" && a[2] != "out" {
			p.fail("service: direction in or out expected, %q found", a[2])
		}
		p.op, p.typ, p.enum = nil, nil, nil
		p.f.Services = append(p.f.Services, p.service)
	case "purpose":
		p.service.Purpose = a[0]
	case "namespace":
		p.service.Namespace, p.service.NSStatus = a[0], p.status(a[1])
	case "path":
		p.service.Path = a[0]
		p.status(a[1])
	case "fallback":
		p.service.Fallback = a[0]
	case "op":
		p.op = &Op{Built: a[0], Name: a[0], Status: p.status(a[1]), Source: a[2], Line: p.line}
		p.service.Ops = append(p.service.Ops, p.op)
	case "doc":
		p.op.Doc = a[0]
	case "since":
		p.op.Since = a[0]
	case "channels":
		p.op.Channels = a[0]
	case "alias":
		p.op.Aliases = append(p.op.Aliases, a...)
	case "param":
		p.op.Params = append(p.op.Params, Param{a[0], a[0], a[1], p.status(a[2]), a[3], p.line})
	case "result":
		p.op.Result = Param{a[0], a[0], a[1], p.status(a[2]), a[3], p.line}
	case "faults":
		p.op.Faults = append(p.op.Faults, a...)
	case "paramalias":
		p.f.ParamAliases = append(p.f.ParamAliases, Alias{a[0], a[1], p.status(a[2]), a[3], p.line})
	case "memberalias":
		p.f.MemberAliases = append(p.f.MemberAliases, Alias{a[0], a[1], p.status(a[2]), a[3], p.line})
	case "secret":
		p.f.Secrets = append(p.f.Secrets, a[0])
	case "type":
		p.typ = &Type{Name: a[0], Kind: a[1], Status: p.status(a[2]), Note: a[3], Line: p.line}
		p.service, p.op, p.enum = nil, nil, nil
		p.f.Types = append(p.f.Types, p.typ)
	case "abap":
		p.typ.ABAP = a[0]
	case "member":
		p.typ.Members = append(p.typ.Members, Member{a[0], a[0], a[1], p.status(a[2]), a[3], a[4], p.line})
	case "enum":
		p.enum = &Enum{Name: a[0], Note: a[1], Line: p.line}
		p.service, p.op, p.typ = nil, nil, nil
		p.f.Enums = append(p.f.Enums, p.enum)
	case "code":
		p.enum.Codes = append(p.enum.Codes, Code{a[0], a[1], a[1], p.status(a[2]), a[3], a[4], p.line})
	case "range":
		p.enum.Ranges = append(p.enum.Ranges, Code{"", a[0], a[0], p.status(a[1]), a[2], a[3], p.line})
	case "fault":
		if a[1] != "Client" && a[1] != "Server" {
			p.fail("fault: Client or Server expected, %q found", a[1])
		}
		p.f.Faults = append(p.f.Faults, &Fault{a[0], a[0], a[1] == "Client", p.status(a[2]), a[3], a[4], p.line})
	}
}

func (p *parser) status(s string) Status {
	if !Status(s).Valid() {
		p.fail("status V, V*, D or A expected, %q found", s)
	}
	return Status(s)
}

// check resolves the cross-references.
func (p *parser) check() {
	f := p.f
	faults := map[string]bool{}
	for _, x := range f.Faults {
		p.line = x.Line
		p.once(faults, "fault", x.Code)
	}
	types := map[string]bool{"xsd:string": true, "xsd:boolean": true}
	for _, t := range f.Types {
		p.line = t.Line
		p.once(types, "type", t.Name)
	}
	for _, al := range p.prefixes {
		p.line = al.Line
		if s := f.Service(al.Name); s != nil {
			s.Prefix = al.Alias
		} else {
			p.fail("prefix: unknown service %q", al.Name)
		}
	}
	services, params := map[string]bool{}, map[string]bool{}
	for _, s := range f.Services {
		p.line = s.Line
		p.once(services, "service", s.Key)
		if s.Namespace == "" || s.Path == "" {
			p.fail("service %s: namespace and path are needed", s.Name)
		}
		if s.Fallback != "" && f.Service(s.Fallback) == nil {
			p.fail("service %s: unknown fallback %q", s.Name, s.Fallback)
		}
		ops := map[string]bool{}
		for _, o := range s.Ops {
			p.line = o.Line
			p.once(ops, "operation or alias", o.Name)
			for _, a := range o.Aliases {
				p.once(ops, "operation or alias", a)
			}
			if o.Result.Name == "" {
				p.fail("operation %s: result is missing", o.Name)
			} else {
				p.typeExists(types, o.Result.Type, o.Result.Line)
			}
			own := map[string]bool{}
			for _, x := range o.Params {
				p.line = x.Line
				p.once(own, "parameter", x.Name)
				params[x.Name] = true
				p.typeExists(types, x.Type, x.Line)
			}
			p.line = o.Line
			for _, x := range o.Faults {
				if !faults[x] {
					p.fail("operation %s: unknown fault %q", o.Name, x)
				}
			}
		}
	}
	for _, t := range f.Types {
		own := map[string]bool{}
		for _, m := range t.Members {
			p.line = m.Line
			p.once(own, "member", m.Name)
			if t.Kind != "document" {
				p.typeExists(types, m.Type, m.Line)
			}
		}
	}
	for _, e := range f.Enums {
		keys, ids := map[string]bool{}, map[string]bool{}
		for _, c := range e.Codes {
			p.line = c.Line
			p.once(keys, "code", c.Key)
			p.once(ids, "code id", c.ID)
		}
	}
	for _, al := range f.ParamAliases {
		p.line = al.Line
		if !params[al.Name] {
			p.fail("paramalias: unknown parameter %q", al.Name)
		}
	}
	for _, al := range f.MemberAliases {
		p.line = al.Line
		t, m, _ := strings.Cut(al.Name, ".")
		ok := false
		if typ := f.Type(t); typ != nil {
			for _, x := range typ.Members {
				ok = ok || x.Name == m
			}
		}
		if !ok {
			p.fail("memberalias: unknown member %q", al.Name)
		}
	}
	for _, s := range f.Secrets {
		if !params[s] {
			p.line = 1
			p.fail("secret: unknown parameter %q", s)
		}
	}
}

func (p *parser) once(seen map[string]bool, what, name string) {
	if seen[name] {
		p.fail("%s %q stands twice", what, name)
	}
	seen[name] = true
}

func (p *parser) typeExists(types map[string]bool, t string, line int) {
	if !types[strings.TrimSuffix(t, "[]")] {
		p.line = line
		p.fail("unknown type %q", t)
	}
}
