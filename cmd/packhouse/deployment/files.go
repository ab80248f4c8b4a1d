package deployment

import (
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/check"
	"packhouse/setup/installation"
)

// files returns the files of a configuration and its installation. as is the user that runs the
// server; nil if unknown or root, who may read everything.
func files(s Subject, loaded *config.Loaded, as *check.Account) []check.File {
	c := &loaded.Config
	read, write := "", ""
	if as != nil {
		read = fmt.Sprintf("the server runs as %s, and cannot read it", as.Name)
		write = fmt.Sprintf("the server runs as %s, and cannot write there", as.Name)
	}
	readers := ServersOf(s.Config)
	list := []check.File{{Path: s.Config, Holds: loaded.SecretsInFile(), Readers: readers}}
	if c.Auth.Method == config.AuthHtpasswd {
		list = append(list, check.File{Path: c.Auth.Htpasswd.Path, Secret: true, Owner: as, Why: read, Readers: readers})
	}
	if tls := c.HTTP.TLS; tls.Certificate != "" {
		list = append(
			list, check.File{Path: tls.Certificate},
			check.File{Path: tls.Key, Secret: true, Owner: as, Why: read, Readers: readers},
		)
	} else if cache := tls.LetsEncrypt.CacheFile; tls.LetsEncrypt.Enabled() && filepath.IsAbs(cache) {
		list = append(list, check.File{Path: cache, Dir: true, Optional: true, Secret: true, Owner: as, Why: write})
	}
	if root := c.Storage.Filesystem.RootDirectory; c.Storage.Driver == config.Filesystem {
		list = append(
			list, check.File{Path: root, Dir: true, Optional: true, Owner: as, Why: write},
		) // the storage check reports it if it is missing
	}
	if s.Installed != nil {
		list = append(list, check.File{
			Path:     filepath.Join(s.Installed.Dir, installation.CAKeyFile),
			Optional: true, Secret: true, Owner: ofCAKey(s.Installed),
			Why: "the CA's key belongs to root, and the server never reads it: " +
				"anyone who takes over the server could sign certificates that clients trust",
		})
		for _, name := range []string{installation.PasswordsFile, installation.BackupDir} {
			list = append(list, check.File{
				Path: filepath.Join(s.Installed.Dir, name), Dir: name == installation.BackupDir, Optional: true, Secret: true,
			})
		}
		list = append(list, check.File{
			Path: filepath.Join(s.Installed.Dir, installation.HandoffFile), Optional: true, Guarded: true,
		})
	}
	return list
}

// ExposedFiles returns warnings about the files of a configuration and its installation whose
// permissions let others read secrets, or write what only packhouse may write.
func ExposedFiles(path string, loaded *config.Loaded) []finding.Finding {
	s := Subject{Config: path}
	if dir := filepath.Dir(path); path != "" && filepath.Base(path) == installation.ConfigFile && cli.HasManifest(dir) {
		s.Installed = &installation.Installed{Dir: dir}
	}
	return check.Exposed(files(s, loaded, nil))
}

// ofCAKey returns the required owner of the CA's key: root, if root owns the installation.
func ofCAKey(installed *installation.Installed) *check.Account {
	if owner := check.OwnerOf(installed.Dir); owner != nil && owner.UID == 0 {
		return owner
	}
	return nil
}

// runsAs returns the user that runs the server of an installation: the owner of the process, else
// the user of its service.
func runsAs(installed *installation.Installed, pid int) *check.Account {
	as := accountOfService(installed)
	if pid != 0 {
		if owner := check.OwnerOf("/proc/" + strconv.Itoa(pid)); owner != nil {
			as = owner
		}
	}
	if as != nil && as.UID == 0 {
		return nil
	}
	return as
}

func accountOfService(installed *installation.Installed) *check.Account {
	u, err := user.Lookup(installed.ServiceUser())
	if err != nil {
		return nil
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil
	}
	return &check.Account{Name: u.Username, UID: uid}
}
