package natskv

import (
	"encoding/binary"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/connects-go/connects/ds104"
)

// Headers of a key/value bucket (NATS, ADR-8).
const (
	headerOperation = "KV-Operation"
	operationDelete = "DEL"
	headerReason    = "Nats-Marker-Reason"
)

// isMarker reports whether a message deletes its key.
func isMarker(h nats.Header) bool {
	return h.Get(headerOperation) != "" || h.Get(headerReason) != ""
}

// headSize is version, expiry and length of the origin.
const headSize = 1 + 8 + 1

func pack(value []byte, ttl time.Duration, origin string) []byte {
	if len(origin) > ds104.MaxOrigin {
		origin = origin[:ds104.MaxOrigin]
	}
	b := append(make([]byte, 0, headSize+len(origin)+len(value)), 1)
	expires := uint64(0)
	if ttl > 0 {
		now := time.Now().UnixNano()
		expires = uint64(now) + min(uint64(ttl), uint64(1<<63-1-now)) // not beyond what a time can say
	}
	b = binary.BigEndian.AppendUint64(b, expires)
	b = append(append(b, byte(len(origin))), origin...)
	return append(b, value...)
}

// entry returns what a message, taken by the servers at a time, says; dead when the time of
// the entry has passed.
func entry(key string, seq uint64, at time.Time, b []byte) (out ds104.Entry, dead bool) {
	out = ds104.Entry{Key: key, Revision: ds104.Revision(seq), Written: at.UTC().Round(0)}
	if len(b) < headSize || b[0] != 1 || len(b) < headSize+int(b[9]) {
		out.Value = b // somebody else's
		return out, false
	}
	if n := int64(binary.BigEndian.Uint64(b[1:])); n != 0 {
		out.Expires = time.Unix(0, n)
		dead = !out.Expires.After(time.Now())
	}
	out.Origin, out.Value = string(b[headSize:headSize+int(b[9])]), b[headSize+int(b[9]):]
	return out, dead
}
