package spool

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	stderrors "errors"
	"hash/fnv"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/outboundcsv"
)

// Accept stores a list. When it returns without error, the list is on disk and
// will be placed once, whatever happens to the process; the sender may forget it.
// After an error nothing of the list will be placed, but ErrBusy leaves that open:
// the sender has to try again, here or at another instance. A list whose rows are
// all rejected is accepted and has E_ALL_REJECTED in Receipt.Codes.
//
// Errors: that of the sequence, ErrTooMany, ErrBusy, ErrKeyReused, of ctx, and ErrSpool
// when the disk is full or fails: the sender should try again, and Status.Refusing is set
// until the disk can be written.
func (q *Queue) Accept(ctx context.Context, src Source, calls iter.Seq2[outboundcsv.PlannedCall, error]) (Receipt, error) {
	r, err := q.accept(ctx, src, calls)
	if full := stderrors.Is(err, ErrSpool); full || err == nil && !r.Repeated {
		q.refuse(err)
	}
	switch {
	case err != nil:
		q.count(func(c *Counters) { c.Refused++ })
	case r.Repeated:
		q.count(func(c *Counters) { c.Repeated++ })
	default:
		q.count(func(c *Counters) { c.Accepted++; c.Rows += int64(r.Rows); c.LeftOut += int64(r.Repeats) })
		q.o.Logger.Info("list accepted", slog.String("list", r.ID), slog.String("campaign", src.Campaign), slog.Int("rows", r.Rows), slog.Int("rejected", r.Rejected), slog.Int("repeated", r.Repeats))
	}
	return r, err
}

func (q *Queue) accept(ctx context.Context, src Source, calls iter.Seq2[outboundcsv.PlannedCall, error]) (Receipt, error) {
	if s := q.Status(); s.Waiting >= q.o.MaxLists {
		return Receipt{}, errors.WithMessage(ErrBusy, "too many lists wait")
	}
	in, err := q.store(ctx, &src, calls)
	if err != nil {
		return Receipt{}, err
	}
	defer in.discard()
	key := claimKey(&src, in.hash)
	release, err := q.exclusive(ctx, key)
	if err != nil {
		return Receipt{}, err
	}
	defer release()

	if r, known, err := q.known(ctx, key, in); known || err != nil {
		return r, err
	}
	if q.o.Ledger == nil && q.o.SkipRepeats { // with a ledger rows are compared when the list is claimed
		release, err := q.exclusive(ctx, sharedKey(&src))
		if err != nil {
			return Receipt{}, err
		}
		defer release()
	}
	l := &List{Source: src, Hash: in.hash, State: Waiting, Received: in.rows, Accepted: q.o.Now().UTC()}
	if q.o.Ledger != nil {
		l.State = Claiming
	}
	if in.rows > 0 && in.rejected == in.rows {
		in.receipt.Codes = []outboundcsv.Code{outboundcsv.AllRejected}
	}
	if l.ID, err = q.j.nextID(); err != nil {
		return Receipt{}, err
	}
	defer func() {
		if _, ok := q.find(l.ID); !ok { // it takes room for nothing, and there may be none
			q.unkeep(key, l.ID)
		}
	}()
	if err := in.keep(q, l.ID); err != nil {
		return Receipt{}, err
	}
	if q.o.Ledger == nil {
		if l.Repeats, err = q.repeats(ctx, l); err != nil {
			return Receipt{}, err
		}
	}
	life := q.life(&src)
	claims := map[string]claim{key: {Instance: q.o.Instance, List: l.ID, Hash: in.hash, Rows: in.rows, Rejected: in.rejected, Expires: q.o.Now().Add(life)}}
	if err := q.j.put(claims, l); err != nil {
		return Receipt{}, err
	}
	q.remember(l)
	in.receipt.ID, in.receipt.Instance = l.ID, q.o.Instance
	if l.State == Claiming {
		if err := q.lock(ctx); err != nil {
			return Receipt{}, errors.WithMessage(ErrBusy, err.Error())
		}
		defer q.unlock()
		other, err := q.claim(ctx, l)
		if err != nil {
			return Receipt{}, err
		}
		if other != nil {
			return other.receipt(in.hash)
		}
		if now, ok := q.find(l.ID); ok {
			l = now
		}
	}
	in.receipt.Repeats = l.Repeats
	q.kick()
	return in.receipt, nil
}

