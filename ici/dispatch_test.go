package ici_test

import (
	"testing"

	"github.com/connects-go/connects/ici"
)

// The rules are those of section 0 of the protocol reference.
func TestDispatch(t *testing.T) {
	const user, call2, item = "urn:IciUserInterface", "urn:IciPhoneCallInterface", "urn:IciItemInterface"
	id := func(name, v string) string { return "<" + name + ">" + v + "</" + name + ">" }
	for _, c := range []struct {
		name, ns, path, op, params string
		want                       ici.Op
	}{
		{"name in service", call2, "/", "accept", id("phoneCallId", "call-1"), ici.OpPhoneCallAccept},
		{"namespace wins over path", call2, "/IciChatService/IciChatConf", "accept", "", ici.OpPhoneCallAccept},
		{"service by path", "", "/IciChatService/IciChatConf", "accept", "", ici.OpChatAccept},
		{"path with prefix", "", "/sap/crm/IciChatService/IciChatConf/", "accept", "", ici.OpChatAccept},
		{"path in other case", "", "/icichatservice/icichatconf", "accept", "", ici.OpChatAccept},
		{"path names the service", "", "/x/IciActionItem", "accept", "", ici.OpActionItemAccept},
		{"path names the service 2", "", "/x/IciMessageService", "accept", "", ici.OpMessageAccept},
		{"foreign namespace, path", "urn:foreign", "/IciChatService/IciChatConf", "accept", "", ici.OpChatAccept},
		{"alias", user, "/", "logon", "", ici.OpUserSetCurrentWorkcenter},
		{"alias means another operation elsewhere", call2, "/", "transfer", "", ici.OpPhoneCallWarmTransfer},
		{"and here", "urn:IciChatInterface", "/", "transfer", "", ici.OpChatTransfer},
		{"other case", user, "/", "SETCURRENTWORKMODE", "", ici.OpUserSetCurrentWorkmode},
		{"message name", item, "/", "IciItem_wrapUpRequired_Request", "", ici.OpItemWrapUpRequired},
		{"message name without namespace", "", "/", "IciItem_wrapUpRequired_Request", "", ici.OpItemWrapUpRequired},
		{"request suffix", item, "/", "wrapUpRequiredRequest", "", ici.OpItemWrapUpRequired},
		{"chat line is chat", "urn:IciChatLineInterface", "/", "accept", "", ici.OpChatAccept},
		{"chat line has its own", "urn:IciChatLineInterface", "/", "getAttributes", "", ici.OpChatLineGetAttributes},
		{"unique name without service", "", "/", "setAttachedData", "", ici.OpItemSetAttachedData},
		{"unique name, foreign namespace", "urn:foreign", "/", "makeCall", "", ici.OpPhoneCallMakeCall},
		{"id parameter: call", "", "/", "accept", id("userId", "M") + id("phoneCallId", "x"), ici.OpPhoneCallAccept},
		{"id parameter: chat", "", "/", "accept", id("userId", "M") + id("chatSessionId", "x"), ici.OpChatAccept},
		{"id parameter: action", "", "/", "accept", id("userId", "M") + id("actionSessionId", "x"), ici.OpActionItemAccept},
		{"id parameter: message", "", "/", "accept", id("userId", "M") + id("messageId", "x"), ici.OpMessageAccept},
		{"id parameter: end", "", "/", "end", id("chatSessionId", "x"), ici.OpChatEnd},
		{"id parameter: end of a call", "", "/", "end", id("phoneCallId", "x"), ici.OpPhoneCallDrop},
		{"id parameter in other case", "", "/", "accept", id("ChatSessionID", "x"), ici.OpChatAccept},
		{"getAttributes of a user", "", "/", "getAttributes", id("userId", "M"), ici.OpUserGetAttributes},
		{"getAttributes of a call", "", "/", "getAttributes", id("phoneCallId", "call-3"), ici.OpPhoneCallGetAttributes},
		{"getAttributes of an action item", "", "/", "getAttributes", id("actionItemId", "3"), ici.OpActionItemGetAttributes},
		{"two ids, ours decides", "", "/", "reject", id("phoneCallId", "") + id("chatSessionId", "chat-7"), ici.OpChatReject},
		{"conference of a chat", "", "/", "conference", id("chatSessionId", "chat-7") + id("destination", "2"), ici.OpChatInvite},
		{"subscribe to monitoring", "", "/", "subscribe", id("appId", "A") + id("appUrl", "u") + id("form", "f"), ici.OpMonitorSubscribe},
		{"subscribe a user", "", "/", "subscribe", id("appId", "A") + id("appUrl", "u") + id("userId", "M"), ici.OpUserSubscribe},
		{"subscribe with nothing", "", "/", "subscribe", id("appId", "A") + id("appUrl", "u"), ici.OpUserSubscribe},
		{"subscription under any name", "urn:IciSystemInterface", "/", "attachApplication", id("appId", "A") + id("url", "u"), ici.OpUserSubscribe},
		{"subscription in other case", "", "/", "attachApplication", id("APPID", "A") + id("APPURL", "u"), ici.OpUserSubscribe},
		{"subscription at the monitor", "urn:IciMonitorInterface", "/", "startFigures", id("appId", "A") + id("url", "u"), ici.OpMonitorSubscribe},
		{"route is no subscription", "urn:IciActionItemInterface", "/", "route", id("appId", "A") + id("appUrl", "u"), ici.OpActionItemRoute},
		{"half a subscription", "", "/", "attachApplication", id("appId", "A"), ici.OpUnknown},
		{"unknown", user, "/", "fly", "", ici.OpUnknown},
		{"other service's name", user, "/", "makeCall", "", ici.OpUnknown},
		{"event", "", "/", "userChanged", "", ici.OpUnknown},
		{"event namespace", "urn:IciEventInterface", "/", "userChanged", "", ici.OpUnknown},
	} {
		r, err := ici.Default().ParseRequest(call(c.ns, c.op, c.params), &ici.ParseOptions{Path: c.path})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.Op != c.want {
			t.Errorf("%s: got %v, want %v", c.name, r.Op, c.want)
		}
		if r.Name != c.op {
			t.Errorf("%s: name %q", c.name, r.Name)
		}
	}
}

