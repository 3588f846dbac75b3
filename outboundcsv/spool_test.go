package outboundcsv_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/scratch"
	"github.com/connects-go/connects/outboundcsv"
)

// TestMemoryDoesNotGrowWithTheList compares lists of one and of ten or more times the rows: the
// bytes that the exporter holds, and the live heap on the way.
func TestMemoryDoesNotGrowWithTheList(t *testing.T) {
	const small = 200_000
	large := 2_000_000
	if testing.Short() {
		large = 800_000
	}
	measure := func(rows int) (retained int, live uint64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before := m.HeapAlloc
		o := &outboundcsv.Options{SpoolDir: t.TempDir(), Progress: func(read, written int) {
			if (read+written)%(rows/4) == 0 {
				runtime.GC()
				runtime.ReadMemStats(&m)
				live = max(live, m.HeapAlloc-min(before, m.HeapAlloc))
			}
		}}
		o.SetLimits(outboundcsv.SpoolLimits{Done: func(n int) { retained = n }})
		res, err := outboundcsv.Export(t.Context(), outboundcsv.DefaultProfile(), benchCalls(rows), io.Discard, o)
		if err != nil || res.Written != rows {
			t.Fatal(res, err)
		}
		return retained, live
	}
	smallHeld, smallLive := measure(small)
	largeHeld, largeLive := measure(large)
	t.Logf("%d rows: %d KiB held, %d KiB live; %d rows: %d KiB held, %d KiB live", small, smallHeld>>10, smallLive>>10, large, largeHeld>>10, largeLive>>10)
	if largeHeld > smallHeld+512<<10 || largeHeld > 4<<20 {
		t.Errorf("%d bytes held for the large list, %d for the small one", largeHeld, smallHeld)
	}
	if largeLive > smallLive+1<<20 {
		t.Errorf("%d bytes live for the large list, %d for the small one", largeLive, smallLive)
	}
}

