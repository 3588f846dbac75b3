package icitest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/connects-go/connects/ici"
)

// finding is a violation before it is written down.
type finding struct {
	rule   Rule
	detail string
}

// readEvent takes an event apart. An error means that SAP does not understand it.
func (s *SAP) readEvent(x *Session, body []byte) (*Event, []finding, error) {
	var out []finding
	rule := RuleEnvelope
	bad := func(format string, args ...any) { out = append(out, finding{rule, fmt.Sprintf(format, args...)}) }
	root, err := parse(body)
	if err != nil {
		bad("%v", err)
		return nil, out, err
	}
	element, err := s.bodyOf(root)
	if err != nil {
		bad("%v", err)
		return nil, out, err
	}
	p := s.profile
	ev := &Event{Op: p.FindOp(ici.ServiceEvent, element.Name)}
	if ev.Op == ici.OpUnknown || element.Space != p.Namespace(ici.ServiceEvent) {
		err := fmt.Errorf("icitest: event {%s}%s is not understood", element.Space, element.Name)
		bad("%v", err)
		return nil, out, err
	}
	s.readHeader(root.Child("Header"), ev, x, bad)
	rule = RuleContent
	s.readParams(element, ev, bad)
	return ev, out, nil
}

// readHeader reads the entries user and language (reference 4.5).
func (s *SAP) readHeader(header *Node, ev *Event, x *Session, bad problem) {
	if header == nil {
		return
	}
	p := s.profile
	for _, h := range header.Children {
		switch h.Name {
		case p.Wire(ici.WireHeaderUser):
			ev.Header.User = h.Text
		case p.Wire(ici.WireHeaderLanguage):
			ev.Header.Language = h.Text
		default:
			bad("header entry {%s}%s", h.Space, h.Name)
			continue
		}
		if h.Space == "" {
			bad("header entry %s without namespace", h.Name)
		}
		if v := h.Attr(p.Wire(ici.WireEnvelope), "mustUnderstand"); v != "" && v != "0" {
			bad("header entry %s with mustUnderstand=%q", h.Name, v)
		}
	}
	if u := ev.Header.User; u != "" && !strings.EqualFold(u, x.User) {
		bad("header names user %q, the session belongs to %q", u, x.User)
	}
}

// readParams reads the parameters of an event by the list of the profile.
func (s *SAP) readParams(element *Node, ev *Event, bad problem) {
	p := s.profile
	known := p.OpParams(ev.Op)
	got := map[ici.Param]*Node{}
	if strings.TrimSpace(element.Text) != "" {
		bad("text between parameters")
	}
	for _, n := range element.Children {
		i := slices.IndexFunc(known, func(x ici.Param) bool { return p.OpParamName(ev.Op, x) == n.Name })
		switch {
		case i < 0:
			bad("%s has no parameter %s", p.OpName(ev.Op), n.Name)
			continue
		case n.Space != "":
			bad("parameter %s is in namespace %s", n.Name, n.Space)
		case got[known[i]] != nil:
			bad("parameter %s occurs twice", n.Name)
		}
		got[known[i]] = n
	}
	for _, x := range known {
		if got[x] == nil {
			bad("parameter %s is missing", p.OpParamName(ev.Op, x))
		}
	}
	texts := func(n *Node) (list []string) {
		if n == nil {
			return nil
		}
		s.names.checkArray(n, n.Name, bad)
		for _, c := range n.Children {
			list = append(list, c.Text)
		}
		return list
	}
	ev.AppIDs = texts(got[ici.ParamAppIDs])
	switch ev.Op {
	case ici.OpEventUserChanged:
		ev.User = decodeNew[ici.User](s, got[ici.ParamUser], bad)
	case ici.OpEventPhoneCallChanged:
		ev.Call = decodeNew[ici.PhoneCall](s, got[ici.ParamPhoneCall], bad)
	case ici.OpEventMessageChanged:
		ev.Message = decodeNew[ici.Message](s, got[ici.ParamMessage], bad)
	case ici.OpEventChatChanged:
		ev.Chat = decodeNew[ici.ChatSession](s, got[ici.ParamChatSession], bad)
	case ici.OpEventChatNewPosting:
		ev.Posting = decodeNew[ici.ChatPosting](s, got[ici.ParamChatPosting], bad)
	case ici.OpEventMonitorDataChanged:
		ev.DataForm = got[ici.ParamDataForm].Content()
	case ici.OpEventSubscriptionEnded:
		ev.Reason = decodeNew[ici.TextElement](s, got[ici.ParamReason], bad)
	case ici.OpEventActionItemChanged:
		ev.Item = &ActionItem{
			ID:       got[ici.ParamActionItemID].Content(),
			Session:  *decodeNew[ici.ActionSession](s, got[ici.ParamActionSession], bad),
			Data:     *decodeNew[ici.ActionItem](s, got[ici.ParamItemData], bad),
			Scenario: *decodeNew[ici.TextElement](s, got[ici.ParamScenarioID], bad),
			Users:    texts(got[ici.ParamUserIDs]),
		}
	}
}

func decodeNew[T any](s *SAP, n *Node, bad problem) *T {
	v := new(T)
	s.names.decode(n, v, bad)
	return v
}
