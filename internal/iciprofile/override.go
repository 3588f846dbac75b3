package iciprofile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/connects-go/connects/internal/spelling"
)

// Override applies an override text to a profile and returns the changed copy. All errors are reported together, each a
// *LineError.
//
// One statement per line: a keyword, what it concerns in names of the built-in profile, "=", the new name.
//
//	service   IciUser = IciAgent
//	namespace IciUser = urn:example:agent
//	path      IciUser = /agent
//	prefix    IciPhoneCall = tel-
//	op        IciUser.setCurrentWorkcenter = logonWorkcenter
//	alias     IciUser.subscribe = startEvents openEvents
//	result    IciUser.getAttributes = user
//	param     appUrl = eventUrl
//	param     IciUser.subscribe.appUrl = url
//	paramalias  appUrl = target
//	member      PhoneCall.remoteNumbers = numbers
//	memberalias PhoneCall.remoteNumbers = phoneNumbers
//	code      Workmode.4 = 99
//	fault     destinationInvalid = DEST_INVALID
//	wire      headerUser = userId
//
// A name that was replaced is still understood on receipt where nothing else has taken it.
func Override(base *File, file, text string) (*File, error) {
	o := &overrider{f: clone(base), file: file, set: map[string]int{}, lines: map[string]int{}}
	for i, line := range strings.Split(text, "\n") {
		o.line = i + 1
		words, err := Words(line)
		if err != nil {
			o.fail("%v", err)
			continue
		}
		if len(words) > 0 {
			o.statement(words)
		}
	}
	if len(o.errs) == 0 {
		o.conflicts()
	}
	if len(o.errs) > 0 {
		return nil, errors.Join(o.errs...)
	}
	o.keepOld()
	return o.f, nil
}

type overrider struct {
	f     *File
	file  string
	line  int
	errs  []error
	set   map[string]int // statement to line
	lines map[string]int // scope and new name to line
	old   []func(*overrider)
}

func (o *overrider) fail(format string, args ...any) {
	o.errs = append(o.errs, &LineError{File: o.file, Line: o.line, Msg: fmt.Sprintf(format, args...)})
}

var overrideKeywords = []string{
	"service", "namespace", "path", "prefix", "op", "alias", "result", "param", "paramalias", "member", "memberalias", "code", "fault", "wire",
}

func (o *overrider) statement(w []string) {
	key := w[0]
	if key == "format" {
		if len(w) != 2 || w[1] != Format {
			o.fail("format %s expected", Format)
		}
		return
	}
	if !slices.Contains(overrideKeywords, key) {
		o.fail("unknown keyword %q%s", key, suggest(key, overrideKeywords))
		return
	}
	if len(w) < 4 || w[2] != "=" || len(w) > 4 && key != "alias" {
		o.fail("form: %s NAME = NEWNAME", key)
		return
	}
	what, to := w[1], w[3]
	multiple := key == "alias" || key == "paramalias" || key == "memberalias"
	stmt := key + " " + what
	if multiple {
		stmt += " = " + strings.Join(w[3:], " ")
	}
	if before, ok := o.set[stmt]; ok {
		o.fail("%s is already set in line %d", stmt, before)
		return
	}
	o.set[stmt] = o.line
	for _, name := range w[3:] {
		if msg := validName(key, name); msg != "" {
			o.fail("%s %s: %q %s", key, what, name, msg)
			return
		}
	}
	switch key {
	case "service", "namespace", "path", "prefix":
		o.service(key, what, to)
	case "op", "alias", "result":
		if op, s := o.op(what); op != nil {
			o.operation(key, op, s, w[3:])
		}
	case "param", "paramalias":
		o.param(key, what, to)
	case "member", "memberalias":
		o.member(key, what, to)
	case "code":
		o.code(what, to)
	case "fault":
		var names []string
		for _, x := range o.f.Faults {
			if x.Built == what {
				x.Code = to
				o.lines["fault code "+to] = o.line
				return
			}
			names = append(names, x.Built)
		}
		o.fail("unknown fault %q%s", what, suggest(what, names))
	case "wire":
		var names []string
		for i := range o.f.Wire {
			if o.f.Wire[i].Key == what {
				o.f.Wire[i].Value = to
				return
			}
			names = append(names, o.f.Wire[i].Key)
		}
		o.fail("unknown wire name %q%s", what, suggest(what, names))
	}
}

func (o *overrider) service(key, what, to string) {
	s := o.findService(what)
	if s == nil {
		return
	}
	switch key {
	case "service":
		s.Name = to
	case "namespace":
		s.Namespace = to
	case "path":
		s.Path = to
	case "prefix":
		s.Prefix = to
	}
	o.lines[key+" "+to] = o.line
}

