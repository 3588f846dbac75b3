package ctitest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

func setData(n uint32, device string, edit func(r *cti.SetCallDataReq)) *cti.SetCallDataReq {
	r := &cti.SetCallDataReq{PeripheralID: pid, ConnectionCallID: firstCall + n - 1, ConnectionDeviceID: device, CallType: 0xffff}
	edit(r)
	return r
}

// withData is a call with data at agent 1001.
func withData(w *world) *client {
	c := w.bridge(24)
	c.ready("1001", "2001")
	c.do(login("1002", "2002"))
	if _, err := w.pg.CustomerCall(w.t.Context(), ctitest.CallSpec{From: customer, To: "5001",
		Variables: map[string]string{"CV01": "eins", "CV10": "zehn"}, ECC: map[string]string{"user.ced": "42"},
		ECCArrays: map[string][]string{"user.test": {"a", "b"}}}); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestCallDataTravels(t *testing.T) {
	play(t, nil, func(w *world) {
		c := withData(w)
		diff(t, `
			BEGIN_CALL #1/2001 type=2 CV01=eins CV10=zehn user.ced=42 user.test[0]=a user.test[1]=b
			CALL_DATA_UPDATE #1/2001 type=2 user.ced=42 user.test[0]=a user.test[1]=b`,
			only(c.take(), cti.TypeBeginCallEvent, cti.TypeCallDataUpdateEvent))
		c.do(answer(1, "2001"))
		c.request(&cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: "2001"}, "SNAPSHOT_DEVICE_CONF #1/2001=CONNECT")
		c.request(&cti.SnapshotCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001"},
			"SNAPSHOT_CALL_CONF type=2 ext:+41315550100=CONNECT agent:2001=CONNECT CV01=eins CV10=zehn user.ced=42 user.test[0]=a user.test[1]=b")
		// The consultation call starts with a copy, unless the request says otherwise.
		r := consult(1, "2001", "2002")
		r.CallVariable1 = "anders"
		diff(t, `
			BEGIN_CALL #2/2001 type=12 CV01=anders CV10=zehn user.ced=42 user.test[0]=a user.test[1]=b
			BEGIN_CALL #2/2002 type=13 CV01=anders CV10=zehn user.ced=42 user.test[0]=a user.test[1]=b`,
			only(c.do(r), cti.TypeBeginCallEvent))
		c.do(answer(2, "2002"))
		// After the transfer the customer's data is at the second agent.
		diff(t, `CALL_DATA_UPDATE #2/2002 now #1/2002 type=4 CV01=eins CV10=zehn user.ced=42 user.test[0]=a user.test[1]=b`,
			only(c.do(transfer(2, 1, "2001")), cti.TypeCallDataUpdateEvent))
		info, _ := w.pg.Call(firstCall)
		if d := cmp.Diff(map[string]string{"CV01": "eins", "CV10": "zehn"}, info.Variables); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string][]string{"user.test": {"a", "b"}}, info.ECCArrays); d != "" {
			t.Error(d)
		}
	})
}

func TestSetCallData(t *testing.T) {
	play(t, nil, func(w *world) {
		c := withData(w)
		c.take()
		c.request(setData(1, "2001", func(r *cti.SetCallDataReq) { r.CallVariable1, r.CallWrapupData = "neu", "fertig" }), `
			SET_CALL_DATA_CONF
			CALL_DATA_UPDATE #1/2001 type=2 CV01=neu wrapup=fertig user.ced=42 user.test[0]=a user.test[1]=b`)
		// An empty field on the wire clears a variable, and the event says so.
		clear := setData(1, "2001", func(r *cti.SetCallDataReq) { r.Mark(cti.TagCallVar1) })
		got := c.do(clear)
		if e, ok := got[1].(*cti.CallDataUpdateEvent); !ok || e.CallVariable1 != "" || e.Present == 0 {
			t.Errorf("cleared: %v", got)
		}
		// Arrays have to be given complete.
		c.request(setData(1, "2001", func(r *cti.SetCallDataReq) {
			r.NamedArrays = []cti.NamedArray{{Index: 4, Name: "user.test", Value: "e"}}
			r.NamedVariables = []cti.NamedVar{{Name: "user.note", Value: "n"}}
		}), `
			SET_CALL_DATA_CONF
			CALL_DATA_UPDATE #1/2001 type=2 user.ced=42 user.note=n user.test[4]=e`)
	})
}

