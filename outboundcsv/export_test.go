package outboundcsv

import "math"

// Numbers cleans a number by the short way for usual ones, when that takes it, and
// by the long way.
func Numbers(p Profile, s string) (short string, taken bool, long string, codes []Code) {
	x := newExporter(p, 2026)
	b, taken := x.short.number(nil, s)
	var set codeSet
	long = x.number(s, &set)
	return string(b), taken, long, set.list()
}

// RowCodes are the codes of rows, in the order in which they are reported.
func RowCodes() []Code { return codeSet(allCodes).list() }

// SpoolFile is what rows wait in.
type SpoolFile = file

// SpoolLimits makes the spool of an export small, so that few rows come to all ways
// through it. Zero values are the usual limits.
type SpoolLimits struct {
	Piece, Entries int
	HashBits       int
	Create         func(dir string) (SpoolFile, error)
	Done           func(retained int)
}

func (o *Options) SetLimits(l SpoolLimits) {
	o.limits = spoolLimits{piece: l.Piece, entries: l.Entries, create: l.Create, done: l.Done}
	if l.HashBits > 0 {
		o.limits.hashMask = math.MaxUint32 << (32 - l.HashBits)
	}
}
