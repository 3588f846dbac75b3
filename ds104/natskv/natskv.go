// Package natskv is a ds104.Store in a key/value bucket of NATS JetStream, for
// installations that outgrow a pair of data stores.
//
//	nc, err := nats.Connect("nats://n1,n2,n3", nats.MaxReconnects(-1))
//	...
//	store, err := natskv.New(ctx, nc, &natskv.Options{Bucket: "connects", Replicas: 3})
//
// The bucket's majority decides every write, so all operations on one key are
// linearizable; revisions are the sequence numbers of the bucket's stream. NATS keeps the
// last changes of every key (Options.History); a watcher that asks for one that is gone
// gets a gap.
//
// Keys become subjects: '/' becomes '.', and bytes other than letters, digits, '-' and
// '_' are written =XX. A value is preceded by its expiry and its origin; Entry.Written is
// when the NATS server took the message. Entries end by a deletion that any open Store does in time; each of them follows the changes of the whole
// bucket for this. Before, an entry whose time has passed is not shown either; for this
// the clocks of the machines should agree.
//
// The client library reconnects by itself. While it does, calls wait for their context,
// at most five seconds when that has no deadline, and return ds104.ErrDown.
package natskv

import (
	"context"
	"encoding/binary"
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
	"github.com/pkg/errors"

	"github.com/connects-go/connects/ds104"
)

// Defaults of [Options].
const (
	DefaultBucket  = "connects"
	DefaultHistory = 64
)

// overhead is what a message may have beside the value.
const overhead = 4096

// Options configure a [Store]. Nil means the zero value, and the zero value means
// defaults.
type Options struct {
	// Bucket is created unless it exists; 0 = DefaultBucket.
	Bucket string
	// Replicas is on how many servers each entry is, 1 to 5; 0 = 1.
	Replicas int
	// History is how many changes of a key are kept for watchers, 1 to 64;
	// 0 = DefaultHistory.
	History int
	// MaxBytes bounds the bucket; 0 = not.
	MaxBytes int64
	// InMemory keeps the bucket in the servers' memory instead of their disks.
	InMemory bool
	// Logger gets what goes wrong in the background; nil discards it.
	Logger *slog.Logger
}

