package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
)

// about records the installation directory of the command, unless it is the default one.
func (a *app) about(dir string) {
	absolute, err := filepath.Abs(dir)
	if usual, uerr := filepath.Abs(a.defaultDir()); dir == "" || err != nil || uerr == nil && absolute == usual {
		return
	}
	a.dir = absolute
}

// aboutArgs records the installation directory given on the command line.
func (a *app) aboutArgs(cmd *cobra.Command, args []string) {
	if f := cmd.Flags().Lookup("dir"); f != nil && f.Changed {
		a.about(f.Value.String())
	} else if f != nil && len(args) > 0 && filepath.Base(args[0]) == installation.ConfigFile {
		a.about(filepath.Dir(args[0]))
	}
}

// mention matches this program's name in prose, with the words that may be subcommands, or with a
// flag of the program itself. It does not match inside a path.
var mention = pattern.Lazy("(^|[\\s(`\"])packhouse((?: [a-z]+)+| --[a-z]+)")

// namesDir matches the rest of a command that already has --dir.
var namesDir = pattern.Lazy(`^[^,;]*--dir `)

// pasteable completes commands of this program in text so that they run when pasted: with the
// program's path unless PATH finds it, and with --dir if this command uses another installation
// than the default one. It does not change commands for another machine.
func (a *app) pasteable(text string) string {
	clauses := strings.SplitAfter(text, "; ")
	for i, clause := range clauses {
		if !strings.Contains(clause, "on the server") {
			clauses[i] = a.pasteableClause(clause)
		}
	}
	return strings.Join(clauses, "")
}

func (a *app) pasteableClause(clause string) string {
	var b strings.Builder
	for {
		at := mention().FindStringSubmatchIndex(clause)
		if at == nil {
			return b.String() + clause
		}
		b.WriteString(clause[:at[3]])
		words, rest := strings.Fields(clause[at[4]:at[5]]), clause[at[4]:]
		if strings.HasPrefix(words[0], "-") {
			b.WriteString(setup.Shell(a.program()))
			clause = rest
			continue
		}
		path, takesDir, ok := a.subcommand(words)
		if !ok { // such as "packhouse writes"
			b.WriteString("packhouse")
			clause = rest
			continue
		}
		rest = strings.TrimPrefix(rest, " "+path)
		b.WriteString(setup.Shell(a.program()) + " " + path)
		if a.dir != "" && takesDir && !namesDir().MatchString(rest) && !strings.Contains(rest, a.dir) {
			b.WriteString(" --dir " + setup.Shell(a.dir))
		}
		clause = rest
	}
}

// subcommand returns the longest command that words start with, and whether it has the flag --dir.
func (a *app) subcommand(words []string) (path string, takesDir, ok bool) {
	for n := len(words); n > 0 && !ok; n-- {
		path = strings.Join(words[:n], " ")
		takesDir, ok = a.commands[path]
	}
	return path, takesDir, ok
}

// learnCommands records the subcommands of cmd, and whether they have the flag --dir.
func (a *app) learnCommands(cmd *cobra.Command, above string) {
	for _, sub := range cmd.Commands() {
		for _, name := range slices.Concat(sub.Aliases, []string{sub.Name()}) {
			path := above + name
			a.commands[path] = sub.Flags().Lookup("dir") != nil
			a.learnCommands(sub, path+" ")
		}
	}
}

// pasteableResult completes the commands in a result of a check.
func (a *app) pasteableResult(r check.Result) check.Result {
	f := &r.Finding
	f.What, f.Remedy, r.Advice = a.pasteable(f.What), a.pasteable(f.Remedy), a.pasteable(r.Advice)
	return r
}

// pasteableFindings completes the commands in findings of setup.
func (a *app) pasteableFindings(findings []finding.Finding) []finding.Finding {
	findings = slices.Clone(findings)
	for i := range findings {
		findings[i].Remedy = a.pasteable(findings[i].Remedy)
	}
	return findings
}

// pasteableProblems completes the commands in the remedies of problems.
func (a *app) pasteableProblems(problems []config.Problem) {
	for i := range problems {
		problems[i].Remedy = a.pasteable(problems[i].Remedy)
	}
}

// command returns a shell command that runs this program with args from any directory: with the
// program's path unless PATH finds this very program.
func (a *app) command(args ...string) string {
	words := []string{setup.Shell(a.program())}
	for _, arg := range args {
		words = append(words, setup.Shell(arg))
	}
	return strings.Join(words, " ")
}

// program returns the shell command name or path of this program.
func (a *app) program() string {
	const name = "packhouse"
	path, err := os.Executable()
	if err != nil {
		return name
	}
	for _, dir := range filepath.SplitList(a.getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		found, err := exec.LookPath(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if installation.SameFile(found, path) {
			return name
		}
		return path // PATH has another program of that name
	}
	return path
}
