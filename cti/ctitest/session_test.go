package ctitest_test

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

// Bytes by hand from the field tables of OPEN_REQ and OPEN_CONF (CTI Server Message Reference Guide,
// Session Management): header of two UINTs, eleven UINTs, then ClientID (tag 1) "ab" with its NUL and
// ClientPassword (tag 2), empty. Up to version 19 tag and length are one byte each, from 20 on two.
func TestOpenByteForByte(t *testing.T) {
	fixed := func(version string) string {
		return "00000007" + version + "ffffffff" + "ffffffff" + "00000016" + "00002000" + "0000000c" + "00000000" + "00000000" + "00000000" + "00000000"
	}
	tests := []struct {
		name    string
		version cti.Version
		request string
		confirm string // OPEN_CONF after the time
	}{
		{"version 13, one byte tags", 13,
			"00000033" + "00000003" + fixed("0000000d") + "0103616200" + "0200",
			"0001" + "0011" + "0001"},
		{"version 19, one byte tags, DepartmentID", 19,
			"00000033" + "00000003" + fixed("00000013") + "0103616200" + "0200",
			"0001" + "0011" + "0001" + "00000000" + "e4020001" + "d00400001388" + "e0020000"},
		{"version 24, two byte tags, SessionType", 24,
			"00000037" + "00000003" + fixed("00000018") + "00010003616200" + "00020000",
			"0001" + "0011" + "0001" + "00000000" + "0000" + "00e400020001" + "00d0000400001388" + "00e000020000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				nc, err := w.net.DialContext(w.t.Context(), "tcp", addrs[ctitest.A])
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				b, err := hex.DecodeString(tt.request)
				if err != nil {
					t.Fatal(err)
				}
				if int(binary.BigEndian.Uint32(b)) != len(b)-8 {
					t.Fatalf("the test's own MessageLength is wrong: %d, have %d", binary.BigEndian.Uint32(b), len(b)-8)
				}
				if _, err := nc.Write(b); err != nil {
					t.Fatal(err)
				}
				head := make([]byte, 8)
				if _, err := io.ReadFull(nc, head); err != nil {
					t.Fatal(err)
				}
				body := make([]byte, binary.BigEndian.Uint32(head))
				if _, err := io.ReadFull(nc, body); err != nil {
					t.Fatal(err)
				}
				got := hex.EncodeToString(body)
				if head[7] != 4 || !strings.HasPrefix(got, "00000007"+"00000016"+"00000000"+"00000000") {
					t.Fatalf("OPEN_CONF: %x %s", head, got)
				}
				if d := cmp.Diff(tt.confirm, got[40:]); d != "" {
					t.Errorf("after the time (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestOpenRefused(t *testing.T) {
	tests := []struct {
		name string
		edit func(r *cti.OpenReq)
		want string
	}{
		{"version too new", func(r *cti.OpenReq) { r.VersionNumber = 26 }, "E_CTI_INVALID_VERSION"},
		{"version too old", func(r *cti.OpenReq) { r.VersionNumber = 9 }, "E_CTI_INVALID_VERSION"},
		{"idle timeout below 20", func(r *cti.OpenReq) { r.IdleTimeout = 19 }, "E_CTI_INVALID_TIMEOUT"},
		{"unused service bit", func(r *cti.OpenReq) { r.ServicesRequested |= 0x200 }, "E_CTI_INVALID_SERVICE_MASK"},
		{"unused agent state bit", func(r *cti.OpenReq) { r.AgentStateMask |= 0x4000 }, "E_CTI_INVALID_AGENT_STATE_MASK"},
		{"unused configuration bit", func(r *cti.OpenReq) { r.ConfigMsgMask |= 0x400 }, "E_INVALID_CONFIG_MSG_MASK"},
		{"reserved field", func(r *cti.OpenReq) { r.Reserved2 = 1 }, "E_CTI_INVALID_RESERVED_FIELD"},
		{"no client id", func(r *cti.OpenReq) { r.ClientID, r.Absent = "", 1 }, "E_CTI_REQUIRED_DATA_MISSING"},
		{"no password field", func(r *cti.OpenReq) { r.Absent = 2 }, "E_CTI_REQUIRED_DATA_MISSING"},
		{"foreign tag", func(r *cti.OpenReq) { r.Extra = []cti.Field{{Tag: cti.TagANI, Data: []byte("1\x00")}} }, "E_CTI_INVALID_TAG_FOR_MSG_TYPE"},
		{"client mode without agent", func(r *cti.OpenReq) { r.ServicesRequested, r.PeripheralID = 1, pid }, "E_CTI_REQUIRED_DATA_MISSING"},
		{"client mode, wrong peripheral", func(r *cti.OpenReq) {
			r.ServicesRequested, r.PeripheralID, r.AgentID = 1, 1, "1001"
		}, "E_CTI_INVALID_PERIPHERAL_ID"},
		{"client mode, unknown agent", func(r *cti.OpenReq) {
			r.ServicesRequested, r.PeripheralID, r.AgentID = 1, pid, "7777"
		}, "E_CTI_INVALID_AGENT_DATA"},
		{"client mode, two phones", func(r *cti.OpenReq) {
			r.ServicesRequested, r.PeripheralID, r.AgentExtension, r.AgentInstrument = 1, pid, "2001", "2002"
		}, "E_CTI_INCONSISTENT_AGENT_DATA"},
		{"supervisor service for another agent", func(r *cti.OpenReq) {
			r.ServicesRequested, r.PeripheralID, r.AgentID = 0x81, pid, "1001"
		}, "E_CTI_FUNCTION_NOT_AVAILABLE"},
	}
	for _, v := range []cti.Version{13, 19, 20, 23, 25} {
		for _, tt := range tests {
			t.Run(v.String()+" "+tt.name, func(t *testing.T) {
				play(t, nil, func(w *world) {
					c := w.dial(ctitest.A, v)
					r := openReq(v)
					tt.edit(r)
					c.request(r, "FAILURE_CONF "+tt.want)
					// Whoever was refused has to connect again.
					c.request(openReq(v), "FAILURE_CONF E_CTI_SESSION_NOT_OPEN")
				})
			})
		}
	}
}

func TestPasswordAndLimits(t *testing.T) {
	cfg := ctitest.DefaultConfig(2)
	cfg.Clients = map[string]string{"test": "geheim"}
	cfg.AllEventsLimit = 1
	play(t, cfg, func(w *world) {
		c := w.dial(ctitest.A, 24)
		c.request(openReq(24), "FAILURE_CONF E_CTI_INVALID_PASSWORD")
		r := openReq(24)
		r.ClientPassword = []byte("geheim")
		c = w.dial(ctitest.A, 24)
		c.request(r, `
			OPEN_CONF services=0x16 online=true session=UNKNOWN agent= LOGOUT
			SYSTEM SYS_PERIPHERAL_ONLINE arg=5000`)
		r.InvokeID = 0
		c.request(r, "FAILURE_CONF E_CTI_SESSION_ALREADY_OPEN")
		second := w.dial(ctitest.A, 24)
		r.InvokeID = 0
		second.request(r, "FAILURE_CONF E_CTI_FUNCTION_NOT_AVAILABLE")
		c.request(&cti.CloseReq{}, "CLOSE_CONF")
		if c.ended() == nil {
			t.Error("connection lives after CLOSE_CONF")
		}
		third := w.dial(ctitest.A, 24)
		r.InvokeID = 0
		third.request(r, `
			OPEN_CONF services=0x16 online=true session=UNKNOWN agent= LOGOUT
			SYSTEM SYS_PERIPHERAL_ONLINE arg=5000`)
	})
}

func TestNothingBeforeOpen(t *testing.T) {
	play(t, nil, func(w *world) {
		// Without a session the server cannot know the version: the short layout of FAILURE_CONF.
		c := w.dial(ctitest.A, 20)
		c.request(&cti.HeartbeatReq{}, "FAILURE_CONF E_CTI_SESSION_NOT_OPEN")
		c.request(login("1001", "2001"), "FAILURE_CONF E_CTI_SESSION_NOT_OPEN")
	})
}

func TestClientMode(t *testing.T) {
	cfg := ctitest.DefaultConfig(3)
	play(t, cfg, func(w *world) {
		b := w.bridge(24)
		b.do(login("1001", "2001"))
		b.do(login("1002", "2002"))
		if _, err := w.pg.PhoneDial("2002", "2001"); err != nil {
			t.Fatal(err)
		}
		r := openReq(24)
		r.ServicesRequested, r.PeripheralID, r.AgentID, r.ClientID = 0x7, pid, "1001", "desk"
		c := w.dial(ctitest.A, 24)
		c.request(r, `
			OPEN_CONF services=0x7 online=true session=UNKNOWN agent=1001 NOT_READY
			BEGIN_CALL #1/2001 type=6`)
		diff(t, `
			ANSWER_CALL_CONF
			CALL_ESTABLISHED #1/2001 answering=agent:2001 from=agent:2002 to=agent:2001 CONNECT
			AGENT_STATE 1001 TALKING`, without(c.do(answer(1, "2001")), cti.TypeRTPStartedEvent))
		c.request(hold(1, "2002"), "CONTROL_FAILURE_CONF CF_PRIVILEGE_VIOLATION_ON_SPECIFIED_DEVICE")
		c.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentID: "1002"}, "CONTROL_FAILURE_CONF CF_PRIVILEGE_VIOLATION_ON_SPECIFIED_DEVICE")
		// The other party leaves: a client learns of the parties of its calls.
		if err := w.pg.PhoneHangUp("2002", firstCall); err != nil {
			t.Fatal(err)
		}
		diff(t, `
			CALL_CONNECTION_CLEARED #1/2002 by=agent:2002
			CALL_CONNECTION_CLEARED #1/2001 by=agent:2001
			CALL_CLEARED #1/2001
			AGENT_STATE 1001 NOT_READY
			END_CALL #1/2001`, without(c.take(), cti.TypeRTPStoppedEvent))

		// The phone is taken for another client, and free for the same one, who loses his old session.
		other := *r
		other.InvokeID, other.ClientID = 0, "other"
		w.dial(ctitest.A, 24).request(&other, "FAILURE_CONF E_CTI_DEVICE_IN_USE")
		again := *r
		again.InvokeID = 0
		c2 := w.dial(ctitest.A, 24)
		c2.request(&again, "OPEN_CONF services=0x7 online=true session=UNKNOWN agent=1001 NOT_READY")
		c.expect("FAILURE_EVENT E_CTI_NEW_SESSION_OPENED")
		if c.ended() == nil {
			t.Error("the old session lives")
		}
		// An agent whose client vanishes gets no further calls.
		c2.do(state("2001", cti.AgentStateAvailable, 0))
		b.take()
		c2.nc.Close()
		b.expect("AGENT_STATE 1001 NOT_READY reason=50002")
	})
}

func TestHeartbeatAndIdleTimeout(t *testing.T) {
	play(t, nil, func(w *world) {
		r := openReq(24)
		r.IdleTimeout = 20
		c := w.dial(ctitest.A, 24)
		c.do(r)
		for range 3 {
			w.wait(19 * time.Second)
			c.request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
		}
		// Only what the client sends counts.
		w.wait(10 * time.Second)
		w.customer(customer, "5001")
		w.wait(10*time.Second - time.Millisecond)
		if err := c.ended(); err != nil {
			t.Fatalf("cut too early: %v", err)
		}
		w.wait(2 * time.Millisecond)
		if c.ended() == nil {
			t.Error("an idle session lives for ever")
		}
	})
}

func TestConnectionWithoutSessionIsCut(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.dial(ctitest.A, 24)
		w.wait(ctitest.DefaultOpenTimeout + time.Second)
		if c.ended() == nil {
			t.Error("connection lives")
		}
	})
}

