package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

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
	want, err := parse(src)
	if err != nil {
		t.Fatal(err)
	}
	all := commented.ReplaceAllString(src, "$1")
	if n := len(commented.FindAllString(src, -1)); n < 60 {
		t.Fatalf("only %d commented settings", n)
	}
	got, err := parse(all)
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
	for _, key := range knownKeys() {
		if !have[key] {
			t.Errorf("the sample does not show %s", key)
		}
	}
}

func TestUnknownKeysAreErrorsWithLineAndSuggestion(t *testing.T) {
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"misspelt": {"instanse = \"x\"\n", []string{`:1: unknown key "instanse"; did you mean "instance"?`}},
		"misspelt in a table": {"[dialing]\n\n# comment\ninternal_lenght = 4", []string{
			`:4: unknown key "dialing.internal_lenght"; did you mean "internal_length"?`}},
		"in the wrong table": {"[agent]\n  owner_lease = \"5s\"", []string{
			`:2: unknown key "agent.owner_lease"; "owner_lease" belongs in [store]`}},
		"from the top":  {"[log]\ninstance = \"x\"", []string{`:2: unknown key "log.instance"; "instance" belongs at the top of the file`}},
		"unknown table": {"[dialling]\nnational = \"0,41\"\noutside = \"0\"", []string{`:1: unknown key "dialling"; did you mean "dialing"?`}},
		"every link": {"[[link]]\nname=\"a\"\nsideA=\"x\"\n[[link]]\nname=\"b\"\nsideA=\"y\"\n", []string{
			`:3: unknown key "link.sideA"; did you mean "side_a"?`, `:6: unknown key "link.sideA"; did you mean "side_a"?`}},
		"inline table": {"agent = { login_typ = 5 }", []string{`:1: unknown key "agent.login_typ"; did you mean "login_type"?`}},
		"two mistakes": {"a_b_c_d = 1\n[log]\nlevl = \"info\"", []string{`:1: unknown key "a_b_c_d"`, `:3: unknown key "log.levl"; did you mean "level"?`}},
		"syntax":       {"[log]\nlevel = debug", []string{`:2: log.level: `}},
		"wrong type":   {"[agent]\n\nlogin_type = \"zero\"", []string{`:3: agent.login_type: incompatible types`}},
		"no unit":      {"[events]\ntimeout = 30", []string{`:2: events.timeout: "30" is no duration; write it with a unit`}},
		"wrong level":  {"[log]\nlevel = \"loud\"", []string{`:2: log.level: `}},
	} {
		_, err := parse(tc.src)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		slices.Sort(lines)
		ok := len(lines) == len(tc.want)
		for i := 0; ok && i < len(lines); i++ {
			ok = strings.HasPrefix(lines[i], tc.want[i])
		}
		if !ok {
			t.Errorf("%s:\ngot  %q\nwant %q", name, lines, tc.want)
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
	f, err := parse("[agent]\ndefault_password = \"file:" + name + "\"")
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Agent.DefaultPassword) != "geheim" || f.Agent.DefaultPassword.String() != "****" {
		t.Errorf("got %q, shows as %v", string(f.Agent.DefaultPassword), f.Agent.DefaultPassword)
	}
	if _, err := parse("[agent]\ndefault_password = \"file:/no/such/file\""); err == nil {
		t.Error("a missing password file was accepted")
	}
}
