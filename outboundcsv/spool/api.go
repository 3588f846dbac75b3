package spool

import (
	"bufio"
	"context"
	stderrors "errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// apiStep makes one step with the Outbound API: it converts a list, or sends one
// batch.
func (q *Queue) apiStep(ctx context.Context) (again bool, err error) {
	var next *List
	for _, l := range q.snapshot() {
		switch l.State {
		case Placing, Placed, Withdrawing:
			return true, q.send(ctx, l)
		case Waiting:
			if next == nil {
				next = l
			}
		}
	}
	if next == nil {
		return false, nil
	}
	if err := q.merge(next); err != nil {
		return false, err
	}
	n, file, err := q.convert(ctx, next, q.listPath(next.ID, ".rows"))
	if err != nil {
		return false, err
	}
	if !file {
		if next.Rewrite { // nothing is left of the campaign
			if err := q.o.API.Clear(ctx, q.campaign(next)); err != nil {
				return false, err
			}
		}
		return true, q.nothing(n)
	}
	n.State, n.Sent, n.Sending = Placing, 0, 0
	return true, q.save(n)
}

// campaign is the campaign's id at the API.
func (q *Queue) campaign(l *List) string {
	if id := q.o.Campaigns[l.Source.Campaign]; id != "" {
		return id
	}
	return l.Source.Campaign
}

// send sends the next batch of a list. The journal has Sending before the request
// leaves, and Sent after it was accepted; between the two the batch is in doubt.
func (q *Queue) send(ctx context.Context, l *List) error {
	batch, accounts, err := q.batch(l, l.Sent)
	if stderrors.Is(err, fs.ErrNotExist) { // the rows can be made again, they are the same
		n, _, err := q.convert(ctx, l, q.listPath(l.ID, ".rows"))
		if err != nil {
			return err
		}
		return q.save(n)
	}
	if err != nil {
		return err
	}
	n := *l
	if len(accounts) == 0 {
		n.State, n.Placed, n.Taken, n.Sending = Taken, q.o.Now().UTC(), q.o.Now().UTC(), 0
		q.count(func(c *Counters) {
			c.Placed++
			c.Taken++
			c.Written += int64(n.Written)
			c.Rejected += int64(n.Rejected)
		})
		if err := q.save(&n); err != nil {
			return err
		}
		q.o.Logger.Info("list accepted by the API", slog.String("list", n.ID), slog.Int("written", n.Written), slog.Int("batches", n.Sent))
		return errors.Wrap(os.Remove(q.listPath(l.ID, ".rows")), "spool: rows")
	}
	if l.Sending > l.Sent {
		arrived, err := q.arrived(ctx, l, accounts)
		if err != nil {
			return err
		}
		if arrived {
			n.Sent = l.Sending
			return q.save(&n)
		}
	}
	n.Sending = n.Sent + 1
	if err := q.save(&n); err != nil {
		return err
	}
	overwrite := l.Rewrite && l.Sent == 0
	err = q.o.API.TryImport(ctx, q.campaign(l), batch, q.o.Profile.DelimiterOf(), overwrite)
	var refused *outboundcsv.APIError
	switch {
	case err == nil:
		n.Sent = n.Sending
		return q.happened(&n)
	case stderrors.Is(err, outboundcsv.ErrInDoubt):
		return err
	case stderrors.As(err, &refused) && (refused.Status == 400 || refused.Status == 404 || refused.Status == 413):
		n.State, n.Sending, n.Reason = Failed, 0, refused.Error()
		q.count(func(c *Counters) { c.Failed++ })
		return q.save(&n)
	}
	n.Sending = n.Sent // nothing was accepted
	return stderrors.Join(err, q.save(&n))
}

// arrived looks whether a batch whose answer was lost is in the campaign: any of
// its records says so, because the server takes a request whole. The ids of a list
// that was sent to the campaign before look the same; then the batch is taken for
// delivered, which repeats no call.
func (q *Queue) arrived(ctx context.Context, l *List, accounts map[string]bool) (bool, error) {
	for a, err := range q.o.API.Accounts(ctx, q.campaign(l)) {
		if err != nil {
			return false, err
		}
		if accounts[a] {
			return true, nil
		}
	}
	return false, nil
}

// batch reads batch n (from 0) of a converted list: header and rows as they are
// sent, and the ids in them.
func (q *Queue) batch(l *List, n int) ([]byte, map[string]bool, error) {
	f, err := os.Open(q.listPath(l.ID, ".rows"))
	if err != nil {
		return nil, nil, errors.Wrap(err, "spool: rows")
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 256<<10)
	var out []byte
	accounts := map[string]bool{}
	at := q.o.Profile.AccountColumn()
	for i := -1; i < (n+1)*outboundcsv.APIBatch; i++ {
		line, err := r.ReadString('\n')
		if line != "" && (i < 0 || i >= n*outboundcsv.APIBatch) {
			out = append(out, line...)
			if values := strings.Split(strings.TrimRight(line, "\r\n"), q.o.Profile.DelimiterOf()); i >= 0 && at < len(values) {
				accounts[values[at]] = true
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, errors.Wrap(err, "spool: rows")
		}
	}
	return out, accounts, nil
}

// pause is how long to wait after a failed step.
func (q *Queue) pause(err error, fails int) time.Duration {
	if stderrors.Is(err, outboundcsv.ErrAPIBusy) {
		return min(outboundcsv.APIMinBackoff<<min(fails, 4), outboundcsv.APIMaxBackoff)
	}
	return min(time.Second<<min(fails, 5), 30*time.Second)
}
