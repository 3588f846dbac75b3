package ds104_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/testnet"
)

func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"bolt", "log"} {
		t.Run(kind, func(t *testing.T) { fullDisk(t, kind) })
	}
}

func fullDisk(t *testing.T, kind string) {
	dir := smallDisk(t)
	b, err := openDurable(kind, filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	n := testnet.New()
	serve(t, n, "s:1", b, nil)
	c := client(t, n, "s:1", nil)
	value := strings.Repeat("v", 20_000)
	good := 0
	for ; good < 200; good++ {
		if _, err = c.Put(t.Context(), fmt.Sprintf("k%03d", good), []byte(value), ds104.PutOptions{}); err != nil {
			break
		}
	}
	if good < 3 || good == 200 || !errors.Is(err, ds104.ErrInternal) {
		t.Fatalf("%d puts, then %v", good, err)
	}
	for i := range good { // nothing acknowledged is lost, and the store can be read
		mustGet(t, c, fmt.Sprintf("k%03d", i), value)
	}
	if _, err := c.Get(t.Context(), fmt.Sprintf("k%03d", good)); !errors.Is(err, ds104.ErrNotFound) {
		t.Errorf("what was refused: %v", err)
	}
	if b, ok := b.(*ds104.Bolt); ok && b.Stats().Failed == 0 {
		t.Error("failed commits are not counted")
	}
	if l, ok := b.(*ds104.Log); ok {
		if l.Err() != nil {
			t.Errorf("a full disk is no failed one: %v", l.Err())
		}
		if _, err := l.Put(t.Context(), "k", []byte(value), ds104.PutOptions{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("put: %v, want what the file system says", err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		put := func() bool {
			_, err := c.Put(t.Context(), "room again", []byte(value), ds104.PutOptions{})
			return err == nil
		}
		for range 200 {
			if put() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("the store does not use the room that there is again")
	}
}

// smallDisk returns a directory with room for 1 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: no right to mount a small disk, run as root or with CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The disk of the deciding side is full, or fails: no call of the pair does.
func TestPairOverABadDisk(t *testing.T) {
	for name, broken := range map[string]bool{"full": false, "failing": true} {
		t.Run(name, func(t *testing.T) {
			a, err := ds104.OpenLog(filepath.Join(smallDisk(t), "s"), &ds104.LogOptions{SegmentSize: 64 << 10, Side: ds104.SideA})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			p := &pair{n: testnet.New()}
			sa, err := ds104.NewServer(a, &ds104.ServerOptions{Side: ds104.SideA})
			if err != nil {
				t.Fatal(err)
			}
			defer sa.Close()
			ln, err := p.n.Listen(addrA)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = sa.Serve(ln) }()
			p.stores[1] = ds104.NewMemory(&ds104.MemoryOptions{Side: ds104.SideB})
			p.srv[1] = serve(t, p.n, addrB, p.stores[1], &ds104.ServerOptions{Side: ds104.SideB})
			c := p.connect(t, "c1", nil)
			ready(t, c)
			if st := c.Stats(); st.Lead != ds104.SideA {
				t.Fatalf("%v decides", st.Lead)
			}
			value := strings.Repeat("v", 20_000)
			for i := range 200 { // four times what the disk has room for
				if i == 10 && broken {
					ds104.BreakDisk(a)
				}
				key := fmt.Sprintf("k%03d", i)
				if _, err := c.Put(t.Context(), key, []byte(value), ds104.PutOptions{IfAbsent: true}); err != nil {
					t.Fatalf("put %d: %v", i, err)
				}
				mustGet(t, c, key, value)
			}
			if st := c.Stats(); st.Lead != ds104.SideB {
				t.Errorf("%v decides", st.Lead)
			}
			if n := len(content(t, c)); n != 200 {
				t.Errorf("%d entries", n)
			}
		})
	}
}
