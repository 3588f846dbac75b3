package ici_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ici"
)

// The request line is compared with the bytes that a plain TCP server reads: no HTTP library of
// either side may tidy up what SAP handed over.
func TestNotifierUsesTheEventURLByteForByte(t *testing.T) {
	tests := []struct {
		name, path, want string
	}{
		{"session part", "/sap/bc/soap/ici(cz1TSUQ=)?sap-client=100", ""},
		{"session part with escapes", "/sap(cz1TSUQlM2FBTk9O%2f==)/bc/soap/ici?sap-client=100&x=%2F%2f%7e~", ""},
		{"parameters", "/a;jsessionid=AbC.1;b=2/c;d", ""},
		{"dots and empty segments", "/a/../b/./c//d/", ""},
		{"two slashes in front", "//sap/bc/soap/ici", ""},
		{"encoded dots", "/%2e%2e/%2E/x", ""},
		{"quotes, braces, stars", `/a'b"c{d}|e^f` + "`" + `g*h\i`, ""},
		{"colon and at", "/x:y@z/@", ""},
		{"question marks and plus", "/x?a=b+c?d=%20&&=", ""},
		{"question mark alone", "/x?", ""},
		{"percent that is no escape", "/100%/%zz", ""},
		{"UTF-8", "/größe?ü=é", ""},
		{"no path", "", "/"},
		{"no path but a query", "?sap-client=100", "/?sap-client=100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := make(chan []string, 1)
			addr := rawServer(t, func(conn net.Conn) {
				br := bufio.NewReader(conn)
				var head []string
				for {
					line, err := br.ReadString('\n')
					if err != nil || line == "\r\n" {
						break
					}
					head = append(head, strings.TrimSuffix(line, "\r\n"))
				}
				lines <- head
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
			})
			n, err := ici.NewNotifier(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			sub := ici.Subscription{AppURL: "HTTP://" + addr + tt.path, AppID: "A"}
			if err := n.Subscribe(sub); err != nil {
				t.Fatal(err)
			}
			notify(t, n, sub.Key(), state("", "x"))
			want := tt.want
			if want == "" {
				want = tt.path
			}
			if d := cmp.Diff([]string{"POST " + want + " HTTP/1.1", "Host: " + addr}, (<-lines)[:2]); d != "" {
				t.Errorf("request (-want +got):\n%s", d)
			}
		})
	}
}

