package natskv_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/natskv"
)

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]natskv.Options{
		"Bucket": {Bucket: "a.b"}, "Bucket=\"ü": {Bucket: "ü"}, "Replicas": {Replicas: 2}, "Replicas=-1": {Replicas: -1}, "Replicas=7": {Replicas: 7},
		"History": {History: 65}, "History=-1": {History: -1}, "MaxBytes": {MaxBytes: -1}, "Wait": {Wait: -1},
	} {
		if st, err := natskv.New(t.Context(), nil, &o); err == nil || !strings.Contains(err.Error(), "option "+name) || st != nil {
			t.Errorf("%+v: %v, want an error that names %s", o, err, name)
		}
	}
	_, err := natskv.New(t.Context(), nil, &natskv.Options{Replicas: 2, History: 99, MaxBytes: -5})
	for _, name := range []string{"Replicas=2", "History=99", "MaxBytes=-5"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestConnectOptionsAreChecked(t *testing.T) {
	one := []string{"n1"}
	for name, o := range map[string]natskv.ConnectOptions{
		"Servers=0": {}, "Servers[1]": {Servers: []string{"n1", "http://n2"}}, "Servers[0]": {Servers: []string{"n1:99999"}},
		"Servers[0]=": {Servers: []string{"nats://u:hunter2@n1"}}, "Servers[0]=...": {Servers: []string{"nats://n1/hunter2"}},
		"Name": {Servers: one, Name: strings.Repeat("n", 129)}, "Password": {Servers: one, Password: "hunter2"},
		"CredentialsFile, User and Token": {Servers: one, User: "u", Token: "hunter2"},
		"CredentialsFile":                 {Servers: one, CredentialsFile: filepath.Join(t.TempDir(), "none")},
		"DialTimeout":                     {Servers: one, DialTimeout: -1}, "MinBackoff": {Servers: one, MinBackoff: 2 * time.Hour},
		"MaxBackoff": {Servers: one, MinBackoff: time.Second, MaxBackoff: time.Millisecond},
	} {
		nc, err := natskv.Connect(t.Context(), &o)
		if err == nil || !strings.Contains(err.Error(), "option "+name) || nc != nil {
			t.Errorf("%v, want an error that names %s", err, name)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
}

func TestNoJetStream(t *testing.T) {
	for name, lines := range map[string][]string{
		"servers": nil,
		"account": {fmt.Sprintf("jetstream { store_dir: %q }", t.TempDir()), "accounts { A { users: [ { user: u, password: p } ] } }"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startBare(t, lines...)
			nc := dial(t, &natskv.ConnectOptions{Servers: []string{s.url}, User: "u", Password: "p"})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if _, err := natskv.New(ctx, nc, nil); !errors.Is(err, natskv.ErrNoJetStream) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want ErrNoJetStream", err)
			}
		})
	}
}

// dial connects; the servers may still be starting.
func dial(t testing.TB, o *natskv.ConnectOptions) *nats.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	nc, err := natskv.Connect(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestMoreReplicasThanServers(t *testing.T) {
	nc := dial(t, &natskv.ConnectOptions{Servers: []string{startServer(t).url}})
	if _, err := natskv.New(t.Context(), nc, &natskv.Options{Replicas: 3}); !errors.Is(err, natskv.ErrReplicas) || !strings.Contains(err.Error(), "Replicas=3") {
		t.Errorf("one server: %v", err)
	}
	c := startCluster(t)
	c.open(t, "ready", natskv.Options{Bucket: "three"})
	nc = dial(t, &natskv.ConnectOptions{Servers: []string{c[1].url}})
	if _, err := natskv.New(t.Context(), nc, &natskv.Options{Replicas: 5}); !errors.Is(err, natskv.ErrReplicas) || !strings.Contains(err.Error(), "Replicas=5") {
		t.Errorf("three servers: %v", err)
	}
}

func TestBucketWithOtherSettings(t *testing.T) {
	nc := dial(t, &natskv.ConnectOptions{Servers: []string{startServer(t).url}})
	mine := natskv.Options{Bucket: "b", History: 10, MaxBytes: 1 << 20, InMemory: true}
	open := func(o natskv.Options) error {
		st, err := natskv.New(t.Context(), nc, &o)
		if err == nil {
			err = st.Close()
		}
		return err
	}
	for range 2 {
		if err := open(mine); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	config := func() jetstream.StreamConfig {
		st, err := js.Stream(t.Context(), "KV_b")
		if err != nil {
			t.Fatal(err)
		}
		return st.CachedInfo().Config
	}
	before := config()
	if before.Storage != jetstream.MemoryStorage || before.MaxBytes != 1<<20 || before.MaxMsgsPerSubject != 10 || before.Replicas != 1 {
		t.Errorf("the bucket is %+v", before)
	}
	for what, change := range map[string]func(*natskv.Options){
		"Replicas is 1, wanted 3":          func(o *natskv.Options) { o.Replicas = 3 },
		"History is 10, wanted 64":         func(o *natskv.Options) { o.History = 0 },
		"MaxBytes is 1048576, wanted -1":   func(o *natskv.Options) { o.MaxBytes = 0 },
		"storage is Memory, wanted File":   func(o *natskv.Options) { o.InMemory = false },
		"MaxBytes is 1048576, wanted 2097": func(o *natskv.Options) { o.MaxBytes = 2097152 },
	} {
		o := mine
		change(&o)
		if err := open(o); !errors.Is(err, natskv.ErrSettings) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("%v, want ErrSettings and %q", err, what)
		}
	}
	if after := config(); after.MaxMsgsPerSubject != before.MaxMsgsPerSubject || after.MaxBytes != before.MaxBytes || after.Storage != before.Storage {
		t.Errorf("the bucket was changed: %+v", after)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KV_other", Subjects: []string{"something.else"}, MaxAge: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := open(natskv.Options{Bucket: "other"}); !errors.Is(err, natskv.ErrSettings) || !strings.Contains(err.Error(), "subjects") || !strings.Contains(err.Error(), "age limit") {
		t.Errorf("a stream that is no bucket: %v", err)
	}
}

// Reads that any replica answers may not know what was acknowledged.
func TestBucketWithStaleReadsIsRefused(t *testing.T) {
	c := startCluster(t)
	c.open(t, "ready", natskv.Options{Bucket: "three"})
	nc := dial(t, &natskv.ConnectOptions{Servers: []string{c[0].url, c[1].url}})
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for replicas, want := range map[int]error{1: nil, 3: natskv.ErrSettings} {
		bucket := fmt.Sprintf("kv%d", replicas)
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket, History: 64, Replicas: replicas}); err != nil {
			t.Fatal(err)
		}
		st, err := natskv.New(t.Context(), nc, &natskv.Options{Bucket: bucket, Replicas: replicas})
		if !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), "allow direct") {
			t.Errorf("a bucket with %d replicas made by another client: %v, want %v", replicas, err, want)
		}
		if err == nil {
			_ = st.Close()
		}
	}
}

