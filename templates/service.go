package templates

import (
	"slices"
	"strings"
)

// Service is what the systemd unit of a server is made of.
type Service struct {
	Name        string   // of the unit, without ".service"
	Program     string   // absolute path of this program
	Config      string   // absolute path of myconfig.yml
	Dir         string   // of the installation
	StoragePath string   // where content is kept; empty: not in a directory
	Writable    []string // directories that the server writes to
	User        string
	Group       string
}

// ProtectHome hides the homes of users from the server, unless something that it needs lies in one: then they are read-only, but for what it
// writes to.
func (s Service) ProtectHome() string {
	if s.needs("/home", "/root", "/run/user") {
		return "read-only"
	}
	return "yes"
}

// PrivateTmp gives the server temporary directories of its own, unless something that it needs lies in those of everybody.
func (s Service) PrivateTmp() string {
	if s.needs("/tmp", "/var/tmp") {
		return "no"
	}
	return "yes"
}

// needs tells whether something that the server needs lies below one of some directories.
func (s Service) needs(dirs ...string) bool {
	return slices.ContainsFunc(append([]string{s.Program, s.Dir, s.StoragePath}, s.Writable...), func(path string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(path+"/", dir+"/") })
	})
}

// Render makes the unit.
func (s Service) Render() ([]byte, error) { return render("packhouse.service.tmpl", s) }

// unitPath quotes a path for a unit: spaces and quotes stay part of it, and neither "%" nor "$" means anything (systemd.unit(5),
// systemd.service(5)).
func unitPath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`, "\t", `\t`).Replace(path) + `"`
}
