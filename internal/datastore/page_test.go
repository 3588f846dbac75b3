package datastore_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/datastore"
)

// pages serves the page of a store with one partner.
func pages(t *testing.T, st ds104.Store, partner datastore.Partner) func(path string, operator bool) string {
	t.Helper()
	server, err := ds104.NewServer(st, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	v := &datastore.View{
		Name: "store 1", Store: st, Server: server, Operator: "open sesame", Started: time.Now(),
		Partner: func() (datastore.Partner, bool) { return partner, partner.Addr != "" },
	}
	h, err := v.Handler(nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(path string, operator bool) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = "localhost"
		if operator {
			r.SetBasicAuth("operator", "open sesame")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Body.String()
	}
}

func memory(t *testing.T) *ds104.Memory {
	m := ds104.NewMemory(nil)
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func wantIn(t *testing.T, what, body string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			t.Errorf("%s: %q is missing in:\n%s", what, w, body)
		}
	}
}

func TestPageTellsAgeAndOrigin(t *testing.T) {
	st := memory(t)
	written := time.Now().Add(-49*time.Hour - time.Minute)
	items := []ds104.Item{
		{Entry: ds104.Entry{Key: "known", Value: make([]byte, 1234), Revision: 1_000_000, Origin: "connector 1", Written: written}, TTL: 90*time.Minute + time.Second},
		{Entry: ds104.Entry{Key: "older", Revision: 3}},
		{Entry: ds104.Entry{Key: "clock", Revision: 5, Origin: "connector 1", Written: time.Now().Add(time.Hour)}}, // of a side whose clock is ahead
	}
	if _, err := st.Apply(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	get := pages(t, st, datastore.Partner{Addr: "b:42029", Err: "connection refused", Since: time.Now().Add(-time.Hour)})
	list := get("/?q=known", false)
	wantIn(t, "list", list, ">1\u202f234<", ">2d 1h<", ">1h 30m<", ">connector 1<", ">1000000<")
	wantIn(t, "clients", list, "<td class=\"k\">connector 1</td><td class=\"n\" data-l=\"Entries\">2</td><td class=\"n\" data-l=\"Bytes\">1\u202f244</td>", "without a name")
	wantIn(t, "partner", list, "b:42029", ">down<", "connection refused", "1h 0m")
	wantIn(t, "older", get("/?q=older", false), ">unknown time<", ">no end<", ">unknown<")
	wantIn(t, "clock", get("/?q=clock", false), ">0s<")
	entry := get("/entry?key=known", false)
	wantIn(t, "entry", entry, "2d 1h", "since "+written.UTC().Format("2006-01-02 15:04:05 UTC"), "1h 30m", "until ", "1\u202f234 bytes", "hidden")
}

func TestPageShowsHostileKeys(t *testing.T) {
	st := memory(t)
	for key, shown := range map[string]string{
		"<script>alert(1)</script>":       "<script>alert(1)</script>",
		"\x00\x1b[31m\r\n\x7f":            `\x00\x1b[31m\r\n\x7f`,
		"\xff\xfe":                        `\xff\xfe`,
		"\u202egnirts\u200b":              `\u202egnirts\u200b`,
		"schlüssel/Zürich/日本":             "schlüssel/Zürich/日本",
		`"quoted" \ 'apos' &amp;`:         `"quoted" \\ 'apos' &amp;`,
		strings.Repeat("k", ds104.MaxKey): strings.Repeat("k", 160) + "…",
	} {
		if _, err := st.Put(t.Context(), key, []byte("v"), ds104.PutOptions{Origin: key}); err != nil {
			t.Fatal(err)
		}
		get := pages(t, st, datastore.Partner{})
		path := "/entry?key=" + url.QueryEscape(key)
		body := get("/?q="+url.QueryEscape(key), false)
		wantIn(t, "list", html.UnescapeString(body), ">"+shown+"</a>")
		if i := strings.Index(body, `href="/entry?key=`); i < 0 {
			t.Error("no link")
		} else if ref, err := url.Parse(html.UnescapeString(strings.SplitN(body[i+6:], `"`, 2)[0])); err != nil || ref.Query().Get("key") != key {
			t.Errorf("%q: the link leads to %v, %v", shown, ref, err)
		}
		whole := strings.TrimSuffix(shown, "…")
		if whole != shown {
			whole = key
		}
		wantIn(t, "entry", html.UnescapeString(get(path, true)), "<code>"+whole+"</code>", "<pre>v</pre>")
		if strings.Contains(body, "<script") || strings.ContainsAny(body, "\x00\x1b\x7f\u202e\u200b") {
			t.Errorf("%q: the page holds it as it is", shown)
		}
	}
}

func TestPageShowsValuesThatAreNoText(t *testing.T) {
	st := memory(t)
	for key, tc := range map[string]struct{ value, want, not string }{
		"text":    {"Grüezi\n\tmitenand", "<pre>Grüezi\n\tmitenand</pre>", "|"},
		"control": {"a\x00b", "61 00 62", "\x00"},
		"bidi":    {"a\u202eb", "61 e2 80 ae 62", "\u202e"},
		"binary":  {"\xff\x00", "ff 00", "\xff"},
		"cut":     {strings.Repeat("ü", 40<<10), "only the beginning is shown", "|"},
		"cut odd": {"x" + strings.Repeat("ü", 40<<10), "only the beginning is shown", "|"},
		"html":    {"<b>", "&lt;b&gt;", "<b>"},
	} {
		if _, err := st.Put(t.Context(), key, []byte(tc.value), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		body := pages(t, st, datastore.Partner{})("/entry?key="+url.QueryEscape(key), true)
		wantIn(t, key, body, tc.want)
		if strings.Contains(body, tc.not) {
			t.Errorf("%s: %q is shown", key, tc.not)
		}
	}
}

// Who only opens the page wants to know how the store is; who asks for keys wants them.
func TestFiguresComeBeforeEntriesNobodyAskedFor(t *testing.T) {
	st := memory(t)
	for _, key := range []string{"call/1", "call/2", "other"} {
		if _, err := st.Put(t.Context(), key, []byte("v"), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	get := pages(t, st, datastore.Partner{})
	for path, want := range map[string][]string{
		"/":                  {"Search</button>", "This store", "Partner", "First entries", "call/1", "call/2", "other", "</main>"},
		"/?q=call":           {"Search</button>", "call/1", "call/2", "This store", "Partner", "</main>"},
		"/?q=nothing":        {"No key begins with this.", "This store"},
		"/entry?key=other":   {"Written by", "This store"},
		"/entry?key=nothing": {"No entry has this key", "This store"},
	} {
		at, body := 0, get(path, false)
		for _, w := range want {
			i := strings.Index(body[at:], w)
			if i < 0 {
				t.Errorf("%s: %q is not there, or too early:\n%s", path, w, body)
				break
			}
			at += i + len(w)
		}
		if asked := path != "/"; asked && strings.Contains(body, "First entries") {
			t.Errorf("%s shows what nobody asked for", path)
		}
	}
}
