package spool_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/outboundtest"
	"github.com/connects-go/connects/outboundcsv/spool"
)

func openAPI(t *testing.T, change func(*spool.Options)) (*bench, *outboundtest.Server) {
	t.Helper()
	srv := outboundtest.NewServer(&outboundtest.ServerOptions{User: "u", Password: "p"})
	web := httptest.NewServer(srv)
	api, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: web.URL + "/unifiedconfig/config/", User: "u", Password: "p", Client: web.Client()})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, func(o *spool.Options) {
		o.File, o.API, o.Campaigns = spool.File{}, api, map[string]string{"C": "5000"}
		if change != nil {
			change(o)
		}
	})
	t.Cleanup(web.Close)
	return b, srv
}

// ids are the account numbers that the campaign has, and how often.
func ids(srv *outboundtest.Server) map[string]int {
	out := map[string]int{}
	for _, r := range srv.Records("5000") {
		out[r[0]]++
	}
	return out
}

func TestAPIGetsBatches(t *testing.T) {
	b, srv := openAPI(t, nil)
	b.accept("C", "", rows("r", 25_000))
	b.accept("C", "", calls("last"))
	b.step()
	if diff := cmp.Diff([]int{10_000, 10_000, 5_000, 1}, srv.Requests()); diff != "" {
		t.Errorf("records per request (-want +got):\n%s", diff)
	}
	got := srv.Records("5000")
	if len(got) != 25_001 || got[0][0] != "r-0" || got[24_999][0] != "r-24999" || got[0][2] != "Müller" {
		t.Errorf("%d records, first %q", len(got), got[0])
	}
	b.wantStates("taken taken")
	if left, _ := filepath.Glob(filepath.Join(b.dir, "spool", "lists", "*.rows")); left != nil {
		t.Errorf("left %v", left)
	}
}

func TestAPINeverGetsABatchTwice(t *testing.T) {
	b, srv := openAPI(t, nil)
	b.accept("C", "", rows("r", 20_010))
	srv.Fail(outboundtest.LoseAnswer, outboundtest.CutBefore, outboundtest.Busy)
	for range 3 { // each fault ends a step
		err := b.q.Step(t.Context())
		if err == nil {
			t.Fatal("a step without the fault")
		}
		// What a restart finds in the journal has to be enough.
		if err := b.q.Close(); err != nil {
			t.Fatal(err)
		}
		b.reopenAPI(srv)
	}
	b.step()
	seen := ids(srv)
	if len(seen) != 20_010 {
		t.Errorf("%d records", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("%s was sent %d times", id, n)
		}
	}
	if diff := cmp.Diff([]int{10_000, 10_000, 10}, srv.Requests()); diff != "" {
		t.Errorf("records per request (-want +got):\n%s", diff)
	}
}

func (b *bench) reopenAPI(srv *outboundtest.Server) {
	web := httptest.NewServer(srv)
	b.t.Cleanup(web.Close)
	api, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: web.URL + "/unifiedconfig/config", User: "u", Password: "p", Client: web.Client()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.open(func(o *spool.Options) {
		o.File, o.API, o.Campaigns = spool.File{}, api, map[string]string{"C": "5000"}
	})
}

func TestAPIRefusesABatch(t *testing.T) {
	b, srv := openAPI(t, nil)
	srv.Fail(outboundtest.Refuse)
	b.accept("C", "", calls("a"))
	b.accept("C", "", calls("b"))
	b.step()
	b.wantStates("failed taken")
	l, _ := b.q.List("1")
	if !strings.Contains(l.Reason, "400: invalidInput field=fileContent") {
		t.Errorf("reason %q", l.Reason)
	}
	if err := b.q.Retry(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	b.step()
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1}, ids(srv)); diff != "" {
		t.Error(diff)
	}
}

func TestAPIDeletes(t *testing.T) {
	b, srv := openAPI(t, func(o *spool.Options) {
		o.Profile = outboundcsv.APIProfile()
		o.Profile.Delete = "api"
	})
	b.accept("C", "1", calls("a", "b"))
	b.step()
	b.accept("C", "2", calls("c"))
	b.step()
	b.delete([]spool.Outcome{spool.Removed}, "a")
	b.step()
	if diff := cmp.Diff(map[string]int{"b": 1, "c": 1}, ids(srv)); diff != "" {
		t.Errorf("after a deletion (-want +got):\n%s", diff)
	}
	if _, _, err := b.q.DeleteAll(t.Context(), "C"); err != nil {
		t.Fatal(err)
	}
	b.step()
	if n := len(srv.Records("5000")); n != 0 {
		t.Errorf("%d records after all were deleted", n)
	}
}

func TestWrongPasswordMakesListsWait(t *testing.T) {
	srv := outboundtest.NewServer(&outboundtest.ServerOptions{User: "u", Password: "p"})
	web := httptest.NewServer(srv)
	defer web.Close()
	api, err := outboundcsv.NewAPI(&outboundcsv.APIOptions{URL: web.URL + "/unifiedconfig/config", User: "u", Password: "secretpw", Client: web.Client()})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, func(o *spool.Options) { o.File, o.API = spool.File{}, api })
	b.accept("5000", "", calls("a"))
	var refused *outboundcsv.APIError
	if err := b.q.Step(t.Context()); !errors.As(err, &refused) || refused.Status != 401 || strings.Contains(fmt.Sprintf("%v %+v", err, api), "secretpw") {
		t.Errorf("%v", err)
	}
	b.wantStates("placing")
}
