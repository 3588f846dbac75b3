//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package outboundcsv

import (
	"errors"
	"os"
	"syscall"
)

// holdFile holds a file until hold is closed, or the process ends in any way. free is
// false when another process has it. A file system without such locks gives none; then
// nobody can get one, and nothing is removed there.
func holdFile(name string) (hold *os.File, free bool) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, !errors.Is(err, os.ErrNotExist)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, !errors.Is(err, syscall.EWOULDBLOCK)
	}
	return f, true
}

// removeAbandoned removes a file that nobody holds.
func removeAbandoned(name string) {
	f, free := holdFile(name)
	if f == nil {
		return
	}
	defer f.Close()
	if free {
		_ = os.Remove(name)
	}
}
