package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write golden files and generated documentation")

// TestCommandLineDocument holds docs/command-line.md against the commands there are.
func TestCommandLineDocument(t *testing.T) {
	const path = "../../docs/command-line.md"
	want := commandLineDocument(newRoot(&app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: []string{"HOME=/home/you"}}))
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil { //nolint:gosec // documentation is for everybody
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: go test ./cmd/packhouse -run TestCommandLineDocument -update", filepath.Base(path))
	}
}

// commandLineDocument writes every command with its flags.
func commandLineDocument(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(`# Command line

Results go to stdout, words to stderr. Generated from the commands themselves; a test holds it against them.

| exit code | meaning |
|---|---|
| 0 | fine |
| 1 | failed: nothing changed, or rolled back |
| 2 | wrong usage, or answers missing: all are listed, with their flags |
| 3 | changes pending (` + "`--dry-run`" + `) |
| 4 | findings: a check failed, verify found something, a certificate is close to its end |
| 129, 130, 143 | left by SIGHUP, SIGINT, SIGTERM |
`)
	root.InitDefaultCompletionCmd()
	for _, cmd := range commands(root) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", cmd.CommandPath(), description(cmd))
		fmt.Fprintf(&b, "```\n%s\n```\n", cmd.UseLine())
		var rows []string
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" || f.Hidden {
				return
			}
			value, usage := pflag.UnquoteUsage(f)
			name := strings.TrimSpace("--" + f.Name + " " + value)
			if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.Name != "dir" {
				usage += " (default " + f.DefValue + ")"
			}
			given, _ := f.Value.(argument)
			if _, many := given.list(); many || strings.HasSuffix(f.Value.Type(), "Array") {
				usage += "; may be repeated"
			}
			rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", name, usage))
		})
		if len(rows) > 0 {
			b.WriteString("\n| flag | meaning |\n|---|---|\n" + strings.Join(rows, ""))
		}
	}
	return b.Bytes()
}

// commands lists a command and all below it that do something.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			all = slices.Concat(all, commands(sub))
		}
	}
	return all
}

func description(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return strings.TrimSpace(cmd.Long)
	}
	return cmd.Short + "."
}
