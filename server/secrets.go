package server

import (
	"log/slog"
	"os"
	"runtime"
	"time"

	"packhouse/certgen"
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

// remindEvery is how often an end that comes close is told of.
const remindEvery = 24 * time.Hour

// remind tells of a certificate that is close to its end or past it, once a day.
func (cs *certificates) remind() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.acme != nil {
		return // it renews by itself, and says whenever it could not
	}
	now, leaf := cs.now(), cs.serving.Load().leaf
	if !certgen.CloseToEnd(leaf, now) || now.Sub(cs.reminded) < remindEvery {
		return
	}
	cs.reminded = now
	if now.After(leaf.NotAfter) {
		cs.log.Error("the certificate has run out, clients refuse it", "certificate", cs.cert, "not_after", leaf.NotAfter, "remedy", "packhouse cert rotate")
		return
	}
	cs.log.Warn("the certificate runs out soon", "certificate", cs.cert, "not_after", leaf.NotAfter, "remedy", "packhouse cert rotate")
}
