package crm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/crm"
)

// What cannot be done is refused with a code and a text; everybody else goes on.
func TestBadInput(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		b.logOn("U2")
		a := b.talk("U1", 100)
		id := func(s string) ici.Arg { return text(ici.ParamPhoneCallID, s) }
		dest := func(s string) ici.Arg { return text(ici.ParamDestination, s) }
		item := func(s string) ici.Arg { return text(ici.ParamItemID, s) }
		data := func(s string) ici.Arg { return text(ici.ParamAttachedData, s) }
		tests := []struct {
			code ici.FaultCode
			user string
			op   ici.Op
			args []ici.Arg
		}{
			{ici.FaultNotLoggedOn, "U9", ici.OpUserSetCurrentWorkmode, []ici.Arg{text(ici.ParamWorkmodeID, "2")}},
			{ici.FaultNotLoggedOn, "U9", ici.OpPhoneCallMakeCall, []ici.Arg{dest("2002")}},
			{ici.FaultNotLoggedOn, "U9", ici.OpPhoneCallGetPhoneCalls, nil},
			{ici.FaultUserUnknown, "", ici.OpPhoneCallGetPhoneCalls, nil},
			{ici.FaultUserUnknown, strings.Repeat("x", 100), ici.OpUserGetAttributes, nil},
			{ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, []ici.Arg{text(ici.ParamWorkmodeID, "17")}},
			{ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, []ici.Arg{text(ici.ParamWorkmodeID, "4")}},
			{ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, []ici.Arg{text(ici.ParamWorkmodeID, "ready")}},
			{ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, []ici.Arg{text(ici.ParamWorkmodeID, "1000")}},
			{ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, []ici.Arg{text(ici.ParamWorkmodeID, "99999999999999999999")}},
			{ici.FaultWorkmodeInvalid, "U1", ici.OpUserSetCurrentWorkmode, nil},
			{ici.FaultQueueUnknown, "U1", ici.OpUserSetCurrentQueues, []ici.Arg{{Param: ici.ParamQueueIDs, Value: ici.Texts{"1", "77"}}}},
			{ici.FaultNotSupported, "U1", ici.OpUserSetCurrentChannels, []ici.Arg{{Param: ici.ParamChannels, Value: ici.Texts{"SMOKE"}}}},
			{ici.FaultGeneric, "U1", ici.OpUserSubscribe, []ici.Arg{text(ici.ParamAppID, "A")}},
			{ici.FaultGeneric, "U1", ici.OpUserSubscribe, []ici.Arg{text(ici.ParamAppURL, "http://x/")}},
			{ici.FaultItemUnknown, "U1", ici.OpPhoneCallAccept, []ici.Arg{id("call-1")}},
			{ici.FaultItemUnknown, "U1", ici.OpPhoneCallDrop, nil},
			{ici.FaultItemUnknown, "U2", ici.OpPhoneCallHold, []ici.Arg{id(a)}}, // not his
			{ici.FaultItemUnknown, "U2", ici.OpItemSetAttachedData, []ici.Arg{item(a), data("<ItemAttachedData/>")}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallRetrieve + 0, nil},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallToggle, []ici.Arg{id(a)}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallWarmTransfer, []ici.Arg{id(a)}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallConference, []ici.Arg{id(a)}},
			{ici.FaultItemUnknown, "U1", ici.OpPhoneCallConference, []ici.Arg{id(a), text(ici.ParamConsultPhoneCallID, "call-9")}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallConference, []ici.Arg{id(a), text(ici.ParamConsultPhoneCallID, a)}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallLeaveConference, []ici.Arg{id(a)}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallReject, []ici.Arg{id(a)}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallMakeCall, []ici.Arg{dest("2002")}}, // he talks
			{ici.FaultDestinationInvalid, "U1", ici.OpPhoneCallConsult, []ici.Arg{id(a), dest("20o2")}},
			{ici.FaultDestinationInvalid, "U1", ici.OpPhoneCallConsult, []ici.Arg{id(a)}},
			{ici.FaultDestinationInvalid, "U1", ici.OpPhoneCallBlindTransfer, []ici.Arg{id(a), dest("Anna")}},
			{ici.FaultDestinationInvalid, "U2", ici.OpPhoneCallMakeCall, []ici.Arg{dest(strings.Repeat("1", 60))}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallSendDTMF, []ici.Arg{id(a), text(ici.ParamDigits, "12x")}},
			{ici.FaultIllegalState, "U1", ici.OpPhoneCallSendDTMF, []ici.Arg{id(a)}},
			{ici.FaultGeneric, "U1", ici.OpItemSetAttachedData, []ici.Arg{item(a), data("no XML")}},
			{ici.FaultGeneric, "U1", ici.OpItemSetAttachedData, []ici.Arg{item(a), data("<x/>")}},
			{ici.FaultGeneric, "U1", ici.OpItemSetAttachedData, []ici.Arg{item(a),
				data("<ItemAttachedData><Application id=\"A\">" + strings.Repeat("x", 70000) + "</Application></ItemAttachedData>")}},
			{ici.FaultGeneric, "U1", ici.OpItemSetAttachedData, []ici.Arg{item(a), data(`<!DOCTYPE a [<!ENTITY x "y">]><ItemAttachedData/>`)}},
			{ici.FaultGeneric, "U1", ici.OpUserGetPresence, []ici.Arg{text(ici.ParamSearchTerm, "*a")}},
			{ici.FaultNotSupported, "U1", ici.OpChatAccept, []ici.Arg{text(ici.ParamChatSessionID, "chat-1")}},
			{ici.FaultNotSupported, "U1", ici.OpActionItemRoute, nil},
		}
		for _, tt := range tests {
			if tt.op == ici.OpPhoneCallRetrieve {
				continue // a talking call is retrieved already
			}
			b.fault(tt.code, tt.user, tt.op, tt.args...)
		}
		b.must("U1", ici.OpPhoneCallRetrieve, id(a))
		b.must("U1", ici.OpFolderGetFolders)
		b.calls("U1 connected " + customer)
		if got := b.sw.take(); len(got) > 0 {
			t.Errorf("the switch was asked for %v", got)
		}
		if n := len(b.c.Agents()); n != 2 {
			t.Errorf("%d agents are known", n)
		}
	})
}

