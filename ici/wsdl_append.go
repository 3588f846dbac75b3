package ici

import (
	"fmt"
	"strings"
)

// AppendWSDL appends a WSDL 1.1 description (document/literal wrapped) of one service at the given address. Callers
// generated from it and callers that write rpc/encoded are both understood.
func (p *Profile) AppendWSDL(dst []byte, svc Service, address string) []byte {
	if svc == ServiceUnknown || int(svc) >= len(p.services) {
		return dst
	}
	w := &wsdl{p: p, svc: &p.services[svc], num: svc, types: map[string]bool{}}
	w.definitions(address)
	return append(dst, w.b.String()...)
}

type wsdl struct {
	p     *Profile
	svc   *serviceInfo
	num   Service
	b     strings.Builder
	types map[string]bool // types that were written or wait in queue
	queue []string
}

func (w *wsdl) f(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

func (w *wsdl) ops() []*opInfo {
	var out []*opInfo
	for i := range w.p.ops {
		if i > 0 && w.p.ops[i].service == w.num {
			out = append(out, &w.p.ops[i])
		}
	}
	return out
}

func (w *wsdl) definitions(address string) {
	ns, suffix := attr(w.svc.namespace), w.p.wire[WireResponseSuffix]
	w.f(`<?xml version="1.0" encoding="utf-8"?>`)
	w.f(`<definitions name="%s" targetNamespace="%s" xmlns="http://schemas.xmlsoap.org/wsdl/"`, w.svc.name, ns)
	w.f(`    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xsd="%s" xmlns:tns="%s" xmlns:hdr="%s">`,
		attr(w.p.wire[WireSchema]), ns, w.headerNamespace())
	w.f(` <types>`)
	w.f(`  <xsd:schema targetNamespace="%s" elementFormDefault="unqualified" attributeFormDefault="unqualified">`, ns)
	if w.p.wire[WireHeaderNamespace] != w.svc.namespace {
		w.f(`   <xsd:import namespace="%s"/>`, w.headerNamespace())
	} else {
		w.headerElements()
	}
	for _, o := range w.ops() {
		w.f(`   <xsd:element name="%s"><xsd:complexType><xsd:sequence>`, o.name)
		for i := range o.params {
			w.member(o.params[i].tag.name, o.params[i].typ)
		}
		w.f(`   </xsd:sequence></xsd:complexType></xsd:element>`)
		w.f(`   <xsd:element name="%s%s"><xsd:complexType><xsd:sequence>`, o.name, suffix)
		w.member(o.result.name, o.typ)
		w.f(`   </xsd:sequence></xsd:complexType></xsd:element>`)
	}
	for len(w.queue) > 0 {
		t := w.queue[0]
		w.queue = w.queue[1:]
		w.complexType(t)
	}
	w.f(`  </xsd:schema>`)
	if w.p.wire[WireHeaderNamespace] != w.svc.namespace {
		w.f(`  <xsd:schema targetNamespace="%s" elementFormDefault="unqualified">`, w.headerNamespace())
		w.headerElements()
		w.f(`  </xsd:schema>`)
	}
	w.f(` </types>`)
	w.f(` <message name="header"><part name="user" element="hdr:%s"/><part name="language" element="hdr:%s"/></message>`,
		w.p.wire[WireHeaderUser], w.p.wire[WireHeaderLanguage])
	for _, o := range w.ops() {
		w.f(` <message name="%s"><part name="parameters" element="tns:%s"/></message>`, o.name, o.name)
		w.f(` <message name="%s%s"><part name="parameters" element="tns:%s%s"/></message>`, o.name, suffix, o.name, suffix)
	}
	w.f(` <portType name="%sPortType">`, w.svc.name)
	for _, o := range w.ops() {
		w.f(`  <operation name="%s"><input message="tns:%s"/><output message="tns:%s%s"/></operation>`, o.name, o.name, o.name, suffix)
	}
	w.f(` </portType>`)
	w.f(` <binding name="%sBinding" type="tns:%sPortType">`, w.svc.name, w.svc.name)
	w.f(`  <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>`)
	for _, o := range w.ops() {
		w.f(`  <operation name="%s"><soap:operation soapAction="" style="document"/>`, o.name)
		w.f(`   <input><soap:body use="literal" parts="parameters"/><soap:header message="tns:header" part="user" use="literal"/>` +
			`<soap:header message="tns:header" part="language" use="literal"/></input><output><soap:body use="literal"/></output>`)
		w.f(`  </operation>`)
	}
	w.f(` </binding>`)
	w.f(` <service name="%sService"><port name="%sPort" binding="tns:%sBinding"><soap:address location="%s"/></port></service>`,
		w.svc.name, w.svc.name, w.svc.name, attr(address))
	w.f(`</definitions>`)
}

func (w *wsdl) headerNamespace() string { return attr(w.p.wire[WireHeaderNamespace]) }

func (w *wsdl) headerElements() {
	w.f(`   <xsd:element name="%s" type="xsd:string"/>`, w.p.wire[WireHeaderUser])
	w.f(`   <xsd:element name="%s" type="xsd:string"/>`, w.p.wire[WireHeaderLanguage])
}

// member writes one element of a sequence.
func (w *wsdl) member(name, typ string) {
	w.f(`    <xsd:element name="%s" type="%s" minOccurs="0"/>`, name, w.typeName(typ))
}

// typeName gives the schema name of a profile type and remembers to write it.
func (w *wsdl) typeName(typ string) string {
	base, list := strings.CutSuffix(typ, "[]")
	if w.p.file.IsText(base) {
		base = "xsd:string"
	}
	if !list {
		if strings.HasPrefix(base, "xsd:") {
			return base
		}
		w.need(base)
		return "tns:" + base
	}
	name := "ArrayOf" + strings.TrimPrefix(base, "xsd:")
	w.need(name)
	return "tns:" + name
}

func (w *wsdl) need(name string) {
	if !w.types[name] {
		w.types[name] = true
		w.queue = append(w.queue, name)
	}
}

func (w *wsdl) complexType(name string) {
	w.f(`   <xsd:complexType name="%s"><xsd:sequence>`, name)
	if base, list := strings.CutPrefix(name, "ArrayOf"); list {
		typ := base
		if w.p.file.Type(base) == nil {
			typ = "xsd:" + base
		}
		w.f(`    <xsd:element name="%s" type="%s" minOccurs="0" maxOccurs="unbounded"/>`, w.p.item.name, w.typeName(typ))
	} else {
		for _, m := range w.p.file.Type(name).Members {
			w.member(m.Name, m.Type)
		}
	}
	w.f(`   </xsd:sequence></xsd:complexType>`)
}
