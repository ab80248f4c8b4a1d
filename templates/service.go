package templates

import (
	"slices"
	"strings"
)

// Service holds the values of the server's systemd unit.
type Service struct {
	Name        string   // name of the unit, without ".service"
	Program     string   // absolute path of this program
	Config      string   // absolute path of myconfig.yml
	Dir         string   // installation directory
	StoragePath string   // directory of the store; empty if the store is not in a directory
	Writable    []string // directories that the server writes to
	User        string
	Group       string
	LowPort     bool // a listener uses a port below 1024, so the server keeps CAP_NET_BIND_SERVICE
}

// ProtectHome returns the value of ProtectHome=. Home directories are hidden from the server. If
// it needs a path in one of them, they are read-only, except for its writable directories.
func (s Service) ProtectHome() string {
	if s.needs("/home", "/root", "/run/user") {
		return "read-only"
	}
	return "yes"
}

// PrivateTmp returns the value of PrivateTmp=. The server has its own temporary directories, unless
// it needs a path in the shared ones.
func (s Service) PrivateTmp() string {
	if s.needs("/tmp", "/var/tmp") {
		return "no"
	}
	return "yes"
}

// needs reports whether a path that the server uses is below one of dirs.
func (s Service) needs(dirs ...string) bool {
	return slices.ContainsFunc(append([]string{s.Program, s.Dir, s.StoragePath}, s.Writable...), func(path string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(path+"/", dir+"/") })
	})
}

// Render returns the text of the unit.
func (s Service) Render() ([]byte, error) { return render("packhouse.service.tmpl", s) }

// unitPath quotes a path for a unit, so that spaces, quotes, "%" and "$" are literal
// (systemd.unit(5), systemd.service(5)).
func unitPath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`, "\t", `\t`).Replace(path) + `"`
}