// life is how long a delivery is recognised.
func (q *Queue) life(src *Source) time.Duration {
	if src.Key != "" {
		return q.o.KeyLife
	}
	return q.o.RepeatWindow
}

// known answers for a list that this queue has already.
func (q *Queue) known(ctx context.Context, key string, in *incoming) (Receipt, bool, error) {
	c, ok, err := q.j.claim(key, q.o.Now())
	if err != nil || !ok {
		return Receipt{}, false, err
	}
	if l, have := q.find(c.List); have {
		if l.State == Dropped && !l.Wiped { // another instance has, or had, it
			return Receipt{}, false, nil
		}
		if l.State == Claiming {
			if err := q.lock(ctx); err != nil {
				return Receipt{}, true, errors.WithMessage(ErrBusy, err.Error())
			}
			defer q.unlock()
			if l, _ = q.find(c.List); l.State == Claiming {
				other, err := q.claim(ctx, l)
				if err != nil {
					return Receipt{}, true, err
				}
				if other != nil {
					r, err := other.receipt(in.hash)
					return r, true, err
				}
			}
		}
	}
	r, err := c.receipt(in.hash)
	return r, true, err
}

// exclusive lets one caller at a time accept a list of that key.
func (q *Queue) exclusive(ctx context.Context, key string) (release func(), err error) {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return nil, ErrClosed
		}
		busy := q.accepting[key]
		if busy == nil {
			done := make(chan struct{})
			q.accepting[key] = done
			q.mu.Unlock()
			return func() {
				q.mu.Lock()
				delete(q.accepting, key)
				q.mu.Unlock()
				close(done)
			}, nil
		}
		q.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, errors.WithMessage(ErrBusy, ctx.Err().Error())
		}
	}
}

// incoming is a list that was read and is on disk, but is not ours yet.
type incoming struct {
	path, index    string
	sums           string // empty unless rows are compared
	hash           string
	rows, rejected int
	receipt        Receipt
}

// store reads the whole list into a file.
func (q *Queue) store(ctx context.Context, src *Source, calls iter.Seq2[outboundcsv.PlannedCall, error]) (_ *incoming, err error) {
	check, err := outboundcsv.NewChecker(q.o.Profile, q.o.Now().Year())
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(q.dir, "lists"), "new-*.part")
	if err != nil {
		return nil, spoolError("accept", err)
	}
	in := &incoming{path: f.Name()}
	now := q.receive(src.Campaign)
	defer q.received(now)
	defer func() {
		if e := f.Close(); e != nil && err == nil && !stderrors.Is(e, os.ErrClosed) {
			err = spoolError("accept", e)
		}
		if err != nil {
			in.discard()
		}
	}()
	whole := sha256.New()
	for _, s := range []string{src.System, src.Client, src.Campaign} {
		whole.Write(binary.AppendUvarint(nil, uint64(len(s))))
		whole.Write([]byte(s))
	}
	w := bufio.NewWriterSize(f, 256<<10)
	w.WriteByte('[')
	var ids []uint64
	var sums []sum
	var line []byte
	for c, err := range calls {
		if err != nil {
			return nil, err
		}
		if in.rows++; in.rows > q.o.MaxRows {
			return nil, ErrTooMany
		}
		if in.rows%1000 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		codes, rejected := check.Check(&c)
		now.row(c.ID, codes, rejected)
		if rejected {
			if in.rejected++; in.rejected <= MaxRejects {
				in.receipt.Rejects = append(in.receipt.Rejects, Reject{ID: c.ID, Codes: codes, Rejected: true})
			}
		}
		b, err := json.Marshal(&c)
		if err != nil {
			return nil, spoolError("accept", err)
		}
		line = line[:0]
		if in.rows > 1 {
			line = append(line, ',')
		}
		line = append(append(line, '\n'), b...)
		whole.Write(line)
		if _, err := w.Write(line); err != nil {
			return nil, spoolError("accept", err)
		}
		ids = append(ids, idHash(c.ID))
		if q.o.SkipRepeats && c.Action != outboundcsv.ActionDelete {
			sums = append(sums, sum{rowHash(b), ids[len(ids)-1], uint32(in.rows - 1)})
		}
	}
	w.WriteString("\n]\n")
	if err := w.Flush(); err != nil {
		return nil, spoolError("accept", err)
	}
	if err := f.Sync(); err != nil {
		return nil, spoolError("accept", err)
	}
	if in.index, err = writeIndex(filepath.Join(q.dir, "lists"), ids); err != nil {
		return nil, err
	}
	if q.o.SkipRepeats {
		if in.sums, err = writeSums(filepath.Join(q.dir, "lists"), sums); err != nil {
			return nil, err
		}
	}
	in.hash = hex.EncodeToString(whole.Sum(nil))
	in.receipt.Rows, in.receipt.Rejected = in.rows, in.rejected
	return in, nil
}

