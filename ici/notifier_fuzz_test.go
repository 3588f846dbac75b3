package ici_test

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
)

// Whatever is accepted goes out unchanged, on one line, and to the host that net/url sees too: two parsers that disagree
// about the host are how a list of allowed hosts is got around.
func FuzzEventURL(f *testing.F) {
	for _, s := range []string{
		"http://crm.example.org:8000/sap/bc/soap/ici(cz1TSUQ=)?sap-client=100", "https://CRM/", "http://a@b/", "http://a:80:81/", "http://[::1]:80/x",
		"http://a#b", "http://a?b", `http://a\@b/`, "http://a/%2f;x=y//", "http://a%00/", "HTTP://1.2.3.4/\r\n", "http://a./", "http://[::ffff:10.0.0.1]/",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		host, port, authority, target, err := ici.EventTarget(raw)
		if err != nil {
			return
		}
		if strings.ContainsAny(target, " \t\r\n\x00#") || target[0] != '/' || !strings.HasSuffix(raw, target) && !strings.HasSuffix(raw, target[1:]) {
			t.Fatalf("%q has target %q", raw, target)
		}
		if host == "" || port == "" || strings.ContainsAny(authority, "/?#@\\%") {
			t.Fatalf("%q has host %q, port %q, authority %q", raw, host, port, authority)
		}
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		if !strings.EqualFold(u.Hostname(), host) || u.Host != authority || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q: host %q, net/url has %q", raw, host, u.Host)
		}
	})
}

// Any bytes may come back; the attempt ends with an outcome and nothing is kept that must not be.
func FuzzEventAnswer(f *testing.F) {
	for _, s := range []string{
		string(instantAnswer), "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.0 401 \r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "HTTP/1.1 500 E\r\nConnection: close\r\n\r\n" + faultAnswer, "", "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		outcome := make(chan *ici.Delivery, 1)
		n, err := ici.NewNotifier(&ici.NotifierOptions{
			Systems:     []ici.EventSystem{{AllowHosts: []string{"crm"}}},
			DialContext: func(context.Context, string, string) (net.Conn, error) { return &instant{text: answer}, nil },
			Trace: func(d *ici.Delivery) {
				select {
				case outcome <- d:
				default:
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		sub := ici.Subscription{AppURL: "http://crm/", AppID: "A"}
		if err := n.Subscribe(sub); err != nil {
			t.Fatal(err)
		}
		if err := n.Notify(sub.Key(), state("", "x")); err != nil {
			t.Fatal(err)
		}
		d := <-outcome
		if d.Err == nil && (d.Status < 200 || d.Status > 299) {
			t.Errorf("status %d passes for success", d.Status)
		}
		if len(d.Answer) > ici.DefaultMaxAnswer+1 {
			t.Errorf("%d bytes were kept", len(d.Answer))
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