func (o *overrider) findService(name string) *Service {
	var names []string
	for _, s := range o.f.Services {
		if s.Built == name {
			return s
		}
		names = append(names, s.Built)
	}
	o.fail("unknown service %q%s", name, suggest(name, names))
	return nil
}

func (o *overrider) op(what string) (*Op, *Service) {
	sn, on, ok := strings.Cut(what, ".")
	if !ok {
		o.fail("%q: SERVICE.OPERATION expected", what)
		return nil, nil
	}
	s := o.findService(sn)
	if s == nil {
		return nil, nil
	}
	var names []string
	for _, x := range s.Ops {
		if x.Built == on {
			return x, s
		}
		names = append(names, x.Built)
	}
	o.fail("service %s has no operation %q%s", sn, on, suggest(on, names))
	return nil, nil
}

func (o *overrider) operation(key string, op *Op, s *Service, to []string) {
	scope := "operation of " + s.Built + " "
	switch key {
	case "op":
		was := op.Name
		op.Name = to[0]
		op.Aliases = slices.DeleteFunc(op.Aliases, func(a string) bool { return a == to[0] })
		o.lines[scope+to[0]] = o.line
		o.old = append(o.old, func(o *overrider) {
			for _, x := range s.Ops {
				if x.Name == was || slices.Contains(x.Aliases, was) {
					return
				}
			}
			op.Aliases = append(op.Aliases, was)
		})
	case "alias":
		for _, a := range to {
			op.Aliases = append(op.Aliases, a)
			o.lines[scope+a] = o.line
		}
	case "result":
		op.Result.Name = to[0]
	}
}

func (o *overrider) param(key, what, to string) {
	names := o.f.ParamNames()
	i := strings.LastIndexByte(what, '.')
	if i < 0 {
		if !slices.Contains(names, what) {
			o.fail("unknown parameter %q%s", what, suggest(what, names))
			return
		}
		if key == "paramalias" {
			o.f.ParamAliases = append(o.f.ParamAliases, Alias{what, to, Assumed, o.file, o.line})
			o.lines["parameter alias "+to] = o.line
			return
		}
		o.f.Renamed[what] = to
		o.lines["parameter "+to] = o.line
		for _, s := range o.f.Services {
			for _, op := range s.Ops {
				for j := range op.Params {
					if x := &op.Params[j]; x.Built == what && o.set["param "+s.Built+"."+op.Built+"."+what] == 0 {
						x.Name = to
						o.lines["parameter of "+s.Built+"."+op.Built+" "+to] = o.line
					}
				}
			}
		}
		o.old = append(o.old, func(o *overrider) {
			o.f.ParamAliases = append(o.f.ParamAliases, Alias{what, what, Assumed, o.file, 0})
		})
		return
	}
	if key == "paramalias" {
		o.fail("paramalias holds for all operations: give the parameter alone, %q", what[i+1:])
		return
	}
	op, s := o.op(what[:i])
	if op == nil {
		return
	}
	var own []string
	for j := range op.Params {
		if x := &op.Params[j]; x.Built == what[i+1:] {
			x.Name = to
			o.lines["parameter of "+s.Built+"."+op.Built+" "+to] = o.line
			return
		}
		own = append(own, op.Params[j].Built)
	}
	o.fail("operation %s has no parameter %q%s", what[:i], what[i+1:], suggest(what[i+1:], own))
}

func (o *overrider) member(key, what, to string) {
	tn, mn, _ := strings.Cut(what, ".")
	var names []string
	for _, t := range o.f.Structs() {
		if t.Name != tn {
			names = append(names, t.Name)
			continue
		}
		var own []string
		for i := range t.Members {
			m := &t.Members[i]
			if m.Built != mn {
				own = append(own, m.Built)
				continue
			}
			if key == "member" {
				m.Name = to
				o.lines["member of "+tn+" "+to] = o.line
				to = mn
			}
			o.f.MemberAliases = append(o.f.MemberAliases, Alias{what, to, Assumed, o.file, o.line})
			return
		}
		o.fail("type %s has no member %q%s", tn, mn, suggest(mn, own))
		return
	}
	o.fail("unknown type %q%s", tn, suggest(tn, names))
}

func (o *overrider) code(what, to string) {
	en, id, _ := strings.Cut(what, ".")
	var names []string
	for _, e := range o.f.Enums {
		if e.Name != en {
			names = append(names, e.Name)
			continue
		}
		var own []string
		for i := range e.Codes {
			if e.Codes[i].Built == id {
				e.Codes[i].ID = to
				o.lines["code of "+en+" "+to] = o.line
				return
			}
			own = append(own, e.Codes[i].Built)
		}
		o.fail("enum %s has no code %q%s", en, id, suggest(id, own))
		return
	}
	o.fail("unknown enum %q%s", en, suggest(en, names))
}