// The limits hold.
func TestLimits(t *testing.T) {
	cfg := config()
	cfg.MaxAgents, cfg.MaxCalls, cfg.MaxItems = 2, 3, 2
	run(t, cfg, func(b *bench) {
		b.logOn("U1")
		b.logOn("U2")
		b.fault(ici.FaultGeneric, "U3", ici.OpUserSubscribe, text(ici.ParamAppID, "A"), text(ici.ParamAppURL, "http://x/"))
		b.fault(ici.FaultGeneric, "U3", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1003;pw;2003"))
		for id := range uint32(5) {
			b.event(b.delivered(100+id, "2001", customer, "2001", cti.LocalConnectionStateAlerting))
		}
		b.calls("U1 offered "+customer, "U1 offered "+customer)
		if s := b.c.Stats(); s.Calls != 3 || s.CallsRefused != 2 {
			t.Errorf("%d calls, %d refused", s.Calls, s.CallsRefused)
		}
	})
}

// Requests of one agent reach the switch one after the other, and not too many wait.
func TestSlowSwitch(t *testing.T) {
	run(t, config(), func(b *bench) {
		b.logOn("U1")
		b.logOn("U2")
		hold := make(chan struct{})
		b.sw.mu.Lock()
		b.sw.hold = hold
		b.sw.mu.Unlock()
		for i := range 40 {
			b.must("U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, fmt.Sprint(2+i%2)))
		}
		b.must("U2", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "3"))
		if n := len(b.sw.take()); n != 2 {
			t.Errorf("%d requests on their way, want one per agent", n)
		}
		close(hold)
		b.sw.mu.Lock()
		b.sw.hold = nil
		b.sw.mu.Unlock()
		var states []cti.AgentState
		for _, r := range b.sw.take() {
			states = append(states, r.(*cti.SetAgentStateReq).AgentState)
		}
		if len(states) != 16 || states[0] != cti.AgentStateNotReady || states[1] != cti.AgentStateAvailable {
			t.Errorf("then %v", states)
		}
	})
}

// A log on that the ACD does not answer ends with a temporary fault; when the
// answer comes after all, SAP hears of it by event.
func TestSlowLogOn(t *testing.T) {
	run(t, config(), func(b *bench) {
		hold := make(chan struct{})
		b.sw.hold = hold
		b.must("U1", ici.OpUserSubscribe, text(ici.ParamAppID, "U1"), text(ici.ParamAppURL, "http://sap/1"))
		start := time.Now()
		b.fault(ici.FaultTimeout, "U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw;2001"))
		if d := time.Since(start); d != crm.DefaultLogonTimeout {
			t.Errorf("answered after %v", d)
		}
		b.want()
		b.fault(ici.FaultIllegalState, "U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw;2001"))
		close(hold)
		b.want("U1: user 3")
	})
}

