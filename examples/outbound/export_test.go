package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExport(t *testing.T) {
	for _, tt := range []struct {
		name, profile, calls string
		exit                 int
		file                 string
		report               string // JSON; empty: no report
		stderr               string // part of it
	}{
		{"good, warned and rejected rows", `{"columns":[{"type":"AccountNumber"},{"type":"LastName"},{"type":"Phone01"}]}`,
			`[{"id":"1","lastName":"Müller","phones":[{"number":"+41 31 555 12 34"}]},{"id":"2","lastName":"a,b","phones":[{"number":"1"}]},{"id":"3"}]`,
			0, "1,M\xfcller,0041315551234\r\n2,a b,1\r\n",
			`{"rows":2,"rejected":[{"id":"3","codes":["E_NO_PHONE"]}],"warnings":{"2":["W_SANITIZED"]},"listCodes":[],"file":"contacts.csv"}`, ""},
		{"nothing to place", `{}`, `[]`, 0, "", `{"rows":0,"rejected":[],"warnings":{},"listCodes":["W_EMPTY_LIST"],"file":null}`, ""},
		{"all rejected", `{}`, `[{"id":"3"}]`, 1, "", `{"rows":0,"rejected":[{"id":"3","codes":["E_NO_PHONE"]}],"warnings":{},"listCodes":["E_ALL_REJECTED","W_EMPTY_LIST"],"file":null}`, ""},
		{"broken list", `{}`, `[{"id":"1","phones":[{"number":"1"}]},{"id`, 1, "", "", "byte"},
		{"unknown key", `{"colums":[]}`, `[]`, 2, "", "", "E_CONFIG: profile key colums"},
		{"delimiter is a digit", `{"format":"custom","delimiter":"1"}`, `[]`, 2, "", "", "E_CONFIG: profile key delimiter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			in, prof, rep, imp := filepath.Join(dir, "calls.json"), filepath.Join(dir, "profile.json"), filepath.Join(dir, "report.json"), filepath.Join(dir, "import")
			for name, s := range map[string]string{in: tt.calls, prof: tt.profile} {
				if err := os.WriteFile(name, []byte(s), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(imp, 0o700); err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			exit := run(t.Context(), []string{"export", "-profile", prof, "-in", in, "-dir", imp, "-report", rep}, &stderr)
			if exit != tt.exit || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit %d, want %d; stderr %q, want %q in it", exit, tt.exit, stderr.String(), tt.stderr)
			}
			file, _ := os.ReadFile(filepath.Join(imp, "contacts.csv"))
			if diff := cmp.Diff(tt.file, string(file)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			var got, want any
			if b, err := os.ReadFile(rep); err == nil {
				if err := json.Unmarshal(b, &got); err != nil {
					t.Fatal(err)
				}
			}
			if tt.report != "" {
				if err := json.Unmarshal([]byte(tt.report), &want); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestBadUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"import"}, {"export"}, {"export", "-in", "x"}, {"export", "-in", "nowhere.json", "-dir", t.TempDir(), "-report", filepath.Join(t.TempDir(), "r")}} {
		if exit := run(t.Context(), args, &bytes.Buffer{}); exit != 2 {
			t.Errorf("%v: exit %d, want 2", args, exit)
		}
	}
}
