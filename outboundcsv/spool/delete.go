package spool

import (
	"context"
	"encoding/json"
	stderrors "errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/connects-go/connects/outboundcsv"
)

// MaxDelete is how many ids one Delete takes.
const MaxDelete = 100_000

// Delete takes planned calls of a campaign back, as far as the profile's delete
// policy can: rows that wait are removed, a placed file that the importer has not
// taken is withdrawn and placed again without them, and for rows it has taken
// the outcome is TooLate, unless the policy rewrites; the report of their list then
// has E_DELETE_TOO_LATE. The outcomes are in the order of the ids. A deletion that is
// repeated has the outcome that it had.
//
// With a Ledger the other instances that have lists of the campaign do the same, also
// when this one adopts their lists for it. ErrSilent: at least one did not answer within
// Options.AnswerWait. It will delete when it is back, what could be done was done, and
// the sender has to try again to learn the outcome. Other errors: of ctx, of the
// journal, and of the import directory; ErrBusy when the ledger does not answer.
func (q *Queue) Delete(ctx context.Context, campaign string, ids []string) ([]Outcome, error) {
	if len(ids) > MaxDelete {
		return nil, ErrTooMany
	}
	out, err := q.deleteOwn(ctx, campaign, ids, time.Time{})
	if err != nil || q.o.Ledger == nil {
		return out, err
	}
	return out, q.askOthers(ctx, campaign, ids, out)
}

// deleteOwn deletes in the lists of this queue, those accepted after before left
// alone unless that is zero.
func (q *Queue) deleteOwn(ctx context.Context, campaign string, ids []string, before time.Time) ([]Outcome, error) {
	if err := q.lock(ctx); err != nil {
		return nil, err
	}
	defer q.unlock()
	out := make([]Outcome, len(ids))
	late := map[string][]string{} // by list
	removed := 0
	for _, l := range slices.Backward(q.snapshot()) {
		if l.Source.Campaign != campaign || l.State == Dropped || l.State == Failed || l.Rewrite || l.Wiped || after(l, before) {
			continue
		}
		var hit []string
		var at []int
		for i, id := range ids {
			ok, err := q.indexed(l, id)
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
		known, err := q.j.removed(l.ID, hit)
		if err != nil {
			return nil, err
		}
		var fresh []string
		for i, id := range hit {
			out[at[i]] = max(out[at[i]], Removed)
			if !known[id] {
				fresh = append(fresh, id)
			}
		}
		outcome := Removed
		if fresh != nil {
			if outcome, err = q.bury(l, fresh); err != nil {
				return nil, err
			}
		}
		if outcome == Removed {
			removed += len(fresh)
			if err := q.tellGone(ctx, l, hit); err != nil {
				return nil, err
			}
			continue
		}
		late[l.ID] = fresh
		for i, id := range hit {
			if !known[id] {
				out[at[i]] = TooLate
			}
		}
	}
	if len(late) > 0 && rewrites(&q.o.Profile) {
		if err := q.rewrite(campaign); err != nil {
			return nil, err
		}
		if err := q.j.bury(late, true); err != nil {
			return nil, err
		}
		for list, ids := range late {
			if l, ok := q.find(list); ok {
				if err := q.tellGone(ctx, l, ids); err != nil {
					return nil, err
				}
			}
		}
		for i := range out {
			if out[i] == TooLate {
				out[i] = Removed
				removed++
			}
		}
	} else {
		for list, ids := range late {
			q.reportLate(list, ids)
		}
	}
	q.count(func(c *Counters) { c.Deleted += int64(removed) })
	q.kick()
	return out, nil
}

// after reports whether a list came after a moment; nothing does after none.
func after(l *List, t time.Time) bool { return !t.IsZero() && l.Accepted.After(t) }

// reportLate appends E_DELETE_TOO_LATE to the report of a list. A report that cannot be
// written loses the line, not the deletion.
func (q *Queue) reportLate(list string, ids []string) {
	var b []byte
	for _, id := range ids {
		line, err := json.Marshal(Reject{ID: id, Codes: []outboundcsv.Code{DeleteTooLate}})
		if err != nil {
			continue
		}
		b = append(append(b, line...), '\n')
	}
	f, err := os.OpenFile(q.reportPath(list), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(b)
		err = stderrors.Join(err, f.Close())
	}
	if err != nil {
		q.o.Logger.Warn("late deletions are not in the report", slog.String("list", list), slog.String("err", err.Error()))
	}
}

// bury takes rows out of one list, of which none was removed before.
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
	done := n.State == Claiming || n.State == Waiting || n.State == Held || n.State == Skipped
	if err := q.j.bury(tombs, done, &n); err != nil {
		return 0, err
	}
	q.remember(&n)
	if done {
		return Removed, nil
	}
	if n.State != Withdrawing {
		return TooLate, nil
	}
	taken, err := q.withdraw(&n)
	if err != nil {
		// The importer holds the file or the directory is gone: it stays placed.
		back := *l
		return TooLate, q.save(&back)
	}
	if taken {
		return TooLate, nil
	}
	return Removed, q.j.bury(tombs, true)
}

// DeleteAll takes all planned calls of a campaign back, like Delete and with its
// errors. It returns how many rows were removed and how many it was too late for.
func (q *Queue) DeleteAll(ctx context.Context, campaign string) (removed, late int, err error) {
	removed, late, err = q.deleteAllOwn(ctx, campaign, time.Time{})
	if err != nil || q.o.Ledger == nil {
		return removed, late, err
	}
	r, l, err := q.askOthersAll(ctx, campaign)
	return removed + r, late + l, err
}

func (q *Queue) deleteAllOwn(ctx context.Context, campaign string, before time.Time) (removed, late int, err error) {
	if err := q.lock(ctx); err != nil {
		return 0, 0, err
	}
	defer q.unlock()
	again := false
	for _, l := range q.snapshot() {
		if l.Source.Campaign != campaign || l.Wiped || l.Rewrite || l.State == Dropped || l.State == Failed || l.State == Skipped || l.State == Merged || after(l, before) {
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
	if err := q.tellAllGone(ctx, campaign); err != nil {
		return removed, late, err
	}
	q.o.Logger.Info("campaign deleted", slog.String("campaign", campaign), slog.Int("removed", removed), slog.Int("too_late", late))
	q.kick()
	return removed, late, nil
}

// rewriting reports whether a campaign waits to be placed anew. An import file has the
// whole campaign anyway, a list for the API only its own rows.
func (q *Queue) rewriting(campaign string) bool {
	return slices.ContainsFunc(q.snapshot(), func(l *List) bool {
		return q.same(l, campaign) && l.State == Waiting && (l.Rewrite || q.o.API == nil)
	})
}

// same reports whether a list goes where those of a campaign go: several campaigns of
// SAP may be one of the API.
func (q *Queue) same(l *List, campaign string) bool {
	return l.Source.Campaign == campaign ||
		q.o.API != nil && q.campaign(l) == q.campaign(&List{Source: Source{Campaign: campaign}})
}

// rewrite queues that a campaign is placed anew.
func (q *Queue) rewrite(campaign string) error {
	if q.rewriting(campaign) {
		return nil
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
	return q.indexed(l, id)
}
