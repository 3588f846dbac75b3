//go:build unix

package main

import (
	"os"
	"syscall"
)

// sameVolume reports whether two directories are on one volume, if that can be known.
func sameVolume(a, b string) (same, known bool) {
	var dev [2]uint64
	for i, dir := range []string{a, b} {
		st, err := os.Stat(dir)
		if err != nil {
			return false, false
		}
		s, ok := st.Sys().(*syscall.Stat_t)
		if !ok {
			return false, false
		}
		dev[i] = uint64(s.Dev) // its type differs between systems
	}
	return dev[0] == dev[1], true
}
