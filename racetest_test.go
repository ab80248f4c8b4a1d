package packhouse_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestNoCaseIsLost verifies that `make test` runs every case of every test, with the race detector
// or without it. Only racetest knows of the detector, only tests import it, and without the
// detector the Makefile tests again whatever imports it.
func TestNoCaseIsLost(t *testing.T) {
	constraint := regexp.MustCompile(`(?m)^//go:build .*\brace\b`)
	for path, content := range sourceFiles(t) {
		if constraint.Match(content) && !strings.HasPrefix(path, "racetest/") {
			t.Errorf("%s depends on the race detector; use package racetest", path)
		}
	}
	for pkg, imports := range parseImports(t) {
		if file, ok := imports[module+"/racetest"]; ok {
			t.Errorf("%s: package %s imports racetest, which is for _test.go files only", file, pkg)
		}
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	const format = "{{.ImportPath}} {{.TestImports}} {{.XTestImports}}"
	for _, want := range []string{
		`SAMPLED = $(GO) list -f '` + format + `' ./... | sed -n '/[[ ]packhouse\/racetest[] ]/s/ .*//p'` + "\n",
		"-timeout 15m $(TESTFLAGS) ./...) || failed=1; \\\n",
		"\tsampled=$$($(SAMPLED)) && \\\n",
		"-timeout 15m $(TESTFLAGS) $$sampled) || failed=1; \\\n",
		"\texit $$failed\n",
	} {
		if !strings.Contains(string(makefile), want) {
			t.Errorf("the Makefile lacks %q", want)
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-f", format, "./...")
	output, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	sampled := map[string]bool{}
	for line := range strings.Lines(string(output)) {
		pkg, _, _ := strings.Cut(line, " ")
		sampled[pkg] = strings.Contains(line, module+"/racetest]") || strings.Contains(line, module+"/racetest ")
	}
	for pkg, imports := range parseTestImports(t) {
		path := strings.TrimSuffix(module+"/"+pkg, "/.")
		if file, ok := imports[module+"/racetest"]; ok != sampled[path] {
			t.Errorf("package %s imports racetest (%s): %t, `go list` finds that: %t", path, file, ok, sampled[path])
		}
	}
}