func TestOldVersionsGetOnlyChangedECC(t *testing.T) {
	play(t, nil, func(w *world) {
		c := withData(w)
		old := w.dial(ctitest.A, 21)
		old.do(openReq(21))
		c.do(setData(1, "2001", func(r *cti.SetCallDataReq) { r.NamedVariables = []cti.NamedVar{{Name: "user.note", Value: "n"}} }))
		old.expect("CALL_DATA_UPDATE #1/2001 type=2 user.note=n")
	})
}

func TestSetCallDataRefused(t *testing.T) {
	cfg := ctitest.DefaultConfig(3)
	cfg.WritableVariables = "ynnnyyyyyy"
	tests := []struct {
		name string
		edit func(r *cti.SetCallDataReq)
		want string
	}{
		{"protected variable", func(r *cti.SetCallDataReq) { r.CallVariable2 = "x" }, "E_CTI_PROTECTED_VARIABLE"},
		{"unknown call", func(r *cti.SetCallDataReq) { r.ConnectionCallID = 7 }, "E_CTI_INVALID_CALLID"},
		{"not a party", func(r *cti.SetCallDataReq) { r.ConnectionDeviceID = "2002" }, "E_CTI_NOT_CALL_PARTY"},
		{"wrong connection type", func(r *cti.SetCallDataReq) { r.ConnectionDeviceIDType = 1 }, "E_CTI_INVALID_CONNECTION_ID_TYPE"},
		{"wrong peripheral", func(r *cti.SetCallDataReq) { r.PeripheralID = 1 }, "E_CTI_INVALID_PERIPHERAL_ID"},
		{"scalar not configured", func(r *cti.SetCallDataReq) { r.NamedVariables = []cti.NamedVar{{Name: "user.nope", Value: "x"}} }, "E_CTI_NAMED_VARIABLE_NOT_CONFIGURED"},
		{"array not configured", func(r *cti.SetCallDataReq) { r.NamedArrays = []cti.NamedArray{{Name: "user.nope", Value: "x"}} }, "E_CTI_NAMED_ARRAY_NOT_CONFIGURED"},
		{"array as scalar", func(r *cti.SetCallDataReq) { r.NamedVariables = []cti.NamedVar{{Name: "user.test", Value: "x"}} }, "E_CTI_SCALAR_FUNCTION_ON_ARRAY"},
		{"scalar as array", func(r *cti.SetCallDataReq) { r.NamedArrays = []cti.NamedArray{{Name: "user.ced", Value: "x"}} }, "E_CTI_ARRAY_FUNCTION_ON_SCALAR"},
		{"count without scalars", func(r *cti.SetCallDataReq) { r.NumNamedVariables = 2 }, "E_CTI_INVALID_NUM_NAMED_VARIABLES"},
		{"count without arrays", func(r *cti.SetCallDataReq) { r.NumNamedArrays = 1 }, "E_CTI_INVALID_NUM_NAMED_ARRAYS"},
		{"index", func(r *cti.SetCallDataReq) {
			r.NamedArrays = []cti.NamedArray{{Index: 5, Name: "user.test", Value: "x"}}
		}, "E_CTI_INVALID_ARRAY_INDEX"},
		{"value too long", func(r *cti.SetCallDataReq) {
			r.NamedVariables = []cti.NamedVar{{Name: "user.ced", Value: strings.Repeat("x", 41)}}
		}, "E_CTI_VALUE_TOO_LONG"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, cfg, func(w *world) {
				c := withData(w)
				c.take()
				c.request(setData(1, "2001", tt.edit), "FAILURE_CONF "+tt.want)
			})
		})
	}
	t.Run("fields longer than the table says", func(t *testing.T) {
		// By hand: SET_CALL_DATA_REQ with CallWrapupData (tag 46) of 40 letters and a NUL; the table allows 40 bytes.
		play(t, cfg, func(w *world) {
			c := withData(w)
			c.take()
			body := []byte{0, 0, 0, 9, 0, 0, 0x13, 0x88, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				0, 25, 0, 5, '2', '0', '0', '1', 0}
			body = append(body, 0, 46, 0, 41)
			body = append(body, strings.Repeat("w", 40)...)
			body = append(body, 0)
			c.raw(append([]byte{0, 0, 0, byte(len(body)), 0, 0, 0, 26}, body...))
			c.expect("FAILURE_CONF E_CTI_INVALID_FIELD_LENGTH")
		})
	})
	t.Run("too much ECC data", func(t *testing.T) {
		big := ctitest.DefaultConfig(3)
		for i := range 12 {
			big.ECC = append(big.ECC, ctitest.ECCConfig{Name: "user.big" + string(rune('a'+i)), MaxLength: 210})
		}
		play(t, big, func(w *world) {
			c := withData(w)
			c.take()
			add := func(from, to int) *cti.SetCallDataReq {
				return setData(1, "2001", func(r *cti.SetCallDataReq) {
					for i := from; i < to; i++ {
						r.NamedVariables = append(r.NamedVariables, cti.NamedVar{Name: "user.big" + string(rune('a'+i)), Value: strings.Repeat("x", 210)})
					}
				})
			}
			c.request(add(0, 10), "FAILURE_CONF E_CTI_TOO_MUCH_DATA")
			if got := c.do(add(0, 6)); got[0].Type() != cti.TypeSetCallDataConf {
				t.Errorf("six: %v", got)
			}
			c.request(add(6, 10), "FAILURE_CONF E_CTI_TOO_MUCH_DATA")
		})
	})
}

