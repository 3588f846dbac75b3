package spool

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pkg/errors"
)

// Deletions go to other instances through the ledger. An asker writes its request under
// a key of its own and its id into the mailbox of the instance; that reads its mailbox
// every askPoll, deletes, and writes an answer. A request that nobody answered waits in
// the mailbox for askLife, so an instance that comes back deletes before it places.

const (
	askPoll    = 500 * time.Millisecond // how often a mailbox is read
	answerPoll = 100 * time.Millisecond // how often an asker looks
	askLife    = 24 * time.Hour
	answerLife = 10 * time.Minute
	// maxAskIDs and maxAskBytes bound one request, maxMailbox the requests that wait.
	maxAskIDs   = 5_000
	maxAskBytes = 128 << 10
	maxMailbox  = 1_000
	// maxAskID is the longest id that other instances are asked about: no importer
	// takes one that is longer than outboundcsv.MaxAccount.
	maxAskID = 256
	// lateAsk is when a request counts as late: lists that came after it are then not
	// meant. Clocks of instances differ by less.
	lateAsk = time.Minute
	// maxTries bounds conditional writes that others get in the way of.
	maxTries = 20
)

// request asks another instance to delete.
type request struct {
	Nonce    string    `json:"nonce"`
	From     string    `json:"from"`
	Campaign string    `json:"campaign"`
	IDs      []string  `json:"ids,omitempty"`
	All      bool      `json:"all,omitempty"`
	Asked    time.Time `json:"asked"`
	First    time.Time `json:"first"` // when it was asked for the first time

	key string
}

// reply answers a request with the same nonce.
type reply struct {
	Nonce    string    `json:"nonce"`
	Outcomes []Outcome `json:"outcomes,omitempty"` // in the order of the ids
	Removed  int       `json:"removed,omitempty"`  // of All
	Late     int       `json:"late,omitempty"`
}

func mailbox(instance string) string { return "outbound/ask/" + instance }

// parcel cuts the ids of a deletion into requests; at says where each id stood.
func (q *Queue) parcel(campaign string, ids []string) (all []*request, at [][]int) {
	size := 0
	for i, id := range ids {
		if len(id) > maxAskID {
			continue
		}
		if n := len(all); n == 0 || len(all[n-1].IDs) == maxAskIDs || size+len(id) > maxAskBytes {
			all, at, size = append(all, &request{Campaign: campaign}), append(at, nil), 0
		}
		r := all[len(all)-1]
		r.IDs, at[len(at)-1] = append(r.IDs, id), append(at[len(at)-1], i)
		size += len(id) + 3
	}
	return all, at
}

// askOthers has the other instances delete, and merges what they say into out.
func (q *Queue) askOthers(ctx context.Context, campaign string, ids []string, out []Outcome) error {
	all, at := q.parcel(campaign, ids)
	return q.ask(ctx, campaign, all, func(i int, r *reply) {
		if len(r.Outcomes) != len(at[i]) {
			return
		}
		for k, o := range r.Outcomes {
			out[at[i][k]] = max(out[at[i][k]], o)
		}
	})
}

func (q *Queue) askOthersAll(ctx context.Context, campaign string) (removed, late int, err error) {
	err = q.ask(ctx, campaign, []*request{{Campaign: campaign, All: true}}, func(_ int, r *reply) {
		removed, late = removed+r.Removed, late+r.Late
	})
	return removed, late, err
}

// ask sends requests to every other instance that has lists of the campaign, and calls
// answered for each answer with the number of its request.
func (q *Queue) ask(ctx context.Context, campaign string, all []*request, answered func(int, *reply)) error {
	names, err := q.holders(ctx, campaign)
	if err != nil {
		return err
	}
	type open struct {
		i        int
		nonce    string
		answer   string
		instance string
	}
	var waiting []open
	for _, name := range names {
		var keys []string
		for i, r := range all {
			n := *r
			n.Nonce, n.From, n.Asked = rand.Text(), q.o.Instance, q.o.Now().UTC()
			if err := q.post(ctx, name, &n); err != nil {
				return err
			}
			keys = append(keys, n.key)
			waiting = append(waiting, open{i, n.Nonce, "outbound/answer/" + n.key, name})
		}
		if err := q.deliver(ctx, name, keys); err != nil {
			return err
		}
	}
	if waiting != nil && q.o.asked != nil {
		q.o.asked()
	}
	deadline := time.NewTimer(q.o.AnswerWait)
	defer deadline.Stop()
	look := time.NewTicker(answerPoll)
	defer look.Stop()
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			q.listen(ctx)
			return errors.WithMessage(ErrSilent, "instance "+waiting[0].instance)
		case <-look.C:
		}
		waiting = slices.DeleteFunc(waiting, func(w open) bool {
			v, rev, err := q.o.Ledger.Get(ctx, w.answer)
			var r reply
			if err != nil || rev == 0 || json.Unmarshal(v, &r) != nil || r.Nonce != w.nonce {
				return false
			}
			answered(w.i, &r)
			_ = q.o.Ledger.Delete(ctx, w.answer, rev) // it would vanish anyway
			return true
		})
	}
	return nil
}

