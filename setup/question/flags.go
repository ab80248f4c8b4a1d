package question

import (
	"slices"
	"strings"
)

// FlagKind is the type of a flag's value.
type FlagKind string

// Kinds of flags.
const (
	FlagBool FlagKind = "bool"
	FlagText FlagKind = "text"
	FlagList FlagKind = "list" // may be given more than once
)

// Flag is a flag of "packhouse setup", and a key of the answers file.
type Flag struct {
	Name     string // without dashes
	Kind     FlagKind
	Arg      string // placeholder of the value in the help: "NAME"
	Usage    string
	Question string // ID of the question it answers; empty: it controls how setup runs
}

func textFlag(name, arg, usage string) Flag {
	return Flag{Name: name, Kind: FlagText, Arg: arg, Usage: usage}
}

func listFlag(name, arg, usage string) Flag {
	return Flag{Name: name, Kind: FlagList, Arg: arg, Usage: usage}
}
func boolFlag(name, usage string) Flag { return Flag{Name: name, Kind: FlagBool, Usage: usage} }

// Flags returns every flag of "packhouse setup" that is also a key of the answers file, in the
// order of the help.
func Flags() []Flag {
	var flags []Flag
	for _, q := range rows() {
		for _, f := range q.Flags {
			f.Question = q.ID
			flags = append(flags, f)
		}
	}
	return flags
}

// FlagNamed returns the flag with a name without dashes.
func FlagNamed(name string) (Flag, bool) {
	flags := Flags()
	i := slices.IndexFunc(flags, func(f Flag) bool { return f.Name == name })
	if i < 0 {
		return Flag{}, false
	}
	return flags[i], true
}

// FlagNames returns the flags that answer the question, with dashes, the main one first.
func (q *Question) FlagNames() []string {
	var names []string
	for _, f := range q.Flags {
		names = append(names, "--"+f.Name)
	}
	main := names[q.Main]
	return append([]string{main}, slices.Delete(names, q.Main, q.Main+1)...)
}

// Variable returns the environment variable of a flag, or "" if it has none, as for password flags
// and for flags that select the installation or control how setup runs.
func (f Flag) Variable() string {
	if f.Question == "" || strings.HasPrefix(f.Name, "password-") {
		return ""
	}
	return "PACKHOUSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}
