package ds104_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/testnet"
)

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: no right to mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	b, err := ds104.OpenBolt(filepath.Join(dir, "s"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
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
	if b.Stats().Failed == 0 {
		t.Error("failed commits are not counted")
	}
}
