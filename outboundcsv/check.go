package outboundcsv

import "time"

// Checker applies the rules of a profile to single planned calls without writing
// them, so that a sender can be told at once which rows will be rejected. It
// belongs to one goroutine.
type Checker struct {
	x   *exporter
	row []byte
}

// NewChecker prepares a profile. year is that of the time zones; 0 is the current one.
func NewChecker(p Profile, year int) (*Checker, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if year == 0 {
		year = time.Now().Year()
	}
	return &Checker{x: newExporter(p, year)}, nil
}

// Check returns the codes of one call, sorted, and whether they reject it.
// W_DUPLICATE_ID depends on the whole list and is never among them.
func (c *Checker) Check(call *PlannedCall) (codes []Code, rejected bool) {
	if call.Action == ActionDelete {
		return nil, false
	}
	var set codeSet
	c.row, set = c.x.convert(c.row[:0], call, trimBlanks(call.ID))
	return set.list(), set.rejects()
}
