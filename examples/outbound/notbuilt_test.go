//go:build !nwrfc || !cgo

package main

import (
	"bytes"
	"strings"
	"testing"
)

// A program without the SDK says so, and nothing else.
func TestTransportThatIsNotBuilt(t *testing.T) {
	text := strings.Replace(good, "[http]\nlisten = \"ADDR\"\n", "[gateway]\ntransport = \"nwrfc\"\naddress = \"sapgw:sapgw00\"\nprogram = \"connects.OB1\"\n", 1)
	_, name := config(t, text)
	var out bytes.Buffer
	want := "outbound.toml: gateway: nwrfc: built without the SAP NetWeaver RFC SDK; build with -tags nwrfc\n"
	if code := run(t.Context(), []string{"serve", "-config", name, "-check"}, &out); code != exitUsage || !strings.HasSuffix(out.String(), want) {
		t.Errorf("exit %d: %q", code, out.String())
	}
}
