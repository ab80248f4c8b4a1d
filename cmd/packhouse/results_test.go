package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/server/auth/htpasswd"
)

// fullDevice takes nothing, as /dev/full does.
type fullDevice struct{}

func (fullDevice) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// withoutResult are the commands that write nothing to standard output when all goes well, each with the reason.
var withoutResult = map[string]string{
	"packhouse serve":                 "its words are a log, on standard error",
	"packhouse reload":                "it prints keys that need a restart only",
	"packhouse user passwd":           "what it did goes to standard error",
	"packhouse user role":             "likewise",
	"packhouse user add":              "likewise: without a terminal a generated password goes to a file",
	"packhouse user remove":           "likewise",
	"packhouse cert rotate":           "likewise",
	"packhouse registry login":        "likewise",
	"packhouse registry logout":       "likewise",
	"packhouse pack render":           "it limits its process, and pack images runs it",
	"packhouse pack tag add":          "needs a registry",
	"packhouse pack tag delete":       "needs a registry",
	"packhouse pack push":             "needs a registry",
	"packhouse pack pull":             "needs a registry",
	"packhouse pack ls":               "needs a registry",
	"packhouse store delete":          "needs content",
	"packhouse help":                  "tried as --help",
	"packhouse completion bash":       "cobra's own, and tried as completion zsh",
	"packhouse completion fish":       "likewise",
	"packhouse completion powershell": "likewise",
}

// TestAResultThatNobodyGets: every command that writes a result fails where standard output takes none, and says so.
func TestAResultThatNobodyGets(t *testing.T) {
	dir, addr := t.TempDir(), porttest.Free(t)
	t.Setenv("RUNTIME_DIRECTORY", dir)
	env := []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir, "CI=1"}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close() //nolint:errcheck // read only
	command := func(stdout io.Writer, args ...string) (int, string) {
		said := &words{}
		code := run(t.Context(), &cli.App{
			Stdin: null, Stdout: stdout, Stderr: said, Env: env, Now: time.Now, HashCost: htpasswd.MinCost,
		}, args)
		return code, said.String()
	}
	at := filepath.Join(dir, "D")
	first := []string{"setup", "--yes", "--dir", at, "--hostname", "registry.example.com", "--addr", addr, "--storage-path", filepath.Join(dir, "data"), "--offline", "--no-start"}
	if code, said := command(io.Discard, first...); code != cli.ExitOK {
		t.Fatalf("setup: %d: %s", code, said)
	}
	if code, said := command(io.Discard, "user", "add", "spectro", "--dir", at); code != cli.ExitOK {
		t.Fatalf("user add: %d: %s", code, said)
	}
	manifests, built := filepath.Join(dir, "yaml"), filepath.Join(dir, "packs")
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: agent}\nspec:\n  containers:\n    - name: agent\n      image: registry.example.com/agent:2.0.0\n"
	if err := errors.Join(os.Mkdir(manifests, 0o700), os.WriteFile(filepath.Join(manifests, "pod.yaml"), []byte(pod), 0o600)); err != nil {
		t.Fatal(err)
	}
	build := []string{"pack", "build", "agent", built, "--manifests", manifests, "--version", "2.0.0"}
	pack := filepath.Join(built, "agent-2.0.0")
	tried := map[string]bool{}
	for _, line := range [][]string{
		{"--help"},
		{"version"},
		{"completion", "zsh"},
		{"setup", "--dry-run", "--dir", at, "--offline"},
		{"setup", "--dry-run", "--json", "--dir", at, "--offline"},
		{"setup", "--yes", "--json", "--no-start", "--dir", at, "--offline"},
		{"check", "--quick", "--json", "--dir", at},
		{"status", "--dir", at},
		{"status", "--json", "--dir", at},
		{"config", "verify", "--dir", at},
		{"config", "verify", "--json", "--dir", at},
		{"config", "show", "--dir", at},
		{"config", "show", "--json", "--dir", at},
		{"config", "schema"},
		{"cert", "show", "--dir", at},
		{"cert", "show", "--json", "--dir", at},
		{"cert", "export", "ca", "--dir", at},
		{"cert", "trust", "--dir", at},
		{"user", "list", "--dir", at},
		{"user", "list", "--json", "--dir", at},
		{"store", "usage", "--dir", at},
		{"store", "gc", "--dry-run", "--dir", at},
		{"store", "scrub", "--dir", at},
		{"store", "reindex", "--dir", at},
		build,
		{"pack", "lint", pack},
		{"pack", "images", pack},
		{"pack", "diff", "--json", pack, pack},
		{"pack", "constraints", "check", pack},
		{"rollback", "--dry-run", "--dir", at},
		{"uninstall", "--dry-run", "--dir", at},
	} {
		t.Run(strings.Join(line[:min(3, len(line))], " "), func(t *testing.T) {
			kept := &strings.Builder{}
			if code, said := command(kept, line...); kept.Len() == 0 {
				t.Fatalf("it writes no result at all: %d: %s", code, said)
			}
			if slices.Equal(line, build) { // which makes no folder twice
				if err := os.RemoveAll(built); err != nil {
					t.Fatal(err)
				}
			}
			code, said := command(fullDevice{}, line...)
			if code != cli.ExitFailed || !strings.Contains(said, "write the result: ") || !strings.Contains(said, syscall.ENOSPC.Error()) {
				t.Errorf("exit code %d: %s", code, said)
			}
			if strings.Count(said, syscall.ENOSPC.Error()) != 1 {
				t.Errorf("it is told more than once: %s", said)
			}
		})
		for n := range line {
			tried["packhouse "+strings.Join(line[:n+1], " ")] = true
		}
	}
	for _, name := range leaves(newRoot(&cli.App{Stdin: null, Stdout: io.Discard, Stderr: io.Discard, Env: env, Now: time.Now})) {
		if !tried[name] && withoutResult[name] == "" {
			t.Errorf("%s is neither tried nor known to write no result", name)
		}
	}
}

// leaves lists the commands that do something.
func leaves(cmd *cobra.Command) (names []string) {
	if !cmd.HasSubCommands() {
		return []string{cmd.CommandPath()}
	}
	for _, sub := range cmd.Commands() {
		names = append(names, leaves(sub)...)
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "__") })
}
