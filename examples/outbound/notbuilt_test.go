//go:build !nwrfc || !cgo

package main

import (
	"bytes"
	"strings"
	"testing"
)

// A program without the SDK says so.
func TestTransportThatIsNotBuilt(t *testing.T) {
	text := strings.Replace(good, "[http]\nlisten = \"ADDR\"\n", "[gateway]\ntransport = \"nwrfc\"\naddress = \"127.0.0.1:1\"\nprogram = \"connects.OB1\"\n", 1)
	_, name := config(t, text)
	var out bytes.Buffer
	want := "gateway: nwrfc: built without the SAP NetWeaver RFC SDK; build with -tags nwrfc\n"
	for _, args := range [][]string{{"serve", "-config", name, "-check"}, {"serve", "-config", name}} {
		out.Reset()
		if code := run(t.Context(), args, &out); code != exitUsage || !strings.Contains(out.String(), want) {
			t.Errorf("%q: exit %d: %q", args, code, out.String())
		}
	}
}