// TestRepeatsNeedNoMemory: every id comes ten times.
func TestRepeatsNeedNoMemory(t *testing.T) {
	const rows, distinct = 200_000, 20_000
	var out bytes.Buffer
	held, told := 0, 0
	o := &outboundcsv.Options{SpoolDir: t.TempDir(), Row: func(id string, codes []outboundcsv.Code, rejected bool) error {
		if diff := cmp.Diff([]outboundcsv.Code{outboundcsv.DuplicateID}, codes); diff != "" || rejected {
			t.Fatalf("row %s rejected=%v (-want +got):\n%s", id, rejected, diff)
		}
		told++
		return nil
	}}
	o.SetLimits(outboundcsv.SpoolLimits{Entries: 4096, Done: func(n int) { held = n }})
	p, err := outboundcsv.ParseProfile([]byte(`{"columns":[{"type":"AccountNumber"},{"type":"Phone01"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	res, err := outboundcsv.Export(t.Context(), p, func(yield func(outboundcsv.PlannedCall, error) bool) {
		for i := range rows {
			if !yield(outboundcsv.PlannedCall{ID: strconv.Itoa(i % distinct), Phones: []outboundcsv.Phone{{Number: strconv.Itoa(i)}}}, nil) {
				return
			}
		}
	}, &out, o)
	if err != nil || res.Written != distinct || told != distinct {
		t.Fatalf("%+v %v, %d rows told, want %d", res, err, told, distinct)
	}
	var want bytes.Buffer
	for i := range distinct {
		want.WriteString(strconv.Itoa(i) + "," + strconv.Itoa(rows-distinct+i) + "\r\n")
	}
	if !bytes.Equal(want.Bytes(), out.Bytes()) {
		t.Errorf("%d bytes, want %d with the last number of each id", out.Len(), want.Len())
	}
	if held > 1<<20 {
		t.Errorf("%d bytes held", held)
	}
}

// fullDisk takes some bytes and no more.
type fullDisk struct {
	*scratch.File
	room *int
	open *int
}

func (f fullDisk) Write(b []byte) (int, error) {
	if *f.room -= len(b); *f.room < 0 {
		return 0, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.Write(b)
}

func (f fullDisk) Close() error {
	*f.open--
	return f.File.Close()
}

// TestFullDisk: the error says so, nothing was written to the import file, and all
// files are closed, wherever the disk is full.
func TestFullDisk(t *testing.T) {
	for _, room := range []int{0, 10_000, 100_000} {
		dir, open, left := t.TempDir(), 0, room
		var out bytes.Buffer
		o := &outboundcsv.Options{SpoolDir: dir}
		o.SetLimits(outboundcsv.SpoolLimits{Piece: 4096, Entries: 512, Create: func(dir string) (outboundcsv.SpoolFile, error) {
			f, err := scratch.Create(dir, "list-*.spool")
			open++
			return fullDisk{f, &left, &open}, err
		}})
		_, err := outboundcsv.Export(t.Context(), outboundcsv.DefaultProfile(), benchCalls(5000), &out, o)
		if !errors.Is(err, syscall.ENOSPC) || out.Len() > 0 || open != 0 {
			t.Errorf("room for %d bytes: error %v, %d bytes written, %d files open; want that the disk is full and nothing else", room, err, out.Len(), open)
		}
		if n := names(t, dir); len(n) != 0 {
			t.Errorf("room for %d bytes: left behind %v", room, n)
		}
	}
	w := writerFunc(func([]byte) (int, error) { return 0, syscall.ENOSPC })
	if _, err := outboundcsv.Export(t.Context(), outboundcsv.DefaultProfile(), benchCalls(5000), w, &outboundcsv.Options{SpoolDir: t.TempDir()}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v, want that the disk of the file is full", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestNothingIsLeft on the ways out of an export that has files: there are no names even
// while it runs.
func TestNothingIsLeft(t *testing.T) {
	stop := errors.New("stop")
	for _, tt := range []struct {
		name string
		do   func(ctx context.Context, cancel func(), o *outboundcsv.Options) error
	}{
		{"good", func(ctx context.Context, _ func(), o *outboundcsv.Options) error {
			_, err := outboundcsv.Export(ctx, outboundcsv.DefaultProfile(), benchCalls(9000), io.Discard, o)
			return err
		}},
		{"canceled", func(ctx context.Context, cancel func(), o *outboundcsv.Options) error {
			o.Progress = func(read, _ int) {
				if read == 8000 {
					cancel()
				}
			}
			_, err := outboundcsv.Export(ctx, outboundcsv.DefaultProfile(), benchCalls(9000), io.Discard, o)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: error %v", err)
			}
			return nil
		}},
		{"broken list", func(ctx context.Context, _ func(), o *outboundcsv.Options) error {
			_, err := outboundcsv.Export(ctx, outboundcsv.DefaultProfile(), func(yield func(outboundcsv.PlannedCall, error) bool) {
				for c := range benchCalls(9000) {
					if !yield(c, nil) {
						return
					}
				}
				yield(outboundcsv.PlannedCall{}, stop)
			}, io.Discard, o)
			if !errors.Is(err, stop) {
				t.Errorf("broken list: error %v", err)
			}
			return nil
		}},
	} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		o := &outboundcsv.Options{SpoolDir: dir, Progress: func(read, _ int) {
			if n := names(t, dir); runtime.GOOS == "linux" && len(n) > 0 {
				t.Errorf("%s: after %d rows a kill would leave %v", tt.name, read, n)
			}
		}}
		o.SetLimits(outboundcsv.SpoolLimits{Piece: 4096, Entries: 1024})
		if err := tt.do(ctx, cancel, o); err != nil {
			t.Error(tt.name, err)
		}
		if n := names(t, dir); len(n) != 0 {
			t.Errorf("%s: left behind %v", tt.name, n)
		}
	}
}
