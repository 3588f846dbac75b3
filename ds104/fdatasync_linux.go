package ds104

import (
	"errors"
	"os"
	"syscall"
)

// flushFile brings the content of a file to the disk; its size has not changed. nil has none.
func flushFile(f *os.File) error {
	if f == nil {
		return nil
	}
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}

// reserve takes room on the disk for a file.
func reserve(f *os.File, size int64) error {
	for {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == syscall.EINTR:
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return nil // zeros are written anyway
		default:
			return err
		}
	}
}
