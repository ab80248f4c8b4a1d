package packhouse_test

import (
	"bufio"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"packhouse/racetest"
)

// Limits of every Go file. Code that exceeded them when they were introduced has an allowance.
const (
	maxColumns    = 120 // per line, a tab counts as one
	maxComplexity = 20  // cyclomatic complexity of a function
	maxLength     = 60  // lines of a function's body, except in tests
	maxMethods    = 20  // exported methods of a type, except in tests
)

// allowances lists, per package and rule, how many violations remain. An entry may only shrink:
// under CI=true, the test also fails if an entry is larger than the number of violations.
const allowances = "testdata/allowances.txt"

var shrink = flag.Bool("shrink", false, "lower the entries of "+allowances+" to the present number of violations")

// violation is a place where a rule is broken. weight is usually 1.
type violation struct {
	where  string
	weight int
}

// rulebook counts violations by "package rule".
type rulebook map[string][]violation

func (b rulebook) add(pkg, rule string, weight int, where string, args ...any) {
	b[pkg+" "+rule] = append(b[pkg+" "+rule], violation{fmt.Sprintf(where, args...), weight})
}

func (b rulebook) count(entry string) (n int) {
	for _, v := range b[entry] {
		n += v.weight
	}
	return n
}

func TestLimits(t *testing.T) {
	if racetest.Sample(false, true) {
		t.Skip("it runs in one goroutine; without the race detector, it is ten times as fast")
	}
	book := rulebook{}
	for path, content := range sourceFiles(t) {
		measure(t, book, path, content)
		measureWords(t, book, path, content)
	}
	book.foldMethods()
	allowed := readAllowances(t)
	if *shrink {
		for entry, n := range allowed {
			allowed[entry] = min(n, book.count(entry))
		}
		writeAllowances(t, allowed)
	}
	over, under := settle(book, allowed)
	for _, complaint := range over {
		t.Error(complaint)
	}
	for _, complaint := range under {
		if os.Getenv("CI") == "true" {
			t.Error(complaint)
		} else {
			t.Log(complaint)
		}
	}
}