// keep gives the files their names in the spool.
func (in *incoming) keep(q *Queue, id string) error {
	if err := os.Rename(in.path, q.listPath(id, ".json")); err != nil {
		return spoolError("accept", err)
	}
	if err := os.Rename(in.index, q.listPath(id, ".idx")); err != nil {
		return spoolError("accept", err)
	}
	if in.sums != "" {
		if err := os.Rename(in.sums, q.listPath(id, ".sum")); err != nil {
			return spoolError("accept", err)
		}
	}
	return syncDir(filepath.Join(q.dir, "lists"))
}

// unkeep removes a list that the journal does not have. After a failed write only the
// journal knows whether it has it.
func (q *Queue) unkeep(key, id string) {
	if c, ok, err := q.j.claim(key, q.o.Now()); err != nil || ok && c.List == id {
		return
	}
	for _, ext := range listFiles {
		os.Remove(q.listPath(id, ext)) // sweep gets the rest
	}
}

// discard removes what was not kept.
func (in *incoming) discard() {
	for _, p := range []string{in.path, in.index, in.sums} {
		if p != "" {
			os.Remove(p) // after keep there is nothing of that name; sweep gets the rest
		}
	}
}

// idHash is how the index knows a planned call.
func idHash(id string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(strings.Trim(id, " ")))
	return h.Sum64()
}

// writeIndex writes the sorted hashes of the ids of a list, 8 bytes each.
func writeIndex(dir string, ids []uint64) (name string, err error) {
	slices.Sort(ids)
	return writeFile(dir, func(w *bufio.Writer) {
		var b [8]byte
		for _, id := range ids {
			binary.BigEndian.PutUint64(b[:], id)
			w.Write(b[:])
		}
	})
}

// indexed reports whether a list has the id.
func (q *Queue) indexed(l *List, id string) (bool, error) {
	f, err := os.Open(q.indexPath(l))
	if err != nil {
		return false, errors.Wrap(err, "spool: index")
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false, errors.Wrap(err, "spool: index")
	}
	want := idHash(id)
	lo, hi := int64(0), st.Size()/8
	var b [8]byte
	for lo < hi {
		mid := (lo + hi) / 2
		if _, err := f.ReadAt(b[:], 8*mid); err != nil {
			return false, errors.Wrap(err, "spool: index")
		}
		switch v := binary.BigEndian.Uint64(b[:]); {
		case v == want:
			return true, nil
		case v < want:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return false, nil
}

// syncDir makes new names durable. Systems that cannot flush a directory say so
// with an error that means nothing here.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return spoolError("flush", err)
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
