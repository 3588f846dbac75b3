//go:build unix

package ds104

import (
	"net"
	"syscall"

	"github.com/pkg/errors"
)

// setDSCP marks the packets of a connection with a differentiated services code point.
func setDSCP(conn net.Conn, dscp int) error {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return errors.Wrap(err, "ds104: dscp")
	}
	var e4, e6 error
	err = raw.Control(func(fd uintptr) {
		e4 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS, dscp<<2)
		e6 = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, ipv6TrafficClass, dscp<<2)
	})
	if err == nil && e4 != nil && e6 != nil { // a socket is of one family, or of both
		err = e4
	}
	return errors.Wrap(err, "ds104: dscp")
}
