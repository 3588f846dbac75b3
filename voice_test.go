package connects_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/encoding/unicode"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/ici/icitest"
)

// lab is a simulated gateway; connectors and SAP systems come to it.
type lab struct {
	t   *testing.T
	ctx context.Context
	pg  *ctitest.PG
}

func newLab(t *testing.T, change func(*ctitest.Config)) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	c := ctitest.DefaultConfig(4)
	if change != nil {
		change(c)
	}
	return &lab{t: t, ctx: ctx, pg: ctitest.Start(t, c)}
}

// connector starts a node with a connector and returns its address.
func (l *lab) connector(change func(*connects.CRMConfig)) (*connects.Node, string) {
	l.t.Helper()
	ln, err := new(net.ListenConfig).Listen(l.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	cfg := &connects.CRMConfig{
		Listener: ln,
		Links: []connects.CRMLink{{
			Name: "pg1",
			Session: cti.SessionOptions{
				A: cti.Endpoint{Addr: l.pg.Side(ctitest.A).Addr()}, B: cti.Endpoint{Addr: l.pg.Side(ctitest.B).Addr()},
				Charset: unicode.UTF8,
			},
			Peripherals: []connects.CRMPeripheral{{ID: ctitest.DefaultPeripheralID}},
		}},
	}
	if change != nil {
		change(cfg)
	}
	n := connects.NewNode(nil)
	add(l.t, n, "crm", connects.CRMConnector(cfg))
	changes := n.Watch(l.ctx)
	if err := n.Start(l.ctx); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := n.Stop(context.WithoutCancel(l.ctx)); err != nil {
			l.t.Error(err)
		}
	})
	for c := range changes { // until the link is up
		if c.Component == "" && c.Phase == connects.PhaseRunning && c.Condition == connects.ConditionOK {
			return n, ln.Addr().String()
		}
	}
	l.t.Fatal("the link does not come up")
	return nil, ""
}

func (l *lab) sap(c *icitest.Config) *icitest.SAP {
	l.t.Helper()
	s, err := icitest.New(c)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		for _, v := range s.Violations() {
			l.t.Errorf("SAP complains: %+v", v)
		}
		s.Close()
	})
	return s
}

