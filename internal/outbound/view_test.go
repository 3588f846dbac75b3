package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/outbound"
	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// planned are n calls; of ten, one has no number and one a number that is too long beside
// a good one.
func planned(n int) iter.Seq2[outboundcsv.PlannedCall, error] {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for i := range n {
			c := outboundcsv.PlannedCall{ID: fmt.Sprintf("%08d", i), FirstName: "Jürgen", LastName: "Geheim", Phones: []outboundcsv.Phone{{Number: "06227 747474"}}}
			switch i % 10 {
			case 3:
				c.Phones = nil
			case 7:
				c.Phones = append(c.Phones, outboundcsv.Phone{Number: strings.Repeat("9", 30)})
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

type view struct {
	t *testing.T
	v *outbound.View
	h http.Handler
}

func newView(t *testing.T, q *spool.Queue) *view {
	t.Helper()
	v := &outbound.View{
		Name: "ob1", Queue: func() (*spool.Queue, error) { return q, nil }, Adopted: func() []string { return nil },
		Links: func() map[string]sapphone.Link { return map[string]sapphone.Link{} },
		State: func() (string, string, string) { return "ACTIVE", "ok", "" },
	}
	h, err := v.Handler(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &view{t, v, h}
}

func (v *view) page(path string) *httptest.ResponseRecorder {
	v.t.Helper()
	r := httptest.NewRequestWithContext(v.t.Context(), http.MethodGet, path, nil)
	r.Host = "localhost"
	w := httptest.NewRecorder()
	v.h.ServeHTTP(w, r)
	return w
}

func (v *view) console(command string, args ...string) string {
	v.t.Helper()
	var out strings.Builder
	for _, c := range v.v.Commands() {
		if c.Name == command {
			if err := c.Run(v.t.Context(), &out, args); err != nil {
				fmt.Fprintf(&out, "error: %v\n", err)
			}
		}
	}
	return out.String()
}

func (v *view) has(what, got string, want ...string) {
	v.t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			v.t.Errorf("%s does not say %q:\n%s", what, w, got)
		}
	}
	if strings.Contains(got, "Geheim") || strings.Contains(got, "747474") {
		v.t.Errorf("%s shows personal data", what)
	}
}

func TestALongListIsShownWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		imports := filepath.Join(dir, "import")
		if err := os.Mkdir(imports, 0o700); err != nil {
			t.Fatal(err)
		}
		var q *spool.Queue
		var home, list, status, rejects, page2 string
		var refresh string
		var v *view
		q, err := spool.Open(filepath.Join(dir, "spool"), &spool.Options{File: spool.File{Dir: imports, Name: "c.csv"}, Changed: func() {
			time.Sleep(time.Second) // so long that the next change is told, too
			if v == nil || home != "" {
				return
			}
			if p := q.Status().Progress; p == nil || p.Rejected+p.Warnings < 3_000 {
				return
			}
			w := v.page("/")
			home, refresh = w.Body.String(), w.Header().Get("Refresh")
			list = v.page("/list/1").Body.String()
			status = v.console("status")
			rejects, page2 = v.console("rejects", "1"), v.console("rejects", "1", "1001")
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		v = newView(t, q)
		first := ""
		_, err = q.Accept(t.Context(), spool.Source{Campaign: "Spring"}, func(yield func(outboundcsv.PlannedCall, error) bool) {
			i := 0
			for c, err := range planned(40_000) {
				if i++; i == 2_001 {
					time.Sleep(time.Second)
					first = v.page("/").Body.String()
				}
				if !yield(c, err) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		v.has("the page of a list that comes", first, "A list is being received", "Spring", "<dd>2,000</dd>", "<dd>200</dd>", "2,000 rows a second", "00001993", "E_NO_PHONE")
		if err := q.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if home == "" {
			t.Fatal("no change was told while the list was written")
		}
		v.has("the page", home, `List <a href="/list/0000000001">`, "is being written", "of 40,000", "being written</span>", "with warnings)", "Rows rejected", " left</dd>", "rows a second",
			"Latest rows with codes", "E_NO_PHONE", "W_PHONE_TOO_LONG", "rejected</span>")
		v.has("the page of the list", list, "00000003", "00000007", "There are more")
		v.has("status", status, "list 0000000001: ", "with warnings)", "E_NO_PHONE")
		v.has("rejects", rejects, "rejected 00000003 [E_NO_PHONE]\nchanged  00000007 [W_PHONE_TOO_LONG]\n", "more: rejects 1 1001\n")
		v.has("rejects from 1001", page2, "rejected 00005003 [E_NO_PHONE]", "more: rejects 1 2001\n")
		if n := strings.Count(rejects, "\n"); n != 1_001 {
			t.Errorf("%d lines at a time", n)
		}
		if refresh == "" {
			t.Error("the page does not load itself again")
		}
		v.has("rejects at the end", v.console("rejects", "1", "7990"), "changed  00039997")
		for _, args := range [][]string{{}, {"1", "0"}, {"1", "x"}, {"1", "1", "1"}, {"9"}} {
			v.has(fmt.Sprint("rejects ", args), v.console("rejects", args...), "error: ")
		}
		if w := v.page("/"); w.Header().Get("Refresh") != "" || strings.Contains(w.Body.String(), "is being written") {
			t.Error("the page shows work that is done")
		}
	})
}

func TestWhoIsWaitedForIsShownAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := ds104.NewMemory(nil)
		defer st.Close()
		l := outbound.Ledger{Store: st}
		start := func(name string) (*spool.Queue, func()) {
			dir := t.TempDir()
			q, err := spool.Open(filepath.Join(dir, "spool"), &spool.Options{Instance: name, Ledger: l, File: spool.File{Dir: dir, Name: "c.csv"}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = q.Run(ctx) }()
			return q, func() { cancel(); <-done; q.Close() }
		}
		a, stop := start("ob1")
		defer stop()
		b, kill := start("ob2")
		if _, err := b.Accept(t.Context(), spool.Source{Campaign: "Spring"}, planned(2)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		v := newView(t, a)
		v.has("forget of one that lives", v.console("forget", "ob2"), "error: spool: the instance is not gone")
		v.has("forget of nobody", v.console("forget", "ob3"), "error: spool: no instance of that name is known")
		v.has("forget of oneself", v.console("forget", "ob1"), "it is this one")
		v.has("forget without a name", v.console("forget"), "error: want the name")
		kill()
		time.Sleep(time.Minute)
		since := time.Now().UTC().Format(time.RFC3339)
		if _, err := a.Delete(t.Context(), "Spring", []string{"00000001"}); !errors.Is(err, spool.ErrSilent) {
			t.Fatal(err)
		}
		want := "instance ob2 since " + since + ": 1 deletions in campaigns Spring; when it is gone for good: forget ob2"
		v.has("the page", v.page("/").Body.String(), "Deletions wait", want)
		v.has("status", v.console("status"), "silent   "+want)
		v.has("forget", v.console("forget", "ob2"), "instance ob2 is forgotten")
		if page, status := v.page("/").Body.String(), v.console("status"); strings.Contains(page+status, "ob2") {
			t.Errorf("it is still waited for:\n%s%s", page, status)
		}
	})
}

func TestAListThatWaitsSaysForWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		imports := filepath.Join(dir, "import")
		if err := os.Mkdir(imports, 0o700); err != nil {
			t.Fatal(err)
		}
		q, err := spool.Open(filepath.Join(dir, "spool"), &spool.Options{File: spool.File{Dir: imports, Name: "c.csv"}})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		v := newView(t, q)
		accept := func(n int) {
			t.Helper()
			if _, err := q.Accept(t.Context(), spool.Source{Campaign: "Spring"}, planned(n)); err != nil {
				t.Fatal(err)
			}
			if err := q.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		const why = " UTC and is not taken yet; the next one waits for that"
		accept(10)
		if w := v.page("/"); strings.Contains(w.Body.String(), why) || strings.Contains(v.console("status"), why) {
			t.Error("one list waits for another one, and there is none")
		}
		accept(20)
		w := v.page("/")
		v.has("the page", w.Body.String(), "list 0000000001 was placed at 2000-01-01 00:00:", why)
		v.has("status", v.console("status"), "list 0000000001 was placed at 2000-01-01 00:00:", why)
		if r := w.Header().Get("Refresh"); r != "10" {
			t.Errorf("loads itself again after %q s, want 10", r)
		}
		if err := os.Remove(filepath.Join(imports, "c.csv")); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(time.Minute)
			if err := q.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if w := v.page("/"); strings.Contains(w.Body.String(), why) || w.Header().Get("Refresh") != "" {
			t.Errorf("the second list still waits:\n%s", w.Body.String())
		}
	})
}
