package ds104_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/testnet"
)

// block is where one stands in a segment.
type block struct{ begin, end int }

// blocks finds the blocks of a segment that was never used before: a head of 64 bytes,
// then blocks of 32 bytes, which begin with the length of what follows, up to a multiple
// of 8.
func blocks(b []byte) (out []block) {
	for at := 64; at+32 <= len(b); {
		n := int(binary.BigEndian.Uint32(b[at:]))
		if n == 0 || at+32+n > len(b) {
			break
		}
		next := at + (32+n+7)/8*8
		out = append(out, block{at, next})
		at = next
	}
	return out
}

// fewPuts makes a store with n puts, one in each block, and returns its only segment.
func fewPuts(t testing.TB, dir string, n int, o *ds104.LogOptions) string {
	t.Helper()
	l, err := ds104.OpenLog(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := l.Put(t.Context(), strconv.Itoa(i), value(i), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("%q %v", logs, err)
	}
	return logs[0]
}

// with opens a copy of a store in which one file was changed.
func with(t *testing.T, name string, content []byte, o *ds104.LogOptions) (*ds104.Log, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(name))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return ds104.OpenLog(dir, o)
}

// A crash cuts the last block anywhere, also with sectors in the wrong order: what was
// before it is there, and it is not.
func TestLogWithATornEnd(t *testing.T) {
	name := fewPuts(t, t.TempDir(), 5, nil)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(content)
	if len(all) < 5 {
		t.Fatalf("%d blocks", len(all))
	}
	last := all[len(all)-1]
	for name2, change := range map[string]func([]byte) []byte{
		"cut in the head":    func(b []byte) []byte { return b[:last.begin+10] },
		"cut in the content": func(b []byte) []byte { return b[:last.begin+50] },
		"zeros from the middle": func(b []byte) []byte {
			clear(b[(last.begin+last.end)/2 : last.end])
			return b
		},
		"only the end was written": func(b []byte) []byte {
			clear(b[last.begin : last.begin+16])
			return b
		},
		"a giant length": func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[last.begin:], 1<<31)
			return b
		},
		"one bit": func(b []byte) []byte {
			b[last.begin+40] ^= 4
			return b
		},
	} {
		t.Run(name2, func(t *testing.T) {
			l, err := with(t, name, change(bytes.Clone(content)), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for i := range 4 {
				if e, err := l.Get(t.Context(), strconv.Itoa(i)); err != nil || !bytes.Equal(e.Value, value(i)) {
					t.Errorf("put %d: %v", i, err)
				}
			}
			if _, err := l.Get(t.Context(), "4"); !errors.Is(err, ds104.ErrNotFound) {
				t.Errorf("the torn put: %v", err)
			}
			if _, err := l.Put(t.Context(), "4", []byte("again"), ds104.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Two flushes are under way together, and the second one gets to the disk before the
// first: neither was acknowledged.
func TestLogWhoseLastBlocksChangedTheirOrder(t *testing.T) {
	name := fewPuts(t, t.TempDir(), 5, nil)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(content)
	if len(all) != 5 {
		t.Fatalf("%d blocks", len(all))
	}
	clear(content[all[3].begin:all[3].end])
	head := content[all[4].begin:]
	binary.BigEndian.PutUint32(head[20:], 1) // the record before was not known to be on the disk
	payload := head[32 : 32+binary.BigEndian.Uint32(head)]
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for _, b := range [][]byte{content[16:24], head[:4], head[8:32], payload} {
		sum.Write(b)
	}
	binary.BigEndian.PutUint32(head[4:], sum.Sum32())
	l, err := with(t, name, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := l.Dir()
	for round := range 2 { // also when it is opened again
		if n := len(contents(t, l)); n != 3+round {
			t.Errorf("%d entries", n)
		}
		if _, err := l.Put(t.Context(), "new", []byte("v"), ds104.PutOptions{}); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = ds104.OpenLog(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// What no crash leaves is refused, with file and place, and nothing is changed.
func TestDamagedLog(t *testing.T) {
	name := fewPuts(t, t.TempDir(), 5, nil)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(content)
	for name2, c := range map[string]struct {
		change func([]byte) []byte
		want   error
		text   string
	}{
		"a bit in an older block": {func(b []byte) []byte { b[all[1].begin+50] ^= 1; return b }, ds104.ErrDamaged, fmt.Sprintf("between %d and %d", all[1].begin, all[2].begin)},
		"an older block is gone":  {func(b []byte) []byte { clear(b[all[1].begin:all[1].end]); return b }, ds104.ErrDamaged, "between"},
		"blocks changed places": {func(b []byte) []byte {
			return append(append(append([]byte(nil), b[:all[1].begin]...), b[all[2].begin:]...), b[all[1].begin:all[1].end]...)
		}, ds104.ErrDamaged, "changes 3 to 3 where 2 was expected"},
		"head":          {func(b []byte) []byte { b[20] ^= 1; return b }, ds104.ErrDamaged, ".log"},
		"empty":         {func([]byte) []byte { return nil }, ds104.ErrDamaged, ".log"},
		"newer version": {func(b []byte) []byte { b[7] = 9; return b }, ds104.ErrVersion, ".log"},
	} {
		t.Run(name2, func(t *testing.T) {
			l, err := with(t, name, c.change(bytes.Clone(content)), nil)
			if err == nil {
				_ = l.Close()
			}
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("%v, want %v with %q", err, c.want, c.text)
			}
		})
	}
}

func TestLogWithoutASegmentOfItsBase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &ds104.LogOptions{SegmentSize: 64 << 10}
	l := openLog(t, dir, o)
	for i := range 200 {
		if _, err := l.Put(t.Context(), strconv.Itoa(i%20), value(i), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Compact(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	bases, err := filepath.Glob(filepath.Join(dir, "*.base"))
	if err != nil || len(bases) != 1 {
		t.Fatalf("%q %v", bases, err)
	}
	segment := strings.TrimSuffix(bases[0], ".base") + ".log"
	if err := os.Rename(segment, segment+".away"); err != nil {
		t.Fatal(err)
	}
	if l, err := ds104.OpenLog(dir, o); !errors.Is(err, ds104.ErrDamaged) {
		t.Errorf("without %s: %v %v", segment, l, err)
	}
	if err := os.Rename(segment+".away", segment); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(bases[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bases[0], b[:len(b)-40], 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := ds104.OpenLog(dir, o); !errors.Is(err, ds104.ErrDamaged) {
		t.Errorf("with half a base: %v %v", l, err)
	}
}

func TestLogKeys(t *testing.T) {
	key := bytes.Repeat([]byte{1}, ds104.KeySize)
	sealed := fewPuts(t, t.TempDir(), 2, &ds104.LogOptions{Key: key})
	plain := fewPuts(t, t.TempDir(), 2, nil)
	b, err := os.ReadFile(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, value(1)[:6]) {
		t.Error("the file shows a value")
	}
	for _, c := range []struct {
		file string
		key  []byte
	}{{sealed, nil}, {sealed, bytes.Repeat([]byte{2}, ds104.KeySize)}, {plain, key}} {
		if l, err := ds104.OpenLog(filepath.Dir(c.file), &ds104.LogOptions{Key: c.key}); !errors.Is(err, ds104.ErrKey) {
			t.Errorf("%v %v, want ErrKey", l, err)
		}
	}
	if l, err := ds104.OpenLog(t.TempDir(), &ds104.LogOptions{Key: key[:31]}); err == nil {
		t.Error("a short key", l.Close())
	}
}

func TestLogIsHeldByOne(t *testing.T) {
	dir := t.TempDir()
	openLog(t, dir, nil)
	if l, err := ds104.OpenLog(dir, nil); !errors.Is(err, ds104.ErrLocked) {
		t.Errorf("%v %v, want ErrLocked", l, err)
	}
}

// A store that is opened often and hardly written to does not collect files.
func TestLogDoesNotCollectFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &ds104.LogOptions{SegmentSize: 64 << 10}
	for i := range 60 {
		l, err := ds104.OpenLog(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := l.Put(t.Context(), strconv.Itoa(i), []byte("v"), ds104.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 30 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if n := len(contents(t, openLog(t, dir, o))); n != 30 {
		t.Errorf("%d entries", n)
	}
}

// When the disk fails, every call says so, nobody gets an answer that the disk has not,
// and the server ends, so that its clients go to the other side.
func TestLogWhoseDiskFails(t *testing.T) {
	dir := t.TempDir()
	l, err := ds104.OpenLog(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := testnet.New()
	s, err := ds104.NewServer(l, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ln, err := n.Listen("s:1")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	c := client(t, n, "s:1", &ds104.ClientOptions{Wait: -1})
	if err := c.WaitUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "before", []byte("v"), ds104.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	ds104.BreakDisk(l)
	if _, err := c.Put(t.Context(), "after", []byte("v"), ds104.PutOptions{}); err == nil {
		t.Error("a put that is not on the disk was acknowledged")
	}
	select {
	case <-l.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("Done is not closed")
	}
	if err := <-ended; err == nil || errors.Is(err, ds104.ErrServerClosed) {
		t.Errorf("Serve: %v, want the error of the disk", err)
	}
	if _, err := l.Get(t.Context(), "before"); !errors.Is(err, l.Err()) || err == nil {
		t.Errorf("get: %v, want %v", err, l.Err())
	}
	if err := l.Close(); err == nil {
		t.Error("close does not tell")
	}
	l = openLog(t, dir, nil)
	if e, err := l.Get(t.Context(), "before"); err != nil || string(e.Value) != "v" {
		t.Errorf("after a restart: %+v %v", e, err)
	}
}
