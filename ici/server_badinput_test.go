package ici_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/ici"
)

func gz(t *testing.T, n int) []byte {
	t.Helper()
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	chunk := bytes.Repeat([]byte(" "), 1<<16)
	for ; n > 0; n -= len(chunk) {
		if _, err := w.Write(chunk[:min(n, len(chunk))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

// For every kind of bad input: what the caller gets, what is logged, and that the next call goes on.
func TestBadInput(t *testing.T) {
	var rec records
	s := newServer(t, echo, &ici.ServerOptions{Logger: rec.logger(), Systems: []ici.System{{Name: "P", PathPrefix: "/sap"}}})
	srv := httptest.NewServer(s)
	defer srv.Close()
	good := string(call("urn:IciUserInterface", "getAttributes", ""))
	deep := chatPost(strings.Repeat("<a>", 10000) + strings.Repeat("</a>", 10000))
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		want, log                string
	}{
		{"method PUT", "PUT", "/sap", good, nil, 405, "method is not allowed", "method is not allowed"},
		{"method DELETE", "DELETE", "/sap", "", nil, 405, "method is not allowed", "method is not allowed"},
		{"odd method", "PROPFIND", "/sap", "", nil, 405, "method is not allowed", "method is not allowed"},
		{"path", "POST", "/other", good, nil, 404, "no system at this path", "no system at this path"},
		{"foreign web page", "POST", "/sap", good, []string{"Origin", "https://evil.example"}, 403, "web pages", "web pages"},
		{"web page without host", "POST", "/sap", good, []string{"Origin", "null"}, 403, "web pages", "web pages"},
		{"charset", "POST", "/sap", good, []string{"Content-Type", "text/xml; charset=SAP-4103"}, 500, "unknown character set", "unknown character set"},
		{"content encoding", "POST", "/sap", good, []string{"Content-Encoding", "br"}, 415, "content encoding", "content encoding"},
		{"not gzip", "POST", "/sap", good, []string{"Content-Encoding", "gzip"}, 400, "cannot be read", "gzip"},
		{"gzip cut short", "POST", "/sap", string(gz(t, 1000)[:20]), []string{"Content-Encoding", "gzip"}, 400, "cannot be read", "EOF"},
		{"compression bomb", "POST", "/sap", string(gz(t, 100<<20)), []string{"Content-Encoding", "gzip"}, 413, "exceeds a limit", "exceeds a limit"},
		{"DTD", "POST", "/sap", `<!DOCTYPE x [<!ENTITY a "b">]>` + good[21:], nil, 500, "document type declarations", "document type declarations"},
		{"10,000 nested elements", "POST", "/sap", deep, nil, 413, "nested too deep", "nested too deep"},
		{"empty", "POST", "/sap", "", nil, 500, "empty", "empty"},
		{"form", "POST", "/sap", "a=b&c=d", []string{"Content-Type", "application/x-www-form-urlencoded"}, 500, "line 1 column 1", "line 1 column 1"},
		{"cut short", "POST", "/sap", good[:len(good)-10], nil, 500, "expected", "expected"},
		{"SOAP 1.2", "POST", "/sap", strings.Replace(good, "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope", 1), nil, 500, "VersionMismatch", "not SOAP 1.1"},
		{"no envelope", "POST", "/sap", "<a/>", nil, 500, "SOAP-ENV:Client", "root element"},
		{"control character", "POST", "/sap", chatPost("a\x00b"), nil, 500, "control character", "control character"},
	} {
		rec.take(t)
		req, err := http.NewRequest(c.method, srv.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "text/xml")
		for i := 0; i < len(c.header); i += 2 {
			req.Header.Set(c.header[i], c.header[i+1])
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s: %d %s %v", c.name, resp.StatusCode, body, err)
		}
		if resp.StatusCode == 405 && resp.Header.Get("Allow") == "" {
			t.Errorf("%s: no Allow header", c.name)
		}
		if l := rec.take(t); len(l) != 1 || !strings.Contains(fmt.Sprint(l[0]), c.log) || l[0]["level"] != "WARN" && l[0]["level"] != "INFO" {
			t.Errorf("%s: logged %v", c.name, l)
		} else if l[0]["status"].(float64) != float64(c.status) {
			t.Errorf("%s: logged status %v", c.name, l[0]["status"])
		}
		resp, err = srv.Client().Post(srv.URL+"/sap", "text/xml", strings.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		body, _ = io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(body), "P|MEIER") {
			t.Errorf("after %s: %d %s", c.name, resp.StatusCode, body)
		}
	}
}

// endlessBlanks is a body that never ends.
type endlessBlanks struct{ n int64 }

func (e *endlessBlanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.n += int64(len(p))
	return len(p), nil
}

func TestHugeBody(t *testing.T) {
	var rec records
	s := newServer(t, echo, &ici.ServerOptions{Logger: rec.logger()})
	// 100 MB announced: refused unread.
	r := httptest.NewRequest(http.MethodPost, "/", &endlessBlanks{})
	r.ContentLength = 100 << 20
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("status %d", w.Code)
	}
	// Without length: read up to the limit only.
	e := &endlessBlanks{}
	r = httptest.NewRequest(http.MethodPost, "/", e)
	r.ContentLength = -1
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 413 || e.n > 16<<20 {
		t.Errorf("status %d, %d bytes read", w.Code, e.n)
	}
	if l := rec.take(t); len(l) != 2 {
		t.Errorf("%v", l)
	}
	if status, _, _ := send(t, s, "/", call("urn:IciUserInterface", "getAttributes", "")); status != 200 {
		t.Errorf("afterwards status %d", status)
	}
}

func TestSlowBody(t *testing.T) {
	var rec records
	s := newServer(t, echo, &ici.ServerOptions{Logger: rec.logger(), ReadTimeout: 50 * time.Millisecond})
	srv := httptest.NewServer(s)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<a>")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 408 || !resp.Close {
		t.Errorf("status %d, close %v", resp.StatusCode, resp.Close)
	}
	if l := rec.take(t); len(l) != 1 || l[0]["status"].(float64) != 408 {
		t.Errorf("%v", l)
	}
	if r, err := srv.Client().Post(srv.URL, "text/xml", bytes.NewReader(call("urn:IciUserInterface", "getAttributes", ""))); err != nil || r.StatusCode != 200 {
		t.Errorf("afterwards %v", err)
	} else {
		r.Body.Close()
	}
}

// rawHTTP sends bytes and returns everything that comes back until the connection is closed or the answers are complete.
func rawHTTP(t *testing.T, addr, request string, answers int) []string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(conn)
	var out []string
	for range answers {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %d %v %s", resp.Proto, resp.StatusCode, resp.Close, body))
	}
	return out
}

