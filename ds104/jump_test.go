package ds104_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// jumpsAre is where time.Now has read the clocks, in the source of package time.
const jumpsAre = "sec, nsec, mono := runtimeNow()"

// TestWallClockJumps runs the tests of jumpclock_test.go with a package time whose wall
// clock can be moved by hours while monotonic time goes on, as settimeofday does it to a
// machine. Without that, nothing short of a machine of its own can do it: Go reads the
// clock without the C library, and Linux has no time namespace for it.
func TestWallClockJumps(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: builds a test program; run without -short")
	}
	t.Parallel() // it waits for a compiler and for clocks
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("SKIPPED: no go command, put that of the Go distribution into PATH: %v", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	b, err := os.ReadFile(source)
	if err != nil {
		t.Skipf("SKIPPED: no source of package time, install a whole Go distribution: %v", err)
	}
	text := string(b)
	if strings.Count(text, jumpsAre) != 1 {
		t.Skipf("SKIPPED: time.Now of %s is not the one that this test can change; run it with Go 1.26", runtime.Version())
	}
	text = strings.Replace(text, jumpsAre, jumpsAre+"\n\tsec += JumpWall", 1) +
		"\n// JumpWall is how far the wall clock was moved, in seconds.\nvar JumpWall int64\n"
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, "time.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(map[string]map[string]string{"Replace": {source: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-vet=off", "-timeout=3m", "-overlay="+overlay, "-tags=jumpclock", "-run=^TestJump", "-v", ".")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestJump") {
		t.Errorf("%v\n%s", err, out)
	}
}
