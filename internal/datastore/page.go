package datastore

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
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
	Key                               string // as it is, for links
	Shown, Short                      string
	Size, Age, Left, Origin, Revision string
}

// detail is one entry with everything.
type detail struct {
	row
	Written, Expires string // moments
	Term             string // of the pair
	Value            string
	Cut              bool
}

// figure is one number for people.
type figure struct{ Name, Number string }

// client is what one origin has.
type client struct{ Name, Entries, Bytes string }

// pageData is what the page shows.
type pageData struct {
	Title, Name, Role, Class string
	Query                    string
	Rows                     []row
	More, Asked              bool
	Entry                    *detail
	Missing                  bool
	Values                   bool // the reader may see values
	CanUnlock                bool // values could be unlocked
	Problem, Warning         string
	Figures, PartnerFigures  []figure
	Clients                  []client
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
	d := &pageData{Name: v.Name, Title: v.Name + " · data store", Uptime: round(time.Since(v.Started)), Figures: figures(v.Server.Figures())}
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
		d.PartnerFigures = figures(p.Figures)
		d.PartnerSince = round(time.Since(p.Since))
		if !p.Synced.IsZero() {
			d.Compared = round(time.Since(p.Synced))
		}
	}
	for _, o := range v.origins() {
		d.Clients = append(d.Clients, client{shown(o.Origin), group(int64(o.Entries)), group(o.Bytes)})
	}
	code := http.StatusOK
	var err error
	asked := r.URL.Query().Get("q")
	if entry {
		asked = r.URL.Query().Get("key")
		err = v.entry(r, d, asked)
		if d.Missing {
			code = http.StatusNotFound
		}
	} else {
		var entries []ds104.Entry
		entries, d.More, err = v.list(r.Context(), asked)
		for _, e := range entries {
			d.Rows = append(d.Rows, rowOf(e))
		}
	}
	if d.Asked = asked != ""; shown(asked) == asked {
		d.Query = asked // else the field would change it
	}
	if err != nil {
		d.Problem, code = "The store cannot be read now.", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = t.Execute(w, d) // the reader went away: nobody to tell
}

func rowOf(e ds104.Entry) row {
	return row{
		Key: e.Key, Shown: shown(e.Key), Short: short(shown(e.Key)), Size: group(int64(len(e.Value))), Age: age(e), Left: left(e),
		Origin: shown(e.Origin), Revision: strconv.FormatUint(uint64(e.Revision), 10),
	}
}

func figures(in []ds104.Figure) []figure {
	var out []figure
	for _, f := range in {
		out = append(out, figure{f.Name, group(f.Number)})
	}
	return out
}

// shown makes visible what a browser would not show as it is: control characters, bytes
// that are no text, and marks that turn the direction of writing.
func shown(s string) string {
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// maxShort is how many characters of a key the list shows.
const maxShort = 160

func short(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxShort {
			return s[:i] + "\u2026"
		}
	}
	return s
}

// group writes a number with narrow spaces.
func group(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// plainText reports whether a value can be shown as text.
func plainText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0
}

// moment is a time with the zone that logs use.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (v *View) entry(r *http.Request, d *pageData, key string) error {
	e, err := v.Store.Get(r.Context(), key)
	if errors.Is(err, ds104.ErrNotFound) {
		d.Missing = true
		return nil
	}
	if err != nil {
		return err
	}
	d.Entry = &detail{row: rowOf(e), Written: moment(e.Written), Expires: moment(e.Expires)}
	if term := ds104.TermOf(e.Revision); term > 0 {
		d.Entry.Term = strconv.FormatUint(term, 10)
	}
	if !d.Values {
		return nil
	}
	value := e.Value
	if d.Entry.Cut = len(value) > maxValueShown; d.Entry.Cut {
		value = value[:maxValueShown]
	}
	if d.Entry.Cut {
		for range utf8.UTFMax { // not in the middle of a character
			if _, size := utf8.DecodeLastRune(value); size != 1 || value[len(value)-1] < utf8.RuneSelf {
				break
			}
			value = value[:len(value)-1]
		}
	}
	if plainText(value) {
		d.Entry.Value = string(value)
	} else {
		d.Entry.Value = hex.Dump(value)
	}
	return nil
}
