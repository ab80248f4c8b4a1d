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

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/setupcmd"
	"packhouse/setup/question"
)

var update = flag.Bool("update", false, "write golden files and generated documentation")

// TestCommandLineDocument holds docs/command-line.md against the commands there are.
func TestCommandLineDocument(t *testing.T) {
	const path = "../../docs/command-line.md"
	want := commandLineDocument(
		newRoot(&cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: []string{"HOME=/home/you"}}),
	)
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

Results go to stdout, messages to stderr. This page is generated from the commands.

| exit code | meaning |
|---|---|
| 0 | success |
| 1 | failed: nothing changed, or rolled back |
| 2 | wrong usage, or missing answers: all are listed, with their flags |
| 3 | changes pending (` + "`--dry-run`" + `) |
| 4 | needs attention: a check failed or warned; ` + "`config verify`, `pack lint` or `status`" + ` reported something; a change was made and a later step failed; ` + "`reload`" + ` left keys that need a restart; a certificate expires soon |
| 129, 130, 143 | ended by SIGHUP, SIGINT, SIGTERM |
`)
	root.InitDefaultCompletionCmd()
	for _, cmd := range commands(root) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", cmd.CommandPath(), description(cmd))
		fmt.Fprintf(&b, "```\n%s\n```\n", cmd.UseLine())
		if cmd.Example != "" {
			fmt.Fprintf(
				&b, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"),
			)
		}
		groups := []setupcmd.FlagGroup{{Flags: cmd.LocalFlags()}}
		if cmd.Name() == "setup" {
			groups = setupcmd.SetupGroups(cmd.Flags())
		}
		for _, group := range groups {
			writeFlags(&b, group)
		}
	}
	return b.Bytes()
}

// writeFlags writes a table of flags, below its title if it has one.
func writeFlags(b *bytes.Buffer, group setupcmd.FlagGroup) {
	var rows []string
	group.Flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := strings.TrimSpace("--" + f.Name + " " + value)
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.Name != "dir" {
			usage += " (default " + f.DefValue + ")"
		}
		given, _ := f.Value.(setupcmd.Argument)
		if _, many := given.List(); many || strings.HasSuffix(f.Value.Type(), "Array") {
			usage += "; may be repeated"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", name, usage))
	})
	if len(rows) == 0 {
		return
	}
	if group.Title != "" {
		b.WriteString("\n" + group.Title + ":\n")
	}
	b.WriteString("\n| flag | meaning |\n|---|---|\n" + strings.Join(rows, ""))
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

// TestExamplesParse runs the parser of each command on its examples: every command that does something has one, and each names real flags and
// the right number of arguments.
func TestExamplesParse(t *testing.T) {
	root := newRoot(&cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: []string{"HOME=/home/you"}})
	for _, cmd := range commands(root) {
		if strings.Contains(cmd.CommandPath(), "completion") {
			continue
		}
		if cmd.Example == "" && !cmd.HasSubCommands() {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
			words := strings.Fields(line)
			if i := slices.IndexFunc(words, func(w string) bool { return w == "<" || w == ">" }); i >= 0 {
				words = words[:i]
			}
			if i := slices.Index(words, "packhouse"); i >= 0 && !strings.HasPrefix(line, "#") {
				words = words[i+1:]
			} else {
				continue
			}
			fresh := newRoot(
				&cli.App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: []string{"HOME=/home/you"}},
			)
			found, rest, err := fresh.Find(words)
			if err != nil || found.CommandPath() != cmd.CommandPath() && cmd.HasParent() {
				t.Errorf("%q is not an example of %s: %v", line, cmd.CommandPath(), err)
				continue
			}
			if strings.Contains(line, "'") { // a word with spaces
				rest = slices.DeleteFunc(rest, func(w string) bool {
					return !strings.HasPrefix(w, "-") && !strings.HasPrefix(w, "./") && !strings.HasPrefix(w, "'")
				})
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}

// TestSetupHelpIsInGroups lists each flag of setup once, below the step of the wizard that it answers.
func TestSetupHelpIsInGroups(t *testing.T) {
	var out bytes.Buffer
	root := newRoot(&cli.App{Stdin: os.Stdin, Stdout: &out, Stderr: os.Stderr, Env: []string{"HOME=/home/you"}})
	root.SetArgs([]string{"setup", "--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, step := range question.Steps() {
		if !strings.Contains(text, "\n"+step.Title+":\n") {
			t.Errorf("no group %q", step.Title)
		}
	}
	for _, f := range question.Flags() {
		if n := strings.Count(text, "--"+f.Name+" ") + strings.Count(text, "--"+f.Name+"["); n < 1 {
			t.Errorf("--%s is not listed", f.Name)
		}
	}
	for _, want := range []string{"\nExamples:\n", "-y, --yes", "-n, --dry-run", "\nHow setup runs:\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the help", want)
		}
	}
}