func TestCallDataAfterTheCall(t *testing.T) {
	play(t, nil, func(w *world) {
		c := withData(w)
		c.do(answer(1, "2001"))
		w.pg.CustomerHangUp(firstCall)
		c.take()
		wrap := func() *cti.SetCallDataReq {
			return setData(1, "2001", func(r *cti.SetCallDataReq) { r.CallWrapupData = "fertig" })
		}
		c.request(wrap(), "SET_CALL_DATA_CONF")
		w.wait(ctitest.DefaultCallDataHold - time.Second)
		c.request(wrap(), "SET_CALL_DATA_CONF")
		c.request(&cti.ReleaseCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001"}, "RELEASE_CALL_CONF")
		c.request(wrap(), "FAILURE_CONF E_CTI_INVALID_CALLID")
	})
}

func TestRegisteredVariables(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		c.request(&cti.RegisterVariablesReq{NamedVariables: []cti.NamedVar{{Name: "user.nope"}}}, "FAILURE_CONF E_CTI_NAMED_VARIABLE_NOT_CONFIGURED")
		c.request(&cti.RegisterVariablesReq{CallVariableMask: cti.CallVariableMask10,
			NamedArrays: []cti.NamedArray{{Index: 1, Name: "user.test"}}}, "REGISTER_VARIABLES_CONF")
		c.ready("1001", "2001")
		w.pg.CustomerCall(w.t.Context(), ctitest.CallSpec{To: "5001", Variables: map[string]string{"CV01": "eins", "CV10": "zehn"},
			ECC: map[string]string{"user.ced": "42"}, ECCArrays: map[string][]string{"user.test": {"a", "b"}}})
		diff(t, `BEGIN_CALL #1/2001 type=2 CV10=zehn user.test[1]=b`, only(c.take(), cti.TypeBeginCallEvent))
		// Nothing registered means everything again.
		c.do(&cti.RegisterVariablesReq{})
		c.request(&cti.SnapshotCallReq{PeripheralID: pid, ConnectionCallID: firstCall, ConnectionDeviceID: "2001"},
			"SNAPSHOT_CALL_CONF type=2 ext:=CONNECT agent:2001=ALERTING CV01=eins CV10=zehn user.ced=42 user.test[0]=a user.test[1]=b")
	})
}

func TestTextInAWindowsCodePage(t *testing.T) {
	cfg := ctitest.DefaultConfig(3)
	cfg.Charset = charmap.Windows1252
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		c.ready("1001", "2001")
		w.pg.CustomerCall(w.t.Context(), ctitest.CallSpec{To: "5001", Variables: map[string]string{"CV01": "Zoë"}})
		begin := only(c.take(), cti.TypeBeginCallEvent)[0].(*cti.BeginCallEvent)
		if begin.CallVariable1 != "Zo\xeb" {
			t.Errorf("on the wire: %q", begin.CallVariable1)
		}
		c.do(setData(1, "2001", func(r *cti.SetCallDataReq) { r.CallWrapupData = "gel\xf6st \x80" }))
		if info, _ := w.pg.Call(firstCall); info.Wrapup != "gelöst €" {
			t.Errorf("in the snapshot: %q", info.Wrapup)
		}
		got := c.do(&cti.ConfigRequestEvent{ConfigInformation: cti.ConfigMaskAgent, PeripheralID: pid})
		if r := got[1].(*cti.ConfigAgentEvent).Records[0]; r.FirstName != "Zo\xeb" || r.LastName != "M\xfcller" {
			t.Errorf("names: %q %q", r.FirstName, r.LastName)
		}
	})
}

