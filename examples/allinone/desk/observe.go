package desk

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ici/icitest"
)

// ObserveCTI is for ctitest.Config.Observe.
func (d *Desk) ObserveCTI(o ctitest.Observation) {
	d.hub.add(func() Message {
		m := Message{Time: o.Time.UTC(), Link: "CTI", Out: o.Direction == ctitest.In, Peer: fmt.Sprintf("side %v, connection %d", o.Side, o.Conn), Name: o.Type.String()}
		if o.Message == nil {
			m.Bad, m.Detail = true, fmt.Sprint(o.Err)
			return m
		}
		text := cti.Text(o.Message)
		m.Bad = o.Type == cti.TypeFailureConf || o.Type == cti.TypeFailureEvent || o.Type == cti.TypeControlFailureConf
		m.Brief = brief(text)
		m.Detail = strings.ReplaceAll(text, " ", "\n")
		return m
	})
}

// brief keeps the fields that tell calls and agents apart.
func brief(text string) string {
	var keep []string
	for f := range strings.FieldsSeq(text) {
		name, _, _ := strings.Cut(f, "=")
		switch name {
		case "ConnectionCallID", "AgentID", "AgentState", "AgentExtension", "ConnectionDeviceID", "FailureCode", "Status", "NewConnectionCallID", "AlertingDeviceID", "AnsweringDeviceID", "EventReasonCode":
			keep = append(keep, f)
		}
	}
	return strings.Join(keep, " ")
}

// ObserveICI is for icitest.Config.Observe.
func (d *Desk) ObserveICI(m *icitest.Message) {
	c := *m
	d.hub.add(func() Message {
		out := Message{Time: c.Time.UTC(), Link: "ICI", Out: c.Event, Peer: c.URL, Name: c.Op, Bad: c.Err != nil || c.Status >= 400}
		out.Brief = c.User
		if b := briefXML(c.Request); b != "" {
			out.Brief += " " + b
		}
		if c.Status != 0 && c.Status != 200 {
			out.Brief += fmt.Sprintf(" HTTP %d", c.Status)
		}
		out.Detail = indent(c.Request) + "\n\n" + indent(c.Response)
		if c.Err != nil {
			out.Detail += "\n\n" + c.Err.Error()
		}
		return out
	})
}

// briefXML is the first id and status in a message.
func briefXML(b []byte) string {
	var parts []string
	dec := xml.NewDecoder(strings.NewReader(string(b)))
	inBody, text := false, ""
	for len(parts) < 2 {
		t, err := dec.Token()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			inBody = inBody || t.Name.Local == "Body"
			text = ""
		case xml.CharData:
			text = string(t)
		case xml.EndElement:
			if text = strings.TrimSpace(text); inBody && strings.EqualFold(t.Name.Local[max(0, len(t.Name.Local)-2):], "id") && t.Name.Local != "userId" && text != "" && !strings.HasPrefix(text, "http") {
				parts = append(parts, text)
			}
			text = ""
		}
	}
	return strings.Join(parts, " ")
}

// indent makes XML readable; what is not XML stays as it is.
func indent(b []byte) string {
	var out strings.Builder
	dec := xml.NewDecoder(strings.NewReader(string(b)))
	depth, text, open := 0, "", false
	for {
		t, err := dec.RawToken()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return string(b)
			}
			return strings.TrimSpace(out.String())
		}
		switch t := t.(type) {
		case xml.StartElement:
			fmt.Fprintf(&out, "\n%s<%s", strings.Repeat("  ", depth), qualified(t.Name))
			for _, a := range t.Attr {
				if a.Name.Local == "type" || a.Name.Local == "mustUnderstand" {
					continue
				}
				fmt.Fprintf(&out, " %s=%q", qualified(a.Name), a.Value)
			}
			out.WriteString(">")
			depth++
			text, open = "", true
		case xml.CharData:
			text += string(t)
		case xml.EndElement:
			depth--
			if s := strings.TrimSpace(text); open {
				out.WriteString(s)
			} else {
				out.WriteString("\n" + strings.Repeat("  ", max(depth, 0)))
			}
			fmt.Fprintf(&out, "</%s>", qualified(t.Name))
			text, open = "", false
		}
	}
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
