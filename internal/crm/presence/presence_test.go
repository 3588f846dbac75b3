package presence_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/crm/presence"
)

func query(t testing.TB, s string) presence.Query {
	t.Helper()
	q, err := presence.ParseQuery(s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// agents are of two peripherals; the key says it.
var agents = []presence.Entry{
	{Key: "1/1", FirstName: "Anna", LastName: "Müller", Status: presence.Available},
	{Key: "1/2", FirstName: "Zoë", LastName: "Meier", Status: presence.Busy},
	{Key: "1/3", FirstName: "Anna Maria", LastName: "Meier-Huber", Status: presence.Available},
	{Key: "2/1", FirstName: "Łukasz", LastName: "Weiß", Status: presence.LoggedOff},
	{Key: "2/2", FirstName: "Meier", LastName: "Anna", Status: presence.Available},
	{Key: "2/3", FirstName: "Kurt", LastName: "Mueller", Status: presence.LoggedOff},
	{Key: "2/4", FirstName: "Αλέξης", LastName: "Ζορμπάς", Status: presence.Busy},
	{Key: "2/5", FirstName: "太郎", LastName: "山田", Status: presence.Busy},
	{Key: "2/6", Status: presence.Busy},
}

func keyIndex() *presence.Index[string] {
	return presence.New(func(e *presence.Entry, view string) string { return view + e.Key })
}

func TestSearch(t *testing.T) {
	t.Parallel()
	tests := []struct{ search, want string }{
		{"", "2/6 2/2 1/2 1/3 1/1 2/4 2/5"}, // logged on only, last name first
		{"*", "2/6 2/2 1/2 1/3 1/1 2/4 2/5"},
		{" * * ", "2/6 2/2 1/2 1/3 1/1 2/4 2/5"},
		{"Anna", "2/2 1/3 1/1"},
		{"ANNA", "2/2 1/3 1/1"},
		{"anna*", "2/2 1/3 1/1"},
		{"Ann", ""}, // whole names without *
		{"Ann*", "2/2 1/3 1/1"},
		{"Meier", "2/2 1/2 1/3"}, // first name, last name, half of a last name
		{"Meier-Huber", "1/3"},
		{"Meier-H*", "1/3"},
		{"huber", "1/3"},
		{"Maria", "1/3"},
		{"anna meier", "2/2 1/3"},
		{"meier anna", "2/2 1/3"},
		{"a* m*", "2/2 1/3 1/1"},
		{"a* m* h*", "1/3"},
		{"* meier", "2/2 1/2 1/3"},
		{"anna kurt", ""},
		{"muller", "1/1"},
		{"Müller", "2/3 1/1"}, // also the spelling with two letters
		{"mu\u0308ller", "2/3 1/1"},
		{"mueller", "2/3 1/1"},
		{"mue*", "2/3 1/1"},
		{"mü* a*", "1/1"},
		{"zoe", "1/2"},
		{"lukasz weiss", "2/1"}, // logged off, found by name
		{"WEISS", "2/1"},
		{"weiß", "2/1"},
		{"ζορμπας", "2/4"},
		{"山*", "2/5"},
		{"nobody", ""},
		{"1/1", ""}, // only names are searched
	}
	for _, oneByOne := range []bool{false, true} {
		x := keyIndex()
		if oneByOne {
			for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(agents)) {
				x.Put(agents[i])
			}
		} else {
			x.Put(agents...)
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%q one by one %v", tt.search, oneByOne), func(t *testing.T) {
				t.Parallel()
				q := query(t, tt.search)
				if diff := cmp.Diff(tt.want, strings.Join(x.Rows(q, ""), " ")); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				var keys []string
				for e := range x.Entries(q) {
					keys = append(keys, e.Key)
				}
				if diff := cmp.Diff(tt.want, strings.Join(keys, " ")); diff != "" {
					t.Errorf("entries (-want +got)\n%s", diff)
				}
			})
		}
	}
}

