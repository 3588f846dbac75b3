package ici

import "strings"

// Header holds the two header entries of every call.
type Header struct {
	User     string // SAP user for whom the call is made
	Language string // two-letter logon language
}

// Arg is one parameter of a call.
type Arg struct {
	Param Param
	Value Value
}

// AppendRequest appends the whole envelope of a call in the style of the profile: an event to SAP, or on the side of SAP
// a request. It does not allocate when dst has room.
func (p *Profile) AppendRequest(dst []byte, h Header, op Op, args ...Arg) []byte {
	return p.appendRequest(dst, h, op, encoded, args)
}

// AppendRequestStyle is AppendRequest in a given style.
func (p *Profile) AppendRequestStyle(dst []byte, s Style, h Header, op Op, args ...Arg) []byte {
	return p.appendRequest(dst, h, op, s, args)
}

func (p *Profile) appendRequest(dst []byte, h Header, op Op, s Style, args []Arg) []byte {
	dst = append(dst, p.head[s]...)
	if h != (Header{}) {
		dst = append(dst, p.headerOpen...)
		dst = appendHeaderEntry(dst, &p.headerUser, h.User, s)
		dst = appendHeaderEntry(dst, &p.headerLanguage, h.Language, s)
		dst = append(dst, p.headerClose...)
	}
	dst = append(dst, p.bodyOpen...)
	if int(op) >= len(p.ops) {
		op = OpUnknown
	}
	info := &p.ops[op]
	dst = append(dst, info.open[s]...)
	e := enc{p, s, p.full}
	for i := range args {
		if args[i].Value != nil {
			dst = args[i].Value.appendXML(dst, e, p.paramTag(info, args[i].Param))
		}
	}
	dst = append(dst, info.close...)
	return append(dst, p.foot...)
}

func appendHeaderEntry(dst []byte, t *headerTag, v string, s Style) []byte {
	if v == "" {
		return dst
	}
	dst = append(dst, t.open[s]...)
	dst = appendEscaped(dst, v)
	return append(dst, t.close...)
}

func (p *Profile) paramTag(info *opInfo, x Param) *tag {
	for i := range info.params {
		if info.params[i].param == x {
			return &info.params[i].tag
		}
	}
	if int(x) >= len(p.params) {
		x = ParamUnknown
	}
	return &p.params[x]
}

// AppendResponse appends the whole envelope of the answer to r, under the name and namespace and in the style that the
// caller used. A nil Value is an empty string.
func (p *Profile) AppendResponse(dst []byte, r *Request, v Value) []byte {
	if v == nil {
		v = Text("")
	}
	info := &p.ops[r.Op]
	dst = append(dst, p.head[r.Style]...)
	dst = append(dst, p.bodyOpen...)
	t := &p.result
	if r.Op != OpUnknown {
		t = &info.result
	}
	if r.Op != OpUnknown && r.Name == info.name && r.body.Space() == p.services[info.service].namespace {
		dst = append(dst, info.respond[r.Style]...)
		dst = v.appendXML(dst, enc{p, r.Style, p.full}, t)
		dst = append(dst, info.respEnd...)
		return append(dst, p.foot...)
	}
	ns := r.body.Space()
	dst = append(dst, "<m:"...)
	dst = append(dst, r.Name...)
	dst = append(dst, p.wire[WireResponseSuffix]...)
	dst = append(dst, ` xmlns:m="`...)
	dst = append(dst, attr(ns)...)
	dst = append(dst, '"')
	if ns == "" { // a prefix cannot stand for no namespace
		dst = dst[:len(dst)-len(` xmlns:m=""`)]
		i := len(dst) - len(r.Name) - len(p.wire[WireResponseSuffix]) - 2
		dst = append(dst[:i], dst[i+2:]...)
	}
	if r.Style == Encoded {
		dst = append(dst, p.encodingStyle...)
	}
	dst = append(dst, '>')
	dst = v.appendXML(dst, enc{p, r.Style, p.full}, t)
	dst = append(dst, "</"...)
	if ns != "" {
		dst = append(dst, "m:"...)
	}
	dst = append(dst, r.Name...)
	dst = append(dst, p.wire[WireResponseSuffix]...)
	dst = append(dst, '>')
	return append(dst, p.foot...)
}

// AppendFault appends the whole envelope of a fault. An empty Text becomes the English text of the code.
func (p *Profile) AppendFault(dst []byte, f *Fault) []byte {
	c := f.Code
	if c == FaultUnknown || int(c) >= len(p.faults) {
		c = FaultGeneric
	}
	actor := ":Server"
	if p.faults[c].client {
		actor = ":Client"
	}
	if f.Actor != "" {
		actor = ":" + f.Actor
	}
	text := f.Text
	if text == "" {
		text = p.faults[c].text
	}
	dst = append(dst, p.head[encoded]...)
	dst = append(dst, p.bodyOpen...)
	dst = append(dst, "<"+envPrefix+":"+soapFault+"><"+soapFaultCode+">"+envPrefix...)
	dst = append(dst, actor...)
	dst = append(dst, "</"+soapFaultCode+"><"+soapFaultString+">"...)
	dst = appendEscaped(dst, text)
	dst = append(dst, "</"+soapFaultString+"><"+soapDetail+">"...)
	dst = append(dst, p.faultTag.open...)
	dst = appendEscaped(dst, p.faults[c].code)
	dst = append(dst, p.faultTag.close...)
	dst = append(dst, "</"+soapDetail+"></"+envPrefix+":"+soapFault+">"...)
	return append(dst, p.foot...)
}

// ParseResponse reads the envelope of an answer and gives its result element, which does not exist when the answer
// carries none. A fault is returned as *Fault, anything unreadable as *ParseError. A nil lim means defaults.
func (p *Profile) ParseResponse(body []byte, contentType string, lim *Limits) (Element, error) {
	env, err := p.parseEnvelope(body, contentType, lim)
	if err != nil {
		return Element{}, err
	}
	if env.body.Name() != soapFault {
		return env.body.First(), nil
	}
	f := &Fault{
		Text:     env.body.Child(soapFaultString).Text(),
		WireCode: strings.TrimSpace(env.body.Child(soapDetail).Child(p.faultTag.name).Text()),
		Actor:    strings.TrimSpace(env.body.Child(soapFaultCode).Text()),
	}
	for c := range p.faults {
		if c > 0 && p.faults[c].code == f.WireCode {
			f.Code = FaultCode(c)
		}
	}
	return Element{}, f
}