func TestMasksFilterEvents(t *testing.T) {
	play(t, nil, func(w *world) {
		r := openReq(24)
		r.CallMsgMask = cti.CallEventMaskBeginCall | cti.CallEventMaskEndCall
		r.AgentStateMask = cti.AgentStateMaskTalking
		c := w.dial(ctitest.A, 24)
		c.do(r)
		c.ready("1001", "2001")
		w.customer(customer, "5001")
		c.do(answer(1, "2001"))
		w.pg.CustomerHangUp(firstCall)
		// What came before was taken by the requests.
		c.expect(`END_CALL #1/2001`)
		c.do(state("2001", cti.AgentStateAvailable, 0))
		w.customer(customer, "5001")
		c.expect(`BEGIN_CALL #2/2001 type=2`)
		c.request(answer(2, "2001"), `
			ANSWER_CALL_CONF
			AGENT_STATE 1001 TALKING`)
	})
}

func TestMonitors(t *testing.T) {
	play(t, nil, func(w *world) {
		b := w.bridge(24)
		b.do(login("1001", "2001"))
		b.do(login("1002", "2002"))
		r := openReq(24)
		r.ServicesRequested, r.CallMsgMask, r.AgentStateMask, r.ClientID = 0x20, 0, 0, "mon"
		c := w.dial(ctitest.A, 24)
		c.do(r)
		start := func() *cti.MonitorStartReq {
			return &cti.MonitorStartReq{PeripheralID: pid, CallMsgMask: cti.CallEventMaskBeginCall, AgentStateMask: 0x3fff,
				ConnectionDeviceIDType: 0xffff, MonitoredDeviceID: "2001"}
		}
		both := start()
		both.ConnectionDeviceIDType, both.ConnectionDeviceID = 0, "2001"
		c.request(both, "FAILURE_CONF E_CTI_MUTUALLY_EXCLUS_DEVICEID_TYPES")
		c.request(start(), "MONITOR_START_CONF monitor=1")
		c.request(start(), "FAILURE_CONF E_CTI_MONITOR_ALREADY_EXISTS")
		b.request(start(), "FAILURE_CONF E_CTI_FUNCTION_NOT_AVAILABLE")
		b.do(state("2001", cti.AgentStateAvailable, 0))
		b.do(state("2002", cti.AgentStateAvailable, 0))
		c.expect("AGENT_STATE 1001 AVAILABLE monitor=1")
		w.customer(customer, "5001")
		c.expect(`
			AGENT_STATE 1001 RESERVED monitor=1
			BEGIN_CALL #1/2001 type=2 monitor=1`)
		c.request(&cti.ChangeMonitorMaskReq{MonitorID: 1}, "CHANGE_MONITOR_MASK_CONF")
		w.pg.CustomerHangUp(firstCall)
		c.expect(``)
		c.request(&cti.MonitorStopReq{MonitorID: 1}, "MONITOR_STOP_CONF")
		c.request(&cti.MonitorStopReq{MonitorID: 1}, "FAILURE_CONF E_CTI_INVALID_MONITORID")
	})
}

