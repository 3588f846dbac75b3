//go:build unix

package ici

import "syscall"

// quiet reports whether an idle connection is still open and has nothing to read. Bytes that
// arrive unasked (a proxy's "408 Request Timeout") must not pass for the answer to the next event.
func quiet(raw syscall.RawConn) bool {
	ok := false
	err := raw.Read(func(fd uintptr) bool {
		var b [1]byte
		n, err := syscall.Read(int(fd), b[:])
		ok = n <= 0 && (err == syscall.EAGAIN || err == syscall.EWOULDBLOCK)
		return true
	})
	return err == nil && ok
}
