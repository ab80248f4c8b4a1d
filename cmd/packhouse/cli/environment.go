package cli

import (
	"slices"
	"strings"

	"packhouse/server/config"
)

// WithoutServerVariables returns a copy of a without the environment variables that change a
// server's behavior. Setup uses it, so that it verifies and starts exactly what it writes.
func (a *App) WithoutServerVariables() *App {
	given := config.Variables(a.Env)
	clean := a.Clone()
	clean.Env = slices.DeleteFunc(slices.Clone(a.Env), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		return slices.Contains(given, name)
	})
	return clean
}
