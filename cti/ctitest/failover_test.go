package ctitest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
)

func TestStandbyRefuses(t *testing.T) {
	for _, tt := range []struct {
		how  ctitest.Refusal
		want string
	}{
		{ctitest.RefuseOffline, "FAILURE_CONF E_CTI_CTI_SERVER_OFFLINE"},
		{ctitest.RefuseNotMaster, "FAILURE_CONF E_CTI_SERVER_NOT_MASTER"},
		{ctitest.RefuseClose, ""},
	} {
		cfg := ctitest.DefaultConfig(1)
		cfg.Standby = tt.how
		play(t, cfg, func(w *world) {
			c := w.dial(ctitest.B, 24)
			c.request(openReq(24), tt.want)
			if (c.ended() != nil) != (tt.how == ctitest.RefuseClose) {
				t.Errorf("%v: ended %v", tt.how, c.ended())
			}
		})
	}
}

func TestStopOfTheActiveSide(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		c.ready("1001", "2001")
		c.ready("1002", "2002")
		w.customer(customer, "5001")
		c.do(answer(1, "2001"))
		c.do(state("2001", cti.AgentStateNotReady, 3))
		w.pg.Side(ctitest.A).Stop()
		if c.ended() == nil {
			t.Fatal("connection lives")
		}
		if _, err := w.net.DialContext(w.t.Context(), "tcp", addrs[ctitest.A]); err == nil {
			t.Error("side A still listens")
		}
		if id, ok := w.pg.Active(); !ok || id != ctitest.B {
			t.Errorf("active: %v %v", id, ok)
		}
		b := w.bridge(24)
		b.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentID: "1001"}, "QUERY_AGENT_STATE_CONF 1001 TALKING")
		b.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentExtension: "2002"}, "QUERY_AGENT_STATE_CONF 1002 AVAILABLE")
		b.request(&cti.SnapshotDeviceReq{PeripheralID: pid, AgentInstrument: "2001"}, "SNAPSHOT_DEVICE_CONF #1/2001=CONNECT")
		// Pending states are lost in a change of side.
		w.pg.CustomerHangUp(firstCall)
		diff(t, "AGENT_STATE 1001 AVAILABLE", only(b.take(), cti.TypeAgentStateEvent))

		// No fail-back: A is the standby when it is there again.
		if err := w.pg.Side(ctitest.A).Start(); err != nil {
			t.Fatal(err)
		}
		if err := w.pg.Side(ctitest.A).Start(); !errors.Is(err, ctitest.ErrSideRunning) {
			t.Errorf("second start: %v", err)
		}
		w.dial(ctitest.A, 24).request(openReq(24), "FAILURE_CONF E_CTI_CTI_SERVER_OFFLINE")
		w.pg.Side(ctitest.B).Stop()
		w.bridge(24).request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
	})
}

func TestFailoverDelay(t *testing.T) {
	cfg := ctitest.DefaultConfig(1)
	cfg.FailoverDelay = 30 * time.Second
	play(t, cfg, func(w *world) {
		w.bridge(24)
		w.pg.Side(ctitest.A).Stop()
		w.dial(ctitest.B, 24).request(openReq(24), "FAILURE_CONF E_CTI_CTI_SERVER_OFFLINE")
		w.wait(31 * time.Second)
		w.bridge(24)
		if id, _ := w.pg.Active(); id != ctitest.B {
			t.Error("B is not active")
		}
	})
}

func TestStall(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		w.pg.Side(ctitest.A).Stall(true)
		c.request(&cti.HeartbeatReq{}, "")
		n := w.dial(ctitest.A, 24)
		n.request(openReq(24), "")
		w.customer(customer, "5001")
		w.wait(time.Minute)
		c.expect("")
		if c.ended() != nil {
			t.Error("a stalled side keeps its connections")
		}
		w.pg.Side(ctitest.A).Stall(false)
		c.expect(`
			BEGIN_CALL #1/5001 type=1
			CALL_QUEUED #1/5001 in=queue:5001 queued=1 group=1
			HEARTBEAT_CONF`)
		if got := n.take(); len(got) != 2 || got[0].Type() != cti.TypeOpenConf {
			t.Errorf("new client: %v", got)
		}
	})
}

func TestShutdownAndSwitch(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		if err := w.pg.Switch(); err != nil {
			t.Fatal(err)
		}
		c.expect("FAILURE_EVENT E_CTI_CTI_SERVER_OFFLINE")
		if c.ended() == nil {
			t.Error("session lives")
		}
		c = w.bridge(24)
		w.pg.Side(ctitest.B).Shutdown(time.Second)
		c.expect("FAILURE_EVENT E_CTI_CTI_SERVER_OFFLINE")
		if err := w.pg.Switch(); !errors.Is(err, ctitest.ErrSimplex) {
			t.Errorf("switch without the other side: %v", err)
		}
	})
}

func activeStandby() *ctitest.Config {
	cfg := ctitest.DefaultConfig(3)
	cfg.Duplex = ctitest.ActiveStandby
	return cfg
}

func standbyReq() *cti.OpenReq {
	r := openReq(24)
	r.ServicesRequested |= cti.CTIServiceMaskActiveStandby
	return r
}