func TestQueryRefuses(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]presence.QueryError{
		"*eier":                  {Term: 1, Err: presence.ErrWildcard},
		"anna m*r":               {Term: 2, Err: presence.ErrWildcard},
		"m**":                    {Term: 1, Err: presence.ErrWildcard},
		strings.Repeat("x", 257): {Err: presence.ErrTooLong},
		strings.Repeat("x ", 9):  {Term: 9, Err: presence.ErrTooLong},
		"M\xfcller":              {Err: presence.ErrEncoding},
	} {
		_, err := presence.ParseQuery(s)
		var e *presence.QueryError
		if !errors.As(err, &e) || !errors.Is(err, want.Err) || e.Term != want.Term {
			t.Errorf("%q: %v, want %v", s, err, &want)
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	x := presence.New(func(e *presence.Entry, view string) string {
		return e.Name() + " " + e.Address + " " + e.Status.String()
	})
	if !x.Put(agents...) || x.Put(agents...) {
		t.Error("Put does not tell what changed")
	}
	anna := agents[0]
	anna.Status, anna.Address = presence.Busy, "2001"
	if !x.Put(anna) {
		t.Error("a new state is no change")
	}
	check := func(search string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, x.Rows(query(t, search), "")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", search, diff)
		}
	}
	check("muller", "Anna Müller 2001 busy")

	// A new name: found by the new one only, and in its new place.
	anna.LastName = "Aebi"
	x.Put(anna)
	check("muller")
	check("an* ae*", "Anna Aebi 2001 busy")
	check("anna", "Anna Aebi 2001 busy", "Meier Anna  available", "Anna Maria Meier-Huber  available")

	// Logged off: by name only.
	anna.Status = presence.LoggedOff
	x.Put(anna)
	if rows := x.Rows(query(t, "*"), ""); slices.Contains(rows, "Anna Aebi 2001 logged off") {
		t.Errorf("all has %q", rows)
	}
	check("aebi", "Anna Aebi 2001 logged off")

	// The same key twice in one call: the last one counts.
	x.Put(presence.Entry{Key: "n", LastName: "One"}, presence.Entry{Key: "n", LastName: "Two"}, presence.Entry{Key: "n", LastName: "Three"})
	check("one")
	check("two")
	check("three", "Three  Status(0)")

	if !x.Remove("n", "none", "1/1") || x.Remove("n") || x.Remove() {
		t.Error("Remove does not tell what changed")
	}
	check("three")
	check("aebi")
	if x.Len() != len(agents)-1 {
		t.Errorf("%d agents", x.Len())
	}
	if e, ok := x.Get("1/2"); !ok || e != agents[1] {
		t.Errorf("Get: %+v %v", e, ok)
	}
	if _, ok := x.Get("1/1"); ok {
		t.Error("a removed agent is there")
	}
}

func TestRowsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	texts := "old "
	x := presence.New(func(e *presence.Entry, view string) string {
		calls.Add(1)
		return texts + view + e.Key
	})
	x.Put(agents...)
	all := query(t, "")
	expect := func(what string, want int64) {
		t.Helper()
		if got := calls.Swap(0); got != want {
			t.Errorf("%s: %d rows written, want %d", what, got, want)
		}
	}
	expect("filling", 0)
	x.Rows(all, "DE")
	expect("first search", 7)
	x.Rows(all, "DE")
	x.Rows(query(t, "anna"), "DE")
	expect("second search", 0)
	x.Rows(all, "FR")
	expect("other language", 7)
	x.Rows(all, "DE")
	expect("first language again", 0)

	anna := agents[0]
	anna.Status = presence.Busy
	x.Put(anna)
	expect("one change, two languages in use", 2)
	x.Rows(all, "DE")
	x.Rows(all, "FR")
	expect("searches after the change", 0)

	texts = "new "
	x.Invalidate()
	rows := x.Rows(all, "DE")
	expect("other texts", 7)
	if !strings.HasPrefix(rows[0], "new DE") {
		t.Errorf("row is %q", rows[0])
	}
	anna.Status = presence.Available
	x.Put(anna)
	expect("one change, one language in use", 1)
}

