package connects_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// forbidden names what product code does not call, and why.
var forbidden = map[string]string{
	"fmt.Print":          "a library is silent; use the logger",
	"fmt.Printf":         "a library is silent; use the logger",
	"fmt.Println":        "a library is silent; use the logger",
	"os.Exit":            "only main ends the process",
	"time.Sleep":         "use a timer that a context can end",
	"context.Background": "take the context of the caller", // where there is one
	"context.TO" + "DO":  "take the caller's context",
	"slog.Default":       "take the logger of the options",
	"errors.Cause":       "use errors.Is or errors.As",
}

var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)

// maxLines is the longest hand-written file; tests may be a third longer.
const maxLines = 600

// sourceProblems returns what one file does against the rules of CONTRIBUTING.
// bubbles says that the tests of its package run in synctest bubbles.
func sourceProblems(name string, src []byte, bubbles bool) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var out []string
	bad := func(pos token.Pos, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s: %s", fset.Position(pos), fmt.Sprintf(format, args...)))
	}
	generated := ast.IsGenerated(file)
	most := maxLines
	if strings.HasSuffix(name, "_test.go") {
		most += maxLines / 3
	}
	if lines := bytes.Count(src, []byte("\n")); !generated && lines > most {
		bad(file.Package, "%d lines, at most %d: one concept per file", lines, most)
	}
	for i, line := range strings.Split(string(src), "\n") {
		if m := unfinished.FindString(line); m != "" {
			out = append(out, fmt.Sprintf("%s:%d: %s", name, i+1, m))
		}
	}
	test := strings.HasSuffix(name, "_test.go")
	main := file.Name.Name == "main"
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			bad(f.Pos(), "no init functions")
		}
	}
	lifetimes := map[ast.Node]bool{}
	ctxUntil := token.NoPos // end of the function declaration that has a context
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.FuncDecl); ok && takesContext(f.Type) {
			ctxUntil = f.End()
		}
		call, ok := n.(*ast.CallExpr)
		if !ok || lifetimes[call] {
			return true
		}
		if startsLifetime(call) {
			lifetimes[call.Args[0]] = true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		called := pkg.Name + "." + sel.Sel.Name
		why := forbidden[called]
		switch {
		case why == "" || pkg.Obj != nil:
		case called == "time.Sleep" && test: // in bubbles it costs nothing
			if !bubbles {
				bad(call.Pos(), "%s: %s, or testing/synctest", called, why)
			}
		case called == "context.Background" && call.Pos() > ctxUntil: // a life of its own begins
		case !test && !main && !strings.Contains(name, "leaktest"):
			bad(call.Pos(), "%s: %s", called, why)
		}
		return true
	})
	return out, nil
}

// startsLifetime reports whether a call makes the context of an object's own lifetime, which no
// caller's context can be: context.WithCancel(context.Background()).
func startsLifetime(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 1 || (sel.Sel.Name != "WithCancel" && sel.Sel.Name != "WithCancelCause") {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "context" && pkg.Obj == nil
}

func takesContext(f *ast.FuncType) bool {
	return slices.ContainsFunc(f.Params.List, func(p *ast.Field) bool {
		sel, ok := p.Type.(*ast.SelectorExpr)
		return ok && sel.Sel.Name == "Context"
	})
}

func TestSourceRules(t *testing.T) {
	sources, bubbles := map[string][]byte{}, map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		sources[name] = src
		if strings.HasSuffix(name, "_test.go") && bytes.Contains(src, []byte(`"testing/synctest"`)) {
			bubbles[filepath.Dir(name)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources) < 20 {
		t.Errorf("only %d files were seen", len(sources))
	}
	for name, src := range sources {
		problems, err := sourceProblems(name, src, bubbles[filepath.Dir(name)])
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			t.Error(p)
		}
	}
}

func TestSourceRulesCatch(t *testing.T) {
	for name, tc := range map[string]struct {
		file, src string
		ok        bool
	}{
		"print":         {"a.go", `package a; import "fmt"; func f() { fmt.Println() }`, false},
		"print in main": {"a.go", `package main; import "fmt"; func f() { fmt.Println() }`, true},
		"print in test": {"a_test.go", `package a; import "fmt"; func f() { fmt.Println() }`, true},
		"sleep in test": {"a_test.go", `package a; import "time"; func f() { time.Sleep(1) }`, false},
		"bubble":        {"a_test.go", `package a; import ("time"; "testing/synctest"); func f() { time.Sleep(1); synctest.Wait() }`, true},
		"init":          {"a.go", `package a; func init() {}`, false},
		"method init":   {"a.go", `package a; type t int; func (t) init() {}`, true},
		"sleep in code": {"a.go", `package a; import "time"; func f() { time.Sleep(1) }`, false},
		"own life":      {"a.go", `package a; import "context"; func g(context.Context) {}; func f() { _ = context.Background() }`, true},
		"caller's life": {"a.go", `package a; import "context"; func f(c context.Context) { _ = context.Background() }`, false},
		"own lifetime":  {"a.go", `package a; import "context"; var c, f = context.WithCancel(context.Background())`, true},
		"unfinished":    {"a.go", "package a // TO" + "DO: more", false},
		"long":          {"a.go", "package a\n" + strings.Repeat("\n", maxLines), false},
		"generated":     {"a.go", "// Code generated by x. DO NOT EDIT.\n\npackage a\n" + strings.Repeat("\n", maxLines), true},
		"local name":    {"a.go", `package a; func f() { fmt := g{}; fmt.Println() }; type g struct{}; func (g) Println() {}`, true},
	} {
		problems, err := sourceProblems(tc.file, []byte(tc.src), strings.Contains(tc.src, "synctest"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if (len(problems) == 0) != tc.ok {
			t.Errorf("%s: %q, want allowed: %v", name, problems, tc.ok)
		}
	}
}
