package datastore

import (
	_ "embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/page"
)

//go:embed page.html
var content string

// maxValueShown is how much of a value the page shows.
const maxValueShown = 64 << 10

// row is one entry of the list.
type row struct {
	Key, Size, Left, Origin, Revision string
}

// detail is one entry with everything.
type detail struct {
	row
	Written string // term of the pair
	Value   string
	Cut     bool
}

// pageData is what the page shows.
type pageData struct {
	Title, Name, Role, Class string
	Query                    string
	Rows                     []row
	More                     bool
	Entry                    *detail
	Missing                  bool
	Values                   bool // the reader may see values
	CanUnlock                bool // values could be unlocked
	Problem, Warning         string
	Figures                  []ds104.Figure
	Uptime                   string
	Term                     uint64
	Paired                   bool
	Partner                  *Partner
	PartnerSince, Compared   string
}

// Handler returns the page. hosts are the names, beside loopback names and IP
// addresses, under which it may be opened. Everything is read-only.
//
//	/                  state, figures, and the entries of the prefix ?q=
//	/entry?key=        one entry
//
// Values are shown only to requests with HTTP basic authentication whose password is
// the operator's secret; ?unlock=1 makes a browser ask for it.
func (v *View) Handler(hosts []string) (http.Handler, error) {
	t, err := page.Template(content)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { v.serve(w, r, t, false) })
	mux.HandleFunc("GET /entry", func(w http.ResponseWriter, r *http.Request) { v.serve(w, r, t, true) })
	return page.Guard(hosts, mux), nil
}

// operator reports whether the request has the right to see values.
func (v *View) operator(r *http.Request) bool {
	_, password, ok := r.BasicAuth()
	return ok && v.Operator != "" && v.Operator.Is([]byte(password))
}

func (v *View) serve(w http.ResponseWriter, r *http.Request, t *template.Template, entry bool) {
	d := &pageData{Name: v.Name, Title: v.Name + " · data store", Uptime: round(time.Since(v.Started)), Figures: v.Server.Figures()}
	d.Values = v.operator(r)
	d.CanUnlock = v.Operator != "" && !d.Values
	if r.URL.Query().Get("unlock") != "" && !d.Values {
		if v.Operator != "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="values of the data store", charset="UTF-8"`)
			http.Error(w, "the operator's password is needed to see values", http.StatusUnauthorized)
			return
		}
	}
	d.Role, d.Class = v.role()
	d.Warning = v.Warning()
	st := v.Server.Stats()
	d.Term, d.Paired = st.Council.Term, st.Side != ds104.Alone
	if p, ok := v.Partner(); ok {
		d.Partner = &p
		d.PartnerSince = round(time.Since(p.Since))
		if !p.Synced.IsZero() {
			d.Compared = round(time.Since(p.Synced))
		}
	}
	code := http.StatusOK
	var err error
	if entry {
		d.Query = r.URL.Query().Get("key")
		err = v.entry(r, d)
		if d.Missing {
			code = http.StatusNotFound
		}
	} else {
		d.Query = r.URL.Query().Get("q")
		var entries []ds104.Entry
		entries, d.More, err = v.list(r.Context(), d.Query)
		for _, e := range entries {
			d.Rows = append(d.Rows, rowOf(e))
		}
	}
	if err != nil {
		d.Problem, code = "The store cannot be read now.", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = t.Execute(w, d) // the reader went away: nobody to tell
}

func rowOf(e ds104.Entry) row {
	return row{Key: e.Key, Size: strconv.Itoa(len(e.Value)), Left: left(e), Origin: e.Origin, Revision: strconv.FormatUint(uint64(e.Revision), 10)}
}

func (v *View) entry(r *http.Request, d *pageData) error {
	e, err := v.Store.Get(r.Context(), d.Query)
	if errors.Is(err, ds104.ErrNotFound) {
		d.Missing = true
		return nil
	}
	if err != nil {
		return err
	}
	d.Entry = &detail{row: rowOf(e)}
	if term := ds104.TermOf(e.Revision); term > 0 {
		d.Entry.Written = strconv.FormatUint(term, 10)
	}
	if !d.Values {
		return nil
	}
	value := e.Value
	if d.Entry.Cut = len(value) > maxValueShown; d.Entry.Cut {
		value = value[:maxValueShown]
	}
	if utf8.Valid(value) {
		d.Entry.Value = string(value)
	} else {
		d.Entry.Value = hex.Dump(value)
	}
	return nil
}
