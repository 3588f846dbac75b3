package spool

import (
	"context"
	stderrors "errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// Queue accepts lists and places them one after the other. Its methods are safe
// for concurrent use.
type Queue struct {
	dir string
	o   Options
	j   *journal

	work chan struct{} // holds a token for whoever moves lists on disk
	wake chan struct{}

	mu        sync.Mutex // guards what follows; never held over disk or ledger
	lists     []*List    // ascending; entries are replaced, never changed
	unsaved   map[string]*List
	accepting map[string]chan struct{} // by claim key; closed when done
	problem   error
	since     time.Time       // of the problem
	live      *live           // what is being converted
	receiving []*incomingRows // oldest first
	counters  Counters
	closed    bool
	pruned    time.Time
	holding   map[string]time.Time // campaigns that the ledger knows we have, since when
	held      time.Time            // when it was told of all of them
	looked    time.Time            // when campaigns of the API were looked at
	silent    []Silence
	refusing  error     // why lists cannot be accepted
	refused   time.Time // when the last one was refused for that
}

// Counters are totals since Open.
type Counters struct {
	Accepted, Repeated, Refused      int64 // lists
	Rows, Written, Rejected, Deleted int64 // rows; Written and Rejected when their list was placed
	LeftOut                          int64 // rows that another list had brought
	Placed, Taken, Skipped, Failed   int64 // lists
	Problems                         int64 // times that placing had to wait for a fault
}

// Status is a snapshot of the queue.
type Status struct {
	Waiting int       // lists that are not finished, held ones included
	Rows    int       // their rows
	Problem error     // why placing waits, nil when it does not; a file that waits for its importer is no problem
	Since   time.Time // since when there is a problem
	// Refusing is why lists cannot be accepted, wrapping ErrSpool; nil when they can. It
	// ends with an accepted list, or when the disk can be written and none was refused for
	// half a minute.
	Refusing error
	Progress *Progress // of the list that is being converted, or nil
	// Receiving are the lists that senders are delivering, the oldest first.
	Receiving []Receiving
	// Silent are instances that deletions wait for.
	Silent   []Silence
	Counters Counters
}

// Open opens or creates the spool in dir, which only one queue may have open, and
// finishes what a crash interrupted as far as that needs no target. Errors:
// ErrLocked, ErrVersion, ErrJournal, those of Options.Validate and of the file
// system.
func Open(dir string, o *Options) (*Queue, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	q := &Queue{dir: dir, o: o.withDefaults(), work: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		unsaved: map[string]*List{}, accepting: map[string]chan struct{}{}, holding: map[string]time.Time{}}
	for _, d := range []string{dir, filepath.Join(dir, "lists"), filepath.Join(dir, "reports")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, errors.Wrap(err, "spool: open")
		}
	}
	var err error
	if q.j, err = openJournal(dir, q.o.LockWait); err != nil {
		return nil, err
	}
	if q.lists, err = q.j.lists(); err == nil {
		err = q.sweep()
	}
	if err != nil {
		return nil, stderrors.Join(err, q.j.close())
	}
	if q.o.Profile.Delete == "api" && q.o.Ledger == nil {
		q.o.Logger.Warn("a deletion replaces all that its campaign has at the API: without a ledger nobody else may have rows there, they would be lost")
	}
	return q, nil
}

// sweep removes files that no journal entry owns: of lists that were never
// acknowledged.
func (q *Queue) sweep() error {
	known := map[string]bool{}
	for _, l := range q.lists {
		known[l.ID] = true
	}
	for _, sub := range []string{"lists", "reports"} {
		es, err := os.ReadDir(filepath.Join(q.dir, sub))
		if err != nil {
			return errors.Wrap(err, "spool: open")
		}
		for _, e := range es {
			id, _, _ := strings.Cut(e.Name(), ".")
			if known[id] && !strings.HasSuffix(e.Name(), ".part") {
				continue
			}
			if err := os.Remove(filepath.Join(q.dir, sub, e.Name())); err != nil {
				return errors.Wrap(err, "spool: open")
			}
		}
	}
	return nil
}

// Close ends the queue after Run returned and no other method runs. A closed
// queue can be opened again, here or by another instance.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.mu.Unlock()
	return q.j.close()
}

