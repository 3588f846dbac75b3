package presence

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Status is what other agents see of an agent.
type Status uint8

// The three states. Their meanings are those of SAP's help on presence; the
// numbers are the ids of the ICI reference, section 7 (assumed there).
const (
	// Available: logged on to SAP and the contact center, not in a call.
	Available Status = iota + 1
	// Busy: in a call, or logged off from SAP only.
	Busy
	// LoggedOff: logged off from both.
	LoggedOff
)

// String returns the name of the state.
func (s Status) String() string {
	switch s {
	case Available:
		return "available"
	case Busy:
		return "busy"
	case LoggedOff:
		return "logged off"
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// Entry is one agent. Entries are compared with ==, so a change that changes
// nothing costs nothing.
type Entry struct {
	// Key is unique in the index, for example peripheral and agent id. Required.
	Key string
	// UserID is the SAP user; empty while the agent is not logged on to SAP.
	UserID string
	// AgentID is the agent's number at the peripheral.
	AgentID string
	// FirstName and LastName are those of the contact center's configuration.
	FirstName, LastName string
	// Address is the number to dial.
	Address string
	// Status is what others see.
	Status Status
}

// Name returns first and last name.
func (e *Entry) Name() string {
	if e.FirstName == "" || e.LastName == "" {
		return e.FirstName + e.LastName
	}
	return e.FirstName + " " + e.LastName
}

// Encode writes one agent's row. view says for whom, normally the language; an
// index that serves several SAP systems uses views such as system and language.
// It is called with the index locked for changes, or from a search; it must not
// call the index and must not keep the entry.
type Encode[R any] func(e *Entry, view string) R

// maxViews bounds the rows that are kept per agent; further views are written anew.
const maxViews = 64

// Index holds the agents; R is the type of a written row.
type Index[R any] struct {
	encode Encode[R]
	now    atomic.Pointer[order[R]]
	// generation counts Invalidate; rows of an older one are written anew.
	generation atomic.Uint64

	mu    sync.Mutex // guards changes
	slots map[string]*slot[R]
}

// order is the immutable part of the index: who there is and in which order.
type order[R any] struct {
	slots []*slot[R]
	names []name[R]
}

// name leads from a word of a name to its agent.
type name[R any] struct {
	word string
	slot *slot[R]
}

// slot is the place of one agent, its name fixed, its state changing.
type slot[R any] struct {
	sort  sortKey
	words []string
	row   atomic.Pointer[row[R]]
}

type sortKey struct{ last, first, key string }

func (a *sortKey) compare(b *sortKey) int {
	return cmp.Or(strings.Compare(a.last, b.last), strings.Compare(a.first, b.first), strings.Compare(a.key, b.key))
}

// row is one state of an agent; it never changes but for the written forms.
type row[R any] struct {
	entry   Entry
	written atomic.Pointer[written[R]]
}

// written is a list of the forms of a row, one per view.
type written[R any] struct {
	view       string
	generation uint64
	n          int // length of the list
	value      R
	next       *written[R]
}

// New makes an empty index.
func New[R any](encode Encode[R]) *Index[R] {
	x := &Index[R]{encode: encode, slots: map[string]*slot[R]{}}
	x.now.Store(&order[R]{})
	return x
}

// Len returns the number of agents.
func (x *Index[R]) Len() int { return len(x.now.Load().slots) }

// Put adds agents or replaces them by their keys. Many at a time are much
// cheaper than one by one when they are new. It reports whether anything changed.
func (x *Index[R]) Put(entries ...Entry) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed := false
	var added, gone []*slot[R]
	for i := range entries {
		e := &entries[i]
		s := x.slots[e.Key]
		var old *row[R]
		if s != nil {
			old = s.row.Load()
			if old.entry == *e {
				continue
			}
		}
		changed = true
		next := x.newRow(e, old)
		if s != nil && old.entry.FirstName == e.FirstName && old.entry.LastName == e.LastName {
			s.row.Store(next)
			continue
		}
		if s != nil {
			if j := slices.Index(added, s); j >= 0 { // twice in this call
				added = slices.Delete(added, j, j+1)
			} else {
				gone = append(gone, s)
			}
		}
		s = &slot[R]{
			sort:  sortKey{Fold(e.LastName), Fold(e.FirstName), e.Key},
			words: words(e.FirstName, e.LastName),
		}
		s.row.Store(next)
		x.slots[e.Key] = s
		added = append(added, s)
	}
	x.reorder(added, gone)
	return changed
}

// Remove takes agents out. It reports whether there was one of them.
func (x *Index[R]) Remove(keys ...string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	var gone []*slot[R]
	for _, k := range keys {
		if s := x.slots[k]; s != nil {
			gone = append(gone, s)
			delete(x.slots, k)
		}
	}
	x.reorder(nil, gone)
	return len(gone) > 0
}

// Get returns one agent.
func (x *Index[R]) Get(key string) (Entry, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := x.slots[key]; s != nil {
		return s.row.Load().entry, true
	}
	return Entry{}, false
}

// Invalidate makes the index write all rows anew, because what Encode writes has
// changed: other texts, another profile.
func (x *Index[R]) Invalidate() { x.generation.Add(1) }

// newRow writes an agent for the views in which his old row was asked for, so
// that searches find it finished.
func (x *Index[R]) newRow(e *Entry, old *row[R]) *row[R] {
	r := &row[R]{entry: *e}
	if old == nil {
		return r
	}
	generation := x.generation.Load()
	for w := old.written.Load(); w != nil; w = w.next {
		if w.generation == generation {
			x.write(r, w.view, generation)
		}
	}
	return r
}

// reorder copies the order without gone and with added.
func (x *Index[R]) reorder(added, gone []*slot[R]) {
	if len(added)+len(gone) == 0 {
		return
	}
	bySlot := func(a, b *slot[R]) int { return a.sort.compare(&b.sort) }
	byName := func(a, b name[R]) int {
		return cmp.Or(strings.Compare(a.word, b.word), a.slot.sort.compare(&b.slot.sort))
	}
	namesOf := func(slots []*slot[R]) []name[R] {
		var names []name[R]
		for _, s := range slots {
			for _, w := range s.words {
				names = append(names, name[R]{w, s})
			}
		}
		return names
	}
	old := x.now.Load()
	x.now.Store(&order[R]{
		slots: merge(old.slots, added, gone, bySlot),
		names: merge(old.names, namesOf(added), namesOf(gone), byName),
	})
}

// merge returns a copy of the sorted old with added and without gone, which it
// sorts. Everything in gone is in old. It compares only what changes; the rest
// is copied in runs.
func merge[T any](old, added, gone []T, compare func(a, b T) int) []T {
	slices.SortFunc(added, compare)
	slices.SortFunc(gone, compare)
	out := make([]T, 0, len(old)+len(added)-len(gone))
	for len(added)+len(gone) > 0 {
		// An element that goes before one with the same key that comes.
		leaves := len(added) == 0 || len(gone) > 0 && compare(gone[0], added[0]) <= 0
		next := &added
		if leaves {
			next = &gone
		}
		at, _ := slices.BinarySearchFunc(old, (*next)[0], compare)
		out = append(out, old[:at]...)
		old = old[at:]
		if leaves {
			old = old[1:]
		} else {
			out = append(out, added[0])
		}
		*next = (*next)[1:]
	}
	return append(out, old...)
}

// Rows returns the written rows of the agents whom the query finds, in order.
func (x *Index[R]) Rows(q Query, view string) []R {
	return x.AppendRows(nil, q, view)
}

// AppendRows appends what Rows returns.
func (x *Index[R]) AppendRows(dst []R, q Query, view string) []R {
	generation := x.generation.Load()
	if q.All() {
		slots := x.now.Load().slots
		dst = slices.Grow(dst, len(slots))
		for _, s := range slots {
			if r := s.row.Load(); r.entry.Status != LoggedOff {
				dst = append(dst, x.written(r, view, generation))
			}
		}
		return dst
	}
	for _, s := range x.find(q) {
		dst = append(dst, x.written(s.row.Load(), view, generation))
	}
	return dst
}

// Entries returns the agents whom the query finds, in order. The entries are
// shared: do not change them.
func (x *Index[R]) Entries(q Query) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		if q.All() {
			for _, s := range x.now.Load().slots {
				if r := s.row.Load(); r.entry.Status != LoggedOff && !yield(&r.entry) {
					return
				}
			}
			return
		}
		for _, s := range x.find(q) {
			if !yield(&s.row.Load().entry) {
				return
			}
		}
	}
}