func TestEveryRequestIsAnswered(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(25)
		n := 0
		for info := range cti.Messages() {
			if info.Role != cti.RoleRequest || info.Direction == cti.ToClient {
				continue
			}
			switch info.Type {
			case cti.TypeOpenReq, cti.TypeCloseReq, cti.TypeHeartbeatReq:
				continue
			}
			m := cti.NewMessage(info.Type)
			r := m.(cti.Request)
			r.SetInvoke(uint32(5000 + n))
			n++
			got := c.do(m)
			var answers []cti.Message
			for _, g := range got {
				if conf, ok := g.(cti.Confirm); ok && conf.Invoke() == r.Invoke() {
					answers = append(answers, g)
				}
			}
			if len(answers) != 1 {
				t.Errorf("%s: %d answers in %v", info.Name, len(answers), got)
			}
		}
		if n < 30 {
			t.Errorf("only %d requests tried", n)
		}
	})
}

func TestMessagesThatAreNotForTheServer(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(18)
		c.raw([]byte{0, 0, 0, 4, 0, 0, 0x0f, 0xff, 0, 0, 0, 9})
		c.expect("FAILURE_CONF E_CTI_INVALID_REQUEST_TYPE")
		c.send(&cti.EndCallEvent{})
		c.expect("FAILURE_CONF E_CTI_INVALID_REQUEST_TYPE")
		c.send(&cti.ConfigRequestEvent{PeripheralID: pid})
		c.expect("FAILURE_CONF E_CTI_INVALID_MSG_TYPE_FOR_VERSION")
		// Truncated: HOLD_CALL_REQ with four of its sixteen bytes.
		c.raw([]byte{0, 0, 0, 4, 0, 0, 0, 54, 0, 0, 0, 9})
		got := c.take()
		if len(got) != 1 || got[0].(*cti.FailureConf).InvokeID != 9 || got[0].(*cti.FailureConf).Status != cti.StatusCodeInvalidMessageLength {
			t.Errorf("truncated: %v", got)
		}
		// A length beyond the limit: the stream is out of step, the connection ends.
		c.raw([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 54})
		if c.ended() == nil {
			t.Error("connection lives after a length of 4 GB")
		}
	})
}

