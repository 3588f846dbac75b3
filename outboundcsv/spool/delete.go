package spool

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// MaxDelete is how many ids one Delete takes.
const MaxDelete = 100_000

// Delete takes planned calls of a campaign back, as far as the profile's delete
// policy can: rows that wait are removed, a placed file that the importer has not
// taken is withdrawn and placed again without them, and for rows it has taken
// the outcome is TooLate, unless the policy rewrites. The outcomes are in the
// order of the ids. With two instances each knows its own lists only. Errors: of
// ctx, of the journal, and of the import directory.
func (q *Queue) Delete(ctx context.Context, campaign string, ids []string) ([]Outcome, error) {
	if len(ids) > MaxDelete {
		return nil, ErrTooMany
	}
	if err := q.lock(ctx); err != nil {
		return nil, err
	}
	defer q.unlock()
	out := make([]Outcome, len(ids))
	again := false
	for _, l := range slices.Backward(q.snapshot()) {
		if l.Source.Campaign != campaign || l.State == Dropped || l.State == Failed || l.Rewrite || l.Wiped {
			continue
		}
		var hit []string
		var at []int
		for i, id := range ids {
			ok, err := q.indexed(l.ID, id)
			if err != nil {
				return nil, err
			}
			if ok {
				hit, at = append(hit, strings.Trim(id, " ")), append(at, i)
			}
		}
		if hit == nil {
			continue
		}
		outcome, err := q.bury(l, hit)
		if err != nil {
			return nil, err
		}
		again = again || outcome == TooLate
		for _, i := range at {
			out[i] = max(out[i], outcome)
		}
	}
	q.count(func(c *Counters) {
		for _, o := range out {
			if o == Removed {
				c.Deleted++
			}
		}
	})
	if again && rewrites(&q.o.Profile) {
		if err := q.rewrite(campaign); err != nil {
			return nil, err
		}
		for i := range out {
			if out[i] == TooLate {
				out[i] = Removed
			}
		}
	}
	q.kick()
	return out, nil
}

// bury takes rows out of one list.
func (q *Queue) bury(l *List, ids []string) (Outcome, error) {
	tombs := map[string][]string{l.ID: ids}
	if now, ok := q.find(l.ID); ok {
		l = now // the list before may have changed it
	}
	if into, ok := q.find(l.Into); ok && l.State == Merged {
		l = into // its file has the rows
	}
	n := *l
	if l.State == Placed && q.o.API == nil {
		n.State = Withdrawing
	}
	if err := q.j.bury(tombs, &n); err != nil {
		return 0, err
	}
	q.remember(&n)
	switch n.State {
	case Withdrawing:
		taken, err := q.withdraw(&n)
		if err != nil {
			// The importer holds the file or the directory is gone: it stays placed.
			back := *l
			return TooLate, q.save(&back)
		}
		if taken {
			return TooLate, nil
		}
		return Removed, nil
	case Placing, Taken:
		return TooLate, nil
	}
	return Removed, nil
}

// DeleteAll takes all planned calls of a campaign back, like Delete. It returns how
// many rows were removed and how many it was too late for.
func (q *Queue) DeleteAll(ctx context.Context, campaign string) (removed, late int, err error) {
	if err := q.lock(ctx); err != nil {
		return 0, 0, err
	}
	defer q.unlock()
	again := false
	for _, l := range q.snapshot() {
		if l.Source.Campaign != campaign || l.Wiped || l.Rewrite || l.State == Dropped || l.State == Failed || l.State == Skipped || l.State == Merged {
			continue
		}
		n := *l
		n.Wiped = true
		switch l.State {
		case Claiming, Waiting, Held:
			n.State = Dropped
			n.Reason = "deleted by the sender"
			removed += l.Received
			if err := q.save(&n); err != nil {
				return removed, late, err
			}
			continue
		case Placed:
			if q.o.API != nil {
				break
			}
			n.State = Withdrawing
			if err := q.save(&n); err != nil {
				return removed, late, err
			}
			taken, err := q.withdraw(&n)
			if err != nil {
				back := *l
				if err := q.save(&back); err != nil {
					return removed, late, err
				}
				late += l.Written
				continue
			}
			if !taken {
				if d, ok := q.find(l.ID); ok {
					if err := q.drop(d, "deleted by the sender"); err != nil {
						return removed, late, err
					}
				}
				removed += l.Received
				continue
			}
			late += l.Written
			again = true
			continue
		}
		if rewrites(&q.o.Profile) {
			again = true
			removed += l.Written
		} else {
			late += l.Written
			n.Wiped = false
		}
		if err := q.save(&n); err != nil {
			return removed, late, err
		}
	}
	if again && rewrites(&q.o.Profile) {
		if err := q.rewrite(campaign); err != nil {
			return removed, late, err
		}
	}
	q.o.Logger.Info("campaign deleted", slog.String("campaign", campaign), slog.Int("removed", removed), slog.Int("too_late", late))
	q.kick()
	return removed, late, nil
}

// rewrite queues that a campaign is placed anew, unless something of it waits anyway.
func (q *Queue) rewrite(campaign string) error {
	for _, l := range q.snapshot() {
		if l.Source.Campaign == campaign && l.State == Waiting {
			return nil
		}
	}
	id, err := q.j.nextID()
	if err != nil {
		return err
	}
	return q.save(&List{ID: id, Source: Source{Campaign: campaign}, State: Waiting, Rewrite: true, Accepted: q.o.Now().UTC()})
}

// Has reports whether a list has a planned call of that id, whatever became of it.
func (q *Queue) Has(list, id string) (bool, error) {
	l, ok := q.find(padID(list))
	if !ok {
		return false, ErrUnknown
	}
	return q.indexed(l.ID, id)
}
