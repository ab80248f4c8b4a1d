// Package packhouse_test holds the shape of the whole module, where no single
// package could: which package may import which.
package packhouse_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that all packages of this module start with.
const module = "packhouse"

func TestImportGraph(t *testing.T) {
	sources := parseImports(t)
	if len(sources) == 0 {
		t.Fatal("no package found: the test runs in the wrong directory")
	}
	for _, pkg := range slices.Sorted(maps.Keys(sources)) {
		for _, imported := range slices.Sorted(maps.Keys(sources[pkg])) {
			if complaint := forbidden(pkg, imported); complaint != "" {
				t.Errorf("%s imports %s: %s", sources[pkg][imported], imported, complaint)
			}
		}
	}
}

// TestImportGraphRefuses keeps the test above honest: it must be able to fail.
func TestImportGraphRefuses(t *testing.T) {
	for _, tc := range []struct {
		pkg, imported string
		refused       bool
	}{
		{"cmd/packhouse", "packhouse/server", false},
		{"cmd/packhouse", "packhouse/tui", false},
		{"cmd/packhouse/packcmd", "packhouse/cmd/packhouse/deployment", true},
		{"cmd/packhouse/cli", "packhouse/cmd/packhouse/deployment", true},
		{"cmd/packhouse/deployment", "packhouse/cmd/packhouse/clienttrust", true},
		{"tui", "packhouse/setup", false},
		{"tui/wizard", "packhouse/setup/check", false},
		{"tui", "packhouse/server", true},
		{"tui", "packhouse/server/storage", true},
		{"setup", "packhouse/server/config", false},
		{"setup", "packhouse/server/auth", true},
		{"setup", "packhouse/server", true},
		{"setup", "packhouse/tui", true},
		{"setup/check", "packhouse/setup", true},
		{"setup/question", "packhouse/setup/check", false},
		{"setup/question", "packhouse/setup/answer", true},
		{"setup/answer", "packhouse/setup/plan", true},
		{"setup/installation", "packhouse/setup/question", true},
		{"setup/plan", "packhouse/setup/apply", true},
		{"server", "packhouse/server/registry", false},
		{"server", "packhouse/setup", true},
		{"server", "packhouse/tui", true},
		{"server/registry", "packhouse/server/storage/filesystem", true},
		{"server/registry", "packhouse/packs", true},
		{"server/packview", "packhouse/packs", false},
		{"server/packview", "packhouse/packs/render", true},
		{"server/storage/filesystem", "packhouse/server/storage", false},
		{"server/storage/filesystem/layout", "packhouse/server/storage/filesystem", false},
		{"server/storage", "packhouse/server/registry", true},
		{"server/storage", "packhouse/server/problem", true},
		{"server/storage/disk", "packhouse/server/storage/filesystem", true},
		{"server/config", "packhouse/server/auth", true},
		{"certgen", "crypto/x509", false},
		{"certgen", "golang.org/x/crypto/bcrypt", true},
		{"certgen", "packhouse/templates", true},
		{"server", "github.com/charmbracelet/lipgloss", true},
		{"tui", "github.com/charmbracelet/lipgloss", false},
		{"tui/session", "github.com/charmbracelet/lipgloss", true},
		{"tui/session", "packhouse/tui", true},
		{"server", "github.com/spf13/cobra", true},
		{"unheard/of", "packhouse/server", true},
	} {
		complaint := forbidden(tc.pkg, tc.imported)
		if refused := complaint != ""; refused != tc.refused {
			t.Errorf("%s → %s: refused %v (%q), want %v", tc.pkg, tc.imported, refused, complaint, tc.refused)
		}
	}
}

// TestImportGraphNamesWhatExists finds rows whose package is gone, once its
// neighbours are there: a row nobody needs hides a wall that was torn down.
func TestImportGraphNamesWhatExists(t *testing.T) {
	sources := parseImports(t)
	later := []string{"packs", "server/packview", "server/storage/s3"} // rows that wait for their package
	for _, row := range slices.Sorted(maps.Keys(mayImport)) {
		exists := slices.ContainsFunc(slices.Collect(maps.Keys(sources)), func(pkg string) bool { return within(pkg, row) })
		if !exists && !slices.Contains(later, row) {
			t.Errorf("no package is called %s: its row in mayImport can go", row)
		}
	}
}

// TestDependenciesAreArgued compares what is imported from outside, by tests
// too, with docs/dependencies.md: each direct dependency has its line there, in
// the right table, and no line outlives its dependency.
func TestDependenciesAreArgued(t *testing.T) {
	document, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatalf("read the list: %v", err)
	}
	argued, _, _ := strings.Cut(string(document), "## Beside the module")
	inBinary, inTests, found := strings.Cut(argued, "## In tests only")
	if !found {
		t.Fatal("docs/dependencies.md has lost its headings")
	}
	required := requiredModules(t)
	sources, tests := parseImports(t), parseTestImports(t)
	for pkg, imports := range sources { // what helps tests is in no binary
		if _, helps := imports["testing"]; helps {
			tests[pkg+" (support)"] = imports
			delete(sources, pkg)
		}
	}
	shipped, tested := importedOf(required, sources), importedOf(required, tests)
	for dependency := range shipped {
		if !strings.Contains(inBinary, "| `"+dependency+"` |") {
			t.Errorf("%s is imported and not argued for in docs/dependencies.md", dependency)
		}
	}
	for dependency := range tested {
		if !shipped[dependency] && !strings.Contains(inTests, "| `"+dependency+"` |") {
			t.Errorf("%s is imported by tests and not argued for in docs/dependencies.md", dependency)
		}
	}
	for line := range strings.Lines(argued) {
		dependency, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		dependency, _, _ = strings.Cut(dependency, "`")
		if !shipped[dependency] && !tested[dependency] {
			t.Errorf("docs/dependencies.md argues for %s, which nothing imports", dependency)
		}
	}
}

