package icitest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"reflect"
	"strconv"

	"github.com/connects-go/connects/ici"
)

// Arg is one parameter of a request. Value is a string, a bool, a []string, or a struct (or slice of structs) of package
// ici.
type Arg struct {
	Param ici.Param
	Value any
}

// builder writes requests from templates of its own, with names of the profile.
type builder struct {
	names *names
	style ici.Style
	buf   bytes.Buffer
}

// request writes the envelope of a request as in section 10.1 of the reference: header entries in the namespace of the
// service called, parameters unqualified.
func (x *names) request(style ici.Style, op ici.Op, user, language string, args []Arg) ([]byte, error) {
	b := &builder{names: x, style: style}
	p := x.profile
	ns := p.Namespace(p.OpService(op))
	b.raw(`<?xml version="1.0" encoding="utf-8"?>` + "\n")
	b.raw(`<SOAP-ENV:Envelope xmlns:SOAP-ENV="`, p.Wire(ici.WireEnvelope), `"`)
	if style == ici.Encoded {
		b.raw(` xmlns:SOAP-ENC="`, p.Wire(ici.WireEncoding), `" xmlns:xsi="`, p.Wire(ici.WireInstance), `" xmlns:xsd="`, p.Wire(ici.WireSchema), `"`)
	}
	b.raw(">\n <SOAP-ENV:Header>\n")
	for _, h := range []struct{ name, value string }{{p.Wire(ici.WireHeaderUser), user}, {p.Wire(ici.WireHeaderLanguage), language}} {
		b.raw(`  <h:`, h.name, ` xmlns:h="`, ns, `" SOAP-ENV:mustUnderstand="0"`, b.typed("xsd:string"), `>`)
		b.text(h.value)
		b.raw(`</h:`, h.name, ">\n")
	}
	b.raw(" </SOAP-ENV:Header>\n <SOAP-ENV:Body>\n  <m:", p.OpName(op), ` xmlns:m="`, ns, `"`)
	if style == ici.Encoded {
		b.raw(` SOAP-ENV:encodingStyle="`, p.Wire(ici.WireEncoding), `"`)
	}
	b.raw(">\n")
	for _, a := range args {
		b.raw("   ")
		if err := b.value(p.OpParamName(op, a.Param), reflect.ValueOf(a.Value)); err != nil {
			return nil, err
		}
		b.raw("\n")
	}
	b.raw("  </m:", p.OpName(op), ">\n </SOAP-ENV:Body>\n</SOAP-ENV:Envelope>\n")
	return b.buf.Bytes(), nil
}

func (b *builder) raw(parts ...string) {
	for _, s := range parts {
		b.buf.WriteString(s)
	}
}

func (b *builder) text(s string) { _ = xml.EscapeText(&b.buf, []byte(s)) }

// typed returns an xsi:type attribute in the encoded style.
func (b *builder) typed(t string) string {
	if b.style == ici.Literal {
		return ""
	}
	return ` xsi:type="` + t + `"`
}

func (b *builder) value(name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		b.raw("<", name, b.typed("xsd:string"), ">")
		b.text(v.String())
	case reflect.Bool:
		b.raw("<", name, b.typed("xsd:boolean"), ">", strconv.FormatBool(v.Bool()))
	case reflect.Struct:
		members := b.names.of(v.Type())
		if len(members) != v.NumField() {
			return fmt.Errorf("icitest: type %s has no members in the profile", v.Type())
		}
		b.raw("<", name, ">")
		for i := range v.NumField() {
			if err := b.value(members[i], v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		b.raw("<", name)
		if b.style == ici.Encoded {
			row := "xsd:anyType"
			if v.Type().Elem().Kind() == reflect.String {
				row = "xsd:string"
			}
			b.raw(b.typed("SOAP-ENC:Array"), ` SOAP-ENC:arrayType="`, row, "[", strconv.Itoa(v.Len()), `]"`)
		}
		b.raw(">")
		for i := range v.Len() {
			if err := b.value(b.names.profile.Wire(ici.WireItem), v.Index(i)); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("icitest: parameter %s has a value of type %v", name, v.Kind())
	}
	b.raw("</", name, ">")
	return nil
}
