package cti_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"testing"
	"unicode/utf8"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/vectors"
	"github.com/google/go-cmp/cmp"
)

// readVectors returns the vectors of testdata; see the files for their provenance.
func readVectors(tb testing.TB) []vectors.Vector {
	tb.Helper()
	all, err := vectors.Read("testdata/vectors")
	if err != nil {
		tb.Fatal(err)
	}
	if len(all) < 400 {
		tb.Fatalf("only %d vectors", len(all))
	}
	return all
}

// asJSON turns a message into what encoding/json makes of the expected JSON.
func asJSON(m cti.Message, v cti.Version) map[string]any {
	out := map[string]any{"message": nil, "type": float64(m.Type())}
	info, known := m.Type().Info()
	if known {
		out["message"] = info.Name
	}
	if body, raw := cti.RawBody(m); raw {
		if known && info.Status != cti.Opaque {
			out["fields"] = map[string]any{}
		} else {
			out["body"] = hexValue(body)
		}
		return out
	}
	fields := map[string]any{}
	m.VisitFields(v, func(f cti.FieldValue) bool {
		if f.List {
			list, _ := fields[f.Name].([]any)
			fields[f.Name] = append(list, jsonValue(f))
		} else {
			fields[f.Name] = jsonValue(f)
		}
		return true
	})
	out["fields"] = fields
	var extra []any
	for _, x := range cti.ExtraFields(m) {
		extra = append(extra, []any{float64(x.Tag), hexValue(x.Data)})
	}
	if extra != nil {
		out["extra"] = extra
	}
	return out
}

func hexValue(b []byte) any { return map[string]any{"hex": hex.EncodeToString(b)} }

func textValue(s string) any {
	if !utf8.ValidString(s) {
		return hexValue([]byte(s))
	}
	return s
}

func jsonValue(f cti.FieldValue) any {
	switch f.Kind {
	case cti.KindBool:
		return f.Number != 0
	case cti.KindText:
		return textValue(f.Text)
	case cti.KindBytes:
		return hexValue(f.Bytes)
	case cti.KindNamedVar:
		return map[string]any{"name": textValue(f.Var.Name), "value": textValue(f.Var.Value)}
	case cti.KindNamedArray:
		return map[string]any{"index": float64(f.Var.Index), "name": textValue(f.Var.Name), "value": textValue(f.Var.Value)}
	}
	return float64(f.Number)
}

func TestVectorsDecodeAndEncode(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		if v.Error != nil {
			continue
		}
		t.Run(v.File+"/"+v.Name, func(t *testing.T) {
			version := cti.Version(v.Version)
			in := bytes.Clone(v.Bytes)
			m, err := cti.ParseMessage(in, version)
			if err != nil {
				t.Fatal(err)
			}
			clear(in) // nothing of the message may stand in the input
			var want map[string]any
			if err := json.Unmarshal([]byte(v.JSON), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, asJSON(m, version)); d != "" {
				t.Errorf("decoded (-want +got):\n%s", d)
			}
			again, err := cti.AppendMessage(nil, m, version)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, v.Again) {
				t.Errorf("encoded\n got %x\nwant %x", again, v.Again)
			}
		})
	}
}

func TestMalformedBytesSayWhereAndWhy(t *testing.T) {
	t.Parallel()
	reasons := map[string]error{
		"truncated":   cti.ErrTruncated,
		"trailing":    cti.ErrTrailing,
		"fieldlength": cti.ErrFieldLength,
		"toolarge":    cti.ErrTooLarge,
	}
	n := 0
	for _, v := range readVectors(t) {
		if v.Error == nil {
			continue
		}
		n++
		t.Run(v.Name, func(t *testing.T) {
			m, err := cti.ParseMessage(v.Bytes, cti.Version(v.Version))
			var de *cti.DecodeError
			if !errors.As(err, &de) {
				t.Fatalf("message %v, error %v", m, err)
			}
			name := de.Message
			if name == "" {
				name = "-"
			}
			if d := cmp.Diff(v.Error[:3], []string{name, de.Field, strconv.Itoa(de.Offset)}); d != "" {
				t.Errorf("place (-want +got):\n%s", d)
			}
			if want := reasons[v.Error[3]]; want == nil || !errors.Is(err, want) {
				t.Errorf("reason %v, want %v", err, v.Error[3])
			}
		})
	}
	if n < 15 {
		t.Errorf("only %d malformed vectors", n)
	}
}

// TestEveryPrefixFails cuts every vector at every length: the result is an error
// with a place, never a panic and never a message.
func TestEveryPrefixFails(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		if v.Error != nil {
			continue
		}
		for n := range len(v.Bytes) {
			_, err := cti.ParseMessage(v.Bytes[:n], cti.Version(v.Version))
			var de *cti.DecodeError
			if !errors.As(err, &de) || de.Field == "" {
				t.Fatalf("%s cut at %d: %v", v.Name, n, err)
			}
		}
	}
}