// keepOld lets replaced names be understood where nothing else has taken them.
func (o *overrider) keepOld() {
	for _, f := range o.old {
		f(o)
	}
}

// conflicts reports names that now stand for two things.
func (o *overrider) conflicts() {
	seen := map[string]string{}
	check := func(scope, name, owner string) {
		k := scope + " " + name
		if before, ok := seen[k]; ok && before != owner {
			if line := o.lines[k]; line > 0 {
				o.line = line
				o.fail("%s %q stands for both %s and %s", scope, name, before, owner)
			}
			return
		}
		seen[k] = owner
	}
	for _, s := range o.f.Services {
		check("service", s.Name, s.Built)
		check("namespace", s.Namespace, s.Built)
		check("path", s.Path, s.Built)
		if s.Prefix != "" {
			check("prefix", s.Prefix, s.Built)
		}
		for _, op := range s.Ops {
			check("operation of "+s.Built, op.Name, op.Built)
			for _, p := range op.Params {
				check("parameter of "+s.Built+"."+op.Built, p.Name, p.Built)
			}
		}
		for _, op := range s.Ops {
			for _, a := range op.Aliases {
				check("operation of "+s.Built, a, op.Built)
			}
		}
	}
	for _, n := range o.f.ParamNames() {
		to := n
		if r, ok := o.f.Renamed[n]; ok {
			to = r
		}
		check("parameter", to, n)
	}
	for _, t := range o.f.Structs() {
		for _, m := range t.Members {
			check("member of "+t.Name, m.Name, m.Built)
		}
	}
	for _, e := range o.f.Enums {
		for _, c := range e.Codes {
			check("code of "+e.Name, c.ID, c.Built)
		}
	}
	for _, x := range o.f.Faults {
		check("fault code", x.Code, x.Built)
	}
}

func validName(key, name string) string {
	switch key {
	case "namespace":
		if name == "" || strings.ContainsAny(name, " \t<>\"&") {
			return "is not a namespace"
		}
	case "path":
		if !strings.HasPrefix(name, "/") || strings.ContainsAny(name, " ?#<>\"&") {
			return "is not a path; it begins with / and has no query"
		}
	case "code", "fault", "wire", "prefix":
		if name == "" && key != "wire" || strings.ContainsAny(name, "<&\x00") {
			return "is empty or holds < or &"
		}
	default:
		if !xmlName(name) {
			return "is not an XML name without colon"
		}
	}
	return ""
}

func xmlName(s string) bool {
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
		later := c >= '0' && c <= '9' || c == '-' || c == '.'
		if !letter && (i == 0 || !later) {
			return false
		}
	}
	return s != "" && len(s) <= 200
}

func clone(f *File) *File {
	c := *f
	c.Wire = slices.Clone(f.Wire)
	c.Services = make([]*Service, len(f.Services))
	for i, s := range f.Services {
		x := *s
		x.Ops = make([]*Op, len(s.Ops))
		for j, op := range s.Ops {
			y := *op
			y.Aliases, y.Params = slices.Clone(op.Aliases), slices.Clone(op.Params)
			x.Ops[j] = &y
		}
		c.Services[i] = &x
	}
	c.Types = make([]*Type, len(f.Types))
	for i, t := range f.Types {
		x := *t
		x.Members = slices.Clone(t.Members)
		c.Types[i] = &x
	}
	c.Enums = make([]*Enum, len(f.Enums))
	for i, e := range f.Enums {
		x := *e
		x.Codes = slices.Clone(e.Codes)
		c.Enums[i] = &x
	}
	c.Faults = make([]*Fault, len(f.Faults))
	for i, x := range f.Faults {
		y := *x
		c.Faults[i] = &y
	}
	c.ParamAliases, c.MemberAliases = slices.Clone(f.ParamAliases), slices.Clone(f.MemberAliases)
	c.Renamed = maps.Clone(f.Renamed)
	if c.Renamed == nil {
		c.Renamed = map[string]string{}
	}
	return &c
}

// suggest names the nearest of the known names, if one is near.
func suggest(name string, known []string) string {
	best, bestD := "", 1+len(name)/3
	for _, k := range known {
		d := spelling.Distance(strings.ToLower(name), strings.ToLower(k))
		if d < bestD || d == bestD && best == "" {
			best, bestD = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
