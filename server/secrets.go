package server

import (
	"log/slog"
	"os"
	"runtime"

	"packhouse/server/config"
)

// warnModes warns about files with secrets that other users can read. The server still starts,
// because secrets mounted into containers often have such modes.
func warnModes(c *config.Config, log *slog.Logger) {
	if runtime.GOOS == "windows" {
		return // modes are meaningless there
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
