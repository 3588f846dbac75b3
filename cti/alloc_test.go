//go:build !race

package cti_test

import (
	"testing"

	"github.com/connects-go/connects/cti"
)

// TestDecodeAllocatesAtMostTwice holds for a fresh message with one list: one
// allocation for all texts, one for the list.
func TestDecodeAllocatesAtMostTwice(t *testing.T) {
	for _, c := range benchMessages(t) {
		got := testing.AllocsPerRun(200, func() {
			if err := c.fresh(c.body); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.decodeAllocs {
			t.Errorf("decode %s: %v allocations, at most %v", c.name, got, c.decodeAllocs)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, cti.Version25.MaxMessageSize())
	for _, c := range benchMessages(t) {
		got := testing.AllocsPerRun(200, func() {
			if _, err := cti.AppendMessage(buf, c.m, cti.Version24); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("append %s: %v allocations", c.name, got)
		}
	}
}
