package outbound

import (
	"context"
	"errors"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// Ledger makes a store the ledger of the instances, a [spool.Ledger].
type Ledger struct{ Store ds104.Store }

// Get implements [spool.Ledger].
func (l Ledger) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	e, err := l.Store.Get(ctx, key)
	if errors.Is(err, ds104.ErrNotFound) {
		return nil, 0, nil
	}
	return e.Value, uint64(e.Revision), err
}

// Put implements [spool.Ledger].
func (l Ledger) Put(ctx context.Context, key string, value []byte, revision uint64, life time.Duration) (uint64, error) {
	r, err := l.Store.Put(ctx, key, value, ds104.PutOptions{TTL: life, IfRevision: ds104.Revision(revision), IfAbsent: revision == 0})
	if errors.Is(err, ds104.ErrRevision) {
		err = spool.ErrConflict
	}
	return uint64(r), err
}

// Delete implements [spool.Ledger].
func (l Ledger) Delete(ctx context.Context, key string, revision uint64) error {
	err := l.Store.Delete(ctx, key, ds104.Revision(revision))
	if errors.Is(err, ds104.ErrRevision) {
		err = spool.ErrConflict
	}
	return err
}
