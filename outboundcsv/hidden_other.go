//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package outboundcsv

import (
	"os"
	"time"
)

// abandoned is how long nobody wrote to a file before it is taken for one that was left
// behind. Where there are no locks the time has to do; on Windows a file that a process
// has open cannot be removed either.
const abandoned = 24 * time.Hour

// holdFile cannot hold a file here.
func holdFile(string) (hold *os.File, free bool) { return nil, true }

// removeAbandoned removes a file that nobody wrote to for long.
func removeAbandoned(name string) {
	if st, err := os.Lstat(name); err == nil && time.Since(st.ModTime()) > abandoned {
		_ = os.Remove(name)
	}
}
