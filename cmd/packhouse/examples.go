package main

import (
	"github.com/spf13/cobra"
)

// examples are for the help of commands that do not define their own.
var examples = map[string]string{
	"packhouse":                 "  packhouse\n  packhouse --dir ./trial",
	"packhouse cert show":       "  packhouse cert show\n  packhouse cert show --json",
	"packhouse config schema":   "  packhouse config schema > packhouse.schema.json",
	"packhouse config show":     "  packhouse config show\n  packhouse config show myconfig.yml",
	"packhouse config verify":   "  packhouse config verify myconfig.yml",
	"packhouse pack lint":       "  packhouse pack lint ./nginx",
	"packhouse pack ls":         "  packhouse pack ls\n  packhouse pack ls registry.example.com:5000 -n nginx",
	"packhouse pack pull":       "  packhouse pack pull nginx:1.2.3 ./nginx",
	"packhouse pack push":       "  packhouse pack push ./nginx\n  packhouse pack push ./nginx -f\n  packhouse pack push packs/*",
	"packhouse pack tag add":    "  packhouse pack tag add nginx:1.2.3 stable",
	"packhouse pack tag delete": "  packhouse pack tag delete nginx:stable",
	"packhouse registry logout": "  packhouse registry logout registry.example.com:5000",
	"packhouse reload":          "  packhouse reload",
	"packhouse rollback":        "  packhouse rollback -n\n  packhouse rollback -y",
	"packhouse serve":           "  packhouse serve\n  packhouse serve ./myconfig.yml",
	"packhouse status":          "  packhouse status\n  packhouse status --json",
	"packhouse store delete": "  packhouse store delete team/app@sha256:" +
		"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
	"packhouse store gc":      "  packhouse store gc -n\n  packhouse store gc",
	"packhouse store reindex": "  packhouse store reindex",
	"packhouse store scrub":   "  packhouse store scrub",
	"packhouse store usage":   "  packhouse store usage",
	"packhouse uninstall":     "  packhouse uninstall -n\n  packhouse uninstall --keep-ca-key\n  packhouse uninstall -y --data",
	"packhouse user list":     "  packhouse user ls\n  packhouse user list --json",
	"packhouse user passwd":   "  packhouse user passwd ci\n  packhouse user passwd ci --password-stdin < password.txt",
	"packhouse user remove":   "  packhouse user rm ci",
	"packhouse user role":     "  packhouse user role ci writer",
	"packhouse version":       "  packhouse version",
}

// addExamples sets the examples of a command and its subcommands.
func addExamples(cmd *cobra.Command) {
	if cmd.Example == "" {
		cmd.Example = examples[cmd.CommandPath()]
	}
	for _, sub := range cmd.Commands() {
		addExamples(sub)
	}
}
