package ds104test_test

import (
	"testing"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
)

// An implementation runs the suite in a test of its own; here it is ds104.Memory.
func Example() {
	_ = func(t *testing.T) { // func TestMyStore(t *testing.T)
		ds104test.TestStore(t, func(t *testing.T) ds104.Store {
			s := ds104.NewMemory(&ds104.MemoryOptions{MaxEntries: 100})
			t.Cleanup(func() { s.Close() })
			return s
		}, ds104test.Features{MaxEntries: 100})
	}
}
