package ds104

import (
	"context"
	"errors"
	"sync"
)

// SyncStats say what [Sync] found.
type SyncStats struct {
	Buckets int // of 1024 that differed
	Looked  int // keys that were compared
	ToA     int // items that side A lacked or had older
	ToB     int
}

// syncWorkers is how many values Sync fetches at once.
const syncWorkers = 64

// Sync brings two sides level: of two items with one key the one with the higher
// revision goes to the other side, deletions included. It compares sums first, then
// the keys of what differs, and copies only that. Writes may go on meanwhile: what
// comes during Sync is not its business.
func Sync(ctx context.Context, a, b Replica) (SyncStats, error) {
	var st SyncStats
	var da, db Digest
	if err := both(func() (err error) { da, err = a.Digest(ctx); return }, func() (err error) { db, err = b.Digest(ctx); return }); err != nil {
		return st, err
	}
	advance(ctx, a, db.Revision)
	advance(ctx, b, da.Revision)
	var set BucketSet
	for i := range da.Sums {
		if da.Sums[i] != db.Sums[i] {
			set.Add(i)
			st.Buckets++
		}
	}
	if st.Buckets == 0 {
		return st, nil
	}
	var ia, ib map[string]Item
	if err := both(func() (err error) { ia, err = scanAll(ctx, a, &set); return }, func() (err error) { ib, err = scanAll(ctx, b, &set); return }); err != nil {
		return st, err
	}
	st.Looked = len(ia) + len(ib)
	err := both(
		func() (err error) { st.ToB, err = copyNewer(ctx, a, b, ia, ib); return },
		func() (err error) { st.ToA, err = copyNewer(ctx, b, a, ib, ia); return },
	)
	return st, err
}

// advance lets a store of this process give higher revisions than another side has: a
// lower one that comes there later is a gap for all watchers. That it fails, on a full
// disk say, costs no more than that.
func advance(ctx context.Context, r Replica, rev Revision) {
	if s, ok := r.(sided); ok {
		_ = s.Advance(ctx, rev)
	}
}

func both(f, g func() error) error {
	var wg sync.WaitGroup
	var e1, e2 error
	wg.Go(func() { e1 = f() })
	wg.Go(func() { e2 = g() })
	wg.Wait()
	return errors.Join(e1, e2)
}

// scanAll returns keys and revisions of some buckets; of an entry and a deletion of
// one key, seen at two moments, the newer.
func scanAll(ctx context.Context, r Replica, set *BucketSet) (map[string]Item, error) {
	out := map[string]Item{}
	for cursor := ""; ; {
		items, next, err := r.Scan(ctx, set, cursor)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			if it.Revision > out[it.Key].Revision {
				out[it.Key] = it
			}
		}
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}

// copyNewer brings what one side has newer to the other.
func copyNewer(ctx context.Context, from, to Replica, have, there map[string]Item) (int, error) {
	var wanted []Item
	for key, it := range have {
		if it.Revision > there[key].Revision {
			wanted = append(wanted, it)
		}
	}
	copied := 0
	for len(wanted) > 0 {
		n := min(len(wanted), 512)
		batch, err := fetch(ctx, from, wanted[:n])
		if err != nil {
			return copied, err
		}
		k, err := to.Apply(ctx, batch)
		copied += k
		if err != nil {
			return copied, err
		}
		wanted = wanted[n:]
	}
	return copied, nil
}

// fetch gets the values of items; those that are gone are left out.
func fetch(ctx context.Context, from Replica, items []Item) ([]Item, error) {
	out := make([]Item, len(items))
	errs := make([]error, len(items))
	slots := make(chan struct{}, syncWorkers)
	var wg sync.WaitGroup
	for i, it := range items {
		if it.Deleted {
			out[i] = it
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			e, err := from.Get(ctx, it.Key)
			if err == nil {
				out[i] = Item{Entry: e, TTL: until(e.Expires)}
			} else if !errors.Is(err, ErrNotFound) {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	kept := out[:0]
	for _, it := range out {
		if it.Revision != 0 {
			kept = append(kept, it)
		}
	}
	return kept, nil
}
