// Package wire holds the primitives that all binary protocols of this module
// share: big-endian numbers, tagged fields with a length, and frames with an
// eight byte header.
//
// The package knows no message, no field and no protocol version. It is the
// floor on which the generated codecs stand: cti today, mri, mcil and ds104 in
// the same way.
//
//	r := wire.NewReader(body)
//	id := r.Uint32("InvokeID")
//	for r.Next(wire.Wide) {
//		switch r.Tag() {
//		case 25:
//			device = r.Text()
//		}
//	}
//	if err := r.Err(); err != nil { ... }
//
// Nothing here allocates for a length that the input merely claims: every
// length is compared with the bytes that are left first.
package wire