// Every operation must be found under its name and every alias, with and without a namespace where names are unique.
func TestDispatchEveryName(t *testing.T) {
	f := readProfile(t)
	seen := map[string]int{}
	for _, s := range f.Services {
		for _, o := range s.Ops {
			for _, n := range append([]string{o.Name}, o.Aliases...) {
				if s.Inbound {
					seen[n]++
				}
			}
		}
	}
	n := 0
	for _, s := range f.Services {
		for _, o := range s.Ops {
			for _, name := range append([]string{o.Name}, o.Aliases...) {
				n++
				for _, ns := range []string{s.Namespace, ""} {
					if ns == "" && seen[name] != 1 {
						continue
					}
					r, err := ici.Default().ParseRequest(call(ns, name, ""), &ici.ParseOptions{Events: !s.Inbound})
					if err != nil || r.Op.String() != s.Name+"."+o.Name {
						t.Errorf("%s %s: got %v, %v", s.Name, name, r.Op, err)
					}
				}
			}
		}
	}
	if n < 130 {
		t.Errorf("only %d names", n)
	}
}

func TestUserOfACall(t *testing.T) {
	r, err := ici.Default().ParseRequest(call("urn:IciUserInterface", "getAttributes", "<userId> MUELLER </userId>"), nil)
	if err != nil || r.User != "MUELLER" || r.HeaderUser != "MEIER" || r.Language != "DE" {
		t.Errorf("%q %q %q %v", r.User, r.HeaderUser, r.Language, err)
	}
	r, err = ici.Default().ParseRequest(call("urn:IciUserInterface", "getAttributes", "<userId/>"), nil)
	if err != nil || r.User != "MEIER" {
		t.Errorf("%q %v", r.User, err)
	}
	// Header entries are found by local name, whatever the namespace; anything unknown is ignored.
	r, err = ici.Default().ParseRequest([]byte(`<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Header><x:security xmlns:x="y"/><User xmlns="">A</User><q:language xmlns:q="r" mustUnderstand="1">EN</q:language></Header>`+
		`<Body><fly xmlns=""/></Body></Envelope>`), nil)
	if err != nil || r.User != "A" || r.Language != "EN" {
		t.Errorf("%q %q %v", r.User, r.Language, err)
	}
}
