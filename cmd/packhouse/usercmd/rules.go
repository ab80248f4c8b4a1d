package usercmd

import (
	"fmt"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/config"
	"packhouse/setup/installation"
)

// refuseRules refuses to give a user a role if a rule of the configuration gives more: for a new
// user any rule that names the user, which may be left from a removed one, otherwise only rules that
// cover every repository, so that the role would have no effect.
func refuseRules(in *installation.Installed, name, role string, fresh bool) error {
	if in.ConfigData == nil {
		return nil
	}
	loaded, err := config.Load(config.Source{Path: in.Path(installation.ConfigFile), Data: in.ConfigData})
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	for _, g := range loaded.RulesFor(name, role) {
		if fresh && !g.Named || !fresh && !g.Everywhere() {
			continue
		}
		hint := fmt.Sprintf("%s, or run the command with the role %s", g.Remedy(name), g.Role)
		if fresh {
			hint = fmt.Sprintf("%s, or add --keep-rules if user %s should have this role too", g.Remedy(name), name)
		}
		return cli.WithHint(fmt.Errorf("give user %q the role %s: the rule at %s gives the role %s in %s",
			name, role, g.Origin, g.Role, g.Repositories), "%s", hint)
	}
	return nil
}
