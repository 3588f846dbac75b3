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
			`{"rows":2,"rejected":[{"id":"3","codes":["E_NO_PHONE"]}],"warnings":{"2":["W_SANITIZED"]},"listCodes":[],"file":"contacts.csv"}`, "calls.json: 2 placed, 1 rejected; the reasons are in "},
		{"nothing to place", `{}`, `[]`, 0, "", `{"rows":0,"rejected":[],"warnings":{},"listCodes":["W_EMPTY_LIST"],"file":null}`, ""},
		{"all rejected", `{}`, `[{"id":"3"}]`, 1, "", `{"rows":0,"rejected":[{"id":"3","codes":["E_NO_PHONE"]}],"warnings":{},"listCodes":["E_ALL_REJECTED","W_EMPTY_LIST"],"file":null}`, "calls.json: every call was rejected, nothing was placed; the reasons are in "},
		{"broken list", `{}`, `[{"id":"1","phones":[{"number":"1"}]},{"id`, 1, "", "", "calls.json: outboundcsv: planned call 2, byte"},
		{"unknown key", `{"colums":[]}`, `[]`, 2, "", "", "profile.json: outboundcsv: E_CONFIG: profile key colums"},
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
	dir := t.TempDir()
	list, full := filepath.Join(dir, "none.json"), filepath.Join(dir, "contacts.csv")
	for _, name := range []string{list, full} {
		if err := os.WriteFile(name, []byte("[]"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report := filepath.Join(dir, "r")
	for _, tt := range []struct {
		args   []string
		exit   int
		stderr string
	}{
		{nil, 2, "usage: outbound serve"},
		{[]string{"import"}, 2, `no command "import"`},
		{[]string{"help"}, 0, "usage: outbound serve"},
		{[]string{"-h"}, 0, "usage: outbound serve"},
		{[]string{"serve", "-h"}, 0, "-config"},
		{[]string{"serve"}, 2, "serve needs -config"},
		{[]string{"serve", "-nonsense"}, 2, "nonsense"},
		{[]string{"check-definition", "-h"}, 0, "check-definition DEFINITION"},
		{[]string{"check-definition"}, 2, "needs a definition file"},
		{[]string{"check-definition", list}, 1, list + ": sapphone: "},
		{[]string{"export", "-h"}, 0, "-profile"},
		{[]string{"export"}, 2, "export needs -in, -dir and -report"},
		{[]string{"export", "-in", "x"}, 2, "export needs -in, -dir and -report"},
		{[]string{"export", "-in", "nowhere.json", "-dir", dir, "-report", report}, 2, "-in: open nowhere.json"},
		{[]string{"export", "-in", list, "-dir", filepath.Join(dir, "no"), "-report", report}, 1, "-dir " + filepath.Join(dir, "no") + ": there is no such directory"},
		{[]string{"export", "-in", list, "-dir", list, "-report", report}, 1, "-dir " + list + ": there is no such directory"},
		{[]string{"export", "-in", list, "-dir", dir, "-report", filepath.Join(dir, "no", "r")}, 2, "-report: open "},
		{[]string{"export", "-in", list, "-dir", dir, "-report", report, "-name", "../x"}, 2, "-name: want a file name without directories"},
		{[]string{"export", "-in", list, "-dir", dir, "-report", report}, 1, full + " is still there"},
		{[]string{"export", "-in", dir, "-dir", dir, "-report", report, "-name", "new.csv"}, 1, "read " + dir + ": is a directory"},
	} {
		var stderr bytes.Buffer
		if exit := run(t.Context(), tt.args, &stderr); exit != tt.exit || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("%v: exit %d, want %d; stderr %q, want %q in it", tt.args, exit, tt.exit, stderr.String(), tt.stderr)
		}
	}
}
