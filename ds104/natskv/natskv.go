// Package natskv is a ds104.Store in a key/value bucket of NATS JetStream, for
// installations that outgrow a pair of data stores.
//
//	nc, err := natskv.Connect(ctx, &natskv.ConnectOptions{Servers: []string{"n1", "n2", "n3"}})
//	...
//	store, err := natskv.New(ctx, nc, &natskv.Options{Bucket: "connects", Replicas: 3})
//
// # What is certain
//
// With Replicas 3 or 5 the majority of the servers decides every write; what was
// acknowledged survives the end of any minority of them, and a compare-and-swap has one
// winner, also while servers die. Reads are answered by the leader of the bucket. A leader
// that is cut off from the others, alive, may answer reads from its past until it notices,
// some ten seconds; its writes fail. Revisions are the sequence numbers of the bucket's
// stream.
//
// A leader that dies is replaced after an election, four to nine seconds. Calls are
// repeated meanwhile, a write under an identity that makes the servers do it once. A write
// whose fate remains unknown returns ds104.ErrInterrupted; one that was surely not done
// ds104.ErrDown.
//
// With one replica on disk the server acknowledges before the disk has the data
// (sync_interval, two minutes unless its configuration says otherwise): a process that
// ends loses nothing, a machine without power may.
//
// # Watching
//
// The servers keep the last changes of every key ([Options].History) and a deletion for
// [MarkerAge]. A watcher follows the changes of the whole bucket, by number: whatever is
// missing between two of them is a gap, even if it was of other keys. It goes on by itself
// when servers or connections end.
//
// # In the bucket
//
// Keys become subjects: '/' becomes '.', and bytes other than letters, digits, '-' and
// '_' are written =XX. A value is preceded by its expiry and its origin; Entry.Written is
// when the leader took it. Entries end by a deletion that any open Store does in time; each
// of them follows the changes of the whole bucket for this. Before, an entry whose time has
// passed is not shown either. The expiry is a moment of the writer's clock: the clocks of
// the machines have to agree (NTP), and an entry ends early or late by as much as one is
// wrong.
package natskv

import (
	"context"
	stderrors "errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
)

// Defaults of [Options].
const (
	DefaultBucket  = "connects"
	DefaultHistory = 64
	DefaultWait    = 15 * time.Second
)

// overhead is what a message may have beside the value.
const overhead = 4096

// Options configure a [Store]. Nil means the zero value, and the zero value means
// defaults.
type Options struct {
	// Bucket is created unless it exists: letters, digits, '-' and '_'.
	// Empty = DefaultBucket.
	Bucket string
	// Replicas is on how many servers each entry is: 1, 3 or 5. An even number survives
	// no more than the odd one below it. 0 = 1.
	Replicas int
	// History is how many changes of a key are kept for watchers, 1 to 64;
	// 0 = DefaultHistory.
	History int
	// MaxBytes bounds the bucket on each server; Put returns ds104.ErrFull above.
	// 0 = not.
	MaxBytes int64
	// InMemory keeps the bucket in the servers' memory instead of their disks. With
	// several replicas it survives as long as a majority of them runs.
	InMemory bool
	// Wait is how long a call whose context has no deadline waits for an answer, with
	// repetitions; shorter than an election it makes calls fail while a leader is
	// replaced. 0 = DefaultWait.
	Wait time.Duration
	// Logger gets what goes wrong in the background; nil discards it.
	Logger *slog.Logger

	markerAge time.Duration // shorter in tests
}

func (o *Options) validate() error {
	var errs []error
	bad := func(name string, v any, want string) {
		errs = append(errs, fmt.Errorf("natskv: option %s=%v: must be %s", name, v, want))
	}
	if strings.ContainsFunc(o.Bucket, func(r rune) bool { return r >= 0x80 || !plain(byte(r)) }) || len(o.Bucket) > 200 {
		bad("Bucket", fmt.Sprintf("%q", o.Bucket), "at most 200 letters, digits, '-' and '_'")
	}
	if r := o.Replicas; r != 0 && r != 1 && r != 3 && r != 5 {
		bad("Replicas", r, "1, 3 or 5")
	}
	if o.History < 0 || o.History > 64 {
		bad("History", o.History, "between 1 and 64")
	}
	if o.MaxBytes < 0 {
		bad("MaxBytes", o.MaxBytes, "positive, or 0 for no limit")
	}
	if o.Wait < 0 {
		bad("Wait", o.Wait, "positive, or 0 for the default")
	}
	return stderrors.Join(errs...)
}