func TestNotifierRefusesEventURLs(t *testing.T) {
	tests := []struct {
		name, url string
		err       error
	}{
		{"empty", "", ici.ErrEventURL},
		{"relative", "/sap/bc/soap/ici", ici.ErrEventURL},
		{"no scheme", "crm:8000/x", ici.ErrEventURL},
		{"file", "file:///etc/passwd", ici.ErrEventURL},
		{"gopher", "gopher://crm:8000/_x", ici.ErrEventURL},
		{"no host", "http:///x", ici.ErrEventURL},
		{"user information", "http://crm@evil.example/x", ici.ErrEventURL},
		{"user and password", "http://u:p@crm:8000/x", ici.ErrEventURL},
		{"request smuggling", "http://crm:8000/x HTTP/1.1\r\nHost: y\r\n\r\n", ici.ErrEventURL},
		{"line feed", "http://crm:8000/\nx", ici.ErrEventURL},
		{"blank", "http://crm:8000/a b", ici.ErrEventURL},
		{"tab in front", "\thttp://crm:8000/", ici.ErrEventURL},
		{"NUL", "http://crm:8000/\x00", ici.ErrEventURL},
		{"fragment", "http://crm:8000/#x", ici.ErrEventURL},
		{"port 0", "http://crm:0/", ici.ErrEventURL},
		{"port too large", "http://crm:65536/", ici.ErrEventURL},
		{"empty port", "http://crm:/", ici.ErrEventURL},
		{"port with sign", "http://crm:+80/", ici.ErrEventURL},
		{"two ports", "http://crm:80:81/", ici.ErrEventURL},
		{"escape in host", "http://cr%6d:8000/", ici.ErrEventURL},
		{"backslash in host", `http://crm:8000\@evil.example/`, ici.ErrEventURL},
		{"zone", "http://[fe80::1%25eth0]/", ici.ErrEventURL},
		{"open bracket", "http://[::1/", ici.ErrEventURL},
		{"IPv4 in brackets", "http://[10.0.0.1]/", ici.ErrEventURL},
		{"too long", "http://crm:8000/" + strings.Repeat("x", 5000), ici.ErrEventURL},
		{"empty label", "http://crm..example.org/", ici.ErrEventURL},

		{"allowed", "http://crm:8000/x", nil},
		{"allowed in capitals", "HTTPS://CRM:8000/x", nil},
		{"final dot", "http://crm.:8000/x", nil},
		{"other port", "http://crm:8001/x", ici.ErrHostNotAllowed},
		{"default port", "http://crm/x", ici.ErrHostNotAllowed},
		{"every port", "https://any.example.org/x", nil},
		{"below a domain", "http://a.b.sap.example.org/x", nil},
		{"the domain itself", "http://sap.example.org/x", ici.ErrHostNotAllowed},
		{"name that ends alike", "http://evilsap.example.org/x", ici.ErrHostNotAllowed},
		{"name that begins alike", "http://crm.evil.example:8000/x", ici.ErrHostNotAllowed},
		{"address in network", "http://10.1.200.3:50000/x", nil},
		{"address outside", "http://10.2.0.1/x", ici.ErrHostNotAllowed},
		{"IPv4 written as IPv6", "http://[::ffff:10.1.0.1]/x", nil},
		{"IPv6", "http://[2001:db8::5]:8000/x", nil},
		{"IPv6, other port", "http://[2001:db8::5]:8001/x", ici.ErrHostNotAllowed},
		{"loopback", "http://127.0.0.1:8000/x", ici.ErrHostNotAllowed},
		{"loopback in octal", "http://0177.0.0.1:8000/x", ici.ErrHostNotAllowed},
		{"loopback as number", "http://2130706433:8000/x", ici.ErrHostNotAllowed},
		{"metadata service", "http://169.254.169.254/latest/meta-data", ici.ErrHostNotAllowed},
		{"localhost", "http://localhost:8000/x", ici.ErrHostNotAllowed},
	}
	n, err := ici.NewNotifier(&ici.NotifierOptions{Systems: []ici.EventSystem{{Name: "S", AllowHosts: []string{
		"crm:8000", "any.example.org", "*.sap.example.org", "10.1.0.0/16", "[2001:db8::/32]:8000",
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := n.Subscribe(ici.Subscription{System: "S", AppURL: tt.url, AppID: "A"})
			mustBe(t, err, tt.err)
			if err != nil && tt.url != "" && strings.Contains(err.Error(), "meta-data") {
				t.Errorf("the error has the path: %v", err)
			}
		})
	}
	mustBe(t, n.Subscribe(ici.Subscription{System: "T", AppURL: "http://crm:8000/", AppID: "A"}), ici.ErrUnknownSystem)
}

func TestNotifierWithoutConfigurationReachesThisMachineOnly(t *testing.T) {
	n, err := ici.NewNotifier(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for url, want := range map[string]error{
		"http://127.0.0.1:1/":        nil,
		"http://127.9.9.9:1/":        nil,
		"http://localhost:1/":        nil,
		"http://[::1]:1/":            nil,
		"http://[::ffff:127.0.0.1]/": nil,
		"http://10.0.0.1/":           ici.ErrHostNotAllowed,
		"http://crm.example.org/":    ici.ErrHostNotAllowed,
		"http://0.0.0.0/":            ici.ErrHostNotAllowed,
		"http://[::]/":               ici.ErrHostNotAllowed,
	} {
		mustBe(t, n.Subscribe(ici.Subscription{System: "whatever", AppURL: url, AppID: "A"}), want)
	}
}

// dialTo returns a dialler that reaches the same local server whatever the name, but whose
// connections say that they lead to remote: a name server that lies.
func dialTo(real string, remote netip.AddrPort) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, real)
		if err != nil {
			return nil, err
		}
		return &disguised{Conn: c, remote: net.TCPAddrFromAddrPort(remote)}, nil
	}
}

type disguised struct {
	net.Conn
	remote net.Addr
}

func (d *disguised) RemoteAddr() net.Addr { return d.remote }

