package packhouse_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxSleeps limits the calls of time.Sleep in tests outside of testing/synctest. It may only shrink.
const maxSleeps = 30

// sleeps returns the calls of time.Sleep in a file outside of testing/synctest, where time is
// fake, and those of them without a comment on the same or the preceding line.
func sleeps(t *testing.T, path string, content []byte) (all, unexplained []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var comments []int // last lines
	for _, group := range file.Comments {
		comments = append(comments, files.Position(group.End()).Line)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch selector, _ := call.Fun.(*ast.SelectorExpr); {
		case isCall(selector, "synctest", "Test"):
			return false
		case isCall(selector, "time", "Sleep"):
			line := files.Position(call.Pos()).Line
			all = append(all, files.Position(call.Pos()).String())
			if !slices.Contains(comments, line) && !slices.Contains(comments, line-1) {
				unexplained = append(unexplained, files.Position(call.Pos()).String())
			}
		}
		return true
	})
	return all, unexplained
}

// isCall reports whether the function is pkg.name.
func isCall(function *ast.SelectorExpr, pkg, name string) bool {
	if function == nil || function.Sel.Name != name {
		return false
	}
	x, ok := function.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// TestSleeps counts the tests that wait for real, and demands a reason for each wait.
func TestSleeps(t *testing.T) {
	var all []string
	for path, content := range sourceFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		found, unexplained := sleeps(t, path, content)
		all = append(all, found...)
		for _, where := range unexplained {
			t.Errorf("%s: time.Sleep without a reason: use testing/synctest, or add a comment", where)
		}
	}
	slices.Sort(all)
	if len(all) > maxSleeps {
		t.Errorf("%d calls of time.Sleep outside of testing/synctest, maxSleeps is %d: use synctest:\n%s",
			len(all), maxSleeps, strings.Join(all, "\n"))
	}
}

// TestExamples verifies that the packages that people read first have runnable examples.
func TestExamples(t *testing.T) {
	const atLeast = 10
	example := regexp.MustCompile(`(?m)^func Example`)
	output := regexp.MustCompile(`(?m)^\t// Output:`)
	all := 0
	packages := []string{"certgen", "packs", "server", "server/config", "setup", "setup/answer", "setup/question"}
	for _, pkg := range packages {
		content, err := os.ReadFile(filepath.Join(pkg, "example_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		examples, outputs := len(example.FindAll(content, -1)), len(output.FindAll(content, -1))
		if examples == 0 || examples != outputs {
			t.Errorf("%s: %d examples, %d outputs", pkg, examples, outputs)
		}
		all += examples
	}
	if all < atLeast {
		t.Errorf("%d examples, want at least %d", all, atLeast)
	}
}

// TestPatterns compiles the regular expressions of pattern.Lazy, which the program compiles only when
// it uses them.
func TestPatterns(t *testing.T) {
	found := 0
	for path, content := range sourceFiles(t) {
		if filepath.Ext(path) != ".go" {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, content, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			if selector, _ := call.Fun.(*ast.SelectorExpr); !isCall(selector, "pattern", "Lazy") {
				return true
			}
			found++
			where := files.Position(call.Pos())
			value, err := types.Eval(files, nil, token.NoPos, types.ExprString(call.Args[0]))
			if err != nil || value.Value == nil {
				t.Errorf("%s: the expression is not a constant text", where)
			} else if _, err := regexp.Compile(constant.StringVal(value.Value)); err != nil {
				t.Errorf("%s: %v", where, err)
			}
			return true
		})
	}
	if found == 0 {
		t.Error("found no call of pattern.Lazy")
	}
}

// TestAbsolutePaths demands trust.Abs, which follows links before it goes up to "..", as the kernel
// does. filepath.Abs can name another file than the file that is opened.
func TestAbsolutePaths(t *testing.T) {
	allowed := []string{"trust/", "test/", "cmd/packhouse/usercmd/password.go"} // password.go reads the absolute path
	for path, content := range sourceFiles(t) {
		excused := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
		if strings.HasSuffix(path, "_test.go") || slices.ContainsFunc(allowed, excused) {
			continue
		}
		if strings.Contains(string(content), "filepath.Abs(") {
			t.Errorf("%s calls filepath.Abs: use trust.Abs", path)
		}
	}
}