func (l *lab) logon(s *icitest.SAP) *icitest.Session {
	l.t.Helper()
	x, err := s.Logon(l.ctx, icitest.UserSpec{User: "MEIER", Language: "EN", Workcenter: "1001;pw1001;2001"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.try(x.SetWorkmode(l.ctx, ici.WorkmodeReady))
	l.try(x.WaitWorkmode(l.ctx, ici.WorkmodeReady)) // the answer only says that it was asked for
	return x
}

func (l *lab) try(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// callAndAccept lets a customer call until the agent's desktop shows the call.
func (l *lab) callAndAccept(x *icitest.Session) ici.PhoneCall {
	l.t.Helper()
	_, err := l.pg.CustomerCall(l.ctx, ctitest.CallSpec{From: "+41315550100", To: "5001", Variables: map[string]string{"CV01": "Zürich"}})
	l.try(err)
	call, err := x.WaitCall(l.ctx, "", ici.PhoneCallStatusOffered)
	l.try(err)
	l.try(x.AcceptCall(l.ctx, call.ID))
	call, err = x.WaitCall(l.ctx, call.ID, ici.PhoneCallStatusConnected)
	l.try(err)
	return call
}

func TestVoiceOverTLSWithCertificatesOnEveryLink(t *testing.T) {
	ca := newAuthority(t)
	mutual := func(name string) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{ca.issue(name)}, RootCAs: ca.pool, ClientCAs: ca.pool,
			ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}
	}
	l := newLab(t, func(c *ctitest.Config) { c.TLS = mutual("pg") })
	node, addr := l.connector(func(c *connects.CRMConfig) {
		ours, err := ici.ServerTLS(ca.issue("connector"), ca.pool, true)
		l.try(err)
		c.TLS = ours
		s := &c.Links[0].Session
		s.A.TLS, s.B.TLS = mutual("connector"), mutual("connector")
		c.Systems = []connects.CRMSystem{{
			Name:   "P01",
			Auth:   ici.Auth{Basic: []ici.Login{{User: "ICI", Password: "secret"}}, Certificates: []string{"sap"}, Both: true},
			Events: ici.EventSystem{AllowHosts: []string{"127.0.0.1"}, Username: "connector", Password: "hush", TLS: mutual("connector")},
		}}
	})
	good := icitest.Config{
		Connector: "https://" + addr + "/", TLS: mutual("sap"), Username: "ICI", Password: "secret",
		EventTLS: mutual("sap"), EventUsername: "connector", EventPassword: "hush",
	}
	for name, change := range map[string]func(*icitest.Config){
		"password":    func(c *icitest.Config) { c.Password = "guess" },
		"certificate": func(c *icitest.Config) { c.TLS = mutual("stranger") },
	} {
		bad := good
		change(&bad)
		s := l.sap(&bad)
		if _, err := s.Logon(l.ctx, icitest.UserSpec{User: "MEIER", Workcenter: "1001;pw1001;2001"}); err == nil {
			t.Errorf("wrong %s: logged on", name)
		}
	}
	if h := node.Health(); h.State != connects.StateInactive {
		t.Errorf("strangers make the connector %v", h.State)
	}
	x := l.logon(l.sap(&good))
	call := l.callAndAccept(x)
	l.try(x.HoldCall(l.ctx, call.ID))
	l.try(second(x.WaitCall(l.ctx, call.ID, ici.PhoneCallStatusHeld)))
	l.try(x.RetrieveCall(l.ctx, call.ID))
	l.try(second(x.WaitCall(l.ctx, call.ID, ici.PhoneCallStatusConnected)))
	l.try(x.DropCall(l.ctx, call.ID))
	l.try(second(x.WaitCall(l.ctx, call.ID, ici.PhoneCallStatusEnded)))
	if h := node.Health(); h.State != connects.StateActive || h.Condition != connects.ConditionOK {
		t.Errorf("health %v %v", h.State, h.Condition)
	}
	l.try(x.Logoff(l.ctx))
}

func second[T any](_ T, err error) error { return err }

// A restart with a durable store: the agent goes on without logging on again.
func TestVoiceSurvivesARestart(t *testing.T) {
	l := newLab(t, nil)
	file := filepath.Join(t.TempDir(), "store.db")
	store := func() *ds104.Bolt {
		s, err := ds104.OpenBolt(file, nil)
		l.try(err)
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := store()
	first, addr := l.connector(func(c *connects.CRMConfig) { c.Store = s })
	sap := l.sap(&icitest.Config{Connector: "http://" + addr + "/"})
	x := l.logon(sap)
	l.try(first.Stop(l.ctx))
	l.try(s.Close())
	if a, _ := l.pg.Agent("1001"); a.State != "AVAILABLE" {
		t.Fatalf("after the stop the agent is %v at the switch", a.State)
	}
	_, addr = l.connector(func(c *connects.CRMConfig) { c.Store = store() })
	sap.SetConnector("http://" + addr + "/")
	call := l.callAndAccept(x)
	if want := "+41315550100"; !slices.Contains(call.RemoteNumbers, want) {
		t.Errorf("remote numbers %q, want %s", call.RemoteNumbers, want)
	}
	l.try(x.DropCall(l.ctx, call.ID))
	l.try(second(x.WaitCall(l.ctx, call.ID, ici.PhoneCallStatusEnded)))
}

// awayStore cannot be reached until it is told otherwise.
type awayStore struct {
	*ds104.Memory
	there atomic.Bool
}

func (s *awayStore) Put(ctx context.Context, key string, value []byte, o ds104.PutOptions) (ds104.Revision, error) {
	if !s.there.Load() {
		return 0, ds104.ErrDown
	}
	return s.Memory.Put(ctx, key, value, o)
}

// A connector that starts before its store takes its agents up when the store comes.
func TestVoiceStartsBeforeItsStore(t *testing.T) {
	l := newLab(t, nil)
	store := &awayStore{Memory: ds104.NewMemory(nil)}
	defer store.Close()
	store.there.Store(true)
	first, addr := l.connector(func(c *connects.CRMConfig) { c.Store = store })
	sap := l.sap(&icitest.Config{Connector: "http://" + addr + "/"})
	x := l.logon(sap)
	l.try(first.Stop(l.ctx))
	store.there.Store(false)
	_, addr = l.connector(func(c *connects.CRMConfig) { c.Store = store })
	store.there.Store(true)
	sap.SetConnector("http://" + addr + "/")
	l.try(x.DropCall(l.ctx, l.callAndAccept(x).ID))
}

// R136: the store is a pair of servers; the end of one of them is seen and survived.
func TestVoiceWithAPairOfDataStores(t *testing.T) {
	l := newLab(t, nil)
	var addrs [2]string
	var servers [2]*ds104.Server
	for i, side := range []ds104.Side{ds104.SideA, ds104.SideB} {
		m := ds104.NewMemory(&ds104.MemoryOptions{Side: side})
		t.Cleanup(func() { m.Close() })
		s, err := ds104.NewServer(m, &ds104.ServerOptions{Side: side})
		l.try(err)
		ln, err := new(net.ListenConfig).Listen(l.ctx, "tcp", "127.0.0.1:0")
		l.try(err)
		go s.Serve(ln)
		t.Cleanup(func() { s.Close() })
		addrs[i], servers[i] = ln.Addr().String(), s
	}
	pair, err := ds104.NewPair(ds104.PairOptions{A: addrs[0], B: addrs[1], Client: ds104.ClientOptions{Name: "one"}})
	l.try(err)
	t.Cleanup(func() { pair.Close() })
	l.try(pair.WaitReady(l.ctx))
	node, addr := l.connector(func(c *connects.CRMConfig) { c.Store, c.Instances = pair, 2 })
	x := l.logon(l.sap(&icitest.Config{Connector: "http://" + addr + "/"}))
	changes := node.Watch(l.ctx)
	l.try(servers[1].Close())
	for c := range changes {
		if c.Component == "crm" && c.Condition == connects.ConditionDegraded {
			if want := "data store side B: down"; c.Err.Error() != want {
				t.Errorf("reason %q, want %q", c.Err, want)
			}
			break
		}
	}
	l.try(x.DropCall(l.ctx, l.callAndAccept(x).ID))
}

// Two connectors with one store: when the first dies, the second serves its agents.
func TestVoiceIsTakenOverByASecondConnector(t *testing.T) {
	l := newLab(t, nil)
	store := ds104.NewMemory(nil)
	defer store.Close()
	connector := func(name string) (*connects.Node, string) {
		return l.connector(func(c *connects.CRMConfig) {
			c.Instance, c.OwnerLease = name, time.Second
			c.Store = foreignStore{store} // as if it were on another machine
			c.Instances = 2
		})
	}
	first, addr := connector("one")
	other, second := connector("two")
	sap := l.sap(&icitest.Config{Connector: "http://" + addr + "/"})
	x := l.logon(sap)
	if h := other.Health(); h.State != connects.StateInactive || !h.Ready() {
		t.Errorf("the second connector is %v, ready %v; want INACTIVE and ready", h.State, h.Ready())
	}
	l.try(first.Stop(l.ctx))
	sap.SetConnector("http://" + second + "/")
	call := l.callAndAccept(x)
	l.try(x.DropCall(l.ctx, call.ID))
	if h := other.Health(); h.State != connects.StateActive {
		t.Errorf("the second connector is %v", h.State)
	}
}

// authority issues certificates for 127.0.0.1.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	next int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	var der []byte
	der, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert = cert
	a.pool.AddCert(cert)
	return a
}

func (a *authority) sign(c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	c.SerialNumber = big.NewInt(a.next)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func (a *authority) issue(name string) tls.Certificate {
	a.t.Helper()
	der, key := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
