package outboundcsv_test

import (
	"testing"

	"github.com/connects-go/connects/outboundcsv"
)

// The short ways through the rules must give what the long ways give.

func FuzzShortNumber(f *testing.F) {
	for _, s := range []string{"+49 6227 747474", "+41(0)31 1", "031/555-12.34", "+", "(0)", "12345678901234567890", "+4 1", "", " + 49", "1+2"} {
		f.Add(s, "49", "00", "9")
		f.Add(s, "", "", "")
	}
	f.Fuzz(func(t *testing.T, s, country, international, dial string) {
		p := outboundcsv.DefaultProfile()
		p.Phone.CountryCode, p.Phone.InternationalPrefix, p.Phone.DialPrefix = country, international, dial
		if p.Validate() != nil {
			return
		}
		if short, taken, long, codes := outboundcsv.Numbers(p, s); taken && (short != long || codes != nil) {
			t.Errorf("%q: short %q, long %q %v", s, short, long, codes)
		}
	})
}
