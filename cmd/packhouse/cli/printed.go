package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// About records the installation directory of the command, unless it is the default one.
func (a *App) About(dir string) {
	absolute, err := trust.Abs(dir)
	if usual, uerr := trust.Abs(a.DefaultDir()); dir == "" || err != nil || uerr == nil && absolute == usual {
		return
	}
	a.Dir = absolute
}

// aboutArgs records the installation directory given on the command line.
func aboutArgs(a *App, cmd *cobra.Command, args []string) {
	if f := cmd.Flags().Lookup("dir"); f != nil && f.Changed {
		a.About(f.Value.String())
	} else if f != nil && len(args) > 0 && filepath.Base(args[0]) == installation.ConfigFile {
		a.About(filepath.Dir(args[0]))
	}
}

// mention matches this program's name in prose, with the words that may be subcommands, or with a
// flag of the program itself. It does not match inside a path.
var mention = pattern.Lazy("(^|[\\s(`\"])packhouse((?: [a-z]+)+| --[a-z]+)")

// namesDir matches the rest of a command that already has --dir.
var namesDir = pattern.Lazy(`^[^,;]*--dir `)

// Pasteable completes commands of this program in text so that they run when pasted: with the
// program's path unless PATH finds it, and with --dir if this command uses another installation
// than the default one. It does not change commands for another machine.
func (a *App) Pasteable(text string) string {
	clauses := strings.SplitAfter(text, "; ")
	for i, clause := range clauses {
		if !strings.Contains(clause, "on the server") {
			clauses[i] = a.pasteableClause(clause)
		}
	}
	return strings.Join(clauses, "")
}

func (a *App) pasteableClause(clause string) string {
	var b strings.Builder
	for {
		at := mention().FindStringSubmatchIndex(clause)
		if at == nil {
			return b.String() + clause
		}
		b.WriteString(clause[:at[3]])
		words, rest := strings.Fields(clause[at[4]:at[5]]), clause[at[4]:]
		if strings.HasPrefix(words[0], "-") {
			b.WriteString(setup.Shell(a.Program()))
			clause = rest
			continue
		}
		path, takesDir, ok := subcommand(a, words)
		if !ok { // such as "packhouse writes"
			b.WriteString("packhouse")
			clause = rest
			continue
		}
		rest = strings.TrimPrefix(rest, " "+path)
		b.WriteString(setup.Shell(a.Program()) + " " + path)
		if a.Dir != "" && takesDir && !namesDir().MatchString(rest) && !strings.Contains(rest, a.Dir) {
			b.WriteString(" --dir " + setup.Shell(a.Dir))
		}
		clause = rest
	}
}

// subcommand returns the longest command that words start with, and whether it has the flag --dir.
func subcommand(a *App, words []string) (path string, takesDir, ok bool) {
	for n := len(words); n > 0 && !ok; n-- {
		path = strings.Join(words[:n], " ")
		takesDir, ok = a.Commands[path]
	}
	return path, takesDir, ok
}

// LearnCommands records the subcommands of cmd, and whether they have the flag --dir.
func LearnCommands(a *App, cmd *cobra.Command, above string) {
	for _, sub := range cmd.Commands() {
		for _, name := range slices.Concat(sub.Aliases, []string{sub.Name()}) {
			path := above + name
			a.Commands[path] = sub.Flags().Lookup("dir") != nil
			LearnCommands(a, sub, path+" ")
		}
	}
}

// PasteableResult completes the commands in a result of a check.
func PasteableResult(a *App, r check.Result) check.Result {
	f := &r.Finding
	f.What, f.Remedy, r.Advice = a.Pasteable(f.What), a.Pasteable(f.Remedy), a.Pasteable(r.Advice)
	return r
}

// PasteableFindings returns findings with the commands in their remedies completed.
func PasteableFindings(a *App, findings []finding.Finding) []finding.Finding {
	findings = slices.Clone(findings)
	for i := range findings {
		findings[i].Remedy = a.Pasteable(findings[i].Remedy)
	}
	return findings
}

// Command returns a shell command that runs this program with args from any directory: with the
// program's path unless PATH finds this very program.
func (a *App) Command(args ...string) string {
	words := []string{setup.Shell(a.Program())}
	for _, arg := range args {
		words = append(words, setup.Shell(arg))
	}
	return strings.Join(words, " ")
}

// Program returns the shell command name or path of this program.
func (a *App) Program() string {
	const name = "packhouse"
	path, err := os.Executable()
	if err != nil {
		return name
	}
	for _, dir := range filepath.SplitList(a.Getenv("PATH")) {
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
