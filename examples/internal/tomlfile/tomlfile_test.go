package tomlfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/examples/internal/tomlfile"
)

type link struct {
	Name  string `toml:"name"`
	SideA string `toml:"side_a"`
}

type file struct {
	Instance string `toml:"instance"`
	Log      struct {
		Level tomlfile.Level `toml:"level"`
	} `toml:"log"`
	Store struct {
		OwnerLease tomlfile.Duration `toml:"owner_lease"`
	} `toml:"store"`
	Links []link `toml:"link"`
	Agent struct {
		LoginType int      `toml:"login_type"`
		Warm      bool     `toml:"warm_transfer"`
		Reasons   []string `toml:"reasons"`
	} `toml:"agent"`
	Campaigns map[string]string `toml:"campaigns"`
}

func TestDecode(t *testing.T) {
	got := file{Instance: "default"}
	got.Agent.LoginType = 7
	if err := tomlfile.Decode("c", "[log]\nlevel = \"warn\"\n[store]\nowner_lease = \"1m30s\"\n[campaigns]\nSpring = \"5000\"\n", &got); err != nil {
		t.Fatal(err)
	}
	want := file{Instance: "default", Campaigns: map[string]string{"Spring": "5000"}}
	want.Agent.LoginType, want.Log.Level, want.Store.OwnerLease = 7, 4, tomlfile.Duration(90*time.Second)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	keys := []string{"agent", "agent.login_type", "agent.reasons", "agent.warm_transfer", "campaigns", "instance", "link", "link.name", "link.side_a",
		"log", "log.level", "store", "store.owner_lease"}
	if d := cmp.Diff(keys, tomlfile.Keys(&got)); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
}

func TestErrorsNameLineAndKeyAndWhatWasExpected(t *testing.T) {
	for name, tc := range map[string]struct {
		src  string
		want []string
	}{
		"misspelt":            {"instanse = \"x\"\n", []string{`f:1: unknown key "instanse"; did you mean "instance"?`}},
		"misspelt in a table": {"[agent]\n\n# comment\nlogin_tipe = 4", []string{`f:4: unknown key "agent.login_tipe"; did you mean "login_type"?`}},
		"in the wrong table":  {"[agent]\n  owner_lease = \"5s\"", []string{`f:2: unknown key "agent.owner_lease"; "owner_lease" belongs in [store]`}},
		"from the top":        {"[log]\ninstance = \"x\"", []string{`f:2: unknown key "log.instance"; "instance" belongs at the top of the file`}},
		"unknown table":       {"[agnet]\nnational = \"0,41\"\noutside = \"0\"", []string{`f:1: unknown key "agnet"; did you mean "agent"?`}},
		"every link": {"[[link]]\nname=\"a\"\nsideA=\"x\"\n[[link]]\nname=\"b\"\nsideA=\"y\"\n", []string{
			`f:3: unknown key "link.sideA"; did you mean "side_a"?`, `f:6: unknown key "link.sideA"; did you mean "side_a"?`}},
		"inline table":  {"agent = { login_typ = 5 }", []string{`f:1: unknown key "agent.login_typ"; did you mean "login_type"?`}},
		"two mistakes":  {"a_b_c_d = 1\n[log]\nlevl = \"info\"", []string{`f:1: unknown key "a_b_c_d"`, `f:3: unknown key "log.levl"; did you mean "level"?`}},
		"syntax":        {"[log]\nlevel = debug", []string{`f:2: log.level: `}},
		"no quote":      {"instance = \"x\n", []string{`f:1: `}},
		"no number":     {"[agent]\n\nlogin_type = \"zero\"", []string{`f:3: agent.login_type: want a whole number, have text in quotes`}},
		"no text":       {"instance = 5", []string{`f:1: instance: want text in quotes, have a whole number`}},
		"no bool":       {"[agent]\nwarm_transfer = 1.5", []string{`f:2: agent.warm_transfer: want true or false, have a number with a fraction`}},
		"no list":       {"[agent]\nreasons = true", []string{`f:2: agent.reasons: want a list in brackets, have true or false`}},
		"no table":      {"log = 1", []string{`f:1: log: want a table, have a whole number`}},
		"no unit":       {"[store]\nowner_lease = 30", []string{`f:2: store.owner_lease: "30" is no duration; write it with a unit, for example "5s"`}},
		"no unit, text": {"[store]\nowner_lease = \"30\"", []string{`f:2: store.owner_lease: "30" is no duration; write it with a unit, for example "5s"`}},
		"wrong level":   {"[log]\nlevel = \"loud\"", []string{`f:2: log.level: "loud" is none of debug, info, warn, error`}},
	} {
		err := tomlfile.Decode("f", tc.src, &file{})
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

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "c.toml")
	if err := tomlfile.Read(name, &file{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), name) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(name, []byte("instance = \"x\"\nodd = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var f file
	if err := tomlfile.Read(name, &f); err == nil || err.Error() != name+`:2: unknown key "odd"` {
		t.Errorf("got %v", err)
	}
	if f.Instance != "x" {
		t.Errorf("instance %q", f.Instance)
	}
}

func TestPrefix(t *testing.T) {
	both := errors.Join(errors.New("a: x"), errors.New("b: y"))
	if err := tomlfile.Prefix("f", both); err == nil || err.Error() != "f: a: x\nf: b: y" {
		t.Errorf("got %v", err)
	}
	if err := tomlfile.Prefix("f", nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	if err := tomlfile.Prefix("", both); err == nil || err.Error() != both.Error() {
		t.Errorf("without a file: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"instance = 1", "[log]\nlevel=\"x\"", "[[link]]\nx=1", "a.b.c=1\n[a]\n", "link = [{x=1}]", "[store]\nowner_lease=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if err := tomlfile.Decode("f", src, &file{}); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("%q: %v", src, err)
		}
	})
}
