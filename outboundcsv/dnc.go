package outboundcsv

import (
	"bufio"
	"io"
	"iter"

	"github.com/pkg/errors"
)

// WriteDoNotCall writes a Do-Not-Call file: one number a line, digits only, at
// most 20 of them (Outbound Option Guide, Administrative and Supervisory Tasks).
// Numbers are cleaned by the phone rules of the profile, so that they equal
// those that [Export] writes: the dialer compares digit by digit. rejected is
// called for each number that cannot be written; it may be nil. The result is
// how many lines were written.
//
// A Do-Not-Call file blocks a number in all campaigns; it is no means to take a
// planned call back.
func WriteDoNotCall(w io.Writer, p Profile, numbers iter.Seq[string], rejected func(number string, c Code)) (int, error) {
	if err := p.Validate(); err != nil {
		return 0, err
	}
	x := newExporter(p, 2000)
	x.phoneLimit = MaxPhone
	out := bufio.NewWriter(w)
	n := 0
	for number := range numbers {
		var codes codeSet
		s := x.number(number, &codes)
		if s == "" {
			if codes != 0 && rejected != nil {
				rejected(number, codes.list()[0])
			}
			continue
		}
		out.WriteString(s)
		out.WriteString("\r\n")
		n++
	}
	return n, errors.Wrap(out.Flush(), "outboundcsv: write")
}
