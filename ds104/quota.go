package ds104

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// ErrQuota: the origin has as many bytes in the store as one may have, see
// MaxOriginBytes of [MemoryOptions] and [BoltOptions]. It is an [ErrFull]: nothing was
// changed. Others can still write.
var ErrQuota = fmt.Errorf("ds104: the share of this client is used up: %w", ErrFull)

// OriginUse is what one origin has in a store: the entries that it was the last to write.
type OriginUse struct {
	Origin  string // empty: all writers without a name together
	Entries int
	Bytes   int64 // of keys and values
}

// quota reports whether the origin may not have so many bytes more.
func (u *OriginUse) quota(more, limit int64) bool {
	return limit > 0 && more > 0 && u.Bytes+more > limit
}

// largest returns the first n by bytes, in a stable order.
func largest(all []OriginUse, n int) []OriginUse {
	slices.SortFunc(all, func(a, b OriginUse) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Entries, a.Entries), strings.Compare(a.Origin, b.Origin))
	})
	return slices.Clip(all[:min(max(n, 0), len(all))])
}

// Origins returns the n origins with the most bytes, the largest first.
func (m *Memory) Origins(n int) []OriginUse {
	m.mu.Lock()
	all := make([]OriginUse, 0, len(m.origins))
	for _, u := range m.origins {
		all = append(all, *u)
	}
	m.mu.Unlock()
	return largest(all, n)
}

// origin returns the use of an origin; one that has nothing is not kept yet. Caller
// holds mu.
func (m *Memory) origin(old *item, name string) *OriginUse {
	if old != nil && old.origin.Origin == name {
		return old.origin
	}
	if u := m.origins[name]; u != nil {
		return u
	}
	return &OriginUse{Origin: strings.Clone(name)} // not to keep what it was cut from
}

// charge counts an entry. Caller holds mu.
func (m *Memory) charge(u *OriginUse, size int64) {
	if u.Entries == 0 {
		m.origins[u.Origin] = u
	}
	u.Entries++
	u.Bytes += size
}

// discharge is the reverse of charge. Caller holds mu.
func (m *Memory) discharge(u *OriginUse, size int64) {
	u.Entries--
	u.Bytes -= size
	if u.Entries == 0 {
		delete(m.origins, u.Origin)
	}
}

// bucketOrigins has bytes and entries of each origin, under originKey.
var bucketOrigins = []byte("origins")

func originKey(name string) []byte { return append([]byte{'o'}, name...) } // no key is empty

func unpackUse(name string, v []byte) OriginUse {
	u := OriginUse{Origin: name}
	if len(v) == 16 {
		u.Bytes, u.Entries = int64(binary.BigEndian.Uint64(v)), int(binary.BigEndian.Uint64(v[8:]))
	}
	return u
}

func putUse(bucket *bolt.Bucket, u *OriginUse) error {
	if u.Entries == 0 {
		return bucket.Delete(originKey(u.Origin))
	}
	v := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(u.Bytes))
	return bucket.Put(originKey(u.Origin), binary.BigEndian.AppendUint64(v, uint64(u.Entries)))
}

// prepareOrigins counts once what is in a file of an older version; later openings read
// no entry.
func (b *Bolt) prepareOrigins(tx *bolt.Tx) error {
	if tx.Bucket(bucketOrigins) != nil {
		return nil
	}
	bucket, err := tx.CreateBucket(bucketOrigins)
	if err != nil {
		return err
	}
	all := map[string]*OriginUse{}
	err = tx.Bucket(bucketData).ForEach(func(k, v []byte) error {
		h, err := unpack(v)
		if err != nil {
			return err
		}
		u := all[h.origin]
		if u == nil {
			u = &OriginUse{Origin: h.origin}
			all[h.origin] = u
		}
		u.Entries++
		u.Bytes += int64(len(k) + b.plainSize(h.value))
		return nil
	})
	if err != nil {
		return err
	}
	for _, u := range all {
		if err := putUse(bucket, u); err != nil {
			return err
		}
	}
	return nil
}

// origin returns the use of an origin as it is in the transaction.
func (t *batchTx) origin(name string) *OriginUse {
	u := t.origins[name]
	if u == nil {
		is := unpackUse(name, t.use.Get(originKey(name)))
		u = &is
		if t.origins == nil {
			t.origins = map[string]*OriginUse{}
		}
		t.origins[name] = u
	}
	return u
}

// charge counts an entry, or a number of them that is negative.
func (t *batchTx) charge(name string, entries int, size int64) {
	u := t.origin(name)
	u.Entries += entries
	u.Bytes += size
}

// keepOrigins writes the uses that have changed.
func (t *batchTx) keepOrigins() error {
	for _, u := range t.origins {
		if err := putUse(t.use, u); err != nil {
			return err
		}
	}
	return nil
}

// Origins returns the n origins with the most bytes, the largest first.
func (b *Bolt) Origins(n int) []OriginUse {
	var all []OriginUse
	_ = b.db.View(func(tx *bolt.Tx) error { // nothing to tell after Close
		return tx.Bucket(bucketOrigins).ForEach(func(k, v []byte) error {
			all = append(all, unpackUse(string(k[1:]), v))
			return nil
		})
	})
	return largest(all, n)
}
