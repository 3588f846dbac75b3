package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/connects-go/connects/examples/internal/tomlfile"
)

// parse is loadFile for the content of a file c.toml.
func parse(t *testing.T, src string) (*file, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "c.toml")
	if err := os.WriteFile(name, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return loadFile(name)
}

func sample(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("connector.sample.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var commented = regexp.MustCompile(`(?m)^#([a-z_]+ = )`)

func TestTheSampleShowsTheDefaults(t *testing.T) {
	src := sample(t)
	want, err := parse(t, src)
	if err != nil {
		t.Fatal(err)
	}
	all := commented.ReplaceAllString(src, "$1")
	if n := len(commented.FindAllString(src, -1)); n < 60 {
		t.Fatalf("only %d commented settings", n)
	}
	got, err := parse(t, all)
	if err != nil {
		t.Fatalf("with every setting: %v", err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("a commented setting is not the default (-default +sample)\n%s", d)
	}
	if _, err := want.settings(); err != nil {
		t.Errorf("the sample is not usable: %v", err)
	}
}

func TestTheSampleHasEverySetting(t *testing.T) {
	// Of arrays of tables that are explained by an example, the keys stand behind "#   ".
	have := map[string]bool{}
	table := ""
	for line := range strings.SplitSeq(sample(t), "\n") {
		line = strings.TrimLeft(strings.TrimSpace(line), "# ")
		if strings.HasPrefix(line, "[") {
			table, _, _ = strings.Cut(strings.TrimLeft(line, "["), "]")
			have[table] = true
			continue
		}
		if name, _, ok := strings.Cut(line, " = "); ok {
			have[strings.TrimPrefix(table+"."+name, ".")] = true
		}
	}
	for _, key := range tomlfile.Keys(newFile()) {
		if !have[key] {
			t.Errorf("the sample does not show %s", key)
		}
	}
}

func TestWhatIsWrongWithTheFile(t *testing.T) {
	for src, want := range map[string]string{
		"[[link]]\nsideA = \"x\"":        `:2: unknown key "link.sideA"; did you mean "side_a"?`,
		"[agent]\nlogin_type = \"zero\"": `:2: agent.login_type: want a whole number, have text in quotes`,
		"[events]\ntimeout = 30":         `:2: events.timeout: "30" is no duration; write it with a unit, for example "5s"`,
		"[log]\nlevel = \"loud\"":        `:2: log.level: "loud" is none of debug, info, warn, error`,
	} {
		if _, err := parse(t, src); err == nil || !strings.HasSuffix(err.Error(), "c.toml"+want) {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
}

func TestAddressesGetTheProductsPorts(t *testing.T) {
	for in, want := range map[string]string{
		"pg": "pg:42027", "pg:1": "pg:1", "10.0.0.1": "10.0.0.1:42027", "::1": "[::1]:42027", "[::1]": "[::1]:42027", "[::1]:7": "[::1]:7", "": "",
	} {
		if got := withPort(in, 42027); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSecretsComeFromFilesAndDoNotShow(t *testing.T) {
	name := t.TempDir() + "/password"
	if err := os.WriteFile(name, []byte("geheim\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := parse(t, "[agent]\ndefault_password = \"file:"+name+"\"")
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Agent.DefaultPassword) != "geheim" || f.Agent.DefaultPassword.String() != "****" {
		t.Errorf("got %q, shows as %v", string(f.Agent.DefaultPassword), f.Agent.DefaultPassword)
	}
	if _, err := parse(t, "[agent]\ndefault_password = \"file:/no/such/file\""); err == nil {
		t.Error("a missing password file was accepted")
	}
}
