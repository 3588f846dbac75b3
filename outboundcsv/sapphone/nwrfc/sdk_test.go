//go:build !nwrfc

package nwrfc_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestWithStubLibrary builds the package as where the SDK is, against the library in
// testdata/sdk, and runs the tests of server_test.go and data_test.go in it.
func TestWithStubLibrary(t *testing.T) {
	cc := goEnv(t, "CC")
	if _, err := exec.LookPath(cc); goEnv(t, "CGO_ENABLED") != "1" || runtime.GOOS != "linux" || err != nil {
		t.Skip("SKIPPED: package nwrfc is not built and not tested: that needs Linux, cgo and a C compiler (gcc)")
	}
	tests, version := inputs(t)
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		include, err := filepath.Abs("testdata/sdk")
		if err != nil {
			t.Fatal(err)
		}
		// The flags stay the same as long as the library does, so that go can use what it has
		// built before; LIBRARY_PATH is another way to say -L. In the tests, cgo looks at every
		// pointer that goes to C, and what Go forgot is overwritten at once.
		cmd.Env = append(os.Environ(), "CGO_CFLAGS=-I"+include+" -DSTUB_VERSION="+version, "CGO_LDFLAGS=", "LIBRARY_PATH="+dir, "LD_LIBRARY_PATH="+dir,
			"GODEBUG=cgocheck=1,clobberfree=1", "GOGC=20")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	sources, err := filepath.Glob("testdata/sdk/*.c")
	if err != nil {
		t.Fatal(err)
	}
	library := []string{"-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-O1", "-g", "-fPIC", "-shared", "-pthread"}
	run(cc, append(library, append(sources, "-o", filepath.Join(dir, "libsapnwrfc.so"))...)...)
	run(cc, "-shared", "-x", "c", os.DevNull, "-o", filepath.Join(dir, "libsapucum.so")) // the SDK has it, too
	args := []string{"test", "-tags=nwrfc,nwrfcstub,netgo,osusergo", "-v", "-count=1", "-shuffle=on", "-timeout=2m"}
	if race {
		args = append(args, "-race")
	}
	out := run("go", append(args, ".")...)
	for _, name := range tests {
		if !strings.Contains(out, "--- PASS: "+name+" ") {
			t.Errorf("%s was not run", name)
		}
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	var e *exec.ExitError
	if err != nil && !errors.As(err, &e) {
		t.Skip("SKIPPED: package nwrfc is not built and not tested: no go command, put that of the Go distribution into PATH")
	}
	return strings.TrimSpace(string(out))
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// inputs reads all that is built, so that a kept result of this test goes when it changes, and
// returns the names of the tests that need the library, and a number that changes with it.
func inputs(t *testing.T) (tests []string, version string) {
	t.Helper()
	sum := fnv.New64a()
	for _, pattern := range []string{"*", "stubtest/*", "testdata/sdk/*"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				continue // a directory
			}
			if pattern == "testdata/sdk/*" {
				_, _ = sum.Write(b) // never fails
			}
			if strings.HasPrefix(string(b), "//go:build nwrfc && nwrfcstub") {
				for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
					tests = append(tests, m[1])
				}
			}
		}
	}
	if len(tests) < 10 {
		t.Fatalf("only %q need the library", tests)
	}
	return tests, fmt.Sprint(sum.Sum64())
}