func TestNotifierChecksTheResolvedAddress(t *testing.T) {
	var hits atomic.Int32
	addr := rawServer(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			hits.Add(1)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	})
	tests := []struct {
		name, host, ip string
		allow          []string
		nets           []netip.Prefix
		ok             bool
	}{
		{"private address", "crm.example.org", "10.0.0.7", []string{"crm.example.org"}, nil, true},
		{"loopback behind a name", "crm.example.org", "127.0.0.1", []string{"crm.example.org"}, nil, false},
		{"loopback behind a wildcard", "a.example.org", "127.0.0.1", []string{"*.example.org"}, nil, false},
		{"loopback behind *", "a.example.org", "::1", []string{"*"}, nil, false},
		{"metadata service behind a name", "crm.example.org", "169.254.169.254", []string{"crm.example.org"}, nil, false},
		{"link-local", "crm.example.org", "fe80::1", []string{"crm.example.org"}, nil, false},
		{"unspecified", "crm.example.org", "0.0.0.0", []string{"crm.example.org"}, nil, false},
		{"multicast", "crm.example.org", "224.0.0.1", []string{"crm.example.org"}, nil, false},
		{"IPv4 in IPv6", "crm.example.org", "::ffff:127.0.0.1", []string{"crm.example.org"}, nil, false},
		{"loopback named too", "crm.example.org", "127.0.0.1", []string{"crm.example.org", "127.0.0.0/8"}, nil, true},
		{"localhost", "localhost", "127.0.0.1", []string{"localhost"}, nil, true},
		{"localhost elsewhere", "localhost", "169.254.1.1", []string{"localhost"}, nil, false},
		{"inside the networks", "crm.example.org", "10.0.0.7", []string{"crm.example.org"}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}, true},
		{"outside the networks", "crm.example.org", "10.0.1.7", []string{"crm.example.org"}, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hits.Store(0)
			goneWith := make(chan error, 1)
			sent := make(chan error, 1)
			n, err := ici.NewNotifier(&ici.NotifierOptions{
				Systems:     []ici.EventSystem{{AllowHosts: tt.allow, AllowNetworks: tt.nets}},
				DialContext: dialTo(addr, netip.AddrPortFrom(netip.MustParseAddr(tt.ip), 8000)),
				Gone:        func(_ ici.Subscription, err error) { goneWith <- err },
				Trace:       func(d *ici.Delivery) { sent <- d.Err },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			sub := ici.Subscription{AppURL: "http://" + tt.host + ":8000/x", AppID: "A"}
			if err := n.Subscribe(sub); err != nil {
				t.Fatal(err)
			}
			notify(t, n, sub.Key(), state("", "x"))
			err = <-sent
			if tt.ok {
				mustBe(t, err, nil)
				return
			}
			mustBe(t, err, ici.ErrHostNotAllowed)
			mustBe(t, <-goneWith, ici.ErrHostNotAllowed)
			if hits.Load() != 0 {
				t.Error("the request was sent")
			}
		})
	}
}

// The same with the real dialler, whose control function sees the address: localhost is allowed
// as a name only where it is written as *, and resolves to loopback.
func TestNotifierControlFunctionStopsTheDial(t *testing.T) {
	var conns atomic.Int32
	addr := rawServer(t, func(net.Conn) { conns.Add(1) })
	_, port, _ := net.SplitHostPort(addr)
	goneWith := make(chan error, 1)
	n, err := ici.NewNotifier(&ici.NotifierOptions{
		Systems: []ici.EventSystem{{AllowHosts: []string{"localhost"}, AllowNetworks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
		Gone:    func(_ ici.Subscription, err error) { goneWith <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	sub := ici.Subscription{AppURL: "http://localhost:" + port + "/x", AppID: "A"}
	if err := n.Subscribe(sub); err != nil {
		t.Fatal(err)
	}
	notify(t, n, sub.Key(), state("", "x"))
	mustBe(t, <-goneWith, ici.ErrHostNotAllowed)
	if conns.Load() != 0 {
		t.Error("a connection was made")
	}
}

func TestNotifierOptionsReportAllProblems(t *testing.T) {
	_, err := ici.NewNotifier(&ici.NotifierOptions{
		Timeout:     -1,
		QueueEvents: -2,
		UserAgent:   "a\r\nb",
		Systems: []ici.EventSystem{
			{Name: "S", AllowHosts: []string{"http://crm"}},
			{Name: "S", AllowHosts: []string{"crm:99999"}},
			{Name: "T", AllowHosts: []string{"a*.org"}, Password: "topsecret"},
			{Name: "U", AllowHosts: []string{"10.0.0.0/40"}, Username: "a:b", Style: 9},
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	text := err.Error()
	for _, want := range []string{"Timeout", "QueueEvents", "UserAgent", `"S" occurs twice`, `"http://crm"`, `"crm:99999"`, `"a*.org"`, "password without user name", `"10.0.0.0/40"`, "colon", "Style=9"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if strings.Contains(text, "topsecret") {
		t.Errorf("the password is in: %v", err)
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := ici.Secret("topsecret")
	b, _ := s.MarshalText()
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), s.LogValue().String(), string(b)} {
		if strings.Contains(text, "topsecret") {
			t.Errorf("printed as %s", text)
		}
	}
}
