package cpic_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/leaktest"
	"github.com/connects-go/connects/outboundcsv/sapphone"
	"github.com/connects-go/connects/outboundcsv/sapphone/cpic"
	"github.com/connects-go/connects/outboundcsv/sapphone/gatewaytest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// unhex reads hexadecimal with blanks and line ends.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The vectors of this file were made by hand from the layouts of the reference on
// the RFC transport (its sections 2.3, 3.1 and 4), NI length included: Program ID GOCTI.OB1,
// host gohost1, address 192.0.2.10.
const (
	vectorRegister = `00000040 020bc000020a00000000474f4354492e4f4231003131303000000000
0006676f686f73743120474f4354492e4f42202020202020202006cbffff0000 00000000`
	vectorAccept = `0000005006d10700ffff00000000000000000000000000000000000000000000
0000000000000000000000010048303030303031000000500000000000000000 00000000000000000000000000000000ffffffff`
	vectorCall = `050200000502000b0006370035003400000b0102000c5a005f00500049004e00
47000102051200000512020500084500430048004f0002050201000854004500
58005400020102030008410042004300440002030301000852004f0057005300
030103300004000000010330030200080000000c0000000203020304000c4400
4500300030003000310003040304000cc400420030003000340032000304ffff 0000ffff`
	vectorReply = `0500000005000503000005030420000400000000042005120000051202010008
4500430048004f0002010203000841004200430044000203ffff0000ffff`
	vectorException = `050000000500041700063000300030000417040100124e004f0054005f005200
45004100440059000401ffff0000ffff`
	vectorPlain = "ROW1 ROW1 ROW1 ROW2 ROW2 ROW2 "
	vectorLZH0  = `78000000121f9d022cc83fdc5021089930422568240b0000`
	vectorLZH3  = `78000000121f9d027741fee1860a41c884112a4123590000`
	vectorLZC   = `78000000111f9d8d529e5c890122e0c08202091a9481f00ac3850d15268cd8f0a1408b0e291a947810a2c78b1a276eac481222`
)

