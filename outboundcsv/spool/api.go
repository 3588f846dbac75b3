package spool

import (
	"bufio"
	"context"
	stderrors "errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// apiStep makes one step with the Outbound API: it converts a list, or sends one
// batch. Deletions go before lists: the API has no other way to get at a row.
func (q *Queue) apiStep(ctx context.Context) (again bool, err error) {
	if err := q.resend(ctx); err != nil {
		return false, err
	}
	var next []*List
	for _, l := range q.snapshot() {
		switch l.State {
		case Placing, Placed, Withdrawing:
			return q.inTurn(l, q.send(ctx, l))
		case Waiting:
			next = append(next, l)
		}
	}
	slices.SortStableFunc(next, func(a, b *List) int {
		switch {
		case a.Rewrite == b.Rewrite:
			return 0
		case a.Rewrite:
			return -1
		}
		return 1
	})
	var waits error
	for _, l := range next {
		err := q.ready(ctx, l)
		if err == nil {
			return q.begin(ctx, l)
		}
		if stderrors.Is(err, ErrBusy) {
			return false, err
		}
		if waits == nil && !stderrors.Is(err, errTurn) {
			waits = err
		}
	}
	return false, waits
}

// inTurn ends a step of a list: that another instance is at its campaign is no fault,
// and what that took away begins anew.
func (q *Queue) inTurn(l *List, err error) (again bool, _ error) {
	switch {
	case stderrors.Is(err, errTurn):
		return false, nil
	case stderrors.Is(err, errRestart):
		if now, ok := q.find(l.ID); ok {
			l = now
		}
		n := *l
		n.State, n.Sent, n.Sending, n.Wiping = Waiting, 0, 0, 0
		return true, q.save(&n)
	}
	return true, err
}

// begin converts a list. The wipe of a campaign of which nothing is left is done here.
func (q *Queue) begin(ctx context.Context, l *List) (again bool, err error) {
	if err := q.merge(l); err != nil {
		return false, err
	}
	n, file, err := q.convert(ctx, l, q.listPath(l.ID, ".rows"))
	if err != nil {
		return false, err
	}
	if file {
		n.State, n.Sent, n.Sending, n.Wiping = Placing, 0, 0, 0
		return true, q.save(n)
	}
	if l.Rewrite {
		t, err := q.take(ctx, l)
		if err == nil && t.wipe {
			err = q.clear(ctx, l, t)
		} else if err == nil {
			err = q.giveBack(ctx, l, t, false, true)
		}
		if err != nil {
			return q.inTurn(l, err)
		}
		n.Wipes = t.wipes
	}
	return true, q.nothing(n)
}

// clear empties the campaign.
func (q *Queue) clear(ctx context.Context, l *List, t turn) error {
	request, cancel := context.WithTimeout(ctx, sendMax)
	defer cancel()
	err := q.o.API.Clear(request, q.campaign(l))
	switch {
	case err == nil:
		return q.giveBack(ctx, l, t, true, false)
	case stderrors.Is(err, outboundcsv.ErrInDoubt):
		return err
	}
	return stderrors.Join(err, q.giveBack(ctx, l, t, false, true))
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
	if len(accounts) == 0 {
		return q.delivered(l)
	}
	t, err := q.take(ctx, l)
	if err != nil {
		return err
	}
	return q.sendBatch(ctx, l, t, batch, accounts)
}

// delivered notes that the API has a list whole.
func (q *Queue) delivered(l *List) error {
	n := *l
	n.State, n.Placed, n.Taken, n.Sending = Taken, q.o.Now().UTC(), q.o.Now().UTC(), 0
	q.count(func(c *Counters) {
		c.Placed++
		c.Taken++
		c.Written += int64(n.Written)
		c.Rejected += int64(n.Rejected)
	})
	if err := q.save(&n, q.resent(&n)...); err != nil {
		return err
	}
	q.o.Logger.Info("list accepted by the API", slog.String("list", n.ID), slog.Int("written", n.Written), slog.Int("batches", n.Sent))
	return errors.Wrap(os.Remove(q.listPath(l.ID, ".rows")), "spool: rows")
}

// sendBatch sends a batch in a turn, and gives that back.
func (q *Queue) sendBatch(ctx context.Context, l *List, t turn, batch []byte, accounts map[string]bool) error {
	n := *l
	switch {
	case t.done:
		n.Sent, n.Sending, n.Wipes, n.Wiping = 1, 1, t.wipes, 0
		return stderrors.Join(q.save(&n), q.giveBack(ctx, l, t, false, true))
	case !t.wipe && (l.Sent > 0 || l.Sending > 0) && (l.Wiping > 0 || l.Wipes != t.wipes):
		return stderrors.Join(errRestart, q.giveBack(ctx, l, t, false, true))
	case !t.wipe && l.Sending > l.Sent: // a wipe may be repeated
		arrived, err := q.arrived(ctx, l, accounts)
		if err != nil || arrived {
			if arrived {
				n.Sent = l.Sending
				err = q.save(&n)
			}
			return stderrors.Join(err, q.giveBack(ctx, l, t, false, true))
		}
	}
	n.Sending = n.Sent + 1
	if t.wipe {
		n.Wiping = t.wipes
	} else {
		n.Wipes = t.wipes
	}
	if err := q.save(&n); err != nil {
		return stderrors.Join(err, q.giveBack(ctx, l, t, false, true))
	}
	request, cancel := context.WithTimeout(ctx, sendMax)
	defer cancel()
	err := q.o.API.TryImport(request, q.campaign(l), batch, q.o.Profile.DelimiterOf(), t.wipe)
	var refused *outboundcsv.APIError
	switch {
	case err == nil:
		if err := q.giveBack(ctx, l, t, true, true); err != nil && t.wipe {
			return err // the wipe is repeated: the others do not know of it
		}
		n.Sent, n.Wipes, n.Wiping = n.Sending, t.wipes, 0
		return q.happened(&n)
	case stderrors.Is(err, outboundcsv.ErrInDoubt):
		if !t.wipe {
			_ = q.giveBack(ctx, l, t, false, true) // it lapses anyway
		}
		return err
	case stderrors.As(err, &refused) && (refused.Status == 400 || refused.Status == 404 || refused.Status == 413):
		n.State, n.Sending, n.Wiping, n.Reason = Failed, 0, 0, refused.Error()
		q.count(func(c *Counters) { c.Failed++ })
		return stderrors.Join(q.save(&n), q.giveBack(ctx, l, t, false, true))
	}
	n.Sending, n.Wiping = n.Sent, 0 // nothing was accepted
	return stderrors.Join(err, q.save(&n), q.giveBack(ctx, l, t, false, true))
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