func TestVersionRange(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.MinVersion, cfg.MaxVersion = 15, 23
	play(t, cfg, func(w *world) {
		for v := cti.Version(13); v <= 25; v++ {
			c := w.dial(ctitest.A, v)
			got := c.do(openReq(v))
			want := cti.TypeFailureConf
			if v >= 15 && v <= 23 {
				want = cti.TypeOpenConf
			}
			if len(got) == 0 || got[0].Type() != want {
				t.Errorf("version %v: %v", v, got)
			}
			c.nc.Close()
		}
	})
}

func TestSessionsSeeEachOther(t *testing.T) {
	play(t, nil, func(w *world) {
		r := openReq(24)
		r.ServicesRequested = 0x40
		c := w.dial(ctitest.A, 24)
		c.do(r)
		b := w.bridge(24)
		c.expect("CLIENT_SESSION_OPENED")
		b.nc.Close()
		got := c.take()
		if len(got) != 1 || got[0].(*cti.ClientSessionClosedEvent).Status != cti.StatusCodeClientDisconnected {
			t.Errorf("closed: %v", got)
		}
	})
}

func TestUserMessage(t *testing.T) {
	play(t, nil, func(w *world) {
		a, b := w.bridge(24), w.dial(ctitest.A, 24)
		r := openReq(24)
		r.ClientID = "two"
		b.do(r)
		a.request(&cti.UserMessageReq{PeripheralID: pid, ClientID: "two", Text: "hallo"}, "USER_MESSAGE_CONF")
		b.expect("USER_MESSAGE from=test hallo")
		a.request(&cti.UserMessageReq{PeripheralID: pid, Distribution: cti.MessageDistributionAll, Text: "alle"}, "USER_MESSAGE_CONF")
		b.expect("USER_MESSAGE from=test alle")
		a.request(&cti.UserMessageReq{PeripheralID: pid, ClientID: "nobody", Text: "x"}, "FAILURE_CONF E_CTI_CLIENT_NOT_FOUND")
	})
}

func TestConfigurationIsValidated(t *testing.T) {
	bad := &ctitest.Config{MinVersion: 3, WritableVariables: "y",
		SkillGroups: []ctitest.SkillGroupConfig{{Number: 1, DialedNumber: "5001"}, {Number: 1, DialedNumber: "5001"}},
		Agents:      []ctitest.AgentConfig{{ID: "1", Extension: "5001", SkillGroups: []uint32{9}}, {ID: "1", Extension: ""}},
		ECC:         []ctitest.ECCConfig{{Name: "user.x", MaxLength: 211}, {Name: "user.x", MaxLength: 1}}}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 10 {
		t.Errorf("%d problems:\n%v", n, err)
	}
	for _, n := range []int{0, 1, 100, 1000, 3000} {
		if err := ctitest.DefaultConfig(n).Validate(); err != nil {
			t.Errorf("%d agents: %v", n, err)
		}
	}
	if d := cmp.Diff("****", ctitest.Secret("x").String()); d != "" {
		t.Error(d)
	}
}