// Passwords appear nowhere.
func TestNoSecrets(t *testing.T) {
	s := crm.Secret("geheim")
	for _, v := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v", s, s, s), fmt.Sprintf("%v", crm.Config{AgentDefaultPassword: s})} {
		if strings.Contains(v, "geheim") {
			t.Error(v)
		}
	}
	wholeRun(t, 1, config(), nil, func(w *whole) {
		w.logOnAll(1, false)
		for e := range w.st.List(t.Context(), "") {
			if strings.Contains(string(e.Value), "pw1001") {
				t.Errorf("the store has the password: %s", e.Value)
			}
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	_, err := crm.New(crm.Config{Links: []crm.LinkConfig{{}, {Name: "a", Peripherals: []crm.PeripheralConfig{{ID: 1}, {ID: 1}}}},
		AgentLoginType: 7, NotReadyOffset: 5, Gone: 9, Lost: 9, GoneGrace: -1, OwnerLease: 1, Systems: []crm.SystemConfig{{}, {}}})
	for _, part := range []string{"Store", "Links.Name", "Links.Peripherals=", "Peripherals.ID=1", "AgentLoginType=7", "NotReadyOffset=5", "Gone=9", "Lost=9", "GoneGrace", "OwnerLease", "Systems.Name"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nmisses %q", err, part)
		}
	}
	cfg := config()
	cfg.Store = ds104.NewMemory(nil)
	cfg.Dialing.National = "x"
	cfg.Attached.Rules = []crm.AttachedRule{{Element: "A", Target: "CV11"}}
	cfg.Attached.ECC = []string{"user.x"}
	if _, err = crm.New(cfg); err == nil {
		t.Error("no error")
	}
	cfg = config()
	cfg.Store = ds104.NewMemory(nil)
	c, err := crm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); !errors.Is(err, crm.ErrNotBound) {
		t.Errorf("start without a notifier: %v", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// After Stop everything is refused, nothing runs, and Stop may be called again.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Store = ds104.NewMemory(nil)
		b := start(t, cfg)
		b.logOn("U1")
		b.stop()
		b.fault(ici.FaultTimeout, "U1", ici.OpUserSetCurrentWorkmode, text(ici.ParamWorkmodeID, "2"))
		b.state("U1", cti.AgentStateNotReady, 0)
		b.stop()
		if s := b.c.Stats(); s.Agents != 1 || s.LoggedOn != 1 {
			t.Errorf("%+v", s)
		}
		if err := b.c.Start(t.Context()); !errors.Is(err, crm.ErrStarted) {
			t.Errorf("second start: %v", err)
		}
	})
}

