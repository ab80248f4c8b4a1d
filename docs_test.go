package packhouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// codeSources are the packages that tell codes, with the form that theirs have.
var codeSources = []struct {
	dir  string
	form *regexp.Regexp
}{
	{"certgen", regexp.MustCompile(`^(cert|ca)-[a-z-]+$`)},
	{"server/config", regexp.MustCompile(`^(config|path|bucket)-[a-z-]+$`)},
	{"server/auth/htpasswd", regexp.MustCompile(`^htpasswd-[a-z-]+$`)},
	{"setup", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"setup/check", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"setup/installation", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"setup/answer", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"setup/question", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"server", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"server/health", regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)},
	{"server/problem", regexp.MustCompile(`^[A-Z]{6,}$|^[A-Z]+(_[A-Z]+)+$`)},
}

// TestEveryCodeIsExplained holds docs/troubleshooting.md against the codes that the program tells, both ways.
func TestEveryCodeIsExplained(t *testing.T) {
	page, err := os.ReadFile("docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z_-]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		explained[row[1]] = true
	}
	told := map[string]bool{}
	for _, source := range codeSources {
		for code := range codesIn(t, source.dir, source.form) {
			told[code] = true
			if !explained[code] {
				t.Errorf("%s tells %s, which docs/troubleshooting.md does not explain", source.dir, code)
			}
		}
	}
	for code := range explained {
		if !told[code] && !strings.HasPrefix(code, "role-") {
			t.Errorf("docs/troubleshooting.md explains %s, which no code has", code)
		}
	}
}

// TestMessagesNameNoPage verifies that no text of the program refers to a page of the documentation,
// because the binary comes without them.
func TestMessagesNameNoPage(t *testing.T) {
	page := regexp.MustCompile(`docs/[a-z-]+\.md`)
	for path, content := range sourceFiles(t) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "test/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, content, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && page.MatchString(text.Value) {
				t.Errorf("%s: %s", path, page.FindString(text.Value))
			}
			return true
		})
	}
}

// codesIn finds the texts of a package that are codes: constants named Code…, and the first argument of the functions that make findings.
func codesIn(t *testing.T, dir string, form *regexp.Regexp) map[string]bool {
	t.Helper()
	codes := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir:
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.ValueSpec:
				for i, name := range node.Names {
					if i < len(node.Values) && (strings.HasPrefix(strings.ToLower(name.Name), "code") || dir == "server/problem") {
						add(codes, node.Values[i], form)
					}
				}
			case *ast.CallExpr:
				if name, ok := node.Fun.(*ast.Ident); ok && len(node.Args) > 0 && (name.Name == "failed" || name.Name == "warning") {
					add(codes, node.Args[0], form)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func add(codes map[string]bool, value ast.Expr, form *regexp.Regexp) {
	literal, ok := value.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	if text, err := strconv.Unquote(literal.Value); err == nil && form.MatchString(text) {
		codes[text] = true
	}
}
