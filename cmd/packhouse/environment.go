package main

import (
	"slices"
	"strings"

	"packhouse/server/config"
)

// withoutServerVariables returns a copy of a whose environment holds no variable that changes what a server does. Setup
// uses it, so that what it verifies and starts is what it writes.
func (a *app) withoutServerVariables() *app {
	given := config.Variables(a.env)
	clean := a.clone()
	clean.env = slices.DeleteFunc(slices.Clone(a.env), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(given, name)
	})
	return clean
}