func TestFullBucket(t *testing.T) {
	nc := dial(t, &natskv.ConnectOptions{Servers: []string{startServer(t).url}})
	st, err := natskv.New(t.Context(), nc, &natskv.Options{MaxBytes: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	good := 0
	for ; good < 100; good++ {
		if _, err = st.Put(t.Context(), fmt.Sprint(good), make([]byte, 5000), ds104.PutOptions{}); err != nil {
			break
		}
	}
	if !errors.Is(err, ds104.ErrFull) || good < 10 || good > 20 {
		t.Errorf("%d puts, then %v; want ErrFull", good, err)
	}
	for i := range good {
		if _, err := st.Get(t.Context(), fmt.Sprint(i)); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestConnectionComesBack(t *testing.T) {
	s := startServer(t)
	s.stop()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	o := &natskv.ConnectOptions{Servers: []string{s.url}, Name: "me", MinBackoff: 10 * time.Millisecond, MaxBackoff: 100 * time.Millisecond}
	if _, err := natskv.Connect(short, o); err == nil || !strings.Contains(err.Error(), s.url) {
		t.Errorf("no server: %v, want an error that names it", err)
	}
	connected := make(chan *nats.Conn)
	go func() {
		nc, err := natskv.Connect(t.Context(), o)
		if err != nil {
			t.Error(err)
		}
		connected <- nc
	}()
	select {
	case <-connected:
		t.Fatal("connected without a server")
	case <-time.After(300 * time.Millisecond):
	}
	s.start(t)
	nc := <-connected
	if nc == nil {
		return
	}
	defer nc.Close()
	st, err := natskv.New(t.Context(), nc, &natskv.Options{Wait: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for range 2 {
		s.stop()
		for nc.IsConnected() {
			<-time.After(10 * time.Millisecond)
		}
		begin := time.Now()
		if _, err := st.Put(t.Context(), "k", []byte("never"), ds104.PutOptions{}); !errors.Is(err, ds104.ErrDown) || errors.Is(err, ds104.ErrInterrupted) {
			t.Errorf("put without a connection: %v, want ErrDown: it was surely not done", err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("Wait of 200ms took %v", took)
		}
		<-time.After(500 * time.Millisecond) // many attempts
		s.start(t)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		if e, err := st.Get(ctx, "k"); !errors.Is(err, ds104.ErrNotFound) {
			t.Errorf("what was not sent: %q, %v", e.Value, err)
		}
		cancel()
	}
}

// certificate returns one for 127.0.0.1 that is its own authority, and its files.
func certificate(t *testing.T) (cert tls.Certificate, pool *x509.CertPool, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nats"}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	for path, b := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, certFile, keyFile
}

func TestMutualTLSAndLogin(t *testing.T) {
	cert, pool, certFile, keyFile := certificate(t)
	s := startServer(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }", certFile, keyFile, certFile),
		"authorization { user: me, password: right }")
	good := natskv.ConnectOptions{Servers: []string{s.url}, User: "me", Password: "right", TLS: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}}
	st := open(t, dial(t, &good), "b")
	if _, err := st.Put(t.Context(), "k", []byte("v"), ds104.PutOptions{}); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*natskv.ConnectOptions){
		"no TLS":          func(o *natskv.ConnectOptions) { o.TLS = nil },
		"no certificate":  func(o *natskv.ConnectOptions) { o.TLS = &tls.Config{RootCAs: pool} },
		"not its root":    func(o *natskv.ConnectOptions) { o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}} },
		"wrong password":  func(o *natskv.ConnectOptions) { o.Password = "hunter2" },
		"token, not user": func(o *natskv.ConnectOptions) { o.User, o.Password, o.Token = "", "", "hunter2" },
	} {
		o := good
		change(&o)
		patience := time.Second // for what is tried again
		if name == "wrong password" {
			patience = time.Minute
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		nc, err := natskv.Connect(ctx, &o)
		if err == nil {
			nc.Close()
			t.Errorf("%s: connected", name)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "wrong password" && (!errors.Is(err, nats.ErrAuthorization) || ctx.Err() != nil) {
			t.Errorf("%s: %v, want a refusal at once", name, err)
		}
		cancel()
	}
}

func TestToken(t *testing.T) {
	s := startServer(t, "authorization { token: right }")
	open(t, dial(t, &natskv.ConnectOptions{Servers: []string{s.url}, Token: "right"}), "b")
	if _, err := natskv.Connect(t.Context(), &natskv.ConnectOptions{Servers: []string{s.url}, Token: "wrong"}); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("%v, want a refusal", err)
	}
}

// nkey is a key of NATS (github.com/nats-io/nkeys, README: base32 of prefix, key, CRC-16).
type nkey struct {
	kind byte
	priv ed25519.PrivateKey
}

const (
	kindOperator = 14 << 3
	kindAccount  = 0
	kindUser     = 20 << 3
	kindSeed     = 18 << 3
)

func newKey(t *testing.T, kind byte) nkey {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return nkey{kind, priv}
}

func nkeyText(b []byte) string {
	crc := uint16(0) // CRC-16/XMODEM
	for _, x := range b {
		crc ^= uint16(x) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(b, byte(crc), byte(crc>>8)))
}

func (k nkey) public() string {
	return nkeyText(append([]byte{k.kind}, k.priv.Public().(ed25519.PublicKey)...))
}

func (k nkey) seed() string {
	return nkeyText(append([]byte{kindSeed | k.kind>>5, k.kind << 3}, k.priv.Seed()...))
}

// jwt returns claims about a key, signed by this one.
func (k nkey) jwt(t *testing.T, about nkey, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"jti": "1", "iat": time.Now().Unix(), "iss": k.public(), "sub": about.public(), "name": "n", "nats": claims})
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + b64(body)
	return text + "." + b64(ed25519.Sign(k.priv, []byte(text)))
}

func TestCredentialsFile(t *testing.T) {
	operator, account, system, user := newKey(t, kindOperator), newKey(t, kindAccount), newKey(t, kindAccount), newKey(t, kindUser)
	limits := map[string]any{"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
		"mem_storage": 1 << 30, "disk_storage": 1 << 30, "streams": -1, "consumer": -1}
	none := map[string]any{"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}
	s := startServer(t,
		"operator: "+operator.jwt(t, operator, map[string]any{"type": "operator", "version": 2}),
		"system_account: "+system.public(), "resolver: MEMORY", fmt.Sprintf("resolver_preload: { %s: %s, %s: %s }",
			account.public(), operator.jwt(t, account, map[string]any{"type": "account", "version": 2, "limits": limits}),
			system.public(), operator.jwt(t, system, map[string]any{"type": "account", "version": 2, "limits": none})))
	write := func(k nkey, jwt string) string {
		path := filepath.Join(t.TempDir(), "creds")
		text := "-----BEGIN NATS USER JWT-----\n" + jwt + "\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n" + k.seed() + "\n------END USER NKEY SEED------\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	claims := map[string]any{"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
	good := write(user, account.jwt(t, user, claims))
	open(t, dial(t, &natskv.ConnectOptions{Servers: []string{s.url}, CredentialsFile: good}), "b")
	stranger := newKey(t, kindAccount)
	for what, path := range map[string]string{"of an unknown account": write(user, stranger.jwt(t, user, claims)), "of another key": write(newKey(t, kindUser), account.jwt(t, user, claims))} {
		if _, err := natskv.Connect(t.Context(), &natskv.ConnectOptions{Servers: []string{s.url}, CredentialsFile: path}); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("credentials %s: %v, want a refusal", what, err)
		}
	}
}
