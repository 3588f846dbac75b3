package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/vectors"
	"github.com/google/go-cmp/cmp"
)

func sniff(t *testing.T, in string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

// TestDecodeOfEveryVector decodes the vectors of package cti, a line each, and
// compares with the JSON written beside them.
func TestDecodeOfEveryVector(t *testing.T) {
	all, err := vectors.Read("../../cti/testdata/vectors")
	if err != nil {
		t.Fatal(err)
	}
	byVersion := map[int][]vectors.Vector{}
	for _, v := range all {
		byVersion[v.Version] = append(byVersion[v.Version], v)
	}
	if len(all) < 400 || len(byVersion) < 5 {
		t.Fatalf("%d vectors in %d versions", len(all), len(byVersion))
	}
	for version, vs := range byVersion {
		var in strings.Builder
		for _, v := range vs {
			in.WriteString(hex.EncodeToString(v.Bytes) + "\n")
		}
		code, out, errs := sniff(t, in.String(), "decode", "-protocol", "cti", "-version", strconv.Itoa(version), "-reencode")
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		if code != 0 || errs != "" || len(lines) != len(vs) {
			t.Fatalf("version %d: exit %d, %d lines for %d messages, %s", version, code, len(lines), len(vs), errs)
		}
		for i, v := range vs {
			var got, want map[string]any
			if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
				t.Fatalf("%s: %v in %s", v.Name, err, lines[i])
			}
			if v.Error != nil {
				if s, _ := got["error"].(string); s == "" || len(got) != 1 {
					t.Errorf("%s: %s", v.Name, lines[i])
				}
				continue
			}
			if err := json.Unmarshal([]byte(v.JSON), &want); err != nil {
				t.Fatal(err)
			}
			want["hex"] = hex.EncodeToString(v.Again)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", v.Name, d)
			}
		}
	}
}

func TestDecodeGoesOnAfterABrokenLine(t *testing.T) {
	in := "# heartbeats\n\n0000000400000005 0000000a\nnonsense\n00000004000000050000000b0\n" +
		strings.Repeat("00", maxLine) + "\n00000004000000050000\n0x00000004000000050000000b"
	code, out, _ := sniff(t, in, "decode", "-version", "24")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var ok []bool
	for _, l := range lines {
		ok = append(ok, !strings.HasPrefix(l, `{"error":"`))
	}
	if d := cmp.Diff([]bool{true, false, false, false, false, true}, ok); d != "" || code != 0 {
		t.Errorf("exit %d (-want +got):\n%s%.300s", code, d, out)
	}
	if want := `{"message":"HEARTBEAT_REQ","type":5,"fields":{"InvokeID":10}}`; lines[0] != want {
		t.Errorf("%s", lines[0])
	}
}

func TestDecodeOutputIsExact(t *testing.T) {
	for in, want := range map[string]string{
		"0000000200000fff0102":                                         `{"message":null,"type":4095,"body":{"hex":"0102"}}`,
		"0000000400000097000000ff":                                     `{"message":"MEDIA_LOGIN_REQ","type":151,"body":{"hex":"000000ff"}}`,
		"0000000000000115":                                             `{"message":"STANDBY_ACTIVE_EVENT","type":277,"fields":{}}`,
		"000000010000011501":                                           `{"message":"STANDBY_ACTIVE_EVENT","type":277,"fields":{},"body":{"hex":"01"}}`,
		"0000000a000000050000000a0fff0002abcd":                         `{"message":"HEARTBEAT_REQ","type":5,"fields":{"InvokeID":10},"extra":[[4095,{"hex":"abcd"}]]}`,
		"000000120000006d6500000000000001000461003c0000070000":         `{"message":"USER_MESSAGE_EVENT","type":109,"fields":{"ICMCentralControllerTime":1694498816,"Distribution":0,"ClientID":"a","Text":""}}`,
		"000000160000006d65000000000000010006613c26220900000700026869": `{"message":"USER_MESSAGE_EVENT","type":109,"fields":{"ICMCentralControllerTime":1694498816,"Distribution":0,"ClientID":"a<&\"\t","Text":"hi"}}`,
	} {
		_, out, _ := sniff(t, in, "decode", "-version", "24")
		if strings.TrimSuffix(out, "\n") != want {
			t.Errorf("%s\n got %swant %s", in, out, want)
		}
	}
}

func TestDecodeWithTheNumbersOfTheSummary(t *testing.T) {
	in := "000000040000010c00000007" // 268
	_, sections, _ := sniff(t, in, "decode", "-version", "24", "-reencode")
	_, summary, _ := sniff(t, in, "decode", "-version", "24", "-reencode", "-summary-numbers")
	if !strings.HasPrefix(sections, `{"error":`) {
		t.Errorf("268 is START_NETWORK_RECORDING_REQ, which is longer: %s", sections)
	}
	want := `{"message":"START_NETWORK_RECORDING_CONF","type":268,"fields":{"InvokeID":7},"hex":"` + in + `"}` + "\n"
	if summary != want {
		t.Errorf("\n got %swant %s", summary, want)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{
		nil, {"frobnicate"}, {"decode", "-version", "12"}, {"decode", "-version", "26"}, {"decode", "-version", "x"},
		{"decode", "-protocol", "sip"}, {"decode", "-nosuch"},
	} {
		if code, out, errs := sniff(t, "", args...); code != 2 || out != "" || errs == "" {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
	if code, _, _ := sniff(t, "", "decode", "-h"); code != 0 {
		t.Errorf("-h: exit %d", code)
	}
}

func TestDecodeReportsABrokenOutput(t *testing.T) {
	var errs bytes.Buffer
	r, w := io.Pipe()
	r.Close()
	if code := run([]string{"decode"}, strings.NewReader("00\n"), w, &errs); code != 1 || errs.Len() == 0 {
		t.Errorf("exit %d, %s", code, errs.String())
	}
}
