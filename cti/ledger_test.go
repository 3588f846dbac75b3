package cti_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/wiregen"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update-ledger", false, "write ledger.txt again")

const ledgerHead = `# What is known of each message, how it is tested, and whether the simulator uses it.
#
# number, name, status, versions of its vectors, simulator, remarks
#
# status     verified: as the guides print it; assumed: a weak source or a conclusion;
#            opaque: layout not public, the body is kept as it is
# vectors    protocol versions of the vectors in testdata/vectors
# simulator  yes: package ctitest sends or understands it
#
# Written by: go test ./cti -run Ledger -update-ledger

`

type ledgerLine struct {
	Number       int
	Name, Status string
	Vectors      string
	Simulator    bool
	Remarks      string
}

func (l ledgerLine) String() string {
	sim := "no"
	if l.Simulator {
		sim = "yes"
	}
	return strings.TrimRight(fmt.Sprintf("%3d %-39s %-8s %-14s %-3s %s", l.Number, l.Name, l.Status, l.Vectors, sim, l.Remarks), " ")
}

// ledger says what the code and the test data hold.
func ledger(t *testing.T) []ledgerLine {
	t.Helper()
	versions := map[cti.MessageType][]int{}
	for _, v := range readVectors(t) {
		if v.Error == nil {
			n := cti.MessageType(uint32(v.Bytes[6])<<8 | uint32(v.Bytes[7]))
			if !slices.Contains(versions[n], v.Version) {
				versions[n] = append(versions[n], v.Version)
			}
		}
	}
	simulator := simulatorNames(t)
	remarks := remarksOf(t)
	var out []ledgerLine
	for i := range cti.Messages() {
		slices.Sort(versions[i.Type])
		out = append(out, ledgerLine{
			Number: int(i.Type), Name: i.Name, Status: i.Status.String(),
			Vectors:   strings.ReplaceAll(strings.Trim(fmt.Sprint(versions[i.Type]), "[]"), " ", ","),
			Simulator: simulator[goTypeName(i.Type)],
			Remarks:   remarks[i.Name],
		})
	}
	return out
}

// goTypeName is the name of the Go type of a message.
func goTypeName(n cti.MessageType) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", cti.NewMessage(n)), "*cti.")
}

// simulatorNames returns the identifiers of package cti that ctitest uses, with
// types named by their number included.
func simulatorNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("ctitest/*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	word := regexp.MustCompile(`\bcti\.(?:Type)?([A-Z]\w+)`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range word.FindAllSubmatch(b, -1) {
			used[string(m[1])] = true
		}
	}
	return used
}

// remarksOf names the fields that rest on a conclusion or cannot be sent.
func remarksOf(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range readTable(t).Messages {
		var assumed, noTag []string
		var walk func(fields []*wiregen.Field)
		walk = func(fields []*wiregen.Field) {
			for _, f := range fields {
				switch {
				case f.List != nil:
					walk(f.List.Fields)
				case f.Tag.Number < 0:
					noTag = append(noTag, f.Name)
				case f.Assumed:
					assumed = append(assumed, f.Name)
				}
			}
		}
		walk(m.Floats)
		var r []string
		switch {
		case m.Header:
			r = append(r, "taken to be a header only")
		case m.Status == "opaque":
			r = append(r, "layout not public")
		case m.Status == "assumed":
			r = append(r, "layout from the Unified CCX guide")
		}
		if m.InvokeBody {
			r = append(r, "invoke id assumed to come first")
		}
		if m.Alt != 0 {
			r = append(r, "number also printed as "+strconv.Itoa(m.Alt))
		}
		if len(assumed) > 0 {
			r = append(r, "assumed: "+strings.Join(assumed, " "))
		}
		if len(noTag) > 0 {
			r = append(r, "tag not published: "+strings.Join(noTag, " "))
		}
		out[m.Name] = strings.Join(r, "; ")
	}
	return out
}

func TestLedgerHasEveryMessage(t *testing.T) {
	want := ledger(t)
	if *update {
		text := ledgerHead
		for _, l := range want {
			text += l.String() + "\n"
		}
		if err := os.WriteFile("ledger.txt", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("ledger.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(b), ledgerHead)
	if !ok {
		t.Error("ledger.txt has another head")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines for %d messages", len(lines), len(want))
	}
	for i, w := range want {
		if w.Vectors == "" {
			t.Errorf("%s has no vector", w.Name)
		}
		// The simulator may have learned more than the ledger says, not less.
		if missing := w; !w.Simulator {
			missing.Simulator = true
			if lines[i] == missing.String() {
				t.Errorf("the simulator does not know %s, the ledger says it does", w.Name)
				continue
			}
		} else if missing.Simulator = false; lines[i] == missing.String() {
			t.Logf("the simulator knows %s, the ledger says it does not", w.Name)
			continue
		}
		if d := cmp.Diff(w.String(), lines[i]); d != "" {
			t.Errorf("%s (-want +got):\n%s", w.Name, d)
		}
	}
}
