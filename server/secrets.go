package server

import (
	"log/slog"
	"os"
	"runtime"

	"packhouse/printable"
	"packhouse/server/config"
)

// warnModes warns about files with secrets that every user can read. Their group may: it is the
// server's if root owns them. The server still starts, because secrets mounted into containers often
// have such modes.
func warnModes(c *config.Config, log *slog.Logger) {
	if runtime.GOOS == "windows" {
		return // modes are meaningless there
	}
	for _, path := range []string{c.Auth.Htpasswd.Path, c.HTTP.TLS.Key} {
		info, err := os.Stat(path)
		if path == "" || err != nil {
			continue
		}
		if mode := info.Mode().Perm(); mode&0o007 != 0 {
			log.Warn("every user can read a file that holds secrets", "path", path, "mode", mode.String(), "remedy", "chmod o= "+printable.Shell(path))
		}
	}
}
