package spool

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	stderrors "errors"
	"log/slog"
	"os"
	"time"

	"github.com/pkg/errors"
)

// claim says which instance has a delivery.
type claim struct {
	Instance string    `json:"instance"`
	List     string    `json:"list"`
	Hash     string    `json:"hash"`
	Rows     int       `json:"rows"`
	Rejected int       `json:"rejected,omitempty"`
	Expires  time.Time `json:"expires"`
	// Told says that an instance has answered for another: from then on the
	// sender takes the list for delivered.
	Told bool `json:"told,omitempty"`
}

// toldLife is how long a claim lives that another instance has answered for.
const toldLife = 60 * 24 * time.Hour

// receipt answers a delivery that was claimed before.
func (c *claim) receipt(hash string) (Receipt, error) {
	if c.Hash != hash {
		return Receipt{}, ErrKeyReused
	}
	return Receipt{ID: c.List, Instance: c.Instance, Repeated: true, Rows: c.Rows, Rejected: c.Rejected}, nil
}

// claimKey is the same for deliveries of the same list. Each part is preceded by
// its length, so that no two lists share a key.
func claimKey(src *Source, hash string) string {
	h := sha256.New()
	parts := []string{src.System, src.Client, src.Campaign, "key", src.Key}
	if src.Key == "" {
		parts[3], parts[4] = "rows", hash
	}
	for _, s := range parts {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	return "outbound/list/" + hex.EncodeToString(h.Sum(nil))
}

// claim asks the ledger whether a list that is on our disk is ours. It moves the
// list to Waiting, or to Dropped and returns the claim of the instance that has
// it. ErrBusy leaves the list as it is; settle asks again. The caller holds the
// right to move lists.
//
// A list that was never acknowledged may be claimed late only as long as another
// instance's claim of it cannot have expired in the meantime.
func (q *Queue) claim(ctx context.Context, l *List) (*claim, error) {
	key, life := claimKey(&l.Source, l.Hash), q.life(&l.Source)
	mine := claim{Instance: q.o.Instance, List: l.ID, Hash: l.Hash, Rows: l.Received, Expires: q.o.Now().Add(life)}
	for range 3 {
		b, rev, err := q.o.Ledger.Get(ctx, key)
		if err != nil {
			return nil, errors.WithMessage(ErrBusy, err.Error())
		}
		if rev == 0 {
			if q.o.Now().Sub(l.Accepted) >= life {
				return nil, q.drop(l, "was never acknowledged")
			}
			v, err := json.Marshal(mine)
			if err != nil {
				return nil, errors.Wrap(err, "spool: claim")
			}
			_, err = q.o.Ledger.Put(ctx, key, v, 0, life)
			if stderrors.Is(err, ErrConflict) {
				continue
			}
			if err != nil {
				return nil, errors.WithMessage(ErrBusy, err.Error())
			}
			return nil, q.ours(ctx, l)
		}
		var c claim
		if err := json.Unmarshal(b, &c); err != nil {
			return nil, errors.Wrap(err, "spool: claim")
		}
		if c.Instance == q.o.Instance && c.List == l.ID {
			return nil, q.ours(ctx, l)
		}
		if !c.Told && c.Instance != q.o.Instance {
			c.Told, c.Expires = true, q.o.Now().Add(toldLife)
			v, err := json.Marshal(c)
			if err != nil {
				return nil, errors.Wrap(err, "spool: claim")
			}
			_, err = q.o.Ledger.Put(ctx, key, v, rev, toldLife)
			if stderrors.Is(err, ErrConflict) {
				continue
			}
			if err != nil {
				return nil, errors.WithMessage(ErrBusy, err.Error())
			}
		}
		return &c, q.drop(l, "instance "+c.Instance+" has it as list "+c.List)
	}
	return nil, errors.WithMessage(ErrBusy, "the ledger changes all the time")
}

func (q *Queue) ours(ctx context.Context, l *List) error {
	if q.o.Ledger != nil {
		if err := q.hold(ctx, l.Source.Campaign); err != nil {
			return err
		}
	}
	n := *l
	var err error
	if n.Repeats, err = q.repeats(ctx, l); err != nil {
		return err
	}
	n.State = Waiting
	return q.save(&n)
}

func (q *Queue) drop(l *List, why string) error {
	n := *l
	n.State, n.Reason = Dropped, why
	if err := q.save(&n); err != nil {
		return err
	}
	q.o.Logger.Info("list dropped", slog.String("list", l.ID), slog.String("reason", why))
	for _, ext := range listFiles {
		os.Remove(q.listPath(l.ID, ext)) // prune would get it too
	}
	return nil
}

// settle asks about lists that a crash or a silent ledger left unclaimed.
func (q *Queue) settle(ctx context.Context) error {
	for _, l := range q.snapshot() {
		if l.State != Claiming {
			continue
		}
		if q.o.Ledger == nil {
			// The ledger was taken out of the configuration: nobody else can have it.
			if err := q.ours(ctx, l); err != nil {
				return err
			}
			continue
		}
		if q.busyAccepting(l) {
			continue
		}
		if _, err := q.claim(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// busyAccepting reports whether Accept is about to claim the list itself.
func (q *Queue) busyAccepting(l *List) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.accepting[claimKey(&l.Source, l.Hash)] != nil
}