func TestRegistrationVectors(t *testing.T) {
	got := cpic.AppendFrame(nil, cpic.RegisterRequest("GOCTI.OB1", "gohost1", [4]byte{192, 0, 2, 10}))
	if diff := cmp.Diff(unhex(t, vectorRegister), got); diff != "" {
		t.Errorf("GW_REGISTER_TP (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(unhex(t, vectorAccept), cpic.AppendFrame(nil, cpic.AcceptTP())); diff != "" {
		t.Errorf("SAP_ACCPTP (-want +got):\n%s", diff)
	}
	block := cpic.AppendFrame(nil, cpic.RegisterNames("GOCTI.OB1", "gohost1"))
	want := append(unhex(t, "00000200 676f686f73743100"), bytes.Repeat([]byte(" "), 120)...)
	want = append(want, unhex(t, "474f4354492e4f423100")...)
	want = append(want, bytes.Repeat([]byte(" "), 516-len(want))...)
	if diff := cmp.Diff(want, block); diff != "" {
		t.Errorf("block (-want +got):\n%s", diff)
	}
}

const pingDefinition = `{"types":{"Z_ROW":{"lengthChars":6,"fields":[{"name":"A","abapType":"CHAR","length":2},{"name":"N","abapType":"NUMC","length":4}]}},
"functions":{"Z_PING":{"import":[{"name":"TEXT","abapType":"CHAR","length":4}],"export":[{"name":"ECHO","abapType":"CHAR","length":4}],"tables":[{"name":"ROWS","type":"Z_ROW"}],"exceptions":["NOT_READY"]}}}`

func pingDefinitions(t testing.TB) *sapphone.Definitions {
	t.Helper()
	d, err := sapphone.ParseDefinitions(strings.NewReader(pingDefinition))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rowsOf(t testing.TB, c *sapphone.Call, name string) []string {
	t.Helper()
	var out []string
	for r, err := range c.Tables[name].Rows {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sapphone.DecodeUTF16(r.Raw, c.Big))
	}
	return out
}

func TestCallVector(t *testing.T) {
	stream := unhex(t, vectorCall)
	if len(stream) != 164 {
		t.Fatalf("the vector has %d bytes", len(stream))
	}
	r, err := cpic.ReadCall(bytes.NewReader(stream), false, t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := r.Call()
	if c.Func != "Z_PING" || string(c.In["TEXT"].Raw) != "A\x00B\x00C\x00D\x00" || !cmp.Equal(c.Wanted, []string{"ECHO"}) || c.Tables["ROWS"].Width != 12 {
		t.Errorf("%+v", c)
	}
	if diff := cmp.Diff([]string{"DE0001", "ÄB0042"}, rowsOf(t, c, "ROWS")); diff != "" {
		t.Error(diff)
	}
	d := pingDefinitions(t)
	want := unhex(t, vectorReply)
	// The vector leaves out the names that are returned (0205), as it may.
	got := r.Reply(d, &sapphone.Result{Out: map[string]string{"ECHO": "ABCD"}}, nil)
	wanted := unhex(t, "0205 0008 4500430048004f00 0205")
	if i := bytes.Index(got, wanted); i < 0 {
		t.Errorf("no 0205 in %x", got)
	} else {
		got = append(got[:i:i], got[i+len(wanted):]...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reply (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(unhex(t, vectorException), r.Reply(d, nil, &sapphone.ABAPException{Key: "NOT_READY"})); diff != "" {
		t.Errorf("exception (-want +got):\n%s", diff)
	}
	failure := unhex(t, "0500 0000 0500 0420 0004 00000003 0420 0402 0004 6e006f00 0402 ffff0000ffff")
	if diff := cmp.Diff(failure, r.Reply(d, nil, errors.New("no"))); diff != "" {
		t.Errorf("system failure (-want +got):\n%s", diff)
	}
	// A simulated caller that was built separately makes the same bytes.
	sim := gatewaytest.Call{Func: "Z_PING", Wanted: []string{"ECHO"}, Import: []gatewaytest.Param{{Name: "TEXT", Value: gatewaytest.Chars("ABCD", 4)}},
		Tables: []gatewaytest.Table{{Name: "ROWS", Width: 12, Rows: [][]byte{gatewaytest.Chars("DE0001", 6), gatewaytest.Chars("ÄB0042", 6)}}}}
	if diff := cmp.Diff(stream, sim.Stream()); diff != "" {
		t.Errorf("simulated caller (-want +got):\n%s", diff)
	}
}

func TestCompressionVectors(t *testing.T) {
	plain := strings.Repeat(vectorPlain, 4)
	for name, v := range map[string]string{"LZH n=0": vectorLZH0, "LZH n=3": vectorLZH3, "LZC": vectorLZC} {
		b := unhex(t, v)
		got, err := cpic.Decompress(b, 1000)
		if err != nil || string(got) != plain {
			t.Errorf("%s: %q %v", name, got, err)
		}
		if _, err := cpic.Decompress(b, 119); !errors.Is(err, cpic.ErrTooLarge) {
			t.Errorf("%s above the limit: %v", name, err)
		}
		bomb := bytes.Clone(b)
		binary.LittleEndian.PutUint32(bomb, 100) // it says less than it has
		if _, err := cpic.Decompress(bomb, 1000); !errors.Is(err, cpic.ErrTooLarge) {
			t.Errorf("%s inflates beyond what it says: %v", name, err)
		}
		for n := range len(b) - 4 {
			if got, err := cpic.Decompress(b[:n], 1000); err == nil {
				t.Errorf("%s cut at byte %d: %q", name, n, got)
			}
		}
	}
	for _, bad := range []string{"", "78000000131f9d02", "78000000121f9c022cc83f", "78000000111f9d88ff", "78000000111f9d9fff", "78000000111f9d8dffffffff"} {
		if _, err := cpic.Decompress(unhex(t, bad), 1000); err == nil {
			t.Errorf("%s was decompressed", bad)
		}
	}
}

func TestBrokenStreams(t *testing.T) {
	stream := unhex(t, vectorCall)
	dir := t.TempDir()
	try := func(b []byte) error {
		r, err := cpic.ReadCall(bytes.NewReader(b), false, dir, 1<<20)
		r.Close()
		return err
	}
	for n := range stream {
		if err := try(stream[:n]); err == nil {
			t.Fatalf("cut at byte %d was read", n)
		}
	}
	// Every length wrong in both directions.
	for at := 0; at+4 <= len(stream)-6; {
		n := int(binary.BigEndian.Uint16(stream[at+2:]))
		for _, wrong := range []int{n + 1, n - 1, 0xFFFF} {
			b := bytes.Clone(stream)
			binary.BigEndian.PutUint16(b[at+2:], uint16(wrong))
			if wrong >= 0 && try(b) == nil {
				t.Errorf("item at %d with length %d was read", at, wrong)
			}
		}
		at += n + 6
	}
	replace := func(old, to string) []byte {
		t.Helper()
		o := unhex(t, old)
		if !bytes.Contains(stream, o) {
			t.Fatalf("no %s in the vector", old)
		}
		return bytes.Replace(stream, o, unhex(t, to), 1)
	}
	for name, tt := range map[string]struct {
		b  []byte
		is error
	}{
		"more rows announced":  {replace("0000000c00000002", "0000000c00000003"), cpic.ErrFrame},
		"fewer rows announced": {replace("0000000c00000002", "0000000c00000001"), cpic.ErrFrame},
		"too many rows":        {replace("0000000c00000002", "0000000cffffffff"), cpic.ErrTooLarge},
		"wide rows":            {replace("0000000c00000002", "7fffffff00000002"), cpic.ErrTooLarge},
		"narrow rows":          {replace("0000000c00000002", "0000000400000002"), cpic.ErrFrame},
		"fast serialization":   {replace("05120000 0512", "50010002 2448 5001"), cpic.ErrSerializer},
		"deep parameter":       {replace("05120000 0512", "3c050000 3c05"), cpic.ErrSerializer},
		"value without a name": {replace("0201000854004500 58005400 0201", ""), cpic.ErrFrame},
		"not a call":           {replace("05020000 0502", "77770000 7777"), cpic.ErrFrame},
	} {
		if err := try(tt.b); !errors.Is(err, tt.is) {
			t.Errorf("%s: %v, want %v", name, err, tt.is)
		}
	}
	if err := try(replace("05120000 0512", "05120000 0512 7777 0003 010203 7777")); err != nil {
		t.Errorf("an unknown item: %v", err)
	}
	if err := try(append(unhex(t, "d9c6c3f0f0f0f0f0f0f0f0f0"), stream...)); err != nil {
		t.Errorf("session mark: %v", err)
	}
	if _, err := cpic.ReadCall(bytes.NewReader(stream), false, dir, 100); !errors.Is(err, cpic.ErrTooLarge) {
		t.Errorf("above the limit of the call: %v", err)
	}
	// Rows whose compressed form says that it has more than the table.
	bomb := gatewaytest.Call{Func: "Z", Compress: true, Tables: []gatewaytest.Table{{Name: "T", Width: 4, Rows: [][]byte{bytes.Repeat([]byte("x"), 1<<20)}}}}
	if err := try(bomb.Stream()); !errors.Is(err, cpic.ErrTooLarge) {
		t.Errorf("a table that inflates: %v", err)
	}
}

func FuzzReadCall(f *testing.F) {
	f.Add(unhex(f, vectorCall))
	c := gatewaytest.Call{Func: "Z", Compress: true, Tables: []gatewaytest.Table{{Name: "T", Width: 4, Rows: [][]byte{[]byte("abcd")}}}}
	f.Add(c.Stream())
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := cpic.ReadCall(bytes.NewReader(b), len(b)%2 == 0, dir, 1<<20)
		if err != nil {
			return
		}
		defer r.Close()
		for _, tab := range r.Call().Tables {
			n := 0
			for _, err := range tab.Rows {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != tab.Len {
				t.Errorf("%d rows, announced %d", n, tab.Len)
			}
		}
	})
}

func FuzzDecompress(f *testing.F) {
	for _, v := range []string{vectorLZH0, vectorLZH3, vectorLZC} {
		f.Add(unhex(f, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := cpic.Decompress(b, 1<<16)
		if err == nil && len(got) != int(binary.LittleEndian.Uint32(b)) {
			t.Errorf("%d bytes, announced %d", len(got), binary.LittleEndian.Uint32(b))
		}
	})
}