// lock takes the right to move lists.
func (q *Queue) lock(ctx context.Context) error {
	select {
	case q.work <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *Queue) unlock() { <-q.work }

func (q *Queue) kick() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// snapshot returns the lists; the entries are never changed.
func (q *Queue) snapshot() []*List {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.lists)
}

func (q *Queue) find(id string) (*List, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i, ok := slices.BinarySearchFunc(q.lists, id, func(l *List, id string) int { return strings.Compare(l.ID, id) })
	if !ok {
		return nil, false
	}
	return q.lists[i], true
}

// remember puts a list into memory.
func (q *Queue) remember(l *List) {
	q.mu.Lock()
	i, ok := slices.BinarySearchFunc(q.lists, l.ID, func(l *List, id string) int { return strings.Compare(l.ID, id) })
	if ok {
		q.lists[i] = l
	} else {
		q.lists = slices.Insert(q.lists, i, l)
	}
	q.mu.Unlock()
	q.o.Changed()
}

// save journals a list, and others with it, and then remembers them.
func (q *Queue) save(l *List, more ...*List) error {
	all := append([]*List{l}, more...)
	if err := q.j.put(nil, all...); err != nil {
		return err
	}
	for _, l := range all {
		q.mu.Lock()
		delete(q.unsaved, l.ID)
		q.mu.Unlock()
		q.remember(l)
	}
	return nil
}

// happened remembers a change that took place on disk whether or not the journal
// can note it now. After a crash the disk says the same.
func (q *Queue) happened(l *List) error {
	err := q.save(l)
	if err != nil {
		q.mu.Lock()
		q.unsaved[l.ID] = l
		q.mu.Unlock()
		q.remember(l)
	}
	return err
}

func (q *Queue) count(f func(*Counters)) {
	q.mu.Lock()
	f(&q.counters)
	q.mu.Unlock()
}

func (q *Queue) listPath(id, ext string) string { return filepath.Join(q.dir, "lists", id+ext) }
func (q *Queue) reportPath(id string) string    { return filepath.Join(q.dir, "reports", id+".jsonl") }

// Status returns a snapshot.
func (q *Queue) Status() Status {
	q.mu.Lock()
	s := Status{Problem: q.problem, Since: q.since, Silent: q.silent, Refusing: q.refusing, Counters: q.counters}
	for _, l := range q.lists {
		if !l.State.Final() {
			s.Waiting++
			s.Rows += l.Received
		}
	}
	now, receiving := q.live, slices.Clone(q.receiving)
	q.mu.Unlock()
	if now != nil {
		s.Progress = now.snapshot()
	}
	for _, in := range receiving {
		s.Receiving = append(s.Receiving, in.snapshot())
	}
	return s
}

// Lists returns what the journal knows, oldest first.
func (q *Queue) Lists() []List {
	var out []List
	for _, l := range q.snapshot() {
		out = append(out, *l)
	}
	return out
}

// List returns one list. Errors: ErrUnknown.
func (q *Queue) List(id string) (List, error) {
	if l, ok := q.find(padID(id)); ok {
		return *l, nil
	}
	return List{}, ErrUnknown
}

// padID lets people leave out leading zeros.
func padID(id string) string {
	if len(id) < 10 {
		return strings.Repeat("0", 10-len(id)) + id
	}
	return id
}

// Hold keeps a list that waits from being placed until Release.
func (q *Queue) Hold(ctx context.Context, id string) error {
	return q.shift(ctx, id, Held, Waiting)
}

// Release lets a held list go on, at its old place in the queue.
func (q *Queue) Release(ctx context.Context, id string) error {
	return q.shift(ctx, id, Waiting, Held)
}

// Retry places a list again that failed or was skipped, and makes a waiting one
// be tried now.
func (q *Queue) Retry(ctx context.Context, id string) error {
	return q.shift(ctx, id, Waiting, Failed, Skipped, Waiting)
}

func (q *Queue) shift(ctx context.Context, id string, to State, from ...State) error {
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.unlock()
	l, ok := q.find(padID(id))
	if !ok {
		return ErrUnknown
	}
	if !slices.Contains(from, l.State) {
		return errors.WithMessage(ErrState, l.State.String())
	}
	if from[0] == Failed && l.State != Waiting {
		if _, err := os.Stat(q.listPath(l.ID, ".json")); err != nil && !l.Rewrite {
			return errors.WithMessage(ErrState, "its rows are not kept any more")
		}
	}
	n := *l
	n.State = to
	if err := q.save(&n); err != nil {
		return err
	}
	q.kick()
	return nil
}