func TestActiveStandbySessions(t *testing.T) {
	play(t, activeStandby(), func(w *world) {
		a, b := w.dial(ctitest.A, 24), w.dial(ctitest.B, 24)
		a.request(standbyReq(), `
			OPEN_CONF services=0x2000016 online=true session=ACTIVE agent= LOGOUT
			SYSTEM SYS_PERIPHERAL_ONLINE arg=5000`)
		b.request(standbyReq(), `
			OPEN_CONF services=0x2000016 online=true session=STANDBY agent= LOGOUT
			SYSTEM SYS_PERIPHERAL_ONLINE arg=5000`)
		// The standby takes heartbeats and CLOSE_REQ only, and sends no events.
		b.request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
		b.request(login("1001", "2001"), "FAILURE_CONF E_CTI_SERVER_NOT_MASTER")
		w.dial(ctitest.B, 24).request(openReq(24), "FAILURE_CONF E_CTI_CTI_SERVER_OFFLINE")
		old := standbyReq()
		old.VersionNumber = 23
		w.dial(ctitest.B, 23).request(old, "FAILURE_CONF E_CTI_CTI_SERVER_OFFLINE")
		a.ready("1001", "2001")
		w.customer(customer, "5001")
		a.do(answer(1, "2001"))
		b.expect("")
		// The active side crashes.
		w.pg.Side(ctitest.A).Stop()
		b.expect(`
			STANDBY_ACTIVE
			CALL_DELIVERED #1/2001 alerting=agent:2001 from=ext:+41315550100 to=rp:5001 last=- CONNECT cause=CALL_PARTY_UPDATE_IND
			CALL_ESTABLISHED #1/2001 answering=agent:2001 from=ext:+41315550100 to=rp:5001 CONNECT cause=CALL_PARTY_UPDATE_IND`)
		b.request(&cti.QueryAgentStateReq{PeripheralID: pid, AgentID: "1001"}, "QUERY_AGENT_STATE_CONF 1001 TALKING")
	})
}

func TestPlannedChangeOfSide(t *testing.T) {
	play(t, activeStandby(), func(w *world) {
		a, b, plain := w.dial(ctitest.A, 24), w.dial(ctitest.B, 24), w.dial(ctitest.A, 24)
		a.do(standbyReq())
		b.do(standbyReq())
		plain.do(openReq(24))
		result := make(chan error, 1)
		go func() { result <- w.pg.Maintain(w.t.Context()) }()
		got := a.take()
		diff(t, "ACTIVE_MAINTENANCE_REQ", got)
		a.send(&cti.ActiveMaintenanceResp{InvokeID: got[0].(*cti.ActiveMaintenanceReq).InvokeID, MaintenanceModeAccepted: true})
		a.expect("ACTIVE_MAINTENANCE")
		b.expect("STANDBY_ACTIVE")
		plain.expect("FAILURE_EVENT E_CTI_CTI_SERVER_OFFLINE")
		if a.ended() != nil {
			t.Error("the old session ends before its client is ready")
		}
		a.send(&cti.StoppingRequestsToThisSideInd{})
		if a.ended() == nil {
			t.Error("the old session lives")
		}
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		if id, _ := w.pg.Active(); id != ctitest.B {
			t.Error("B is not active")
		}
		b.request(login("1001", "2001"), `
			SET_AGENT_STATE_CONF
			AGENT_STATE 1001 NOT_READY`)
	})
}

// A client that agrees and then says nothing more keeps nobody: the old side closes after five seconds.
func TestPlannedChangeWithASilentClient(t *testing.T) {
	play(t, activeStandby(), func(w *world) {
		a, b := w.dial(ctitest.A, 24), w.dial(ctitest.B, 24)
		a.do(standbyReq())
		b.do(standbyReq())
		result := make(chan error, 1)
		go func() { result <- w.pg.Maintain(w.t.Context()) }()
		a.take()
		if err := w.pg.Maintain(w.t.Context()); !errors.Is(err, ctitest.ErrMaintenanceRunning) {
			t.Errorf("second change: %v", err)
		}
		a.request(&cti.ActiveMaintenanceResp{MaintenanceModeAccepted: true}, "ACTIVE_MAINTENANCE")
		w.wait(5*time.Second - time.Millisecond)
		if a.ended() != nil {
			t.Error("closed too early")
		}
		w.wait(time.Millisecond)
		if err := <-result; err != nil || a.ended() == nil {
			t.Errorf("result %v, ended %v", err, a.ended())
		}
	})
}

// No guide prints the tag of UniqueInstanceID, so an unknown tag is taken for it.
func TestUniqueInstanceID(t *testing.T) {
	play(t, activeStandby(), func(w *world) {
		req := func() *cti.OpenReq {
			r := standbyReq()
			r.Extra = []cti.Field{{Tag: 399, Data: []byte("one\x00")}}
			return r
		}
		if got := w.dial(ctitest.A, 24).do(req()); got[0].Type() != cti.TypeOpenConf {
			t.Errorf("first: %v", got)
		}
		w.dial(ctitest.A, 24).request(req(), "FAILURE_CONF E_CTI_DUPLICATE_UNIQUE_INSTANCE_ID")
		if got := w.dial(ctitest.B, 24).do(req()); got[0].Type() != cti.TypeOpenConf {
			t.Errorf("other side: %v", got)
		}
	})
}