func TestCustomerCallRefused(t *testing.T) {
	pg := ctitest.New(ctitest.DefaultConfig(1))
	defer pg.Close()
	long := strings.Repeat("x", 41)
	tests := []struct {
		name string
		spec ctitest.CallSpec
		want error
	}{
		{"unknown number", ctitest.CallSpec{To: "9"}, ctitest.ErrUnknownNumber},
		{"unknown variable", ctitest.CallSpec{To: "5001", Variables: map[string]string{"CV11": "x"}}, ctitest.ErrBadData},
		{"variable too long", ctitest.CallSpec{To: "5001", Variables: map[string]string{"CV01": long}}, ctitest.ErrBadData},
		{"ECC not configured", ctitest.CallSpec{To: "5001", ECC: map[string]string{"user.nope": "x"}}, ctitest.ErrBadData},
		{"router key that is none", ctitest.CallSpec{To: "5001", RouterKey: "2461003-x-1"}, ctitest.ErrBadData},
		{"router key with a tail", ctitest.CallSpec{To: "5001", RouterKey: "2461003-1-1 "}, ctitest.ErrBadData},
		{"router key without a day", ctitest.CallSpec{To: "5001", RouterKey: "0-1-1"}, ctitest.ErrBadData},
		{"caller's number too long", ctitest.CallSpec{To: "5001", From: long}, ctitest.ErrBadData},
	}
	for _, tt := range tests {
		if _, err := pg.CustomerCall(t.Context(), tt.spec); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := pg.CustomerCall(t.Context(), ctitest.CallSpec{To: "2001"}); err != nil {
		t.Error(err)
	}
	if _, err := pg.CustomerCall(t.Context(), ctitest.CallSpec{To: "2001"}); !errors.Is(err, ctitest.ErrBusy) {
		t.Errorf("busy phone: %v", err)
	}
	if n := len(pg.Calls()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// A call that the router sends on from another peripheral keeps its key; the
// sequence number counts its targets.
func TestCallOfAnotherPeripheralKeepsItsKey(t *testing.T) {
	pg := ctitest.New(ctitest.DefaultConfig(1))
	defer pg.Close()
	for to, want := range map[string]string{"2001": "2461003-77-3", "5001": "2461003-77-4"} {
		id, err := pg.CustomerCall(t.Context(), ctitest.CallSpec{To: to, RouterKey: "2461003-77-3"})
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := pg.Call(id); c.RouterKey != want {
			t.Errorf("to %s: key %q, want %q", to, c.RouterKey, want)
		}
	}
}

// Gateways of one enterprise do not give the same keys, also to calls that the router
// sends to another one.
func TestFirstRouterKey(t *testing.T) {
	for first, want := range map[uint32][2]string{0: {"-1-0", "-2-0"}, 1: {"-1-0", "-2-0"}, 5001: {"-5001-0", "-5002-0"}} {
		cfg := ctitest.DefaultConfig(1)
		cfg.FirstRouterKey = first
		cfg.External["7002"] = ctitest.External{Routed: true}
		pg := ctitest.New(cfg)
		defer pg.Close()
		id, err := pg.CustomerCall(t.Context(), ctitest.CallSpec{To: "5001"})
		if err != nil {
			t.Fatal(err)
		}
		out, err := pg.PhoneDial("4001", "7002")
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range []uint32{id, out} {
			if c, _ := pg.Call(id); !strings.HasSuffix(c.RouterKey, want[i]) {
				t.Errorf("first %d: call %d has the key %q, want ...%s", first, i+1, c.RouterKey, want[i])
			}
		}
	}
}

// The phone that dialled a number of the router is told the key.
func TestRoutedToAnotherPeripheral(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.External["7002"] = ctitest.External{Routed: true}
	cfg.FirstRouterKey = 77
	play(t, cfg, func(w *world) {
		c := w.bridge(24)
		if _, err := w.pg.PhoneDial("4001", "7002"); err != nil {
			t.Fatal(err)
		}
		got := only(c.take(), cti.TypeCallDataUpdateEvent)
		if len(got) != 1 || got[0].(*cti.CallDataUpdateEvent).RouterCallKeyCallID != 77 {
			t.Errorf("told %v", got)
		}
	})
}
