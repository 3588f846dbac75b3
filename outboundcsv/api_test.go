package outboundcsv_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/internal/testnet"
	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/outboundtest"
)

// apiBench is a simulated server in a network in memory.
func apiBench(t *testing.T) (*outboundcsv.API, *outboundtest.Server, func()) {
	t.Helper()
	n := testnet.New()
	ln, err := n.Listen("server:443")
	if err != nil {
		t.Fatal(err)
	}
	srv := outboundtest.NewServer(nil)
	web := &http.Server{Handler: srv}
	go web.Serve(ln)
	tr := &http.Transport{DialContext: n.DialContext, DisableKeepAlives: true}
	api, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: "http://server:443/unifiedconfig/config", Client: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	return api, srv, func() { web.Close() }
}

func TestImportWaitsOutABusyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, srv, stop := apiBench(t)
		defer stop()
		busy := outboundtest.Busy
		srv.Fail(busy, busy, busy, busy, busy, busy)
		start := time.Now()
		if err := api.Import(t.Context(), "5000", []byte("AccountNumber,Phone01\n1,2\n"), ",", false); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != (5+10+20+40+60+60)*time.Second { // 5 s, doubled up to 60 s
			t.Errorf("waited %v", d)
		}
		if n := len(srv.Records("5000")); n != 1 {
			t.Errorf("%d records", n)
		}
		srv.Fail(busy)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := api.Import(ctx, "5000", nil, ",", false); !errors.Is(err, outboundcsv.ErrAPIBusy) {
			t.Errorf("out of time: %v", err)
		}
	})
}

func TestAtMost30RequestsAreOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, srv, stop := apiBench(t)
		defer stop()
		srv.Hold(true)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := api.TryImport(t.Context(), "5000", []byte("AccountNumber,Phone01\n1,2\n"), ",", false); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := srv.MostOpen(); n != 30 {
			t.Errorf("%d requests are open", n)
		}
		srv.Hold(false)
		wg.Wait()
	})
}

func TestWhatTheServerGets(t *testing.T) {
	api, srv, stop := apiBench(t)
	defer stop()
	for _, tt := range []struct {
		name, content, delimiter string
		want                     string // first record joined by |
		err                      string
	}{
		{"end of a CDATA section in a name", "AccountNumber,LastName,Phone01\n1,a]]>b<&,2\n", ",", "1|a]]>b<&|2", ""},
		{"another delimiter", "AccountNumber<Phone01\n1<2\n", "<", "1|2", ""},
		{"no phone", "AccountNumber,Phone01\n1,\n", ",", "", "field=Phone01"},
		{"unknown column", "AccountNumber,Segment\n1,\n", ",", "", "field=Segment"},
		{"long number", "AccountNumber,Phone01\n1,123456789012345678901\n", ",", "", "400"},
	} {
		err := api.TryImport(t.Context(), "7", []byte(tt.content), tt.delimiter, true)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if tt.want != "" {
			if got := strings.Join(srv.Records("7")[0], "|"); got != tt.want {
				t.Errorf("%s: record %q, want %q", tt.name, got, tt.want)
			}
		}
	}
	if _, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: "ftp://u:p@x", MaxOpen: 31}); err == nil || !strings.Contains(err.Error(), "MaxOpen=31") || !strings.Contains(err.Error(), "URL") {
		t.Errorf("options: %v", err)
	}
	p := outboundcsv.DefaultProfile()
	if err := outboundcsv.CheckAPIProfile(&p); err == nil || !strings.Contains(err.Error(), "header") || !strings.Contains(err.Error(), "encoding") {
		t.Errorf("profile for files: %v", err)
	}
	p = outboundcsv.APIProfile()
	if err := errors.Join(outboundcsv.CheckAPIProfile(&p), p.Validate()); err != nil {
		t.Error(err)
	}
}
