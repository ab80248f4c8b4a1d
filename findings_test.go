package packhouse_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// findingTypes returns the struct types in a file that have a code and a remedy, each as its
// tree and its name.
func findingTypes(t *testing.T, path string, content []byte) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, content, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	tree, _, _ := strings.Cut(filepath.ToSlash(path), "/")
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok {
			return true
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		fields := map[string]bool{}
		for _, field := range structure.Fields.List {
			for _, name := range field.Names {
				fields[name.Name] = true
			}
		}
		if fields["Code"] && fields["Remedy"] {
			found = append(found, tree+" "+spec.Name.Name)
		}
		return true
	})
	return found
}

// TestOneFindingType finds types that carry what finding.Finding does.
func TestOneFindingType(t *testing.T) {
	found := map[string]bool{}
	for path, content := range sourceFiles(t) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, name := range findingTypes(t, path, content) {
			found[name] = true
		}
	}
	if !found["finding Finding"] {
		t.Fatal("finding.Finding is not found: the test cannot fail")
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if name != "finding Finding" && name != "finding JSON" { // the latter is its format
			t.Errorf("%s has a code and a remedy: use finding.Finding", name)
		}
	}
}