func TestManyViewsDoNotPileUp(t *testing.T) {
	t.Parallel()
	x := keyIndex()
	x.Put(agents[0])
	for i := range 1000 {
		view := fmt.Sprint(i)
		if got := x.Rows(query(t, ""), view); len(got) != 1 || got[0] != view+"1/1" {
			t.Fatalf("view %s: %q", view, got)
		}
	}
}

// TestAgainstPlainSearch changes an index at random and compares it with a
// search that reads the rules and nothing else.
func TestAgainstPlainSearch(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 42))
	first := []string{"Anna", "Bernd", "Zoë", "Anna Maria", "", "Jean-Luc"}
	last := []string{"Meier", "Müller", "Mueller", "Huber", "", "von Arx"}
	x := keyIndex()
	plain := map[string]presence.Entry{}
	searches := []string{"", "anna", "m*", "meier anna", "von", "j*", "huber b*", "luc", "jean-luc", "mul*"}
	for step := range 3000 {
		var batch []presence.Entry
		for range 1 + rnd.IntN(4) {
			key := fmt.Sprint(rnd.IntN(40))
			if rnd.IntN(6) == 0 {
				x.Remove(key)
				delete(plain, key)
				continue
			}
			e := presence.Entry{Key: key, FirstName: first[rnd.IntN(len(first))], LastName: last[rnd.IntN(len(last))], Status: presence.Status(1 + rnd.IntN(3))}
			if old, ok := plain[key]; ok && rnd.IntN(2) == 0 {
				e.FirstName, e.LastName = old.FirstName, old.LastName
			}
			batch = append(batch, e)
			plain[key] = e
		}
		// Removed above after they were added to this batch: put last wins.
		x.Put(batch...)
		for _, e := range batch {
			plain[e.Key] = e
		}
		search := searches[rnd.IntN(len(searches))]
		got := x.Rows(query(t, search), "")
		slices.Sort(got)
		var want []string
		for _, e := range plain {
			if found(search, &e) {
				want = append(want, e.Key)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("step %d, %q (-want +got)\n%s", step, search, diff)
		}
		if x.Len() != len(plain) {
			t.Fatalf("step %d: %d agents, want %d", step, x.Len(), len(plain))
		}
	}
}

// found is the rule for the names of TestAgainstPlainSearch.
func found(search string, e *presence.Entry) bool {
	if search == "" {
		return e.Status != presence.LoggedOff
	}
	names := strings.ToLower(e.FirstName + " " + e.LastName)
	words := strings.Fields(strings.ReplaceAll(names, "-", " ") + " " + names)
	if e.LastName == "Müller" {
		words = append(words, "muller", "mueller")
	}
	for _, term := range strings.Fields(search) {
		if !slices.ContainsFunc(words, func(w string) bool {
			p, ok := strings.CutSuffix(term, "*")
			return w == term || ok && strings.HasPrefix(w, p)
		}) {
			return false
		}
	}
	return true
}

