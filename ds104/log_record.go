package ds104

import (
	"encoding/binary"
	"errors"
)

// Kinds of the records of a Log. A record is its kind and what record has for it:
// numbers in eight bytes, texts and values with their length as a varint before them.
const (
	recPut     = 'P' // revision, expiry, time of writing, key, origin, value
	recRemove  = 'R' // revision, key: deleted or expired
	recTomb    = 'T' // revision, time, key: a deletion that a side of a pair remembers
	recAdvance = 'V' // revision
	recEnd     = 'E' // count: the end of a base, which is whole with it
)

// record is one change of a Log. Its byte slices belong to the block it stands in.
type record struct {
	kind    byte
	rev     Revision // of recEnd the number of records before it
	expires int64    // nanoseconds since 1970, 0: never
	at      int64    // time of writing or of deletion, nanoseconds since 1970
	key     []byte
	origin  []byte
	value   []byte
}

// recordRoom is the most that a record takes beside key, origin and value.
const recordRoom = 1 + 3*8 + 3*binary.MaxVarintLen64

func appendPut(dst []byte, it *item, c clock) []byte {
	dst = append(dst, recPut)
	dst = binary.BigEndian.AppendUint64(dst, uint64(it.rev))
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.of(it.expires)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(it.written))
	dst = appendText(dst, it.key)
	dst = appendText(dst, it.origin.Origin)
	return appendText(dst, it.value)
}

func appendRemove(dst []byte, key string, rev Revision) []byte {
	return appendText(binary.BigEndian.AppendUint64(append(dst, recRemove), uint64(rev)), key)
}

func appendTomb(dst []byte, key string, t tomb, c clock) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, recTomb), uint64(t.rev))
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.of(t.at)))
	return appendText(dst, key)
}

// appendNumber writes recAdvance or recEnd.
func appendNumber(dst []byte, kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, kind), n)
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

var errRecord = errors.New("ds104: damaged record")

// cutRecord takes the first record off a block.
func cutRecord(b []byte) (r record, rest []byte, err error) {
	if len(b) == 0 {
		return r, nil, errRecord
	}
	r.kind, b = b[0], b[1:]
	number := func() (n uint64) {
		if len(b) < 8 {
			err = errRecord
			return 0
		}
		n, b = binary.BigEndian.Uint64(b), b[8:]
		return n
	}
	text := func() (s []byte) {
		n, k := binary.Uvarint(b)
		if err != nil || k <= 0 || n > uint64(len(b)-k) {
			err = errRecord
			return nil
		}
		s, b = b[k:k+int(n)], b[k+int(n):]
		return s
	}
	r.rev = Revision(number())
	switch r.kind {
	case recPut:
		r.expires, r.at = int64(number()), int64(number())
		r.key, r.origin, r.value = text(), text(), text()
	case recRemove:
		r.key = text()
	case recTomb:
		r.at, r.key = int64(number()), text()
	case recAdvance, recEnd:
	default:
		err = errRecord
	}
	if err == nil && (r.kind == recPut || r.kind == recRemove || r.kind == recTomb) && (len(r.key) == 0 || len(r.key) > MaxKey) {
		err = errRecord
	}
	return r, b, err
}
