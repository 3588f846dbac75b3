package ds104

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	stderrors "errors"
	"hash"
	"io"
	"os"
	"sync"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/wire"
)

// LoadOptions say how a snapshot comes into a store. Nil means the zero value.
type LoadOptions struct {
	// Force lets the entries of the snapshot win over newer ones, and over deletions, on
	// both sides of a pair: they get new revisions. Entries that the snapshot does not
	// have stay in any case.
	Force bool
	// Progress, when set, is called after every page: entries so far, and of the whole
	// snapshot (0 = not known, as in ReadSnapshot).
	Progress func(done, total int)
}

// LoadStats say what became of the entries of a snapshot.
type LoadStats struct {
	Taken   time.Time // when the snapshot was begun
	Entries int       // that were read
	Written int       // into the store
	Newer   int       // left out: what the store has is newer
	Expired int       // left out: their time has passed
}

// snapshotReader reads a snapshot page by page.
type snapshotReader struct {
	fr    *wire.FrameReader
	sum   hash.Hash // nil: the snapshot has none
	taken time.Time
}

func newSnapshotReader(r io.Reader) (*snapshotReader, error) {
	s := &snapshotReader{}
	var head [len(snapshotMagic) + 8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, ErrSnapshot
	}
	switch string(head[:len(snapshotMagic)]) {
	case snapshotMagic:
		s.sum = sha256.New()
		s.sum.Write(head[:])
	case snapshotMagic1:
	default:
		return nil, ErrSnapshot
	}
	s.taken = time.Unix(0, int64(binary.BigEndian.Uint64(head[len(snapshotMagic):])))
	s.fr = wire.NewFrameReader(r, MaxMaxValue+maxPageBytes+frameExtra)
	return s, nil
}

// next returns the next page. At the end, which is io.EOF, the sum fits.
func (s *snapshotReader) next() ([]Item, error) {
	typ, body, err := s.fr.Next()
	switch {
	case err != nil:
		return nil, ErrSnapshot
	case s.sum != nil && typ == snapshotEnd && string(body) == string(s.sum.Sum(nil)):
		return nil, io.EOF
	case proto.MessageType(typ) != proto.TypeApplyReq:
		return nil, ErrSnapshot
	}
	if s.sum != nil {
		s.sum.Write(wire.AppendHeader(nil, uint32(len(body)), typ))
		s.sum.Write(body)
	}
	var m proto.ApplyReq
	if err := m.DecodeFrom(body, proto.CurrentVersion); err != nil {
		return nil, stderrors.Join(ErrSnapshot, err)
	}
	items := fromWire(m.Items)
	for i := range items {
		if it := &items[i]; it.Key == "" || len(it.Key) > MaxKey || it.Revision == 0 || it.Deleted || it.TTL < 0 {
			return nil, ErrSnapshot
		}
	}
	switch {
	case len(items) > 0:
		return items, nil
	case s.sum != nil:
		return nil, ErrSnapshot
	}
	return nil, io.EOF
}

// CheckSnapshot reads a snapshot to its end and returns its entries and when it was
// begun. Errors: ErrSnapshot when it is damaged. Snapshots of an older version have no
// sum: of these, damage inside of values is not found.
func CheckSnapshot(r io.Reader) (entries int, taken time.Time, err error) {
	s, err := newSnapshotReader(r)
	if err != nil {
		return 0, time.Time{}, err
	}
	for {
		items, err := s.next()
		switch {
		case err == io.EOF:
			return entries, s.taken, nil
		case err != nil:
			return 0, time.Time{}, err
		}
		entries += len(items)
	}
}

