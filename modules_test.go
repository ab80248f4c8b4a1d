package packhouse_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// modules lists the directories of this repository that hold a go.mod.
var modules = []string{".", "test/e2e", "test/bench"}

// TestModulesAreTidy verifies that `go mod tidy` changes nothing. It reads modules that only tests
// of dependencies need, so it is skipped without them; `make lint` downloads them.
func TestModulesAreTidy(t *testing.T) {
	for _, dir := range modules {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("go", "mod", "tidy", "-diff")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
			var diff, messages strings.Builder
			cmd.Stdout, cmd.Stderr = &diff, &messages
			switch err := cmd.Run(); {
			case err == nil:
			case diff.Len() > 0:
				t.Errorf("run go mod tidy in %s:\n%s", dir, &diff)
			case strings.Contains(messages.String(), "GOPROXY=off"):
				t.Skip("not all modules are in the module cache; make lint downloads them")
			default:
				t.Errorf("go mod tidy: %v: %s", err, &messages)
			}
		})
	}
}
