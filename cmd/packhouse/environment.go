package main

import (
	"slices"
	"strings"

	"packhouse/server/config"
)

// withoutServerVariables returns a copy of a without the environment variables that change a
// server's behavior. Setup uses it, so that it verifies and starts exactly what it writes.
func (a *app) withoutServerVariables() *app {
	given := config.Variables(a.env)
	clean := a.clone()
	clean.env = slices.DeleteFunc(slices.Clone(a.env), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(given, name)
	})
	return clean
}