// TestReadersAndWriters: a reader sees an agent before or after a change.
func TestReadersAndWriters(t *testing.T) {
	t.Parallel()
	x := presence.New(func(e *presence.Entry, view string) [2]string {
		return [2]string{e.Address, e.UserID}
	})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			queries := []presence.Query{query(t, ""), query(t, "n*"), query(t, "n7 a*")}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				for _, r := range x.Rows(queries[i%3], []string{"DE", "EN"}[i%2]) {
					if r[0] != r[1] {
						t.Errorf("mixed row %q", r)
						return
					}
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() {
			for i := range 2000 {
				v := fmt.Sprint(i)
				e := presence.Entry{Key: fmt.Sprint(w, i%50), FirstName: "A", LastName: fmt.Sprint("n", i%50), Address: v, UserID: v, Status: presence.Busy}
				if i%100 == 0 {
					e.LastName += "x"
				}
				x.Put(e)
				if i%500 == 0 {
					x.Remove(fmt.Sprint(w, i%50))
					x.Invalidate()
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
}

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"abc": "abc", "ABC": "abc", "Müller": "muller", "mu\u0308ller": "muller", "ÅSA": "asa", "Weiß": "weiss", "WEIẞ": "weiss",
		"Łódź": "lodz", "Ørsted": "orsted", "Đorđević": "dordevic", "Ğ": "g", "İ": "i", "ı": "i", "Ñandú": "nandu", "Ж": "ж", "Й": "и", "Ά": "α", "山": "山",
	} {
		if got := presence.Fold(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if again := presence.Fold(want); again != want {
			t.Errorf("%q folded again: %q", want, again)
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "*", "Anna Mei*", "mü*", "-", "ß*", "\u0308", "a\u0308*", "İ"} {
		f.Add(s, "Anna", "Müller-Weiß")
	}
	f.Fuzz(func(t *testing.T, s, first, last string) {
		x := keyIndex()
		x.Put(presence.Entry{Key: "a", FirstName: first, LastName: last, Status: presence.Busy}, presence.Entry{Key: "b", FirstName: s, Status: presence.Busy})
		q, err := presence.ParseQuery(s)
		if err != nil {
			var e *presence.QueryError
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		rows := x.Rows(q, "")
		if q.All() != (len(rows) == 2 && q.All()) {
			t.Fatalf("all is %q", rows)
		}
		// Whoever has exactly these names is found by them.
		if !strings.Contains(s, "*") && !slices.Contains(rows, "b") {
			t.Fatalf("%q does not find itself: %q", s, rows)
		}
	})
}

// many are n agents with 200 first and 500 last names.
func many(n int) []presence.Entry {
	out := make([]presence.Entry, n)
	for i := range out {
		out[i] = presence.Entry{
			Key: fmt.Sprint("5000/", 1000+i), UserID: fmt.Sprint("USER", i), AgentID: fmt.Sprint(1000 + i),
			FirstName: fmt.Sprint("Vorname", i%200), LastName: fmt.Sprint("Näme", i%500), Address: fmt.Sprint(20000 + i), Status: presence.Available,
		}
	}
	return out
}

// row is the size of a row of the connector: two strings.
type row struct{ form [2]string }

func filled(n int) *presence.Index[row] {
	x := presence.New(func(e *presence.Entry, view string) row {
		return row{[2]string{strings.Repeat(e.AgentID, 100), strings.Repeat(e.AgentID, 80)}}
	})
	x.Put(many(n)...)
	return x
}

func BenchmarkSearchAll(b *testing.B) {
	for _, n := range []int{1000, 12000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, q := filled(n), query(b, "*")
			rows := x.Rows(q, "DE")
			b.ReportAllocs()
			for b.Loop() {
				rows = x.AppendRows(rows[:0], q, "DE")
			}
		})
	}
}

func BenchmarkSearchName(b *testing.B) {
	for _, n := range []int{1000, 12000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, q := filled(n), query(b, "Vorname7 Name2*")
			rows := x.Rows(q, "DE")
			b.ReportAllocs()
			for b.Loop() {
				rows = x.AppendRows(rows[:0], q, "DE")
			}
		})
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1000, 12000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x, all := filled(n), many(n)
			x.Rows(query(b, ""), "DE") // one language in use
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e := &all[i%n]
				e.Status = 3 - e.Status
				x.Put(*e)
			}
		})
	}
}

// BenchmarkNewAgent is an agent who was not known before: the order is copied.
func BenchmarkNewAgent(b *testing.B) {
	for _, n := range []int{1000, 12000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			x := filled(n)
			e := presence.Entry{Key: "new", FirstName: "Neu", LastName: "Mittig"}
			b.ReportAllocs()
			for b.Loop() {
				x.Put(e)
				x.Remove("new")
			}
		})
	}
}

func BenchmarkParallelReaders(b *testing.B) {
	x, all := filled(1000), many(1000)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				e := &all[i%len(all)]
				e.Status = 3 - e.Status
				x.Put(*e)
			}
		}
	})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		q := query(b, "*")
		var rows []row
		for pb.Next() {
			rows = x.AppendRows(rows[:0], q, "DE")
		}
	})
	close(stop)
	wg.Wait()
}

func TestSearchAllDoesNotAllocate(t *testing.T) {
	x, q := filled(100), query(t, "*")
	rows := x.Rows(q, "DE")
	if n := testing.AllocsPerRun(100, func() { rows = x.AppendRows(rows[:0], q, "DE") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
