package connects_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/connects-go/connects"

// goPackage is what go list says about a package.
type goPackage struct {
	ImportPath                         string
	Name                               string
	Imports, TestImports, XTestImports []string
}

// path is relative to the module, "." for the root.
func path(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

func listPackages(t *testing.T, tags string) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-tags="+tags, "-json=ImportPath,Name,Imports,TestImports,XTestImports", "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

// protocols are the protocol packages. Packages below one belong to it.
var protocols = []string{"cti", "ici", "mcil", "ds104", "xmppbridge", "outboundcsv"}

// protocolOf returns the protocol that a package belongs to, or "".
func protocolOf(p string) string {
	first, _, _ := strings.Cut(p, "/")
	if slices.Contains(protocols, first) {
		return first
	}
	return ""
}

// forTests reports whether a package is there for tests, examples and users.
func forTests(p string) bool {
	last := p[strings.LastIndex(p, "/")+1:]
	return strings.HasSuffix(last, "test") || p == "internal/testnet"
}

func below(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// thirdParty says which packages may import a module: a package, or with a
// trailing slash also what is below. "tests" are test files everywhere.
var thirdParty = map[string][]string{
	"github.com/google/go-cmp":             {"tests"},
	"github.com/pkg/errors":                {"./"},
	"golang.org/x/net/html/charset":        {"ici", "internal/soap", "outboundcsv/sapphone"}, // SOAP bodies
	"golang.org/x/text":                    {".", "ici", "internal/soap", "internal/crm/", "outboundcsv/", "cti/", "examples/"},
	"github.com/jackc/puddle/v2":           {"ds104", "xmppbridge/", "outboundcsv/sapphone/"},
	"nhooyr.io/websocket":                  {"internal/wsx"},
	"mellium.im/":                          {"xmppbridge/"},
	"go.etcd.io/bbolt":                     {"ds104/", "internal/media/", "outboundcsv/spool"},
	"golang.org/x/sys/unix":                {"outboundcsv/spool"}, // a rename that does not replace
	"github.com/nats-io/":                  {"ds104/natskv"},
	"github.com/prometheus/client_golang/": {".", "examples/", "tests"},
	"github.com/prometheus/client_golang":  {".", "examples/", "tests"},
	"github.com/BurntSushi/toml":           {"examples/"},
}

func mayImport(p string, test bool, imported string) bool {
	for mod, users := range thirdParty {
		if !below(imported, strings.TrimSuffix(mod, "/")) {
			continue
		}
		for _, u := range users {
			switch {
			case u == "tests" && (test || forTests(p)), u == "./", u == p,
				strings.HasSuffix(u, "/") && below(p, strings.TrimSuffix(u, "/")):
				return true
			}
		}
	}
	return false
}

// cgoPackages bind a library of C. They need a build tag: without it nothing here is unsafe.
var cgoPackages = []string{"outboundcsv/sapphone/nwrfc", "outboundcsv/sapphone/nwrfc/stubtest"}

// importProblem says what is wrong with a package importing another, or "".
func importProblem(p string, test bool, imported string) string {
	host, _, _ := strings.Cut(imported, "/")
	switch {
	case below(imported, module):
	case !strings.Contains(host, "."): // standard library
		switch {
		case (imported == "C" || imported == "unsafe" || imported == "runtime/cgo") && !slices.Contains(cgoPackages, p):
			return "no unsafe code"
		case imported == "log":
			return "log/slog is used for logging"
		case imported == "testing" && !test && !forTests(p) && p != "internal/leaktest":
			return "testing is for tests"
		}
		return ""
	case !mayImport(p, test, imported):
		return "the dependency is not allowed here; see CONTRIBUTING, Dependencies"
	default:
		return ""
	}
	to := path(imported)
	switch {
	case below(to, "examples") && !below(p, "examples"):
		return "nothing imports examples"
	case test && !below(p, "internal"): // tests may know their neighbours
		return ""
	}
	if forTests(to) && !test && !forTests(p) && p != "examples/allinone" && !below(p, "examples/allinone") && p != "examples/loadtest" {
		return "simulators and test helpers are not for product code"
	}
	if from := protocolOf(p); from != "" {
		switch other := protocolOf(to); {
		case to == ".":
			return "a protocol package does not know the root"
		case other != "" && other != from && !(from == "xmppbridge" && other == "mcil"):
			return "protocol packages do not know each other"
		case below(to, "internal/crm") || below(to, "internal/media") || below(to, "internal/lifecycle"):
			return "a protocol package does not know what is built on it"
		}
	}
	if below(p, "internal") && to == "." && !test {
		return "internal packages do not know the root: the types are in internal/lifecycle"
	}
	return ""
}

func TestImportRules(t *testing.T) {
	for _, tags := range []string{"", "nwrfc,nwrfcstub"} {
		for _, p := range listPackages(t, tags) {
			name := path(p.ImportPath)
			check := func(test bool, imports []string) {
				for _, imported := range imports {
					problem := importProblem(name, test, imported)
					if problem == "" && tags == "" && (imported == "C" || imported == "unsafe") {
						problem = "only with a build tag"
					}
					if problem != "" {
						t.Errorf("%s (test: %v, tags: %s) imports %s: %s", name, test, tags, imported, problem)
					}
				}
			}
			check(false, p.Imports)
			check(true, p.TestImports)
			check(true, p.XTestImports)
		}
	}
}

// The rules themselves: each line is an import that must be refused or allowed.
func TestImportRulesCatch(t *testing.T) {
	for _, tc := range []struct {
		from string
		test bool
		to   string
		ok   bool
	}{
		{"cti", false, module, false},
		{"cti", false, module + "/ici", false},
		{"cti/mri", false, module + "/cti", true},
		{"cti", false, module + "/internal/wire", true},
		{"ici", false, module + "/internal/crm", false},
		{"xmppbridge", false, module + "/mcil", true},
		{"mcil", false, module + "/xmppbridge", false},
		{".", false, module + "/cti/ctitest", false},
		{".", true, module + "/cti/ctitest", true},
		{"internal/crm", false, module + "/internal/testnet", false},
		{"internal/crm", false, module, false},
		{"internal/crm", false, module + "/cti", true},
		{"internal/crm", true, module + "/cti/ctitest", true},
		{"examples/allinone", false, module + "/cti/ctitest", true},
		{"examples/crmconnector", false, module + "/cti/ctitest", false},
		{"internal/page", false, module + "/examples/allinone", false},
		{"cti", false, "github.com/google/go-cmp/cmp", false},
		{"cti", true, "github.com/google/go-cmp/cmp", true},
		{"cti", false, "github.com/pkg/errors", true},
		{"cti", false, "github.com/prometheus/client_golang/prometheus", false},
		{".", false, "github.com/prometheus/client_golang/prometheus/promhttp", true},
		{"internal/page", false, "nhooyr.io/websocket", false},
		{"internal/wsx", false, "nhooyr.io/websocket", true},
		{"ds104", false, "github.com/nats-io/nats.go", false},
		{"ds104/natskv", false, "github.com/nats-io/nats.go/jetstream", true},
		{"cti", true, "github.com/stretchr/testify/require", false},
		{"cti", false, "log", false},
		{"cti", false, "log/slog", true},
		{"cti", false, "testing", false},
		{"cti/ctitest", false, "testing", true},
		{"cti", false, "unsafe", false},
		{"outboundcsv/sapphone/cpic", false, "C", false},
		{"outboundcsv/sapphone/nwrfc", false, "C", true},
		{"outboundcsv/sapphone", false, module + "/outboundcsv/sapphone/nwrfc/stubtest", false},
	} {
		if problem := importProblem(tc.from, tc.test, tc.to); (problem == "") != tc.ok {
			t.Errorf("%s (test: %v) imports %s: %q, want allowed: %v", tc.from, tc.test, tc.to, problem, tc.ok)
		}
	}
}