// find returns the agents of a query with terms, in order.
func (x *Index[R]) find(q Query) []*slot[R] {
	names := x.now.Load().names
	// The term with the fewest words leads; the others are checked per agent.
	var best [2][]name[R]
	for i := range q.terms {
		t := &q.terms[i]
		found := [2][]name[R]{span(names, t.word, t.prefix)}
		if t.other != "" {
			found[1] = span(names, t.other, t.prefix)
		}
		if i == 0 || len(found[0])+len(found[1]) < len(best[0])+len(best[1]) {
			best = found
		}
	}
	slots := make([]*slot[R], 0, len(best[0])+len(best[1]))
	for _, names := range best {
		for i := range names {
			if s := names[i].slot; len(q.terms) == 1 || q.match(s.words) {
				slots = append(slots, s)
			}
		}
	}
	slices.SortFunc(slots, func(a, b *slot[R]) int { return a.sort.compare(&b.sort) })
	return slices.Compact(slots)
}

// span returns the part of the sorted names that the word fits.
func span[R any](names []name[R], word string, prefix bool) []name[R] {
	compare := func(n name[R], word string) int {
		w := n.word
		if prefix && len(w) > len(word) {
			w = w[:len(word)]
		}
		return strings.Compare(w, word)
	}
	start, _ := slices.BinarySearchFunc(names, word, compare)
	n, _ := slices.BinarySearchFunc(names[start:], word, func(n name[R], word string) int {
		return cmp.Or(compare(n, word), -1) // behind the last equal one
	})
	return names[start : start+n]
}

// written returns the row's form for a view, writing it when nobody has yet.
func (x *Index[R]) written(r *row[R], view string, generation uint64) R {
	for w := r.written.Load(); w != nil; w = w.next {
		if w.view == view && w.generation == generation {
			return w.value
		}
	}
	return x.write(r, view, generation)
}

// write writes a row and keeps it. Two searches may write the same one; both
// are right.
func (x *Index[R]) write(r *row[R], view string, generation uint64) R {
	value := x.encode(&r.entry, view)
	for {
		head := r.written.Load()
		next := &written[R]{view: view, generation: generation, n: 1, value: value}
		if head != nil && head.generation == generation {
			next.next, next.n = head, head.n+1
		}
		if next.n > maxViews || r.written.CompareAndSwap(head, next) {
			return value
		}
	}
}
