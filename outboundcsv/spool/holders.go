package spool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/pkg/errors"
)

// holdersEvery is how often an instance says again which campaigns it has.
const holdersEvery = time.Hour

// maxHolders is how many instances a campaign may have lists at.
const maxHolders = 64

func holdersKey(campaign string) string {
	h := sha256.Sum256([]byte(campaign))
	return "outbound/campaign/" + hex.EncodeToString(h[:])
}

// holdersLife is how long an instance is taken to have lists of a campaign: as long
// as it keeps them, and it repeats what it has every hour.
func (q *Queue) holdersLife() time.Duration { return q.o.Keep + 2*holdersEvery }

// readHolders returns until when instances have lists of a campaign.
func readHolders(v []byte, now time.Time) (map[string]time.Time, error) {
	m := map[string]time.Time{}
	if len(v) > 0 {
		if err := json.Unmarshal(v, &m); err != nil {
			return nil, errors.Wrap(err, "spool: holders of a campaign")
		}
	}
	maps.DeleteFunc(m, func(_ string, until time.Time) bool { return !until.After(now) })
	return m, nil
}

// hold tells the others that this instance has lists of a campaign, and warns when
// it is not alone: the same contact may then be in lists of both.
func (q *Queue) hold(ctx context.Context, campaign string) error {
	now := q.o.Now()
	q.mu.Lock()
	last, ok := q.holding[campaign]
	q.mu.Unlock()
	if ok && now.Sub(last) < holdersEvery {
		return nil
	}
	var others []string
	err := q.change(ctx, holdersKey(campaign), q.holdersLife(), func(v []byte) ([]byte, error) {
		m, err := readHolders(v, now)
		if err != nil {
			return nil, err
		}
		m[q.o.Instance] = now.Add(q.holdersLife()).UTC()
		if len(m) > maxHolders {
			return nil, errors.WithMessage(ErrBusy, "too many instances have lists of the campaign")
		}
		others = slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(name string) bool { return name == q.o.Instance })
		return json.Marshal(m)
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	q.holding[campaign] = now
	q.mu.Unlock()
	if !ok && len(others) > 0 {
		q.o.Logger.Warn("another instance has lists of the same campaign", slog.String("campaign", campaign), slog.Any("instances", others))
	}
	return nil
}

// holders returns the other instances that have lists of a campaign, without those that
// were forgotten.
func (q *Queue) holders(ctx context.Context, campaign string) ([]string, error) {
	v, _, err := q.o.Ledger.Get(ctx, holdersKey(campaign))
	if err != nil {
		return nil, errors.WithMessage(ErrBusy, err.Error())
	}
	m, err := readHolders(v, q.o.Now())
	delete(m, q.o.Instance)
	if err != nil || len(m) == 0 {
		return nil, err
	}
	gone, err := q.forgotten(ctx)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(m, func(name string, _ time.Time) bool { return gone[name] })
	return slices.Sorted(maps.Keys(m)), nil
}

// holdAll says again which campaigns there are lists of.
func (q *Queue) holdAll(ctx context.Context) error {
	if q.o.Ledger == nil {
		return nil
	}
	all := map[string]bool{}
	for _, l := range q.snapshot() {
		if l.State != Claiming && l.State != Dropped {
			all[l.Source.Campaign] = true
		}
	}
	q.mu.Lock()
	maps.DeleteFunc(q.holding, func(campaign string, _ time.Time) bool { return !all[campaign] })
	q.mu.Unlock()
	for campaign := range all {
		if err := q.hold(ctx, campaign); err != nil {
			return err
		}
	}
	return nil
}
