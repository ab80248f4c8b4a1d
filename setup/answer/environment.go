package answer

import (
	"path/filepath"
	"slices"
	"strings"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/question"
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

// passwordPrefix is the prefix of the variables with passwords.
const passwordPrefix = "PACKHOUSE_PASSWORD_"

// PasswordVariable returns the environment variable for a user's password:
// PACKHOUSE_PASSWORD_CI_BOT for ci-bot.
func PasswordVariable(user string) string {
	return passwordPrefix + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, user)
}

// environment returns the values of the flags' variables and the password variables.
func environment(env []string) (values Values, passwords map[string]setup.Secret) {
	values, passwords = Values{}, map[string]setup.Secret{}
	named := map[string]question.Flag{}
	for _, f := range question.Flags() {
		if v := f.Variable(); v != "" {
			named[v] = f
		}
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, passwordPrefix) {
			passwords[name] = setup.Secret(value)
			continue
		}
		f, ok := named[name]
		switch {
		case !ok || value == "":
		case f.Kind == question.FlagList:
			values[f.Name] = setup.SplitList(value)
		default:
			values[f.Name] = []string{value}
		}
	}
	return values, passwords
}
