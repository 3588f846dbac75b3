package outboundcsv

// Numbers cleans a number by the short way for usual ones, when that takes it, and
// by the long way.
func Numbers(p Profile, s string) (short string, taken bool, long string, codes []Code) {
	x := newExporter(p, 2026)
	b, taken := x.usual(nil, s)
	var set codeSet
	long = x.number(s, &set)
	return string(b), taken, long, set
}

// Text cleans a name, and says whether the short way takes it as it is.
func Text(p Profile, s string) (short bool, long string, codes []Code) {
	x := newExporter(p, 2026)
	var set codeSet
	long = x.mappable(x.sanitize(s, &set), &set)
	return x.clean(s), long, set
}
