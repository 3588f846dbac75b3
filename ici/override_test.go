package ici_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
	"github.com/google/go-cmp/cmp"
)

const siteOverride = `
# a site that differs
service     IciUser = IciAgent
namespace   IciUser = urn:example:agent
path        IciUser = /agent
prefix      IciPhoneCall = tel-
op          IciUser.setCurrentWorkcenter = logonWorkcenter
alias       IciUser.subscribe = startEvents openEvents
result      IciUser.getAttributes = agent
param       workmodeId = modeId
param       IciUser.subscribe.appUrl = url2
paramalias  appUrl = target
member      PhoneCall.remoteNumbers = numbers
memberalias TextElement.description = caption
code        Workmode.2 = R
fault       destinationInvalid = DEST
wire        headerUser = agentName
wire        emptyMembers = send
`

func mustOverride(t *testing.T, text string) *ici.Profile {
	t.Helper()
	p, err := ici.Default().Override("site.txt", text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOverrideNames(t *testing.T) {
	p := mustOverride(t, siteOverride)
	for _, c := range []struct{ what, got, want string }{
		{"service", p.ServiceName(ici.ServiceUser), "IciAgent"},
		{"namespace", p.Namespace(ici.ServiceUser), "urn:example:agent"},
		{"path", p.ServicePath(ici.ServiceUser), "/agent"},
		{"prefix", p.ItemPrefix(ici.ServicePhoneCall), "tel-"},
		{"op", p.OpName(ici.OpUserSetCurrentWorkcenter), "logonWorkcenter"},
		{"param", p.ParamName(ici.ParamWorkmodeID), "modeId"},
		{"untouched param", p.ParamName(ici.ParamAppURL), "appUrl"},
		{"code", p.Code(ici.WorkmodeReady), "R"},
		{"fault", p.FaultName(ici.FaultDestinationInvalid), "DEST"},
		{"built-in", ici.Default().OpName(ici.OpUserSetCurrentWorkcenter), "setCurrentWorkcenter"},
		{"built-in code", ici.Default().Code(ici.WorkmodeReady), "2"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
}

// The text is hand-made from the override above, not written by this package.
func TestOverrideReads(t *testing.T) {
	p := mustOverride(t, siteOverride)
	const env = `<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Header><agentName>MEIER</agentName></E:Header><E:Body>`
	const foot = `</E:Body></E:Envelope>`
	for _, c := range []struct {
		name, body string
		op         ici.Op
		param      ici.Param
		want       string
	}{
		{"new name", `<m:logonWorkcenter xmlns:m="urn:example:agent"><workcenterId>1;2</workcenterId></m:logonWorkcenter>`, ici.OpUserSetCurrentWorkcenter, ici.ParamWorkcenterID, "1;2"},
		{"old name", `<m:setCurrentWorkcenter xmlns:m="urn:example:agent"><workcenterId>1;2</workcenterId></m:setCurrentWorkcenter>`, ici.OpUserSetCurrentWorkcenter, ici.ParamWorkcenterID, "1;2"},
		{"alias", `<m:openEvents xmlns:m="urn:example:agent"><appId>A</appId><url2>U</url2></m:openEvents>`, ici.OpUserSubscribe, ici.ParamAppURL, "U"},
		{"parameter alias", `<m:openEvents xmlns:m="urn:example:agent"><appId>A</appId><target>U</target></m:openEvents>`, ici.OpUserSubscribe, ici.ParamAppURL, "U"},
		{"new parameter", `<m:setCurrentWorkmode xmlns:m="urn:example:agent"><modeId>R</modeId></m:setCurrentWorkmode>`, ici.OpUserSetCurrentWorkmode, ici.ParamWorkmodeID, "R"},
		{"old parameter", `<m:setCurrentWorkmode xmlns:m="urn:example:agent"><workmodeId>R</workmodeId></m:setCurrentWorkmode>`, ici.OpUserSetCurrentWorkmode, ici.ParamWorkmodeID, "R"},
		{"item prefix", `<transfer><userId>MEIER</userId><x>tel-1</x><phoneCallId>tel-1</phoneCallId></transfer>`, ici.OpPhoneCallWarmTransfer, ici.ParamPhoneCallID, "tel-1"},
	} {
		r, err := p.ParseRequest([]byte(env+c.body+foot), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if r.Op != c.op || r.Text(c.param) != c.want || r.User != "MEIER" {
			t.Errorf("%s: op %v, %s %q, user %q", c.name, r.Op, c.param, r.Text(c.param), r.User)
		}
	}
}

func TestOverrideWrites(t *testing.T) {
	p := mustOverride(t, siteOverride)
	got := string(p.AppendRequestStyle(nil, ici.Literal, ici.Header{User: "M"}, ici.OpUserSubscribe,
		ici.Arg{Param: ici.ParamAppURL, Value: ici.Text("u")}))
	for _, want := range []string{`>M</h:agentName>`, `<m:subscribe xmlns:m="urn:example:agent"><url2>u</url2></m:subscribe>`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	got = string(p.AppendRequestStyle(nil, ici.Literal, ici.Header{}, ici.OpEventPhoneCallChanged,
		ici.Arg{Param: ici.ParamPhoneCall, Value: ici.PhoneCall{ID: "1", RemoteNumbers: []string{"+41"}}}))
	for _, want := range []string{`<numbers><item>+41</item></numbers>`, `<description></description>`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

func TestOverrideErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"opp IciUser.subscribe = x", `site.txt:1: unknown keyword "opp"; did you mean "op"?`},
		{"# c\n\nop IciUser.subscibe = x", `site.txt:3: service IciUser has no operation "subscibe"; did you mean "subscribe"?`},
		{"op IciUsr.subscribe = x", `unknown service "IciUsr"; did you mean "IciUser"?`},
		{"op subscribe = x", `"subscribe": SERVICE.OPERATION expected`},
		{"param appURL = x", `unknown parameter "appURL"; did you mean "appUrl"?`},
		{"param IciUser.subscribe.digits = x", `operation IciUser.subscribe has no parameter "digits"`},
		{"member PhoneCal.id = x", `unknown type "PhoneCal"; did you mean "PhoneCall"?`},
		{"member PhoneCall.remoteNumber = x", `did you mean "remoteNumbers"?`},
		{"code Workmode.9 = x", `enum Workmode has no code "9"`},
		{"code Workmod.1 = x", `unknown enum "Workmod"; did you mean "Workmode"?`},
		{"fault destInvalid = x", `unknown fault "destInvalid"`},
		{"wire headerUsr = x", `unknown wire name "headerUsr"; did you mean "headerUser"?`},
		{"op IciUser.subscribe = a:b", `"a:b" is not an XML name without colon`},
		{"op IciUser.subscribe = 1a", `is not an XML name`},
		{"path IciUser = agent", `is not a path`},
		{`namespace IciUser = "a b"`, `is not a namespace`},
		{"op IciUser.subscribe x", `form: op NAME = NEWNAME`},
		{"op IciUser.subscribe = x y", `form: op NAME = NEWNAME`},
		{`op IciUser.subscribe = "x`, `quote is not closed`},
		{"op IciUser.subscribe = x\nop IciUser.subscribe = y", `site.txt:2: op IciUser.subscribe is already set in line 1`},
		{"op IciUser.subscribe = unsubscribe", `site.txt:1: operation of IciUser "unsubscribe" stands for both`},
		{"alias IciUser.subscribe = getAttributes", `stands for both getAttributes and subscribe`},
		{"param userId = appId", `parameter of IciUser.subscribe "appId" stands for both appId and userId`},
		{"member TextElement.id = description", `member of TextElement "description" stands for both`},
		{"code Workmode.1 = 2", `code of Workmode "2" stands for both 1 and 2`},
		{"fault generic = timeout", `fault code "timeout" stands for both`},
		{"namespace IciUser = urn:IciItemInterface", `namespace "urn:IciItemInterface" stands for both`},
		{"path IciUser = /IciItemService/IciItemConf", `stands for both`},
		{"prefix IciChat = call-", `prefix "call-" stands for both`},
	} {
		_, err := ici.Default().Override("site.txt", c.text)
		var le *ici.LineError
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &le) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	_, err := ici.Default().Override("site.txt", "opp x\nop a\nwire q = 1")
	if n := len(strings.Split(err.Error(), "\n")); n != 3 {
		t.Errorf("%d errors reported, want all 3: %v", n, err)
	}
}

func TestOverrideSwap(t *testing.T) {
	p := mustOverride(t, "op IciUser.subscribe = unsubscribe\nop IciUser.unsubscribe = subscribe")
	if p.OpName(ici.OpUserSubscribe) != "unsubscribe" || p.OpName(ici.OpUserUnsubscribe) != "subscribe" {
		t.Error("two operations cannot swap names")
	}
	r, err := p.ParseRequest(call("urn:IciUserInterface", "subscribe", ""), nil)
	if err != nil || r.Op != ici.OpUserUnsubscribe {
		t.Errorf("%v %v", r.Op, err)
	}
}

func TestOverrideFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.txt")
	if _, err := ici.Default().OverrideFile(path); err == nil {
		t.Error("a missing file is no error")
	}
	if err := os.WriteFile(path, []byte(siteOverride), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ici.Default().OverrideFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("IciAgent", p.ServiceName(ici.ServiceUser)); d != "" {
		t.Error(d)
	}
}