// post writes a request under a key that the same request has again.
func (q *Queue) post(ctx context.Context, to string, r *request) error {
	h := sha256.New()
	for _, s := range append([]string{to, r.From, r.Campaign, fmt.Sprint(r.All)}, r.IDs...) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	r.key = hex.EncodeToString(h.Sum(nil)[:16])
	return q.change(ctx, mailbox(to)+"/"+r.key, askLife, func(v []byte) ([]byte, error) {
		var before request
		if r.First = r.Asked; len(v) > 0 && json.Unmarshal(v, &before) == nil && !before.First.IsZero() {
			r.First = before.First
		}
		return json.Marshal(r)
	})
}

// deliver puts requests into a mailbox. It writes also when they are there already, so
// that the instance, which removes them on condition that nothing changed, looks again.
func (q *Queue) deliver(ctx context.Context, to string, keys []string) error {
	return q.change(ctx, mailbox(to), askLife, func(v []byte) ([]byte, error) {
		box, err := readMailbox(v)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			if !slices.Contains(box, k) {
				box = append(box, k)
			}
		}
		if len(box) > maxMailbox {
			return nil, errors.WithMessage(ErrSilent, fmt.Sprintf("%d deletions wait for instance %s", maxMailbox, to))
		}
		return json.Marshal(box)
	})
}

func readMailbox(v []byte) (box []string, err error) {
	if len(v) > 0 {
		err = json.Unmarshal(v, &box)
	}
	return box, errors.Wrap(err, "spool: mailbox")
}

// change rewrites an entry of the ledger on condition that nobody else does; edit gets
// nil for an absent one and may return nil: then it stays as it is. A ledger that does
// not answer is ErrBusy.
func (q *Queue) change(ctx context.Context, key string, life time.Duration, edit func([]byte) ([]byte, error)) error {
	for range maxTries {
		v, rev, err := q.o.Ledger.Get(ctx, key)
		if err != nil {
			return errors.WithMessage(ErrBusy, err.Error())
		}
		if v, err = edit(v); err != nil || v == nil {
			return err
		}
		_, err = q.o.Ledger.Put(ctx, key, v, rev, life)
		if err == nil {
			return nil
		}
		if !stderrors.Is(err, ErrConflict) {
			return errors.WithMessage(ErrBusy, err.Error())
		}
	}
	return errors.WithMessage(ErrBusy, "the ledger changes all the time")
}

// serveMail answers mail until ctx ends, and says that it does.
func (q *Queue) serveMail(ctx context.Context) {
	t := time.NewTicker(askPoll)
	defer t.Stop()
	beat := time.NewTicker(hereEvery)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if err := q.present(ctx, hereLife); err != nil && ctx.Err() == nil {
				q.o.Logger.Debug("instances", slog.String("err", err.Error())) // the next beat may succeed
			}
			q.listen(ctx)
		case <-t.C:
			if err := q.readMail(ctx); err != nil && ctx.Err() == nil {
				q.o.Logger.Debug("mailbox", slog.String("err", err.Error())) // the next look may succeed; the asker is told after its time
			}
		}
	}
}

// readMail does what other instances ask for.
func (q *Queue) readMail(ctx context.Context) error {
	v, rev, err := q.o.Ledger.Get(ctx, mailbox(q.o.Instance))
	if err != nil || rev == 0 {
		return err
	}
	box, err := readMailbox(v)
	if err != nil {
		return err
	}
	for _, key := range box {
		name := mailbox(q.o.Instance) + "/" + key
		v, rev, err := q.o.Ledger.Get(ctx, name)
		if err != nil {
			return err
		}
		var r request
		if rev != 0 && json.Unmarshal(v, &r) == nil {
			r.key = key
			if err := q.comply(ctx, &r); err != nil {
				return err
			}
		}
		err = q.change(ctx, mailbox(q.o.Instance), askLife, func(v []byte) ([]byte, error) {
			if _, now, err := q.o.Ledger.Get(ctx, name); err != nil || now != rev {
				return nil, err // it was asked again meanwhile
			}
			box, err := readMailbox(v)
			if err != nil || len(box) == 0 {
				return nil, err
			}
			return json.Marshal(slices.DeleteFunc(box, func(k string) bool { return k == key }))
		})
		if err != nil {
			return err
		}
		if rev != 0 {
			_ = q.o.Ledger.Delete(ctx, name, rev) // it was asked again, or vanishes anyway
		}
	}
	return nil
}

// comply deletes and answers. Deleting twice is the same as once, so a crash in between
// does no harm.
func (q *Queue) comply(ctx context.Context, r *request) error {
	var before time.Time
	if q.o.Now().Sub(r.Asked) > lateAsk {
		before = r.Asked
	}
	a := reply{Nonce: r.Nonce}
	var err error
	if r.All {
		a.Removed, a.Late, err = q.deleteAllOwn(ctx, r.Campaign, before)
	} else {
		a.Outcomes, err = q.deleteOwn(ctx, r.Campaign, r.IDs, before)
	}
	if err != nil {
		return err // the asker is told that we are silent, and asks again
	}
	q.o.Logger.Info("deleted for another instance", slog.String("instance", r.From), slog.String("campaign", r.Campaign))
	return q.change(ctx, "outbound/answer/"+r.key, answerLife, func([]byte) ([]byte, error) { return json.Marshal(&a) })
}
