package wire

import "encoding/binary"

// Width is the number of bytes that the tag and the length of a tagged field
// take, each of them.
type Width uint8

// The widths in use.
const (
	Narrow Width = 1 // tag and length of one byte, data up to 255 bytes
	Wide   Width = 2 // tag and length of two bytes, data up to 65535 bytes
	Long   Width = 4 // tag and length of four bytes, data up to 2 GiB, tags up to 65535
)

// Max returns the largest length that w can express, which for Narrow and Wide is
// also the largest tag; that of Long is 65535.
func (w Width) Max() int {
	switch w {
	case Narrow:
		return 0xFF
	case Long:
		return 1<<31 - 1
	}
	return 0xFFFF
}

// AppendUint16 appends v in network byte order.
func AppendUint16(dst []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(dst, v) }

// AppendUint32 appends v in network byte order.
func AppendUint32(dst []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(dst, v) }

// AppendUint64 appends v in network byte order.
func AppendUint64(dst []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(dst, v) }

// AppendTag appends the tag and the length that open a tagged field. The
// caller has compared both with w.Max.
func AppendTag(dst []byte, w Width, tag uint16, length int) []byte {
	switch w {
	case Narrow:
		return append(dst, byte(tag), byte(length))
	case Long:
		return AppendUint32(AppendUint32(dst, uint32(tag)), uint32(length))
	}
	return append(dst, byte(tag>>8), byte(tag), byte(length>>8), byte(length))
}

// AppendHeader appends the header of a frame: the length of the body and the
// message type.
func AppendHeader(dst []byte, length, typ uint32) []byte {
	return AppendUint32(AppendUint32(dst, length), typ)
}