// Store is a ds104.Store in a bucket. It is made by New.
type Store struct {
	kv     jetstream.KeyValue
	stream jetstream.Stream
	log    *slog.Logger
	max    int
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

var _ ds104.Store = (*Store)(nil)

// New opens or creates the bucket. The connection stays the caller's.
func New(ctx context.Context, nc *nats.Conn, o *Options) (*Store, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Bucket == "" {
		opts.Bucket = DefaultBucket
	}
	if opts.History == 0 {
		opts.History = DefaultHistory
	}
	if opts.Replicas == 0 {
		opts.Replicas = 1
	}
	if opts.History < 1 || opts.History > 64 || opts.Replicas < 1 || opts.Replicas > 5 || opts.MaxBytes < 0 {
		return nil, fmt.Errorf("natskv: options History=%d (1 to 64), Replicas=%d (1 to 5), MaxBytes=%d", opts.History, opts.Replicas, opts.MaxBytes)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, errors.Wrap(err, "natskv")
	}
	cfg := jetstream.KeyValueConfig{Bucket: opts.Bucket, History: uint8(opts.History), Replicas: opts.Replicas, MaxBytes: opts.MaxBytes}
	if opts.InMemory {
		cfg.Storage = jetstream.MemoryStorage
	}
	s := &Store{log: opts.Logger, max: min(ds104.MaxValue, int(nc.MaxPayload())-overhead)}
	if s.kv, err = js.CreateOrUpdateKeyValue(ctx, cfg); err != nil {
		return nil, errors.Wrap(err, "natskv: bucket")
	}
	if s.stream, err = js.Stream(ctx, "KV_"+opts.Bucket); err != nil {
		return nil, errors.Wrap(err, "natskv: stream")
	}
	if s.max < ds104.MaxValue {
		s.log.Warn("the NATS server's max_payload limits values", "bytes", s.max)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
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

const hexDigits = "0123456789ABCDEF"

// encode turns a key, or the beginning of one, into a subject.
func encode(key string) string {
	var b strings.Builder
	for i, part := range strings.Split(key, "/") {
		if i > 0 {
			b.WriteByte('.')
		}
		if part == "" {
			b.WriteByte('=') // no empty tokens
		}
		for j := range len(part) {
			switch c := part[j]; {
			case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_':
				b.WriteByte(c)
			default:
				b.WriteString("=" + string(hexDigits[c>>4]) + string(hexDigits[c&15]))
			}
		}
	}
	return b.String()
}

// decode is the reverse of encode; false for a subject that is none of ours.
func decode(subject string) (string, bool) {
	var b strings.Builder
	for i, token := range strings.Split(subject, ".") {
		if i > 0 {
			b.WriteByte('/')
		}
		if token == "=" {
			continue
		}
		for j := 0; j < len(token); j++ {
			if token[j] != '=' {
				b.WriteByte(token[j])
				continue
			}
			if j+2 >= len(token) {
				return "", false
			}
			hi, lo := strings.IndexByte(hexDigits, token[j+1]), strings.IndexByte(hexDigits, token[j+2])
			if hi < 0 || lo < 0 {
				return "", false
			}
			b.WriteByte(byte(hi<<4 | lo))
			j += 2
		}
	}
	return b.String(), true
}

// filter returns the narrowest subject filter for a prefix: whole parts of it.
func filter(prefix string) string {
	if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
		return encode(prefix[:i]) + ".>"
	}
	return ">"
}

// headSize is version, expiry and length of the origin.
const headSize = 1 + 8 + 1

func pack(value []byte, ttl time.Duration, origin string) []byte {
	if len(origin) > ds104.MaxOrigin {
		origin = origin[:ds104.MaxOrigin]
	}
	b := append(make([]byte, 0, headSize+len(origin)+len(value)), 1)
	expires := uint64(0)
	if ttl > 0 {
		expires = uint64(time.Now().Add(ttl).UnixNano())
	}
	b = binary.BigEndian.AppendUint64(b, expires)
	b = append(append(b, byte(len(origin))), origin...)
	return append(b, value...)
}

// entry returns what a message says; dead when the time of the entry has passed.
func entry(key string, e jetstream.KeyValueEntry) (out ds104.Entry, dead bool) {
	out = ds104.Entry{Key: key, Revision: ds104.Revision(e.Revision()), Written: e.Created().UTC().Round(0)}
	b := e.Value()
	if len(b) < headSize || b[0] != 1 || len(b) < headSize+int(b[9]) {
		out.Value = b // somebody else's
		return out, false
	}
	if n := int64(binary.BigEndian.Uint64(b[1:])); n != 0 {
		out.Expires = time.Unix(0, n)
		dead = !out.Expires.After(time.Now())
	}
	out.Origin, out.Value = string(b[headSize:headSize+int(b[9])]), b[headSize+int(b[9]):]
	return out, dead
}

// fault turns an error of NATS into one of ds104.
func (s *Store) fault(ctx context.Context, err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case s.ctx.Err() != nil:
		return ds104.ErrClosed
	case stderrors.Is(err, jetstream.ErrKeyNotFound), stderrors.Is(err, jetstream.ErrKeyDeleted):
		return ds104.ErrNotFound
	case stderrors.Is(err, jetstream.ErrKeyExists), stderrors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return ds104.ErrRevision
	case stderrors.As(err, &api) && (api.ErrorCode == 10077 || strings.Contains(api.Description, "maximum bytes exceeded")):
		return ds104.ErrFull
	case stderrors.Is(err, nats.ErrMaxPayload):
		return ds104.ErrTooLarge
	case stderrors.Is(err, context.DeadlineExceeded), stderrors.Is(err, nats.ErrTimeout), stderrors.Is(err, nats.ErrNoResponders), stderrors.Is(err, nats.ErrConnectionClosed):
		return stderrors.Join(ds104.ErrDown, err)
	}
	return errors.Wrap(err, "natskv")
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

// Get implements ds104.Store.
func (s *Store) Get(ctx context.Context, key string) (ds104.Entry, error) {
	if err := s.ready(ctx); err != nil {
		return ds104.Entry{}, err
	}
	if key == "" || len(key) > ds104.MaxKey {
		return ds104.Entry{}, ds104.ErrNotFound
	}
	e, err := s.kv.Get(ctx, encode(key))
	if err != nil {
		return ds104.Entry{}, s.fault(ctx, err)
	}
	out, dead := entry(key, e)
	if dead {
		return ds104.Entry{}, ds104.ErrNotFound
	}
	return out, nil
}

// Put implements ds104.Store. When the answer is lost, the value may be written.
func (s *Store) Put(ctx context.Context, key string, value []byte, o ds104.PutOptions) (ds104.Revision, error) {
	switch err := s.ready(ctx); {
	case key == "" || o.TTL < 0 || o.IfAbsent && o.IfRevision != 0:
		return 0, ds104.ErrInvalid
	case len(key) > ds104.MaxKey || len(value) > s.max:
		return 0, ds104.ErrTooLarge
	case err != nil:
		return 0, err
	}
	subject, data := encode(key), pack(value, o.TTL, o.Origin)
	var rev uint64
	var err error
	switch {
	case o.IfAbsent:
		if rev, err = s.kv.Create(ctx, subject, data); stderrors.Is(err, jetstream.ErrKeyExists) {
			if old, e := s.kv.Get(ctx, subject); e == nil {
				if _, dead := entry(key, old); dead { // not yet deleted
					rev, err = s.kv.Update(ctx, subject, data, old.Revision())
				}
			}
		}
	case o.IfRevision != 0:
		e, gone := s.Get(ctx, key)
		if stderrors.Is(gone, ds104.ErrNotFound) || gone == nil && e.Revision != o.IfRevision {
			return 0, ds104.ErrRevision
		}
		if gone != nil {
			return 0, gone
		}
		rev, err = s.kv.Update(ctx, subject, data, uint64(o.IfRevision))
	default:
		rev, err = s.kv.Put(ctx, subject, data)
	}
	if err != nil {
		return 0, s.fault(ctx, err)
	}
	return ds104.Revision(rev), nil
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
		err = s.fault(ctx, s.kv.Delete(ctx, encode(key), jetstream.LastRevision(uint64(e.Revision))))
		if stderrors.Is(err, ds104.ErrRevision) && at == 0 {
			continue // changed meanwhile: it was there, so it goes
		}
		return err
	}
}

// List implements ds104.Store. It fetches the keys first and then each value.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[ds104.Entry, error] {
	return func(yield func(ds104.Entry, error) bool) {
		keys, err := s.keys(ctx, prefix)
		if err != nil {
			yield(ds104.Entry{}, err)
			return
		}
		for _, key := range keys {
			e, err := s.Get(ctx, key)
			if stderrors.Is(err, ds104.ErrNotFound) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) keys(ctx context.Context, prefix string) ([]string, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if len(prefix) > ds104.MaxKey {
		return nil, nil
	}
	w, err := s.kv.Watch(ctx, filter(prefix), jetstream.IgnoreDeletes(), jetstream.MetaOnly())
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	defer func() { _ = w.Stop() }()
	var out []string
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok || e == nil { // all that was there
				slices.Sort(out)
				return slices.Compact(out), s.ready(ctx)
			}
			if key, ok := decode(e.Key()); ok && strings.HasPrefix(key, prefix) {
				out = append(out, key)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, ds104.ErrClosed
		}
	}
}
