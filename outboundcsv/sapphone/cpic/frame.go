package cpic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Errors of the protocol. Compare with errors.Is.
var (
	// ErrFrame: bytes that are no frame, item or table of the protocol.
	ErrFrame = errors.New("cpic: protocol error")
	// ErrTooLarge: a frame, item or call above a limit.
	ErrTooLarge = errors.New("cpic: too large")
	// ErrSerializer: the call uses fast serialization, xRFC or basXML. Set "Classic
	// serializer" in SM59.
	ErrSerializer = errors.New("cpic: not the classic serializer; set it in SM59")
	// ErrRefused: the gateway refused the registration.
	ErrRefused = errors.New("cpic: the gateway refuses the registration")
	// ErrAborted: the caller or the gateway ended the call before its end.
	ErrAborted = errors.New("cpic: call was broken off")
)

// Default limits in bytes.
const (
	DefaultMaxFrame = 64 << 20
	DefaultMaxCall  = 512 << 20
	maxItem         = 16 << 20
)

// Sizes of headers (Wireshark packet-saprfc.c; saprfclib).
const (
	gatewayHeader2 = 64
	gatewayHeader3 = 80
	registerBlock  = 512
	appcHeader     = 80
	appcVersion    = 6
)

// Request types of the gateway header.
const (
	gwRegisterTP = 0x0B
)

// Function types of the APPC header.
const (
	fnAccept     = 0x03
	fnSend       = 0x07
	fnASend      = 0x08
	fnDeallocate = 0x0B
	fnSAPSend    = 0xCB
	fnASAPSend   = 0xCC
	fnPing       = 0xCE
	fnRegTP      = 0xCF
	fnUnregTP    = 0xD0
	fnAcceptTP   = 0xD1
	fnUnacceptTP = 0xD2
	fnCancelTP   = 0xD3
	fnCancel     = 0xD5
	fnCanceled   = 0xD6
)

const (
	niPing = "NI_PING\x00"
	niPong = "NI_PONG\x00"
)

// readFrame reads one NI frame; buf is reused.
func readFrame(r io.Reader, buf []byte, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w: frame of %d bytes", ErrTooLarge, n)
	}
	// The announced length is not believed before the bytes are there.
	buf = buf[:0]
	for len(buf) < int(n) {
		part := min(int(n)-len(buf), 1<<20)
		at := len(buf)
		buf = append(buf, make([]byte, part)...)
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return buf, nil
}

func appendFrame(dst, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(dst, payload...)
}

// padded returns s in a field of n bytes, filled with c.
func padded(s string, n int, c byte) []byte {
	out := make([]byte, n)
	k := copy(out, s)
	for ; k < n; k++ {
		out[k] = c
	}
	return out
}

// registerRequest is the first frame: GW_REGISTER_TP.
func registerRequest(program, host string, ip [4]byte) []byte {
	b := make([]byte, gatewayHeader2)
	b[0], b[1] = 2, gwRegisterTP
	copy(b[2:6], ip[:])
	copy(b[10:19], program) // nine characters and NUL
	copy(b[20:24], "1100")
	b[29] = 6
	copy(b[30:38], padded(host, 8, ' '))
	copy(b[38:46], padded(program, 8, ' '))
	copy(b[46:54], padded("", 8, ' '))
	b[54], b[55], b[56], b[57] = appcVersion, 0xCB, 0xFF, 0xFF
	return b
}

// registerNames is the block that follows the gateway's answer.
func registerNames(program, host string) []byte {
	b := padded("", registerBlock, ' ')
	copy(b, host+"\x00")
	copy(b[128:], program+"\x00")
	return b
}

// registerAnswer reads the gateway's answer: the code page it wants.
func registerAnswer(b []byte) (codePage string, err error) {
	switch {
	case len(b) >= 2 && b[0] == appcVersion && len(b) >= appcHeader:
		h, err := parseAPPC(b)
		if err == nil {
			err = fmt.Errorf("%w: %s", ErrRefused, h.problem(b))
		}
		return "", err
	case len(b) != gatewayHeader2 && len(b) != gatewayHeader3 || b[0] != 2 && b[0] != 3:
		return "", fmt.Errorf("%w: %d bytes instead of an answer to the registration%s", ErrRefused, len(b), errorText(b))
	}
	at := 58
	if b[0] == 3 {
		if len(b) != gatewayHeader3 {
			return "", fmt.Errorf("%w: gateway header", ErrFrame)
		}
		at += 16
	}
	if rc := binary.BigEndian.Uint32(b[at:]); rc != 0 {
		return "", fmt.Errorf("%w: return code %d; look at reginfo and SMGW", ErrRefused, rc)
	}
	return strings.TrimRight(string(b[20:24]), "\x00 "), nil
}

// appc is what we need of an APPC header.
type appc struct {
	function   byte
	errorLen   int
	appcRC     uint32
	sapRC      uint32
	conv       [8]byte
	dataOffset int
}

func parseAPPC(b []byte) (appc, error) {
	if len(b) < appcHeader || b[0] != appcVersion {
		return appc{}, fmt.Errorf("%w: no APPC header of version 6", ErrFrame)
	}
	h := appc{function: b[1], errorLen: int(binary.BigEndian.Uint16(b[8:])), appcRC: binary.BigEndian.Uint32(b[32:]), sapRC: binary.BigEndian.Uint32(b[36:]), dataOffset: appcHeader}
	copy(h.conv[:], b[40:48])
	return h, nil
}

// problem is the text for a header that reports one.
func (h *appc) problem(b []byte) string {
	return fmt.Sprintf("function %02X, APPC return code %d, SAP return code %d%s", h.function, h.appcRC, h.sapRC, errorText(b[appcHeader:]))
}

// errorText takes the readable parts of an error block: items separated by NUL that
// begin with *ERR*.
func errorText(b []byte) string {
	at := strings.Index(string(b), "*ERR*")
	if at < 0 {
		return ""
	}
	var parts []string
	for p := range strings.SplitSeq(string(b[at:min(len(b), at+2048)]), "\x00") {
		p = strings.Map(func(r rune) rune {
			if r < 0x20 || r > 0x7E {
				return -1
			}
			return r
		}, p)
		if p != "" && p != "*ERR*" {
			parts = append(parts, p)
		}
	}
	return ": " + strings.Join(parts, " / ")
}

// acceptTP is the frame that says that calls are welcome: SAP_ACCPTP.
func acceptTP() []byte {
	b := control(fnAcceptTP, [8]byte{0, 'H', '0', '0', '0', '0', '0', '1'})
	b[39], b[51] = 1, appcHeader
	return b
}

// control is a header without data.
func control(function byte, conv [8]byte) []byte {
	b := make([]byte, appcHeader)
	b[0], b[1], b[2], b[4], b[5] = appcVersion, function, 7, 0xFF, 0xFF
	copy(b[40:48], conv[:])
	b[76], b[77], b[78], b[79] = 0xFF, 0xFF, 0xFF, 0xFF
	return b
}

// sendData is ASEND_DATA with a part of an answer.
func sendData(conv [8]byte, data []byte) []byte {
	b := control(fnASend, conv)
	binary.BigEndian.PutUint32(b[48:], uint32(len(data)))
	b[78], b[79] = 0, 1
	return append(b, data...)
}
