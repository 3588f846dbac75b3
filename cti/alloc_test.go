//go:build !race

package cti_test

import (
	"testing"

	"github.com/connects-go/connects/cti"
)

// TestDecodeAllocatesAtMostTwice holds for a message with one list. DecodeFrom
// takes one allocation for all texts and one for the list; DecodeMessage one for
// the texts and one for the message, which brings room for a short list.
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
		got = testing.AllocsPerRun(200, func() {
			if _, err := cti.DecodeMessage(c.m.Type(), c.body, cti.Version24); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.decodeAllocs {
			t.Errorf("DecodeMessage %s: %v allocations, at most %v", c.name, got, c.decodeAllocs)
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
