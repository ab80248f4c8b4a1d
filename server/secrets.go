package server

import (
	"log/slog"
	"os"
	"runtime"

	"packhouse/server/config"
)

// warnModes tells of files that hold secrets and that others may read. It is no reason not to start: what mounts secrets into containers
// often sets the modes by itself.
func warnModes(c *config.Config, log *slog.Logger) {
	if runtime.GOOS == "windows" {
		return // modes say nothing there
	}
	for _, path := range []string{c.Auth.Htpasswd.Path, c.HTTP.TLS.Key} {
		info, err := os.Stat(path)
		if path == "" || err != nil {
			continue
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			log.Warn("others may read a file that holds secrets", "path", path, "mode", mode.String(), "remedy", "chmod 600 "+path)
		}
	}
}