func (o *Options) setDefaults() {
	if o.Bucket == "" {
		o.Bucket = DefaultBucket
	}
	if o.History == 0 {
		o.History = DefaultHistory
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Wait == 0 {
		o.Wait = DefaultWait
	}
	if o.markerAge == 0 {
		o.markerAge = MarkerAge
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Store is a ds104.Store in a bucket. It is made by New.
type Store struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	prefix string // of the subjects
	opts   Options
	max    int // bytes of a value
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

var _ ds104.Store = (*Store)(nil)

// New opens or creates the bucket. It waits for the servers until ctx ends, at most
// Options.Wait when that has no deadline. The connection stays the caller's; one made by
// [Connect] is set up as a Store needs it. Errors: of the options, all at once;
// ErrNoJetStream, ErrReplicas, ErrSettings.
func New(ctx context.Context, nc *nats.Conn, o *Options) (*Store, error) {
	s := &Store{nc: nc}
	if o != nil {
		s.opts = *o
	}
	if err := s.opts.validate(); err != nil {
		return nil, err
	}
	s.opts.setDefaults()
	s.prefix = "$KV." + s.opts.Bucket + "."
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var err error
	if s.js, err = jetstream.New(nc); err == nil {
		err = s.openBucket(ctx)
	}
	if err != nil {
		s.cancel()
		return nil, err
	}
	if s.max = min(ds104.MaxValue, int(nc.MaxPayload())-overhead); s.max < ds104.MaxValue {
		s.opts.Logger.Warn("natskv: max_payload of the servers limits values", "bytes", s.max)
	}
	s.wg.Go(s.sweep)
	return s, nil
}

// Close ends watches and the deletion of entries whose time has passed. It may be called
// again and returns nil.
func (s *Store) Close() error {
	s.cancel()
	s.wg.Wait()
	return nil
}

func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.ctx.Err() != nil {
		return ds104.ErrClosed
	}
	return nil
}

// last returns the newest message of a subject, which may be a deletion.
func (s *Store) last(ctx context.Context, subject string) (m *jetstream.RawStreamMsg, err error) {
	err = s.try(ctx, func(ctx context.Context) error {
		m, err = s.stream.GetLastMsgForSubject(ctx, s.prefix+subject)
		return err
	})
	return m, err
}

// Get implements ds104.Store.
func (s *Store) Get(ctx context.Context, key string) (ds104.Entry, error) {
	if err := s.ready(ctx); err != nil {
		return ds104.Entry{}, err
	}
	if key == "" || len(key) > ds104.MaxKey {
		return ds104.Entry{}, ds104.ErrNotFound
	}
	m, err := s.last(ctx, encode(key))
	if err != nil {
		return ds104.Entry{}, err
	}
	e, dead := entry(key, m.Sequence, m.Time, m.Data)
	if dead || isMarker(m.Header) {
		return ds104.Entry{}, ds104.ErrNotFound
	}
	return e, nil
}

// Put implements ds104.Store. Of a context that ended and of ds104.ErrInterrupted the
// value may be written.
func (s *Store) Put(ctx context.Context, key string, value []byte, o ds104.PutOptions) (ds104.Revision, error) {
	switch err := s.ready(ctx); {
	case key == "" || o.TTL < 0 || o.IfAbsent && o.IfRevision != 0:
		return 0, ds104.ErrInvalid
	case len(key) > ds104.MaxKey || len(value) > s.max:
		return 0, ds104.ErrTooLarge
	case err != nil:
		return 0, err
	}
	w := write{subject: encode(key), data: pack(value, o.TTL, o.Origin)}
	switch {
	case o.IfAbsent:
		return s.create(ctx, key, w)
	case o.IfRevision == 0:
		return s.replace(ctx, w)
	default:
		// The servers would also take the place of an entry whose time has passed.
		switch e, err := s.Get(ctx, key); {
		case stderrors.Is(err, ds104.ErrNotFound), err == nil && e.Revision != o.IfRevision:
			return 0, ds104.ErrRevision
		case err != nil:
			return 0, err
		}
		return s.write(ctx, w.at(uint64(o.IfRevision)))
	}
}

// create writes where nothing is, or a deletion, or an entry whose time has passed.
func (s *Store) create(ctx context.Context, key string, w write) (ds104.Revision, error) {
	rev, err := s.write(ctx, w.at(0))
	for stderrors.Is(err, ds104.ErrRevision) {
		m, gone := s.last(ctx, w.subject)
		if stderrors.Is(gone, ds104.ErrNotFound) {
			return 0, ds104.ErrRevision // it was there a moment ago
		}
		if gone != nil {
			return 0, gone
		}
		if _, dead := entry(key, m.Sequence, m.Time, m.Data); !dead && !isMarker(m.Header) {
			return 0, ds104.ErrRevision
		}
		rev, err = s.write(ctx, w.at(m.Sequence))
	}
	return rev, err
}

// replace writes whatever is there. Several servers do that without a compare-and-swap of
// somebody else noticing, see write; so it is one itself, repeated until it wins.
func (s *Store) replace(ctx context.Context, w write) (ds104.Revision, error) {
	if s.opts.Replicas == 1 {
		return s.write(ctx, w)
	}
	for {
		seq := uint64(0)
		m, err := s.last(ctx, w.subject)
		switch {
		case err == nil:
			seq = m.Sequence
		case !stderrors.Is(err, ds104.ErrNotFound):
			return 0, err
		}
		rev, err := s.write(ctx, w.at(seq))
		if !stderrors.Is(err, ds104.ErrRevision) {
			return rev, err
		}
	}
}

// Delete implements ds104.Store.
func (s *Store) Delete(ctx context.Context, key string, at ds104.Revision) error {
	if key == "" {
		return ds104.ErrInvalid
	}
	for {
		e, err := s.Get(ctx, key)
		switch {
		case stderrors.Is(err, ds104.ErrNotFound) && at == 0:
			return nil
		case stderrors.Is(err, ds104.ErrNotFound), err == nil && at != 0 && e.Revision != at:
			return ds104.ErrRevision
		case err != nil:
			return err
		}
		_, err = s.write(ctx, write{subject: encode(key), marker: true}.at(uint64(e.Revision)))
		if stderrors.Is(err, ds104.ErrRevision) && at == 0 {
			continue // changed meanwhile: it was there, so it goes
		}
		return err
	}
}

// listPage is how many entries List fetches at once.
const listPage = 32

// List implements ds104.Store. It fetches the keys first and then the values.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[ds104.Entry, error] {
	return func(yield func(ds104.Entry, error) bool) {
		keys, err := s.keys(ctx, prefix)
		if err != nil {
			yield(ds104.Entry{}, err)
			return
		}
		var entries [listPage]ds104.Entry
		var errs [listPage]error
		for page := range slices.Chunk(keys, listPage) {
			var wg sync.WaitGroup
			for i, key := range page {
				wg.Go(func() { entries[i], errs[i] = s.Get(ctx, key) })
			}
			wg.Wait()
			for i := range page {
				if stderrors.Is(errs[i], ds104.ErrNotFound) {
					continue
				}
				if !yield(entries[i], errs[i]) || errs[i] != nil {
					return
				}
			}
		}
	}
}

// keys returns what may be keys with a prefix, in order. The leader says so: a consumer
// could be fed by a server that is behind.
func (s *Store) keys(ctx context.Context, prefix string) (out []string, err error) {
	if err := s.ready(ctx); err != nil || len(prefix) > ds104.MaxKey {
		return nil, err
	}
	var info *jetstream.StreamInfo
	err = s.try(ctx, func(ctx context.Context) error {
		info, err = s.stream.Info(ctx, jetstream.WithSubjectFilter(s.prefix+filter(prefix)))
		return err
	})
	if err != nil {
		return nil, err
	}
	for subject := range info.State.Subjects {
		if key, ok := decode(strings.TrimPrefix(subject, s.prefix)); ok && strings.HasPrefix(key, prefix) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out, nil
}
