package spool

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pkg/errors"
)

// Rows of lists are compared between instances by their hashes in the ledger: 8 bytes
// for each, in pieces, that vanish with the repeat window. A directory for each campaign
// names the lists; the conditional write that enters a list there decides which of two
// lists was first.

const (
	// sharePiece is how many hashes one entry of the ledger has: 256 KiB.
	sharePiece = 32 << 10
	// maxShared and maxSharedRows bound what a campaign has in the ledger: 8 MiB. What
	// is above is not compared between instances, the oldest lists first.
	maxShared     = 256
	maxSharedRows = 1 << 20
	// maxGone is how many deletions of a list are told; with more it is not compared.
	maxGone = 32 << 10
)

// shared is a list in the directory of its campaign.
type shared struct {
	Instance string    `json:"instance"`
	List     string    `json:"list"`
	Claim    string    `json:"claim"`
	Rows     int       `json:"rows"`
	Pieces   int       `json:"pieces"`
	Until    time.Time `json:"until"`
}

func sharedKey(src *Source) string {
	h := sha256.New()
	for _, s := range []string{src.System, src.Client, src.Campaign} {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	return "outbound/rows/" + hex.EncodeToString(h.Sum(nil))
}

func (s *shared) piece(dir string, n int) string {
	return fmt.Sprintf("%s/%s/%s/%d", dir, s.Instance, s.List, n)
}

func (s *shared) gone() string { return "outbound/gone/" + s.Instance + "/" + s.List }

// publish puts the hashes of a list into the ledger, without those that it leaves out,
// as at least so many pieces. It returns how many they are; 0 when they are too many, or the ledger has no
// room: then the list is not compared by others, which is worth a warning and no more.
func (q *Queue) publish(ctx context.Context, l *List, least int) (int, error) {
	if l.Received > maxSharedRows {
		return 0, nil
	}
	in, err := openSums(q.sumsPath(l))
	if err != nil {
		return 0, err
	}
	defer in.close()
	me := shared{Instance: q.o.Instance, List: l.ID}
	life := max(q.window(l).Sub(q.o.Now()), time.Second)
	n := 0
	for more := true; more || n < least; n++ {
		piece := make([]byte, 0, 8*min(sharePiece, l.Received))
		for more && len(piece) < 8*sharePiece {
			var s sum
			if s, more, err = in.next(); err != nil {
				return 0, err
			}
			if !more {
				break
			}
			piece = binary.BigEndian.AppendUint64(piece, s.row)
		}
		err := q.change(ctx, me.piece(sharedKey(&l.Source), n), life, func([]byte) ([]byte, error) { return piece, nil })
		if err != nil {
			q.o.Logger.Warn("rows are not compared with the other instances", slog.String("list", l.ID), slog.String("err", err.Error()))
			return 0, ctx.Err()
		}
	}
	return n, nil
}

// enter puts a list into the directory of its campaign and returns the lists that were
// there before it. Without pieces it only looks.
func (q *Queue) enter(ctx context.Context, l *List, pieces int) (before []shared, err error) {
	now := q.o.Now()
	err = q.change(ctx, sharedKey(&l.Source), 2*q.o.RepeatWindow, func(v []byte) ([]byte, error) {
		var all []shared
		if len(v) > 0 {
			if err := json.Unmarshal(v, &all); err != nil {
				return nil, errors.Wrap(err, "spool: directory of rows")
			}
		}
		all = slices.DeleteFunc(all, func(s shared) bool { return !s.Until.After(now) })
		before = slices.Clone(all)
		for i, s := range all {
			if s.Instance == q.o.Instance && s.List == l.ID { // a try before this one came so far
				before = before[:i]
				return nil, nil
			}
		}
		if pieces == 0 {
			return nil, nil
		}
		all = append(all, shared{q.o.Instance, l.ID, claimKey(&l.Source, l.Hash), l.Received, pieces, q.window(l).UTC()})
		rows := 0
		for _, s := range all {
			rows += s.Rows
		}
		for len(all) > maxShared || rows > maxSharedRows {
			rows -= all[0].Rows
			all = all[1:]
		}
		return json.Marshal(all)
	})
	return before, err
}

// compareOthers marks rows of l that another instance has. It returns in how many pieces
// the others can compare with l.
func (q *Queue) compareOthers(ctx context.Context, l *List, found *found) (pieces int, err error) {
	if pieces, err = q.publish(ctx, l, 0); err != nil {
		return 0, err
	}
	before, err := q.enter(ctx, l, pieces)
	if err != nil {
		return 0, err
	}
	for _, s := range before {
		if s.Instance == q.o.Instance {
			continue // its rows are here
		}
		if err := q.compareOther(ctx, l, &s, found); err != nil {
			return 0, err
		}
	}
	return pieces, nil
}

func (q *Queue) compareOther(ctx context.Context, l *List, s *shared, all *found) error {
	v, _, err := q.o.Ledger.Get(ctx, s.gone())
	if err != nil {
		return errors.WithMessage(ErrBusy, err.Error())
	}
	if len(v)/8 >= maxGone {
		return nil
	}
	gone := map[uint64]bool{}
	for ; len(v) >= 8; v = v[8:] {
		gone[binary.BigEndian.Uint64(v)] = true
	}
	here := &found{marks: make(marks, len(all.marks))}
	var piece []byte
	n := 0
	err = q.join(l, func() (uint64, bool, error) {
		for {
			for len(piece) < 8 {
				if n == s.Pieces {
					return 0, false, nil
				}
				v, rev, err := q.o.Ledger.Get(ctx, s.piece(sharedKey(&l.Source), n))
				if err != nil {
					return 0, false, errors.WithMessage(ErrBusy, err.Error())
				}
				if rev == 0 { // it has expired
					return 0, false, nil
				}
				piece = v
				n++
			}
			row := binary.BigEndian.Uint64(piece)
			piece = piece[8:]
			if !gone[row] {
				return row, true, nil
			}
		}
	}, here)
	if err != nil || here.n == 0 {
		return err
	}
	kept, err := q.rely(ctx, s)
	if err != nil || !kept {
		return err
	}
	for at := range l.Received {
		if here.marks.has(at) {
			all.add(uint32(at))
		}
	}
	return nil
}

// rely makes sure that the other instance will place a list, however late it comes back:
// a list that was never acknowledged would be dropped after a while. It reports false
// when that list is not claimed (any more).
func (q *Queue) rely(ctx context.Context, s *shared) (kept bool, err error) {
	err = q.change(ctx, s.Claim, toldLife, func(v []byte) ([]byte, error) {
		var c claim
		kept = len(v) > 0 && json.Unmarshal(v, &c) == nil && c.Instance == s.Instance && c.List == s.List
		if !kept || c.Told {
			return nil, nil
		}
		c.Told, c.Expires = true, q.o.Now().Add(toldLife)
		return json.Marshal(c)
	})
	return kept, err
}

// tellGone tells the other instances that rows of a list will not be placed. It is
// told before the deletion is answered, so that a sender that sends such a row again
// afterwards gets it placed.
func (q *Queue) tellGone(ctx context.Context, l *List, ids []string) error {
	if q.o.Ledger == nil || !q.o.SkipRepeats || !q.window(l).After(q.o.Now()) {
		return nil
	}
	want := map[uint64]bool{}
	for _, id := range ids {
		want[idHash(id)] = true
	}
	in, err := openSums(q.sumsPath(l))
	if err != nil {
		return err
	}
	defer in.close()
	var add []byte
	s, more, err := in.next()
	for ; more && err == nil; s, more, err = in.next() {
		if want[s.id] {
			add = binary.BigEndian.AppendUint64(add, s.row)
		}
	}
	if err != nil || add == nil {
		return err
	}
	me := shared{Instance: q.o.Instance, List: l.ID}
	return q.change(ctx, me.gone(), q.o.RepeatWindow, func(v []byte) ([]byte, error) {
		told := map[string]bool{}
		for row := range slices.Chunk(v, 8) {
			told[string(row)] = true
		}
		out := slices.Clone(v)
		for row := range slices.Chunk(add, 8) {
			if !told[string(row)] && len(out) < 8*maxGone {
				out = append(out, row...)
			}
		}
		if len(out) == len(v) {
			return nil, nil
		}
		return out, nil
	})
}

// tellAllGone takes the lists of a campaign out of the directory whose rows all will not
// be placed.
func (q *Queue) tellAllGone(ctx context.Context, campaign string) error {
	for _, l := range q.snapshot() {
		if l.Source.Campaign != campaign || l.State != Dropped && !l.Wiped {
			continue
		}
		if err := q.unshare(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) unshare(ctx context.Context, l *List) error {
	if q.o.Ledger == nil || !q.o.SkipRepeats || !q.window(l).After(q.o.Now()) {
		return nil
	}
	return q.change(ctx, sharedKey(&l.Source), 2*q.o.RepeatWindow, func(v []byte) ([]byte, error) {
		var all []shared
		if len(v) == 0 {
			return nil, nil
		}
		if err := json.Unmarshal(v, &all); err != nil {
			return nil, errors.Wrap(err, "spool: directory of rows")
		}
		return json.Marshal(slices.DeleteFunc(all, func(s shared) bool { return s.Instance == q.o.Instance && s.List == l.ID }))
	})
}