// firstMail is how long the ledger may keep a queue from beginning.
const firstMail = 5 * time.Second

// Run places lists until ctx ends, and returns the error of ctx. One Run at a time.
func (q *Queue) Run(ctx context.Context) error {
	if q.o.Ledger != nil {
		first, cancel := context.WithTimeout(ctx, firstMail)
		_ = q.readMail(first) // what was deleted while we were away is not placed
		_ = q.present(first, hereLife)
		cancel()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { q.serveMail(ctx) })
	}
	fails := 0
	for {
		err := q.Step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := q.o.Poll
		if err != nil {
			wait = q.pause(err, fails)
			fails++
		} else {
			fails = 0
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-q.wake:
			t.Stop()
		case <-t.C:
		}
	}
}

// Step does everything that can be done now: it looks whether the importer took
// the file and places what can be placed. Run calls it; tests and tools may. The
// error is why something has to wait.
func (q *Queue) Step(ctx context.Context) error {
	if err := q.lock(ctx); err != nil {
		return err
	}
	defer q.unlock()
	q.probe()
	err := q.flush()
	for err == nil {
		var again bool
		if err = q.settle(ctx); err != nil {
			break
		}
		if q.o.API != nil {
			again, err = q.apiStep(ctx)
		} else {
			again, err = q.fileStep(ctx)
		}
		if !again || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		err = q.prune()
	}
	if err == nil && q.o.Now().Sub(q.held) >= holdersEvery {
		if q.holdAll(ctx) == nil { // otherwise at the next step: no list waits for it
			q.held = q.o.Now()
		}
	}
	if ctx.Err() == nil {
		q.report(err)
	}
	return err
}

// flush notes in the journal what it could not note before.
func (q *Queue) flush() error {
	q.mu.Lock()
	var all []*List
	for _, l := range q.unsaved {
		all = append(all, l)
	}
	q.mu.Unlock()
	for _, l := range all {
		if err := q.save(l); err != nil {
			return err
		}
	}
	return nil
}

// report keeps the problem for Status and logs its beginning and end.
func (q *Queue) report(err error) {
	q.mu.Lock()
	was := q.problem
	q.problem = err
	if (was == nil) != (err == nil) {
		q.since = q.o.Now()
	}
	if was == nil && err != nil {
		q.counters.Problems++
	}
	q.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		q.o.Logger.Warn("lists wait", slog.String("err", err.Error()))
		q.o.Changed()
	case err == nil && was != nil:
		q.o.Logger.Info("lists go on")
		q.o.Changed()
	}
}

// prune removes what is older than Keep.
func (q *Queue) prune() error {
	now := q.o.Now()
	if now.Sub(q.pruned) < time.Hour {
		return nil
	}
	q.pruned = now
	all := q.snapshot()
	var gone []string
	for _, l := range all {
		last := l.Accepted
		for _, t := range []time.Time{l.Placed, l.Taken} {
			if t.After(last) {
				last = t
			}
		}
		if !l.State.Final() || now.Sub(last) < q.o.Keep || q.needed(l) {
			continue
		}
		names := []string{q.reportPath(l.ID)}
		for _, ext := range listFiles {
			names = append(names, q.listPath(l.ID, ext))
		}
		for _, p := range names {
			if err := os.Remove(p); err != nil && !stderrors.Is(err, fs.ErrNotExist) {
				return errors.Wrap(err, "spool: prune")
			}
		}
		gone = append(gone, l.ID)
	}
	if err := q.j.forget(gone, now); err != nil {
		return err
	}
	q.mu.Lock()
	q.lists = slices.DeleteFunc(q.lists, func(l *List) bool { return slices.Contains(gone, l.ID) })
	q.mu.Unlock()
	return nil
}

// needed reports whether a list is part of what a rewrite would place again, or of
// a list that is not finished.
func (q *Queue) needed(l *List) bool {
	if l.State == Merged {
		into, ok := q.find(l.Into)
		return ok && !into.State.Final()
	}
	if !rewrites(&q.o.Profile) || l.State != Taken || l.Rewrite {
		return false
	}
	return !l.Wiped || q.rewriting(l.Source.Campaign) // a wipe that waits has to know that there are rows
}

func rewrites(p *outboundcsv.Profile) bool { return p.Delete == "rewrite" || p.Delete == "api" }
