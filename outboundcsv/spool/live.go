package spool

import (
	"bufio"
	"encoding/json"
	stderrors "errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// MaxRecent is how many of the latest reported rows [Progress] and [Receiving] have.
const MaxRecent = 10

// tellEvery is how often Options.Changed is called while a list is worked on.
const tellEvery = 250 * time.Millisecond

// Progress is how far the conversion of a list is. A list is read whole before its
// first row is written.
type Progress struct {
	List     string `json:"list"`
	Total    int    `json:"total"` // rows in the list
	Read     int    `json:"read"`
	Written  int    `json:"written"`
	Rejected int    `json:"rejected"`
	Warnings int    `json:"warnings"` // rows that were written with W_ codes
	LeftOut  int    `json:"leftOut"`  // deleted rows, and repeated ones
	// Recent are the latest rows of the report, the newest first.
	Recent []Reject  `json:"recent,omitempty"`
	Since  time.Time `json:"since"`
}

// Done is the part of the work that is done, from 0 to 1: reading counts as half.
func (p *Progress) Done() float64 {
	if p.Total <= 0 {
		return 0
	}
	return min(1, float64(p.Read+p.Written+p.Rejected+p.LeftOut)/float64(2*p.Total))
}

// Rate is how many rows per second are finished on the whole, and the time that the
// rest will take.
func (p *Progress) Rate(now time.Time) (perSecond float64, left time.Duration) {
	gone, done := now.Sub(p.Since).Seconds(), p.Done()
	if gone <= 0 || done == 0 {
		return 0, 0
	}
	return float64(p.Total) * done / gone, time.Duration(gone * (1 - done) / done * float64(time.Second))
}

// Receiving is a list that a sender is delivering at this moment. It is not accepted
// before its end.
type Receiving struct {
	Campaign string    `json:"campaign"`
	Rows     int       `json:"rows"`
	Rejected int       `json:"rejected"`
	Recent   []Reject  `json:"recent,omitempty"` // the latest rejected rows, the newest first
	Since    time.Time `json:"since"`
}

// recent keeps the latest rows.
type recent struct {
	rows [MaxRecent]Reject
	n    int // all that came
}

func (r *recent) add(x Reject) {
	r.rows[r.n%MaxRecent] = x
	r.n++
}

func (r *recent) list() []Reject {
	var out []Reject
	for i := r.n - 1; i >= max(0, r.n-MaxRecent); i-- {
		out = append(out, r.rows[i%MaxRecent])
	}
	return out
}

// live is a list under conversion, with its report.
type live struct {
	mu     sync.Mutex
	p      Progress
	recent recent
	rep    *report
	told   time.Time
}

func (l *live) snapshot() *Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.p
	p.Recent = l.recent.list()
	return &p
}

// read counts a row that was read, and whether it is left out. Now and then it reports
// that it is time to tell.
func (l *live) read(out bool) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Read++
	if out {
		l.p.LeftOut++
	}
	return l.p.Read%1000 == 0 && l.due()
}

func (l *live) wrote(written int) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Written = written
	return l.due()
}

// due limits how often is told; the pace is that of the machine, not of Options.Now.
func (l *live) due() bool {
	now := time.Now()
	if now.Sub(l.told) < tellEvery {
		return false
	}
	l.told = now
	return true
}

// row notes one row of the report.
func (l *live) row(id string, codes []outboundcsv.Code, rejected bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rejected {
		l.p.Rejected++
	} else {
		l.p.Warnings++
	}
	return l.note(Reject{ID: id, Codes: codes, Rejected: rejected})
}

// leaveOut notes a row that another list brought.
func (l *live) leaveOut(id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.note(Reject{ID: id, Codes: []outboundcsv.Code{Repeated}})
}

func (l *live) note(r Reject) error {
	l.recent.add(r)
	return l.rep.add(r)
}

// open opens what the report has so far. The reader ends there although the report
// goes on.
func (l *live) open() (io.Reader, io.Closer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.rep.w.Flush(); err != nil {
		return nil, nil, errors.Wrap(err, "spool: report")
	}
	f, err := os.Open(l.rep.f.Name())
	if err != nil {
		return nil, nil, errors.Wrap(err, "spool: report")
	}
	return io.LimitReader(f, l.rep.size), f, nil
}

// report collects rejected rows and warnings of one list, a line of JSON each.
type report struct {
	f    *os.File
	w    *bufio.Writer
	size int64
}

func newReport(dir string) (*report, error) {
	f, err := os.CreateTemp(dir, "new-*.part")
	if err != nil {
		return nil, errors.Wrap(err, "spool: report")
	}
	return &report{f: f, w: bufio.NewWriter(f)}, nil
}

func (r *report) add(x Reject) error {
	b, err := json.Marshal(x)
	if err != nil {
		return errors.Wrap(err, "spool: report")
	}
	n, err := r.w.Write(append(b, '\n'))
	r.size += int64(n)
	return errors.Wrap(err, "spool: report")
}

func (r *report) keep(name string) error {
	err := r.w.Flush()
	if err == nil {
		err = r.f.Sync()
	}
	if err = stderrors.Join(err, r.f.Close()); err == nil {
		err = os.Rename(r.f.Name(), name)
	}
	return errors.Wrap(err, "spool: report")
}

func (r *report) discard() {
	r.f.Close()
	os.Remove(r.f.Name()) // kept under another name when all went well
}

func readReport(r io.Reader, yield func(Reject) bool) error {
	d := json.NewDecoder(r)
	for {
		var one Reject
		if err := d.Decode(&one); err == io.EOF {
			return nil
		} else if err != nil {
			return errors.Wrap(err, "spool: report")
		}
		if !yield(one) {
			return nil
		}
	}
}

// Rejects yields the report of a list, also while the list is being converted: then
// what there is so far. It has rejected rows, rows that were written with warnings,
// rows that were left out as repeated, and deletions that came too late. Errors:
// ErrUnknown; fs.ErrNotExist when there is no report.
func (q *Queue) Rejects(id string, yield func(Reject) bool) error {
	l, ok := q.find(padID(id))
	if !ok {
		return ErrUnknown
	}
	q.mu.Lock()
	now := q.live
	q.mu.Unlock()
	if now != nil && now.p.List == l.ID {
		if r, c, err := now.open(); err == nil {
			defer c.Close()
			return readReport(r, yield)
		} // it was finished at this moment
	}
	f, err := os.Open(q.reportPath(l.ID))
	if err != nil {
		return errors.Wrap(err, "spool: report")
	}
	defer f.Close()
	return readReport(f, yield)
}

// incomingRows is a delivery under way.
type incomingRows struct {
	mu     sync.Mutex
	r      Receiving
	recent recent
}

func (q *Queue) receive(campaign string) *incomingRows {
	in := &incomingRows{r: Receiving{Campaign: campaign, Since: q.o.Now()}}
	q.mu.Lock()
	q.receiving = append(q.receiving, in)
	q.mu.Unlock()
	return in
}

func (q *Queue) received(in *incomingRows) {
	q.mu.Lock()
	q.receiving = slices.DeleteFunc(q.receiving, func(o *incomingRows) bool { return o == in })
	q.mu.Unlock()
}

// row counts a row; codes are those of a rejected one.
func (in *incomingRows) row(id string, codes []outboundcsv.Code, rejected bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.r.Rows++
	if rejected {
		in.r.Rejected++
		in.recent.add(Reject{ID: id, Codes: codes, Rejected: true})
	}
}

func (in *incomingRows) snapshot() Receiving {
	in.mu.Lock()
	defer in.mu.Unlock()
	r := in.r
	r.Recent = in.recent.list()
	return r
}
