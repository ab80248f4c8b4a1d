package question

import (
	"path/filepath"
	"slices"
	"strings"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// surroundings warns about environment variables that would make a server deviate from the
// installation, or keep it from starting. Setup and its trial server ignore them.
func (r *resolver) surroundings() {
	if names := config.Variables(r.input.Env); len(names) > 0 {
		verb := map[bool]string{true: "is", false: "are"}[len(names) == 1]
		r.findings = append(r.findings, setup.Warn(
			setup.CodeEnvironment,
			strings.Join(names, ", ")+" "+verb+
				" set in the environment of this command, and would change what a server does that is started with it",
			"unset "+strings.Join(names, " ")+": setup and the server that it starts ignore such variables",
		))
	}
	path := variable(r.input.Env, config.PathVariable)
	if path == "" || filepath.Clean(path) == filepath.Join(r.answers.Dir, installation.ConfigFile) {
		return
	}
	r.findings = append(r.findings, setup.Warn(
		setup.CodeEnvironment,
		config.PathVariable+" is set to "+setup.Clip(path)+
			": a command without --dir or CONFIG uses that file and not this installation",
		"unset "+config.PathVariable,
	))
}

// variable returns the value of an environment variable, or "".
func variable(env []string, name string) string {
	for _, line := range slices.Backward(env) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return value
		}
	}
	return ""
}
