package cpic

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// tag is the first and last half of an item.
type tag uint16

// Tags (public captures of saprfclib).
const (
	tagVersion    tag = 0x000B
	tagFunction   tag = 0x0102
	tagProgram    tag = 0x0130
	tagUser       tag = 0x0150
	tagClient     tag = 0x0151
	tagName       tag = 0x0201
	tagValue      tag = 0x0203
	tagWanted     tag = 0x0205
	tagTable      tag = 0x0301
	tagTableSize  tag = 0x0302
	tagRowPlain   tag = 0x0303
	tagRow        tag = 0x0304
	tagRowsPacked tag = 0x0305
	tagTableEnd   tag = 0x0306
	tagTableID    tag = 0x0330
	tagException  tag = 0x0401
	tagErrorText  tag = 0x0402
	tagErrorNo    tag = 0x0417
	tagReturnCode tag = 0x0420
	tagSystemID   tag = 0x0450
	tagReply      tag = 0x0500
	tagCall       tag = 0x0502
	tagReplyMark  tag = 0x0503
	tagParameters tag = 0x0512
	tagToken      tag = 0x0514
	tagDeepMark   tag = 0x3C02
	tagDeepText   tag = 0x3C05
	tagFast       tag = 0x5001
	tagEnd        tag = 0xFFFF
)

// sessionMark may precede the first item: EBCDIC "RFC000000000".
const sessionMark = "\xD9\xC6\xC3\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0"

// itemReader reads items. The value of an item is valid until the next.
type itemReader struct {
	r    *bufio.Reader
	left int64 // bytes that the call may still have
	buf  []byte
}

func newItemReader(r io.Reader, limit int64) *itemReader {
	return &itemReader{r: bufio.NewReaderSize(r, 64<<10), left: limit}
}

// skipMark skips the session mark.
func (x *itemReader) skipMark() error {
	b, err := x.r.Peek(len(sessionMark))
	if err != nil && len(b) < 2 {
		return cut(err)
	}
	if string(b) == sessionMark {
		_, err = x.r.Discard(len(sessionMark))
		return err
	}
	return nil
}

func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// next returns the next item; tagEnd ends the stream.
func (x *itemReader) next() (tag, []byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(x.r, head[:]); err != nil {
		return 0, nil, cut(err)
	}
	t, n := tag(binary.BigEndian.Uint16(head[:])), int64(binary.BigEndian.Uint16(head[2:]))
	x.left -= 6
	if n == 0xFFFF && t != tagEnd {
		var long [4]byte
		if _, err := io.ReadFull(x.r, long[:]); err != nil {
			return 0, nil, cut(err)
		}
		n = int64(binary.BigEndian.Uint32(long[:]))
		x.left -= 4
	}
	if t == tagEnd && n != 0 {
		return 0, nil, fmt.Errorf("%w: the end has a length", ErrFrame)
	}
	if n > maxItem || n > x.left {
		return 0, nil, fmt.Errorf("%w: item %04X of %d bytes", ErrTooLarge, uint16(t), n)
	}
	x.left -= n
	x.buf = x.buf[:0]
	for int64(len(x.buf)) < n { // the length is not believed before the bytes are there
		at, part := len(x.buf), min(int(n)-len(x.buf), 64<<10)
		x.buf = append(x.buf, make([]byte, part)...)
		if _, err := io.ReadFull(x.r, x.buf[at:]); err != nil {
			return 0, nil, cut(err)
		}
	}
	var end [2]byte
	if _, err := io.ReadFull(x.r, end[:]); err != nil {
		return 0, nil, cut(err)
	}
	if tag(binary.BigEndian.Uint16(end[:])) != t {
		return 0, nil, fmt.Errorf("%w: item %04X ends with %04X", ErrFrame, uint16(t), end)
	}
	return t, x.buf, nil
}

// appendItem appends one item.
func appendItem(dst []byte, t tag, value []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(t))
	if len(value) >= 0xFFFF {
		dst = binary.BigEndian.AppendUint16(dst, 0xFFFF)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	} else {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(value)))
	}
	dst = append(dst, value...)
	return binary.BigEndian.AppendUint16(dst, uint16(t))
}

func appendEnd(dst []byte) []byte { return append(dst, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF) }
