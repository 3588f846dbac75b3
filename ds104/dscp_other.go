//go:build !unix

package ds104

import "net"

func setDSCP(net.Conn, int) error { return ErrUnsupported }
