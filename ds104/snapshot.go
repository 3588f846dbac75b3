package ds104

import (
	"bufio"
	"context"
	"crypto/sha256"
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

// A snapshot is snapshotMagic, its time in nanoseconds since 1970, APPLY_REQ frames, and
// a frame of type snapshotEnd with the SHA-256 of all that. Version 1, which begins with
// snapshotMagic1, has no sum: a frame without entries ends it.
const (
	snapshotMagic  = "DS104S\x00\x02"
	snapshotMagic1 = "DS104S\x00\x01"
	snapshotEnd    = 0 // no type of a message
)

// WriteSnapshot writes the entries of a store, while it is used: each entry as it is
// when its turn comes. It returns their number.
func WriteSnapshot(ctx context.Context, st Store, w io.Writer) (int, error) {
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	head := binary.BigEndian.AppendUint64([]byte(snapshotMagic), uint64(time.Now().UnixNano()))
	if _, err := out.Write(head); err != nil {
		return 0, errors.Wrap(err, "ds104: snapshot")
	}
	var frame []byte
	write := func(items []Item) (err error) {
		if frame, err = proto.AppendMessage(frame[:0], &proto.ApplyReq{Items: toWire(items)}); err != nil {
			return err
		}
		_, err = out.Write(frame)
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
	end := wire.AppendHeader(frame[:0], sha256.Size, snapshotEnd)
	_, err := w.Write(sum.Sum(end))
	return total, errors.Wrap(err, "ds104: snapshot")
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