// LoadSnapshot brings the entries of a snapshot in a file into a store, which may be in
// use. The whole file is checked first: a damaged one changes nothing (ErrSnapshot).
// Memory is needed for one page, not for the snapshot.
//
// What the store has and the snapshot has not stays. Of a key that both have, the store's
// entry stays when its revision is as high or when it was written after the snapshot was
// begun; so does a deletion with a higher revision that a side of a pair remembers. A
// store that stands alone does not remember deletions: what was deleted since comes back.
// LoadOptions.Force lets the snapshot win instead.
//
// A [Memory], [Bolt] or [Log] takes the revisions of the snapshot over, unless it is forced,
// so that a connector goes on where it was; watchers may get EventGap. Other stores give
// new ones. Times to live go on from when the snapshot was begun. MaxOriginBytes refuses
// nothing here. An error in the middle, for example ErrFull, leaves what is already
// written; the same call again goes on.
func LoadSnapshot(ctx context.Context, st Store, path string, o *LoadOptions) (LoadStats, error) {
	f, err := os.Open(path)
	if err != nil {
		return LoadStats{}, errors.Wrap(err, "ds104: snapshot")
	}
	defer f.Close()
	r := bufio.NewReaderSize(contextReader{ctx, f}, 256<<10)
	total, _, err := CheckSnapshot(r)
	if ctx.Err() != nil {
		return LoadStats{}, ctx.Err()
	}
	if err != nil {
		return LoadStats{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return LoadStats{}, errors.Wrap(err, "ds104: snapshot")
	}
	r.Reset(f)
	return load(ctx, st, r, total, o)
}

// ReadSnapshot is LoadSnapshot from a stream, whose sum can only be checked at the end:
// ErrSnapshot may come after entries have been written.
func ReadSnapshot(ctx context.Context, st Store, r io.Reader, o *LoadOptions) (LoadStats, error) {
	return load(ctx, st, r, 0, o)
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

func load(ctx context.Context, st Store, r io.Reader, total int, o *LoadOptions) (LoadStats, error) {
	s, err := newSnapshotReader(r)
	if err != nil {
		return LoadStats{}, err
	}
	if o == nil {
		o = &LoadOptions{}
	}
	stats := LoadStats{Taken: s.taken}
	passed := max(time.Since(s.taken), 0)
	for {
		items, err := s.next()
		if err == io.EOF {
			return stats, nil
		}
		if err != nil {
			return stats, err
		}
		alive := items[:0]
		for _, it := range items {
			if it.TTL > 0 {
				if it.TTL -= passed; it.TTL <= 0 {
					stats.Expired++
					continue
				}
			}
			alive = append(alive, it)
		}
		stats.Entries += len(items)
		n, err := restore(ctx, st, alive, s.taken, o.Force)
		stats.Written += n
		if err != nil {
			return stats, err
		}
		stats.Newer += len(alive) - n
		if o.Progress != nil {
			o.Progress(stats.Entries, total)
		}
	}
}

// restore writes a page and returns how many entries were not newer in the store.
func restore(ctx context.Context, st Store, items []Item, taken time.Time, force bool) (int, error) {
	local, ok := st.(sided)
	if !ok || force {
		return restoreEach(ctx, st, items, taken, force)
	}
	// Whatever is written from here on is newer than the page, and Apply leaves it alone.
	newest := Revision(0)
	for i := range items {
		newest = max(newest, items[i].Revision)
	}
	if err := local.Advance(ctx, newest); err != nil {
		return 0, err
	}
	older := items[:0]
	for _, it := range items {
		e, err := st.Get(ctx, it.Key)
		switch {
		case err != nil && !stderrors.Is(err, ErrNotFound):
			return 0, err
		case err == nil && e.Written.After(taken):
		default:
			older = append(older, it)
		}
	}
	return local.Apply(ctx, older)
}

// restoreWorkers is how many entries are written at once: a Bolt flushes them together.
const restoreWorkers = 256

// restoreEach writes entries with new revisions.
func restoreEach(ctx context.Context, st Store, items []Item, taken time.Time, force bool) (int, error) {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		n     int
		fails []error
		slots = make(chan struct{}, restoreWorkers)
	)
	for _, it := range items {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ok, err := restoreOne(ctx, st, it, taken, force)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				n++
			}
			if err != nil && len(fails) == 0 {
				fails = append(fails, err)
			}
		})
	}
	wg.Wait()
	return n, stderrors.Join(fails...)
}

func restoreOne(ctx context.Context, st Store, it Item, taken time.Time, force bool) (bool, error) {
	o := PutOptions{TTL: it.TTL, Origin: it.Origin, written: nanosOf(it.Written), applied: true}
	if !force {
		e, err := st.Get(ctx, it.Key)
		switch {
		case stderrors.Is(err, ErrNotFound):
			o.IfAbsent = true
		case err != nil:
			return false, err
		case e.Written.After(taken) || e.Revision >= it.Revision:
			return false, nil
		default:
			o.IfRevision = e.Revision
		}
	}
	_, err := st.Put(ctx, it.Key, it.Value, o)
	if stderrors.Is(err, ErrRevision) { // somebody has just written it
		return false, nil
	}
	return err == nil, err
}
