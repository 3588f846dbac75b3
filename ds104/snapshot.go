package ds104

import (
	"bufio"
	"context"
	"encoding/binary"
	stderrors "errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pkg/errors"

	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/wire"
)

// ErrSnapshot: a file is no snapshot, or not a whole one.
var ErrSnapshot = stderrors.New("ds104: not a whole snapshot")

// snapshotMagic begins a snapshot; its time in nanoseconds and APPLY_REQ frames
// follow, the last one without entries.
const snapshotMagic = "DS104S\x00\x01"

// WriteSnapshot writes the entries of a store, while it is used: each entry as it is
// when its turn comes. It returns their number.
func WriteSnapshot(ctx context.Context, st Store, w io.Writer) (int, error) {
	head := binary.BigEndian.AppendUint64([]byte(snapshotMagic), uint64(time.Now().UnixNano()))
	if _, err := w.Write(head); err != nil {
		return 0, errors.Wrap(err, "ds104: snapshot")
	}
	var frame []byte
	write := func(items []Item) (err error) {
		if frame, err = proto.AppendMessage(frame[:0], &proto.ApplyReq{Items: toWire(items)}); err != nil {
			return err
		}
		_, err = w.Write(frame)
		return errors.Wrap(err, "ds104: snapshot")
	}
	var items []Item
	total, size := 0, 0
	for e, err := range st.List(ctx, "") {
		if err != nil {
			return total, err
		}
		items = append(items, Item{Entry: e, TTL: until(e.Expires)})
		total++
		if size += len(e.Key) + len(e.Value); size > maxPageBytes || len(items) == maxPageItems {
			if err := write(items); err != nil {
				return total, err
			}
			items, size = items[:0], 0
		}
	}
	if len(items) > 0 {
		if err := write(items); err != nil {
			return total, err
		}
	}
	return total, write(nil)
}

// ReadSnapshot brings the entries of a snapshot into a store and returns their number.
// Those whose time has passed are left out. Of an entry that the store has too, the
// one with the higher revision stays when the store is a [Replica], else that of the
// snapshot.
func ReadSnapshot(ctx context.Context, st Store, r io.Reader) (int, error) {
	var head [len(snapshotMagic) + 8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:len(snapshotMagic)]) != snapshotMagic {
		return 0, ErrSnapshot
	}
	passed := time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(head[len(snapshotMagic):]))))
	fr := wire.NewFrameReader(r, MaxMaxValue+maxPageBytes+frameExtra)
	for total := 0; ; {
		typ, body, err := fr.Next()
		if err != nil || proto.MessageType(typ) != proto.TypeApplyReq {
			return total, ErrSnapshot
		}
		var m proto.ApplyReq
		if err := m.DecodeFrom(body, proto.CurrentVersion); err != nil {
			return total, stderrors.Join(ErrSnapshot, err)
		}
		if len(m.Items) == 0 {
			return total, nil
		}
		items := fromWire(m.Items)
		alive := items[:0]
		for _, it := range items {
			if it.TTL > 0 {
				if it.TTL -= max(passed, 0); it.TTL <= 0 {
					continue
				}
			}
			alive = append(alive, it)
		}
		if err := restore(ctx, st, alive); err != nil {
			return total, err
		}
		total += len(alive)
	}
}

func restore(ctx context.Context, st Store, items []Item) error {
	if r, ok := st.(Replica); ok {
		_, err := r.Apply(ctx, items)
		return err
	}
	for _, it := range items {
		if _, err := st.Put(ctx, it.Key, it.Value, PutOptions{TTL: it.TTL, Origin: it.Origin}); err != nil {
			return err
		}
	}
	return nil
}

// SaveSnapshot writes a snapshot to a file: a whole one appears under that name, or
// none.
func SaveSnapshot(ctx context.Context, st Store, path string) (n int, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".ds104-*")
	if err != nil {
		return 0, errors.Wrap(err, "ds104: snapshot")
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 256<<10)
	if n, err = WriteSnapshot(ctx, st, b); err != nil {
		return n, err
	}
	for _, do := range []func() error{b.Flush, f.Sync, f.Close, func() error { return os.Rename(f.Name(), path) }} {
		if err = do(); err != nil {
			return n, errors.Wrap(err, "ds104: snapshot")
		}
	}
	return n, nil
}

// LoadSnapshot reads a snapshot from a file. See [ReadSnapshot].
func LoadSnapshot(ctx context.Context, st Store, path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, errors.Wrap(err, "ds104: snapshot")
	}
	defer f.Close()
	return ReadSnapshot(ctx, st, bufio.NewReaderSize(f, 256<<10))
}
