package ici

import (
	"strings"

	"github.com/connects-go/connects/internal/iciprofile"
)

// compile turns a checked profile into the tables that readers and writers use. The numbers follow the order of the
// file, as the generated constants do.
func compile(f *iciprofile.File) *Profile {
	p := &Profile{
		file:     f,
		services: make([]serviceInfo, 1, len(f.Services)+1),
		ops:      make([]opInfo, 1, numOps),
		params:   make([]tag, 1, numParams),
		types:    make([]typeInfo, 1, numTypes),
		enums:    make([]string, 1, numEnums),
		codes:    make([]codeInfo, 1, numCodes),
		faults:   make([]faultInfo, 1, numFaults),
		lookup:   map[string][]Op{},
		folded:   map[string][]Op{},
		byNS:     map[string]Service{},
		paramBy:  map[string]Param{},
		foldedP:  map[string]Param{},
	}
	for _, w := range f.Wire {
		p.wire = append(p.wire, w.Value)
	}
	p.full = p.Wire(WireEmptyMembers) == "send"
	p.item = newTag(p.Wire(WireItem))
	p.result = newTag(p.Wire(WireResult))
	p.compileParams(f)
	p.compileServices(f)
	p.compileTypes(f)
	p.compileEnvelope()
	return p
}

func (p *Profile) compileParams(f *iciprofile.File) {
	built := map[string]Param{}
	for i, name := range f.ParamNames() {
		x := Param(i + 1)
		built[name] = x
		wire := name
		if to, ok := f.Renamed[name]; ok {
			wire = to
		}
		p.params = append(p.params, newTag(wire))
		p.addParam(wire, x)
	}
	p.paramBuilt = built
	for _, a := range f.ParamAliases {
		p.addParam(a.Alias, built[a.Name])
	}
	for _, s := range f.Secrets {
		p.secret[built[s]] = true
	}
}

func (p *Profile) addParam(name string, x Param) {
	if p.paramBy[name] == ParamUnknown {
		p.paramBy[name] = x
	}
	if low := strings.ToLower(name); p.foldedP[low] == ParamUnknown {
		p.foldedP[low] = x
	}
}

func (p *Profile) compileServices(f *iciprofile.File) {
	keys := map[string]Service{}
	for i, s := range f.Services {
		keys[s.Key] = Service(i + 1)
	}
	for i, s := range f.Services {
		num := Service(i + 1)
		p.byNS[s.Namespace] = num
		info := serviceInfo{
			name: s.Name, namespace: s.Namespace, path: s.Path, prefix: s.Prefix, inbound: s.Inbound,
			fallback: keys[s.Fallback], ops: map[string]Op{}, folded: map[string]Op{}, status: statusOf[s.Status],
		}
		for _, o := range s.Ops {
			op := Op(len(p.ops))
			p.ops = append(p.ops, p.compileOp(s, o, num))
			for _, name := range append([]string{o.Name}, o.Aliases...) {
				info.ops[name] = op
				p.lookup[name] = append(p.lookup[name], op)
				low := strings.ToLower(name)
				if info.folded[low] == OpUnknown {
					info.folded[low] = op
					p.folded[low] = append(p.folded[low], op)
				}
			}
		}
		p.services = append(p.services, info)
	}
}

func (p *Profile) compileOp(s *iciprofile.Service, o *iciprofile.Op, num Service) opInfo {
	response := o.Name + p.Wire(WireResponseSuffix)
	ns, enc := ` xmlns:m="`+attr(s.Namespace)+`"`, ` `+envPrefix+`:encodingStyle="`+attr(p.Wire(WireEncoding))+`"`
	info := opInfo{
		service: num, name: o.Name, aliases: o.Aliases, result: newTag(o.Result.Name), typ: o.Result.Type,
		open:    [2]string{"<m:" + o.Name + ns + enc + ">", "<m:" + o.Name + ns + ">"},
		close:   "</m:" + o.Name + ">",
		respond: [2]string{"<m:" + response + ns + enc + ">", "<m:" + response + ns + ">"},
		respEnd: "</m:" + response + ">",
		status:  statusOf[o.Status],
	}
	for _, x := range o.Params {
		info.params = append(info.params, opParam{p.paramBuilt[x.Built], x.Type, newTag(x.Name)})
	}
	return info
}

func (p *Profile) compileTypes(f *iciprofile.File) {
	for _, t := range f.Structs() {
		info := typeInfo{name: t.Name, first: len(p.members), n: len(t.Members)}
		for i, m := range t.Members {
			p.members = append(p.members, newTag(m.Name))
			for _, a := range f.MemberAliases {
				if a.Name == t.Name+"."+m.Built {
					info.aliases = append(info.aliases, memberAlias{i, a.Alias})
				}
			}
		}
		p.types = append(p.types, info)
	}
	for i, e := range f.Enums {
		p.enums = append(p.enums, e.Name)
		for _, c := range e.Codes {
			p.codes = append(p.codes, codeInfo{Enum(i + 1), c.ID, statusOf[c.Status]})
		}
	}
	for _, x := range f.Faults {
		p.faults = append(p.faults, faultInfo{x.Code, x.Text, x.Client})
	}
}

const envPrefix = "SOAP-ENV"

// headerTag is one header entry, ready to write.
type headerTag struct {
	open  [2]string
	close string
}

func (p *Profile) compileEnvelope() {
	start := `<?xml version="1.0" encoding="utf-8"?><` + envPrefix + `:` + soapEnvelope + ` xmlns:` + envPrefix + `="` +
		attr(p.wire[WireEnvelope]) + `"`
	p.head[encoded] = start + ` xmlns:SOAP-ENC="` + attr(p.wire[WireEncoding]) + `" xmlns:xsi="` + attr(p.wire[WireInstance]) +
		`" xmlns:xsd="` + attr(p.wire[WireSchema]) + `">`
	p.head[literal] = start + `>`
	p.bodyOpen = `<` + envPrefix + `:` + soapBody + `>`
	p.foot = `</` + envPrefix + `:` + soapBody + `></` + envPrefix + `:` + soapEnvelope + `>`
	p.headerOpen = `<` + envPrefix + `:` + soapHeader + `>`
	p.headerClose = `</` + envPrefix + `:` + soapHeader + `>`
	p.headerUser = p.headerTag(p.wire[WireHeaderUser])
	p.headerLanguage = p.headerTag(p.wire[WireHeaderLanguage])
	p.encodingStyle = ` ` + envPrefix + `:encodingStyle="` + attr(p.wire[WireEncoding]) + `"`
	p.faultTag = newTag(p.wire[WireFaultCode])
}

func (p *Profile) headerTag(name string) headerTag {
	start := `<h:` + name + ` xmlns:h="` + attr(p.wire[WireHeaderNamespace]) + `" ` + envPrefix + `:mustUnderstand="0"`
	return headerTag{open: [2]string{start + ` xsi:type="xsd:string">`, start + `>`}, close: `</h:` + name + `>`}
}
