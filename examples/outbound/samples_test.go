package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The lists in testdata/samples show the rules of the exporter: calls.json and
// profile.json go in; want.csv and want.json were written by hand from the rules. A
// sample without want.csv places no file.
func TestSampleLists(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join("testdata", "samples", "*"))
	if err != nil || len(samples) < 6 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	for _, sample := range samples {
		t.Run(filepath.Base(sample), func(t *testing.T) {
			dir := t.TempDir()
			report := filepath.Join(t.TempDir(), "report.json")
			want, err := os.ReadFile(filepath.Join(sample, "want.csv"))
			exit := exitOK
			if os.IsNotExist(err) {
				exit = exitFailed
			} else if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			args := []string{"export", "-profile", filepath.Join(sample, "profile.json"), "-in", filepath.Join(sample, "calls.json"), "-dir", dir, "-report", report}
			if code := run(t.Context(), args, &out); code != exit {
				t.Fatalf("exit %d, want %d: %s", code, exit, out.String())
			}
			got, err := os.ReadFile(filepath.Join(dir, "contacts.csv"))
			if err != nil && exit == exitOK {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("file (-want +got):\n%s", d)
			}
			if d := cmp.Diff(readJSON(t, filepath.Join(sample, "want.json")), readJSON(t, report)); d != "" {
				t.Errorf("report (-want +got):\n%s", d)
			}
		})
	}
}

func readJSON(t *testing.T, name string) (v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