// SAP's values go to the ACD by the rules of the site; its documents stay.
func TestAttachedRules(t *testing.T) {
	cfg := config()
	cfg.Attached.ECC = []string{"ECC.user.ced", "ECC.user.customer", "ECCA.user.test"}
	cfg.Attached.Rules = []crm.AttachedRule{
		{Application: "ERP", Element: "Account", Target: "CV05"},
		{Application: "ERP", Element: "Name", Target: "ECC.user.customer"},
		{Application: "SAP-IC", Element: "WrapUpReason", Target: "WrapUpData"},
	}
	wholeRun(t, 3, cfg, nil, func(w *whole) {
		w.logOnAll(2, true)
		call, err := w.pg.CustomerCall(context.Background(), ctitest.CallSpec{From: customer, To: "5001",
			Variables: map[string]string{"CV01": "vip", "CV10": "ü<&"}, ECC: map[string]string{"user.ced": "42"},
			ECCArrays: map[string][]string{"user.test": {"a", "b"}}})
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
		user, id := w.who("offered")
		d := w.data(user, id)
		for _, part := range []string{`<Application id="SAP-IC">`, "<CV01>vip</CV01>", "<CV02", "ü&lt;&amp;", fmt.Sprintf("<MID>%d</MID>", call),
			"<user.ced>42</user.ced>", `<user.test index="0">a</user.test>`, `<user.test index="1">b</user.test>`} {
			if !strings.Contains(d, part) {
				t.Errorf("%s\nmisses %s", d, part)
			}
		}
		w.op(user, ici.OpPhoneCallAccept, id)
		set := func(doc string) {
			w.t.Helper()
			w.must(user, ici.OpItemSetAttachedData, text(ici.ParamItemID, id), text(ici.ParamAttachedData, doc))
			w.settle()
		}
		set(`<?xml version="1.0" encoding="UTF-8"?><ItemAttachedData><Application id="ERP"><Account>4711</Account><Name>Müller</Name></Application><Application id="Other"><k>v</k></Application></ItemAttachedData>`)
		set(`<ItemAttachedData><Application id="SAP-IC"><WrapUpReason>Order</WrapUpReason></Application></ItemAttachedData>`)
		set(`<ItemAttachedData><Application id="ERP"><Account>4712</Account><Name>Müller</Name></Application></ItemAttachedData>`)
		info := w.mustCall(call)
		if info.Variables["CV05"] != "4712" || info.ECC["user.customer"] != "Müller" || info.Wrapup != "Order" || info.Variables["CV01"] != "vip" {
			t.Errorf("at the ACD: %+v %+v %q", info.Variables, info.ECC, info.Wrapup)
		}
		d = w.data(user, id)
		for _, part := range []string{"<CV05>4712</CV05>", "<k>v</k>", "<WrapUpReason>Order</WrapUpReason>", "<user.customer>Müller</user.customer>"} {
			if !strings.Contains(d, part) {
				t.Errorf("%s\nmisses %s", d, part)
			}
		}
		// The variable is cleared at the ACD by somebody else.
		if err := w.pg.SetCallData(call, ctitest.CallSpec{Variables: map[string]string{"CV05": ""}}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if d = w.data(user, id); strings.Contains(d, "<CV05>4712") {
			t.Errorf("still %s", d)
		}
		// An outgoing call takes its document's values along.
		var p ici.PhoneCall
		other := map[string]string{"U1": "U2", "U2": "U1"}[user]
		p.DecodeICI(w.must(other, ici.OpPhoneCallMakeCall, text(ici.ParamDestination, "+41315550150"),
			text(ici.ParamAttachedData, `<ItemAttachedData><Application id="ERP"><Account>99</Account></Application></ItemAttachedData>`)))
		w.settle()
		for _, c := range w.pg.Calls() {
			if c.To == "+41315550150" && c.Variables["CV05"] != "99" {
				t.Errorf("outgoing call %+v", c.Variables)
			}
		}
		if d := w.data(other, p.ID); !strings.Contains(d, "<Account>99</Account>") || !strings.Contains(d, "<CV05>99</CV05>") {
			t.Errorf("its data %s", d)
		}
		w.op(other, ici.OpPhoneCallDrop, p.ID)
		// The wrap-up reason may come after the call.
		w.op(user, ici.OpPhoneCallDrop, id)
		set(`<ItemAttachedData><Application id="SAP-IC"><WrapUpReason>Late</WrapUpReason></Application></ItemAttachedData>`)
	})
}

// Presence: who is there, by name, and in which state.
func TestPresence(t *testing.T) {
	cfg := config()
	cfg.RequestConfiguration = true
	wholeRun(t, 4, cfg, nil, func(w *whole) {
		w.logOnAll(2, true)
		if err := w.pg.LoginAgent("1003", "2003"); err != nil { // not by SAP
			t.Fatal(err)
		}
		w.customerCall("5001")
		busy, id := w.who("offered")
		w.op(busy, ici.OpPhoneCallAccept, id)
		find := func(term string) []string {
			w.t.Helper()
			var rows ici.PresenceInfoList
			rows.DecodeICI(w.must("U1", ici.OpUserGetPresence, text(ici.ParamSearchTerm, term)))
			var out []string
			for _, r := range rows {
				out = append(out, fmt.Sprintf("%s %s %s %s %d", r.UserID, r.Name, r.PresenceStatus.ID, r.Address, len(r.CapabilityList)))
			}
			return out
		}
		s := map[string]string{"U1": "1", "U2": "1"}
		n := map[string]int{"U1": 3, "U2": 3}
		s[busy], n[busy] = "2", 0
		u1 := fmt.Sprintf("U1 Zoë Müller %s 2001 %d", s["U1"], n["U1"])
		u2 := fmt.Sprintf("U2 Jürg Schäfer %s 2002 %d", s["U2"], n["U2"])
		u3 := " Renée Lefèvre 2 2003 0"
		for term, want := range map[string][]string{
			"":            {u3, u1, u2},
			"*":           {u3, u1, u2},
			"zoë":         {u1},
			"Zoe Mü*":     {u1},
			"Schäfer":     {u2},
			"Søren":       {" Søren Ødegård 3 2004 0"},
			"Zoë Schäfer": nil,
		} {
			if diff := cmp.Diff(want, find(term)); diff != "" {
				t.Errorf("%q (-want +got)\n%s", term, diff)
			}
		}
		var rows ici.PresenceInfoList
		rows.DecodeICI(w.must("U1", ici.OpUserGetPresence, ici.Arg{Param: ici.ParamUserIDs, Value: ici.Texts{"u2", "NOBODY"}}))
		if len(rows) != 2 || rows[0].Name != "Jürg Schäfer" || rows[1].PresenceStatus.ID != "3" {
			t.Errorf("by user: %+v", rows)
		}
		var q ici.Queues
		q.DecodeICI(w.must("U1", ici.OpSystemGetPresenceQueueInfo, text(ici.ParamChannel, "TELEPHONY")))
		if len(q) < 2 || q[0].Description != "Service" || q[0].Address != "5001" {
			t.Errorf("queues %+v", q)
		}
		w.must("U1", ici.OpUserSetCurrentQueues, ici.Arg{Param: ici.ParamQueueIDs, Value: ici.Texts{"1"}})
	})
}

// Work-centre texts of the four types.
func TestLoginTypes(t *testing.T) {
	for typ, wc := range map[int]string{1: "pw1001;2001", 5: "zmueller;pw1001;2001;p", 21: "2001"} {
		t.Run(fmt.Sprint(typ), func(t *testing.T) {
			cfg := config()
			cfg.AgentLoginType = typ
			cfg.Systems = []crm.SystemConfig{{Users: map[string]string{"meier": "1001"}}}
			cfg.People = []crm.Person{{Peripheral: peripheral, AgentID: "1001", LoginName: "ZMueller"}}
			if typ == 21 {
				cfg.AgentDefaultPassword = "pw1001"
			}
			wholeRun(t, 1, cfg, nil, func(w *whole) {
				var c ici.WorkcenterCapability
				c.DecodeICI(w.must("Meier", ici.OpSystemGetWorkcenterCapability))
				if !c.FreeSeating || c.Description == "" {
					t.Errorf("%+v", c)
				}
				w.must("Meier", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, wc))
				if a, _ := w.pg.Agent("1001"); a.State != "NOT_READY" {
					t.Errorf("%+v", a)
				}
				if typ != 5 {
					w.fault(ici.FaultUserUnknown, "Huber", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, wc))
				}
			})
		})
	}
	t.Run("shadow", func(t *testing.T) {
		cfg := config()
		cfg.AllowShadowLogin = true
		wholeRun(t, 2, cfg, nil, func(w *whole) {
			w.fault(ici.FaultLogonFailed, "U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw1001;2001;pSL"))
			if err := w.pg.LoginAgent("1001", "2001"); err != nil {
				t.Fatal(err)
			}
			w.must("U1", ici.OpUserSetCurrentWorkcenter, text(ici.ParamWorkcenterID, "1001;pw1001;2001;pSL"))
		})
	})
}

// The hand-shake names the lower interface version.
func TestHandShake(t *testing.T) {
	run(t, config(), func(b *bench) {
		for theirs, want := range map[string]string{"3.05": "3.05", "3.07": "3.06", "": "3.06"} {
			var p ici.ProductInformation
			p.DecodeICI(b.must("U1", ici.OpSystemExchangeProductInformation,
				ici.Arg{Param: ici.ParamApplicationProduct, Value: &ici.ProductInformation{Product: "SAP CRM", ICIVersion: theirs}}))
			if p.ICIVersion != want || p.Product == "" {
				t.Errorf("SAP has %s: %+v", theirs, p)
			}
		}
	})
}
