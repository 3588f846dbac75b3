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

// FindOp gives the operation of a service with exactly that name, aliases not considered, or OpUnknown.
func (p *Profile) FindOp(s Service, name string) Op {
	return Op(max(0, slices.IndexFunc(p.ops, func(o opInfo) bool { return o.service == s && o.name == name })))
}
