package cpic

import (
	"io"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// What the vectors are compared with.
var (
	AcceptTP      = acceptTP
	RegisterNames = registerNames
	AppendFrame   = appendFrame
)

// RegisterRequest is the first frame.
func RegisterRequest(program, host string, ip [4]byte) []byte {
	return registerRequest(program, host, ip)
}

// Decompress decompresses everything.
func Decompress(b []byte, limit int64) ([]byte, error) {
	r, _, err := decompress(b, limit)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Received is a call that was read.
type Received struct{ x *callReader }

// Close frees the rows.
func (r Received) Close() { r.x.close() }

// Call returns the call.
func (r Received) Call() *sapphone.Call { return r.x.c }

// Reply is the answer.
func (r Received) Reply(d *sapphone.Definitions, res *sapphone.Result, err error) []byte {
	return reply(r.x, d, res, err)
}

// ReadCall reads a call stream.
func ReadCall(r io.Reader, big bool, dir string, limit int64) (Received, error) {
	x, err := readCall(r, big, dir, limit)
	return Received{x}, err
}
