package setupcmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/setup/question"
)

// setupExamples are printed by "packhouse setup --help" and in docs/command-line.md.
const setupExamples = `  # ask everything
  packhouse setup

  # install without questions
  packhouse setup -y --hostname registry.example.com --addr 5000

  # show what a change would do, then make it
  packhouse setup -n --hostname registry.example.com --san 192.0.2.17
  packhouse setup -y --hostname registry.example.com --san 192.0.2.17

  # use a certificate of your own
  packhouse setup -y --tls files --tls-cert fullchain.pem --tls-key privkey.pem

  # try a registry in a directory of its own, and serve it
  packhouse setup -y --dir ./trial --hostname localhost --addr 127.0.0.1:5000 --serve`

// FlagGroup is a group of setup's flags in the help.
type FlagGroup struct {
	Title string
	Flags *pflag.FlagSet
}

// SetupGroups groups flags by step of the wizard, in order. Flags that do not answer a question are
// in the last group.
func SetupGroups(flags *pflag.FlagSet) []FlagGroup {
	step := map[string]int{}
	var groups []FlagGroup
	add := func(title string) int {
		groups = append(groups, FlagGroup{title, pflag.NewFlagSet(title, pflag.ContinueOnError)})
		groups[len(groups)-1].Flags.SortFlags = false
		return len(groups) - 1
	}
	for _, s := range question.Steps() {
		at := add(s.Title)
		for _, q := range s.Questions {
			step[q.ID] = at
		}
	}
	running := add("How setup runs")
	known := map[string]bool{}
	for _, f := range question.Flags() {
		at, asked := step[f.Question]
		if !asked {
			at = running
		}
		known[f.Name] = true
		groups[at].Flags.AddFlag(flags.Lookup(f.Name))
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !known[f.Name] && !f.Hidden {
			groups[running].Flags.AddFlag(f)
		}
	})
	var filled []FlagGroup
	for _, g := range groups {
		if g.Flags.HasFlags() {
			filled = append(filled, g)
		}
	}
	return filled
}

// helpWidth is the width in columns for wrapping the help of flags.
const helpWidth = 100

// setupUsage prints usage, examples and grouped flags of setup.
func setupUsage(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "Usage:\n  %s\n\nExamples:\n%s\n", cmd.UseLine(), cmd.Example)
	for _, g := range SetupGroups(cmd.Flags()) {
		fmt.Fprintf(w, "\n%s:\n%s", g.Title, strings.TrimRight(g.Flags.FlagUsagesWrapped(helpWidth), "\n")+"\n")
	}
}
