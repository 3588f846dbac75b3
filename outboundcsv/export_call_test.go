package outboundcsv

import (
	"io"
	"iter"
)

// DecodeCalls is ReadCalls by encoding/json alone.
func DecodeCalls(r io.Reader) iter.Seq2[PlannedCall, error] {
	return func(yield func(PlannedCall, error) bool) { decodeCalls(r, 0, 0, yield) }
}
