package ds104

import (
	"context"
	"strings"
	"time"
)

// Side says which side of a [Pair] a store or a server is.
type Side int

// The sides.
const (
	// Alone: the store belongs to no pair.
	Alone Side = iota
	// SideA is the side that decides first.
	SideA
	// SideB is the other one.
	SideB
)

// String returns "A", "B" or "alone".
func (s Side) String() string {
	switch s {
	case SideA:
		return "A"
	case SideB:
		return "B"
	}
	return "alone"
}

// next returns the revision after rev: even on side A, odd on side B, so that the
// sides never give the same one to two changes.
func (s Side) next(rev Revision) Revision {
	switch s {
	case SideA:
		return (rev + 2) &^ 1
	case SideB:
		return (rev + 1) | 1
	}
	return rev + 1
}

// termShift is where the term stands in a revision of a pair: whatever is decided in
// a later term is newer than everything before.
const termShift = 40

// maxTerm is the highest term.
const maxTerm = 1<<(64-termShift) - 1

// TermOf returns the term of a pair in which a revision was given, 0 for a store
// that belongs to no pair or was never decided on.
func TermOf(rev Revision) uint64 { return uint64(rev >> termShift) }

// Item is an entry or a deletion as the sides of a pair exchange it.
type Item struct {
	Entry
	// TTL is how long the entry lives from now on; zero means for ever. It stands
	// in for Expires, because the clocks of two machines may differ.
	TTL time.Duration
	// Deleted: the key was deleted at the revision.
	Deleted bool
}

// Buckets is the number of buckets of a [Digest].
const Buckets = 1024

// Digest is a summary of what a side holds: where two sums differ, the bucket does.
type Digest struct {
	Revision Revision // newest of the side
	Sums     []uint64 // one for each bucket
}

// BucketSet is a set of buckets.
type BucketSet [Buckets / 8]byte

// Add puts a bucket into the set.
func (s *BucketSet) Add(bucket int) { s[bucket/8] |= 1 << (bucket % 8) }

// Has reports whether a bucket is in the set; nil has all.
func (s *BucketSet) Has(bucket int) bool { return s == nil || s[bucket/8]>>(bucket%8)&1 != 0 }

// Replica is a [Store] that can be one side of a [Pair]. [Memory], [Log] and [Bolt] are,
// with their option Side, and a [Client] of a server with such a store.
type Replica interface {
	Store
	// Remove is Delete that returns the revision of the deletion, 0 when there was
	// nothing to delete.
	Remove(ctx context.Context, key string, at Revision) (Revision, error)
	// Apply takes items of the other side over: of two with one key the higher
	// revision stays. It returns how many were newer.
	Apply(ctx context.Context, items []Item) (int, error)
	// Digest returns the summary.
	Digest(ctx context.Context) (Digest, error)
	// Scan returns a page of the keys and revisions in some buckets, deletions
	// included, without values, and the cursor of the next page: empty at the end, as
	// it is for the first page. A page may be empty.
	Scan(ctx context.Context, b *BucketSet, cursor string) ([]Item, string, error)
}

// Limits on what is remembered of deletions. A side that was away for longer may
// bring deleted keys back.
const (
	// TombAge is how long a deletion is remembered.
	TombAge = 24 * time.Hour
	// maxTombs is how many deletions a Memory remembers at most.
	maxTombs = 200_000
	// scanPage is how many keys Scan looks at for one page.
	scanPage = 2048
)

// sums are the sums of the buckets; nil when the store belongs to no pair.
type sums []uint64

// hashKey is FNV-1a with a final mix, for it must be the same in every process.
func hashKey(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return mix(h)
}

// mix is the finalizer of SplitMix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

func bucketOf(h uint64) int { return int(h % Buckets) }

// toggle adds an item to the sums, or takes it out again.
func (s sums) toggle(key string, rev Revision, deleted bool) {
	if s == nil {
		return
	}
	h := hashKey(key)
	v := h ^ uint64(rev)*2
	if deleted {
		v++
	}
	s[bucketOf(h)] ^= mix(v)
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// until returns the time to live that an expiry leaves, 0 for never.
func until(expires time.Time) time.Duration {
	if expires.IsZero() {
		return 0
	}
	return max(time.Until(expires), 1)
}