func TestPlannedChangeRefused(t *testing.T) {
	for _, silent := range []bool{false, true} {
		play(t, activeStandby(), func(w *world) {
			a, b := w.dial(ctitest.A, 24), w.dial(ctitest.B, 24)
			a.do(standbyReq())
			b.do(standbyReq())
			result := make(chan error, 1)
			go func() { result <- w.pg.Maintain(w.t.Context()) }()
			a.expect("ACTIVE_MAINTENANCE_REQ")
			if silent {
				w.wait(5 * time.Second)
			} else {
				a.send(&cti.ActiveMaintenanceResp{MaintenanceModeAccepted: false})
			}
			got := a.take()
			if len(got) != 1 || got[0].(*cti.ActiveMaintenanceEvent).MaintenanceModeStatus {
				t.Errorf("silent %v: %v", silent, got)
			}
			if err := <-result; !errors.Is(err, ctitest.ErrMaintenanceRefused) {
				t.Errorf("silent %v: %v", silent, err)
			}
			b.expect("")
			a.request(&cti.HeartbeatReq{}, "HEARTBEAT_CONF")
		})
	}
}

func TestPeripheralOffLine(t *testing.T) {
	for _, linger := range []bool{false, true} {
		cfg := ctitest.DefaultConfig(2)
		cfg.Quirks.LingerOffline = linger
		play(t, cfg, func(w *world) {
			c := w.bridge(24)
			c.ready("1001", "2001")
			w.customer(customer, "5001")
			c.do(answer(1, "2001"))
			w.pg.SetPeripheral(false)
			want := "SYSTEM SYS_PERIPHERAL_OFFLINE arg=5000"
			if !linger {
				want += "\nEND_CALL #1/2001"
			}
			c.expect(want)
			c.request(hold(1, "2001"), "CONTROL_FAILURE_CONF CF_RESOURCE_OUT_OF_SERVICE")
			// The voice call goes on; what happens to it is not told.
			w.customer("2", "2002")
			c.expect("")
			w.pg.SetPeripheral(true)
			want = "SYSTEM SYS_PERIPHERAL_ONLINE arg=5000"
			if !linger {
				want += "\nBEGIN_CALL #1/2001 type=2\nBEGIN_CALL #2/2002 type=6"
			}
			c.expect(want)
		})
	}
}

func TestCentralControllerOffLine(t *testing.T) {
	play(t, nil, func(w *world) {
		c := w.bridge(24)
		w.pg.SetController(false)
		c.expect("SYSTEM SYS_CENTRAL_CONTROLLER_OFFLINE arg=0")
		c.ready("1001", "2001")
		w.customer(customer, "5001")
		c.expect(`
			BEGIN_CALL #1/5001 type=1
			CALL_QUEUED #1/5001 in=queue:5001 queued=1 group=1`)
		w.pg.SetController(true)
		got := c.take()
		if len(got) < 2 || got[0].Type() != cti.TypeSystemEvent || brief(got[1]) != "AGENT_STATE 1001 RESERVED" {
			t.Errorf("on line again: %v", got)
		}
	})
}

func TestOverTLSAndTCP(t *testing.T) {
	cert := selfSigned(t)
	cfg := ctitest.DefaultConfig(1)
	cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	pg := ctitest.Start(t, cfg)
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	nc, err := tls.Dial("tcp", pg.Side(ctitest.A).Addr(), &tls.Config{RootCAs: pool, ServerName: "pg"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	r := openReq(24)
	r.InvokeID = 1
	b, err := cti.AppendMessage(nil, r, 24)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	m, err := cti.NewFrameReader(nc, 24).ReadMessage()
	if err != nil || m.Type() != cti.TypeOpenConf {
		t.Fatalf("%v %v", m, err)
	}
	// Stop and Start use the same port again.
	addr := pg.Side(ctitest.A).Addr()
	pg.Side(ctitest.A).Stop()
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c.Close()
		t.Error("still listens")
	}
	if err := pg.Side(ctitest.A).Start(); err != nil {
		t.Fatal(err)
	}
	if got := pg.Side(ctitest.A).Addr(); got != addr {
		t.Errorf("listens at %s, before at %s", got, addr)
	}
	sides := pg.Sides()
	if sides[0].Active || !sides[1].Active || !sides[0].Running {
		t.Errorf("sides: %+v", sides)
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"pg"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestServeWithAListenerOfTheCaller(t *testing.T) {
	pg := ctitest.New(nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- pg.Side(ctitest.B).Serve(ln) }()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	pg.Close()
	if err := <-done; !errors.Is(err, ctitest.ErrSideStopped) && !errors.Is(err, ctitest.ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
	if err := pg.Side(ctitest.A).Start(); !errors.Is(err, ctitest.ErrClosed) {
		t.Errorf("Start after Close: %v", err)
	}
}
