package sapphone_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// The places are counted by hand: natural alignment, characters of two bytes and of one.
func TestLayout(t *testing.T) {
	d, err := sapphone.ParseDefinitions(strings.NewReader(`{"types":{
		"MIXED":{"fields":[{"name":"A","abapType":"CHAR","length":3},{"name":"I","abapType":"INT4"},{"name":"D","abapType":"DATS"},{"name":"F","abapType":"FLTP"},{"name":"X","abapType":"RAW","length":3}]},
		"CHARS":{"lengthChars":12,"fields":[{"name":"A","abapType":"CHAR","length":2,"offsetChars":1},{"name":"N","abapType":"NUMC","length":4,"offsetChars":6}]}},
		"functions":{"F":{"import":[{"name":"P","abapType":"DEC","length":5,"decimals":2},{"name":"S","abapType":"STRING"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name            string
		length, length1 int
		want            []sapphone.Layout
	}{
		{"MIXED", 48, 32, []sapphone.Layout{{'C', 6, 0, 3, 0}, {'I', 4, 8, 4, 4}, {'D', 16, 12, 8, 8}, {'F', 8, 32, 8, 16}, {'X', 3, 40, 3, 24}}},
		{"CHARS", 24, 12, []sapphone.Layout{{'C', 4, 2, 2, 1}, {'N', 8, 12, 4, 6}}},
	} {
		typ := d.Types[tt.name]
		got, length1 := typ.Layout()
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if typ.LengthBytes != tt.length || length1 != tt.length1 {
			t.Errorf("%s: lengths %d and %d, want %d and %d", tt.name, typ.LengthBytes, length1, tt.length, tt.length1)
		}
	}
	in := d.Functions["F"].Import
	if diff := cmp.Diff([]sapphone.Layout{{Kind: 'P', Size: 5, Size1: 5}, {Kind: 'g'}}, []sapphone.Layout{in[0].Layout(), in[1].Layout()}); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if s, err := in[0].Decode([]byte{0, 0, 1, 0x23, 0x4d}, false); err != nil || s != "-12.34" {
		t.Errorf("%q %v", s, err)
	}
}

// Packed numbers have two digits a byte, the sign in the last half byte (C plus, D minus).
func TestEncodeNumbers(t *testing.T) {
	d, err := sapphone.ParseDefinitions(strings.NewReader(`{"functions":{"F":{"import":[{"name":"P","abapType":"DEC","length":3,"decimals":2},{"name":"F","abapType":"FLTP"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	p, f := d.Functions["F"].Import[0], d.Functions["F"].Import[1]
	for _, tt := range []struct {
		field    sapphone.Field
		in, want string // bytes in hexadecimal; "" = an error
		back     string
	}{
		{p, "", "00000c", "0.00"},
		{p, "12.3", "01230c", "12.30"},
		{p, "-999.99", "99999d", "-999.99"},
		{p, "7.000", "00700c", "7.00"},
		{p, "1000", "", ""},
		{p, "1.234", "", ""},
		{p, "1,5", "", ""},
		{p, "--1", "", ""},
		{f, "-2", "c000000000000000", "-2"},
		{f, "x", "", ""},
	} {
		b, err := tt.field.Encode(tt.in, true)
		if got := hex.EncodeToString(b); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %s %v, want %s", tt.in, got, err, tt.want)
		}
		if err != nil {
			continue
		}
		if s, err := tt.field.Decode(b, true); err != nil || s != tt.back {
			t.Errorf("%q comes back as %q %v", tt.in, s, err)
		}
	}
}