func TestHTTPVariants(t *testing.T) {
	srv := httptest.NewServer(newServer(t, echo, nil))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	body := string(call("urn:IciUserInterface", "getAttributes", ""))
	got := rawHTTP(t, addr, fmt.Sprintf("POST /x HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 1)
	if !strings.HasPrefix(got[0], "HTTP/1.0 200 true") || !strings.Contains(got[0], "|MEIER|") {
		t.Errorf("HTTP/1.0: %s", got)
	}
	chunked := ""
	for i := 0; i < len(body); i += 7 {
		part := body[i:min(i+7, len(body))]
		chunked += fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
	}
	got = rawHTTP(t, addr, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"+chunked+"0\r\n\r\n", 1)
	if !strings.HasPrefix(got[0], "HTTP/1.1 200 false") || !strings.Contains(got[0], "|MEIER|") {
		t.Errorf("chunked: %s", got)
	}
	one := fmt.Sprintf("POST /x HTTP/1.1\r\nHost: h\r\nSOAPAction: \"nonsense\"\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	got = rawHTTP(t, addr, one+one+strings.Replace(one, "Host", "Connection: close\r\nHost", 1), 3)
	for i, g := range got {
		if want := fmt.Sprintf("HTTP/1.1 200 %v", i == 2); !strings.HasPrefix(g, want) {
			t.Errorf("keep-alive %d: %s", i, g)
		}
	}
	if got = rawHTTP(t, addr, "GET /x HTTP/1.0\r\n\r\n", 1); !strings.Contains(got[0], "404") {
		t.Errorf("%s", got)
	}
}

func TestBasicAuthentication(t *testing.T) {
	var rec records
	s := newServer(t, echo, &ici.ServerOptions{Logger: rec.logger(), Systems: []ici.System{
		{Name: "A", PathPrefix: "/a", Auth: ici.Auth{Basic: []ici.Login{{User: "sap", Password: "geheim"}, {User: "two", Password: "zwei"}}}},
		{Name: "B", PathPrefix: "/b", Auth: ici.Auth{Basic: []ici.Login{{User: "b", Password: "bb"}}}},
		{Name: "C", PathPrefix: "/c"},
	}})
	for _, c := range []struct {
		path, user, password string
		status               int
	}{
		{"/a", "sap", "geheim", 200}, {"/a", "two", "zwei", 200}, {"/a", "sap", "zwei", 401}, {"/a", "sap", "", 401}, {"/a", "", "", 401},
		{"/a", "b", "bb", 401}, {"/b", "b", "bb", 200}, {"/b", "sap", "geheim", 401}, {"/c", "", "", 200}, {"/c", "x", "y", 200},
	} {
		r := httptest.NewRequest(http.MethodPost, c.path, bytes.NewReader(call("urn:IciUserInterface", "getAttributes", "")))
		if c.user != "" {
			r.SetBasicAuth(c.user, c.password)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status || (c.status == 401) != (w.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s %s: status %d %v", c.path, c.user, w.Code, w.Header())
		}
	}
	if strings.Contains(rec.text(), "geheim") || strings.Contains(rec.text(), "zwei") {
		t.Errorf("a password is logged: %s", rec.text())
	}
	l := ici.Login{User: "u", Password: "geheim"}
	if got := fmt.Sprintf("%v %+v %#v %s", l, l, l, l.Password); strings.Contains(got, "geheim") {
		t.Errorf("a password is printed: %s", got)
	}
}

// pair makes an authority with one server and client certificates of the given names.
func pair(t *testing.T, names ...string) (*x509.CertPool, []tls.Certificate) {
	t.Helper()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	caTmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, caTmpl, caTmpl, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(caDER)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	var out []tls.Certificate
	for i, name := range names {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		tmpl := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	}
	return pool, out
}

func TestClientCertificates(t *testing.T) {
	pool, certs := pair(t, "connector.example", "crm.example", "stranger.example")
	_, foreign := pair(t, "crm.example")
	s := newServer(t, echo, &ici.ServerOptions{Systems: []ici.System{
		{Name: "A", PathPrefix: "/a", Auth: ici.Auth{Certificates: []string{"crm.example"}}},
		{Name: "both", PathPrefix: "/both", Auth: ici.Auth{Certificates: []string{"*"}, Basic: []ici.Login{{User: "u", Password: "p"}}, Both: true}},
		{Name: "open", PathPrefix: "/open"},
	}})
	for _, c := range []struct {
		name    string
		cert    *tls.Certificate
		path    string
		login   bool
		require bool
		status  int // 0 = handshake fails
	}{
		{"right", &certs[1], "/a", false, false, 200},
		{"stranger", &certs[2], "/a", false, false, 401},
		{"none", nil, "/a", false, false, 401},
		{"none, open", nil, "/open", false, false, 200},
		{"none, required", nil, "/open", false, true, 0},
		{"other authority", &foreign[0], "/a", false, false, 0},
		{"both", &certs[2], "/both", true, true, 200},
		{"only certificate", &certs[2], "/both", false, true, 401},
		{"only login", nil, "/both", true, false, 401},
	} {
		conf, err := ici.ServerTLS(certs[0], pool, c.require)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewUnstartedServer(s)
		srv.TLS = conf
		srv.Config.ErrorLog = s.HTTPServer().ErrorLog
		srv.StartTLS()
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "connector.example"}}}
		if c.cert != nil {
			cert := *c.cert
			client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
		req, err := http.NewRequestWithContext(context.Background(), "POST", srv.URL+c.path, bytes.NewReader(call("urn:IciUserInterface", "getAttributes", "")))
		if err != nil {
			t.Fatal(err)
		}
		if c.login {
			req.SetBasicAuth("u", "p")
		}
		status := 0
		if resp, err := client.Do(req); err == nil {
			status = resp.StatusCode
			resp.Body.Close()
		}
		if status != c.status {
			t.Errorf("%s: status %d, want %d", c.name, status, c.status)
		}
		client.CloseIdleConnections()
		srv.Close()
	}
	if _, err := ici.ServerTLS(tls.Certificate{}, nil, false); err == nil {
		t.Error("an empty certificate is accepted")
	}
	if _, err := ici.ServerTLS(certs[0], nil, true); err == nil {
		t.Error("certificates can be required without an authority")
	}
}
