package outboundcsv_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/connects-go/connects/outboundcsv"
)

// benchCalls are n planned calls of three phones, as SAP writes numbers.
func benchCalls(n int) iter.Seq2[outboundcsv.PlannedCall, error] {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		phones := make([]outboundcsv.Phone, 3)
		for i := range n {
			s := strconv.Itoa(1_000_000 + i)
			phones[0].Number, phones[1].Number, phones[2].Number = "+49 6227 "+s, "+4930"+s, "06227 7-"+s
			if !yield(outboundcsv.PlannedCall{ID: "000" + s, FirstName: "Jürgen", LastName: "Müller " + s, Phones: phones}, nil) {
				return
			}
		}
	}
}

// BenchmarkList has the full rule set beside a plain encoding/csv writer of the
// same columns, which neither checks nor converts anything. One operation is a list
// of 100,000 calls of three phones.
func BenchmarkList(b *testing.B) {
	const rows = 100_000
	perSecond := func(b *testing.B) {
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("rules", func(b *testing.B) {
		b.ReportAllocs()
		p := outboundcsv.DefaultProfile()
		o := &outboundcsv.Options{SpoolDir: b.TempDir()}
		for b.Loop() {
			res, err := outboundcsv.Export(b.Context(), p, benchCalls(rows), io.Discard, o)
			if err != nil || res.Written != rows {
				b.Fatal(res, err)
			}
		}
		perSecond(b)
	})
	b.Run("encoding-csv", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := csv.NewWriter(io.Discard)
			w.UseCRLF = true
			row := make([]string, 6)
			for c, err := range benchCalls(rows) {
				if err != nil {
					b.Fatal(err)
				}
				row[0], row[1], row[2], row[3], row[4], row[5] = c.ID, c.FirstName, c.LastName, c.Phones[0].Number, c.Phones[1].Number, c.Phones[2].Number
				if err := w.Write(row); err != nil {
					b.Fatal(err)
				}
			}
			w.Flush()
		}
		perSecond(b)
	})
}

// python writes the same columns from the same file with the csv module.
const python = `import csv, json, sys
with open(sys.argv[1], encoding="utf-8") as f, open(sys.argv[2], "w", encoding="cp1252", newline="") as out:
    w = csv.writer(out)
    for c in json.load(f):
        p = [x["number"] for x in c["phones"]] + ["", "", ""]
        w.writerow([c["id"], c["firstName"], c["lastName"], p[0], p[1], p[2]])
`

// BenchmarkProcess runs whole processes over a file of 100,000 calls: ours with all
// rules, Python's json and csv modules without any.
func BenchmarkProcess(b *testing.B) {
	const rows = 100_000
	dir := b.TempDir()
	in := filepath.Join(dir, "calls.json")
	var buf bytes.Buffer
	w := bufio.NewWriter(&buf)
	w.WriteByte('[')
	for c := range benchCalls(rows) {
		if w.Buffered() > 0 && buf.Len()+w.Buffered() > 1 {
			w.WriteString(",\n")
		}
		line, err := json.Marshal(c)
		if err != nil {
			b.Fatal(err)
		}
		w.Write(line)
	}
	w.WriteByte(']')
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(in, buf.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	profile := filepath.Join(dir, "profile.json")
	if err := os.WriteFile(profile, []byte("{}"), 0o600); err != nil {
		b.Fatal(err)
	}
	bin := filepath.Join(dir, "outbound")
	if runtime.GOOS == "windows" {
		bin += ".exe"
	}
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, "../examples/outbound").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	imports := filepath.Join(dir, "import")
	if err := os.Mkdir(imports, 0o700); err != nil {
		b.Fatal(err)
	}
	run := func(b *testing.B, name string, args ...string) {
		for b.Loop() {
			cmd := exec.CommandContext(b.Context(), name, args...)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			os.Remove(filepath.Join(imports, "contacts.csv"))
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
	b.Run("outbound-export", func(b *testing.B) {
		run(b, bin, "export", "-profile", profile, "-in", in, "-dir", imports, "-report", filepath.Join(dir, "report.json"))
	})
	b.Run("python-csv", func(b *testing.B) {
		if _, err := exec.LookPath("python3"); err != nil {
			b.Skip("SKIPPED: python3 is not installed (Debian package python3)")
		}
		run(b, "python3", "-c", python, in, filepath.Join(dir, "py.csv"))
	})
}
