package ici

import "slices"

// TypeMembers gives the element names of a struct type of the profile ("PhoneCall") in the order of the fields of the
// Go struct of that name, or nil.
func (p *Profile) TypeMembers(name string) []string {
	for i := range p.types {
		if t := &p.types[i]; t.name == name && name != "" {
			var out []string
			for _, m := range p.members[t.first : t.first+t.n] {
				out = append(out, m.name)
			}
			return out
		}
	}
	return nil
}

// OpParams gives the parameters of an operation in their order.
func (p *Profile) OpParams(o Op) []Param {
	if o == OpUnknown || int(o) >= len(p.ops) {
		return nil
	}
	var out []Param
	for _, x := range p.ops[o].params {
		out = append(out, x.param)
	}
	return out
}

// OpParamName gives the element name of a parameter of one operation; a site may have renamed it there only.
func (p *Profile) OpParamName(o Op, x Param) string {
	if int(o) >= len(p.ops) {
		return p.ParamName(x)
	}
	return p.paramTag(&p.ops[o], x).name
}

// OpResultName gives the element name of the result in the response to an operation.
func (p *Profile) OpResultName(o Op) string {
	if o == OpUnknown || int(o) >= len(p.ops) {
		return p.result.name
	}
	return p.ops[o].result.name
}

// FindOp gives the operation of a service with exactly that name, aliases not considered, or OpUnknown.
func (p *Profile) FindOp(s Service, name string) Op {
	return Op(max(0, slices.IndexFunc(p.ops, func(o opInfo) bool { return o.service == s && o.name == name })))
}
