package sapphone

import "io"

// ReadSOAP reads an envelope; the function ends the call.
func ReadSOAP(r io.Reader, dir string) (*Call, func(), error) {
	c, spills, err := readSOAP(r, dir)
	return c, func() { closeAll(spills) }, err
}