// TestDirectDependenciesAreMarked verifies that go.mod marks a module "// indirect" only if no package
// of this module imports it, as go mod tidy does.
func TestDirectDependenciesAreMarked(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := requiredModules(t)
	used := importedOf(required, parseImports(t))
	maps.Copy(used, importedOf(required, parseTestImports(t)))
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(words) < 2 || !required[words[0]] {
			continue
		}
		if indirect := strings.HasSuffix(strings.TrimSpace(line), "// indirect"); indirect == used[words[0]] {
			t.Errorf("go.mod: %s: imported %t, marked indirect %t; run go mod tidy", words[0], used[words[0]], indirect)
		}
	}
}

// requiredModules returns the modules that go.mod requires.
func requiredModules(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatalf("read go.mod: %v", err)
	}
	modules := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(words) >= 2 && strings.HasPrefix(words[1], "v") {
			modules[words[0]] = true
		}
	}
	return modules
}

// importedOf returns those of the modules that something imports.
func importedOf(modules map[string]bool, packages map[string]map[string]string) map[string]bool {
	used := make(map[string]bool)
	for _, imports := range packages {
		for imported := range imports {
			for dependency := range modules {
				if within(imported, dependency) {
					used[dependency] = true
				}
			}
		}
	}
	return used
}

// forbidden tells why pkg (relative to the module) may not import a path;
// empty if it may.
func forbidden(pkg, imported string) string {
	if inner, ok := strings.CutPrefix(imported, module+"/"); ok {
		row, ok := rowOf(pkg)
		if !ok {
			return "the package has no row in mayImport: decide what it may import"
		}
		if own, _ := rowOf(inner); own == row && row != "" || slices.Contains(everywhere, inner) {
			return ""
		}
		for _, allowed := range mayImport[row] {
			if reaches(allowed, inner) {
				return ""
			}
		}
		return "arrows go down only; the row of " + row + " in mayImport does not name it"
	}
	if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "" // the standard library
	}
	for _, tree := range standardLibraryOnly {
		if within(pkg, tree) {
			return "this tree imports the standard library only"
		}
	}
	for outside, trees := range onlyIn {
		if within(imported, outside) && !slices.ContainsFunc(trees, func(tree string) bool { return within(pkg, tree) }) {
			return "only these trees may: " + strings.Join(trees, ", ")
		}
	}
	for outside, trees := range notIn {
		if within(imported, outside) && slices.ContainsFunc(trees, func(tree string) bool { return within(pkg, tree) }) {
			return "this tree must not"
		}
	}
	return ""
}

// rowOf finds the nearest row of mayImport at or above a package.
func rowOf(pkg string) (string, bool) {
	for {
		if _, ok := mayImport[pkg]; ok {
			return pkg, true
		}
		cut := strings.LastIndexByte(pkg, '/')
		if cut < 0 {
			return "", false
		}
		pkg = pkg[:cut]
	}
}

// reaches tells whether an entry of mayImport covers a package.
func reaches(entry, pkg string) bool {
	if entry == groundFloor {
		return slices.ContainsFunc(groundFloorPackages, func(floor string) bool { return pkg == floor })
	}
	if entry == "..." {
		return true
	}
	if tree, ok := strings.CutSuffix(entry, "/..."); ok {
		return within(pkg, tree)
	}
	return pkg == entry
}

// within tells whether a path is a tree's root or below it, by whole segments.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}

// parseImports reads the import clauses of every file that is not a test, for
// all platforms and build tags, and returns for each package its imports with
// the place of one of them. Modules of their own (test/e2e) are left out.
func parseImports(t *testing.T) map[string]map[string]string {
	t.Helper()
	return parseFiles(t, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
}

// parseTestImports does the same for the tests.
func parseTestImports(t *testing.T) map[string]map[string]string {
	t.Helper()
	return parseFiles(t, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

func parseFiles(t *testing.T, wanted func(name string) bool) map[string]map[string]string {
	t.Helper()
	packages := make(map[string]map[string]string)
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			name := entry.Name()
			if path != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || ownModule(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || !wanted(path) {
			return nil
		}
		parsed, err := parser.ParseFile(files, path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if packages[pkg] == nil {
			packages[pkg] = make(map[string]string)
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			packages[pkg][imported] = files.Position(spec.Pos()).String()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	return packages
}

// ownModule tells whether a directory starts another module.
func ownModule(directory string) bool {
	_, err := os.Stat(filepath.Join(directory, "go.mod"))
	return err == nil
}

// maxLines is the length of the longest Go file.
const maxLines = 500

// TestFilesAreShort verifies that no Go file, of the end-to-end tests and the benchmark too, is longer than maxLines.
func TestFilesAreShort(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		files++
		source, err := os.ReadFile(path)
		if lines := bytes.Count(source, []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines, want at most %d", path, lines, maxLines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("found %d Go files, want at least 100", files)
	}
}