// sourceFiles returns the Go, Markdown and template files of all modules.
func sourceFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (name[0] == '.' || name == "testdata" || path == "bin" || path == "run"):
			return filepath.SkipDir
		case !entry.IsDir() && slices.Contains([]string{".go", ".md", ".tmpl"}, filepath.Ext(name)):
			files[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// measure adds a Go file's violations of the limits.
func measure(t *testing.T, book rulebook, path string, content []byte) {
	t.Helper()
	if filepath.Ext(path) != ".go" {
		return
	}
	pkg, test := filepath.ToSlash(filepath.Dir(path)), strings.HasSuffix(path, "_test.go")
	for number, line := range bytes.Split(content, []byte("\n")) {
		if n := utf8.RuneCount(line); n > maxColumns {
			book.add(pkg, "columns", 1, "%s:%d: %d columns, the limit is %d", path, number+1, n, maxColumns)
		}
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, content, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		where := fmt.Sprintf("%s:%d: %s", path, files.Position(f.Pos()).Line, f.Name.Name)
		if n := complexity(f); n > maxComplexity {
			book.add(pkg, "complexity", 1, "%s: complexity %d, the limit is %d", where, n, maxComplexity)
		}
		if test {
			continue
		}
		if n := files.Position(f.Body.Rbrace).Line - files.Position(f.Body.Lbrace).Line - 1; n > maxLength {
			book.add(pkg, "length", 1, "%s: %d lines, the limit is %d", where, n, maxLength)
		}
		if f.Recv != nil && f.Name.IsExported() {
			book.add(pkg, "methods:"+receiver(f), 1, "%s", f.Name.Name)
		}
	}
}

// complexity returns the cyclomatic complexity of a function as gocyclo counts it.
func complexity(f *ast.FuncDecl) int {
	n := 1
	ast.Inspect(f, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

// receiver returns the name of a method's type.
func receiver(f *ast.FuncDecl) string {
	expr := f.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return "?"
		}
	}
}

// foldMethods replaces the lists of exported methods by one violation per method over the limit.
func (b rulebook) foldMethods() {
	for entry, methods := range b {
		pkg, name, ok := strings.Cut(entry, " methods:")
		if !ok {
			continue
		}
		delete(b, entry)
		names := map[string]bool{} // a method may be declared once per platform
		for _, method := range methods {
			names[method.where] = true
		}
		if over := len(names) - maxMethods; over > 0 {
			b.add(pkg, "methods", over, "%s: type %s has %d exported methods, the limit is %d",
				pkg, name, len(names), maxMethods)
		}
	}
}

// settle compares the violations with the allowances. It returns a complaint for each entry with
// more violations than allowed, and for each with fewer.
func settle(book rulebook, allowed map[string]int) (over, under []string) {
	entries := slices.AppendSeq(slices.Collect(maps.Keys(book)), maps.Keys(allowed))
	slices.Sort(entries)
	for _, entry := range slices.Compact(entries) {
		switch found, limit := book.count(entry), allowed[entry]; {
		case found > limit:
			over = append(over, fmt.Sprintf(
				"%s: %d violations, %d allowed: correct the code that you added, probably\n\t%s",
				entry, found, limit, strings.Join(book.newest(entry), "\n\t")))
		case found < limit:
			under = append(under, fmt.Sprintf(
				"%s: %d violations, %d allowed: run `go test . -run TestLimits -shrink`", entry, found, limit))
		}
	}
	return over, under
}

// newest returns some violations, first those in files that were changed last.
func (b rulebook) newest(entry string) (places []string) {
	changed := func(v violation) int64 {
		path, _, _ := strings.Cut(v.where, ":")
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.ModTime().Unix()
	}
	slices.SortStableFunc(b[entry], func(v, w violation) int { return cmp.Compare(changed(w), changed(v)) })
	for _, v := range b[entry][:min(10, len(b[entry]))] {
		places = append(places, v.where)
	}
	return places
}

// TestAllowances verifies that both more and fewer violations than allowed are reported.
func TestAllowances(t *testing.T) {
	book := rulebook{}
	book.add("server", "columns", 1, "server/a.go:1")
	book.add("server", "columns", 1, "server/a.go:2")
	for limit, want := range map[int][2]int{1: {1, 0}, 2: {0, 0}, 3: {0, 1}} {
		over, under := settle(book, map[string]int{"server columns": limit})
		if got := [2]int{len(over), len(under)}; got != want {
			t.Errorf("%d allowed: got %q and %q, want %d", limit, over, under, want)
		}
	}
	if _, under := settle(rulebook{}, map[string]int{"gone words": 1}); len(under) != 1 {
		t.Errorf("an entry of a package that is gone: got %q, want one complaint", under)
	}
}

// readAllowances returns the allowances by "package rule".
func readAllowances(t *testing.T) map[string]int {
	t.Helper()
	content, err := os.ReadFile(allowances)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]int{}
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		var pkg, rule string
		var n int
		if line := lines.Text(); line == "" || strings.HasPrefix(line, "#") {
			continue
		} else if _, err := fmt.Sscan(line, &pkg, &rule, &n); err != nil {
			t.Fatalf("%s: %q: %v", allowances, line, err)
		}
		allowed[pkg+" "+rule] = n
	}
	return allowed
}

// writeAllowances writes the allowances without the entries that are zero.
func writeAllowances(t *testing.T, allowed map[string]int) {
	t.Helper()
	var out strings.Builder
	out.WriteString("# Violations that remain, per package and rule (limits_test.go). Numbers may only shrink.\n")
	for _, entry := range slices.Sorted(maps.Keys(allowed)) {
		if allowed[entry] > 0 {
			fmt.Fprintf(&out, "%s %d\n", entry, allowed[entry])
		}
	}
	if err := os.WriteFile(allowances, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
