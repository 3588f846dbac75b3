package spool

import (
	"bufio"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// refuseFor is how long a refusal is remembered at least: a probe may find room where
// the next list finds none.
const refuseFor = 30 * time.Second

// refuse keeps why a list could not be accepted, for Status; nil when it could.
func (q *Queue) refuse(err error) {
	q.mu.Lock()
	was := q.refusing
	q.refusing, q.refused = err, q.o.Now()
	q.mu.Unlock()
	switch {
	case err != nil && was == nil:
		q.o.Logger.Warn("lists are refused", slog.String("err", err.Error()))
	case err == nil && was != nil:
		q.o.Logger.Info("lists are accepted again")
	default:
		return
	}
	q.o.Changed()
}

// probe looks whether the disk of the spool can be written again.
func (q *Queue) probe() {
	q.mu.Lock()
	due := q.refusing != nil && q.o.Now().Sub(q.refused) >= refuseFor
	q.mu.Unlock()
	if !due {
		return
	}
	name, err := writeFile(filepath.Join(q.dir, "lists"), func(w *bufio.Writer) { w.Write(make([]byte, 64<<10)) })
	if err != nil {
		return
	}
	os.Remove(name) // sweep would get it too
	q.refuse(nil)
}
