package verify

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

// permissions checks who can write to the configuration, the files it names, and the directories
// above them. As root, it warns about files owned by anyone but root or a user of the server. Other
// users accept files of any owner, as in bind mounts.
func (v *verifier) permissions() {
	c := &v.loaded.Config
	shared := trust.Self()
	shared.AnyOwner, shared.Users = os.Geteuid() != 0, v.probes.Users
	own := trust.Self()
	if os.Geteuid() != 0 { // a server in a container shares groups with the owners of mounted files
		groups, err := os.Getgroups()
		if err == nil {
			shared.Groups = append(groups, os.Getegid())
		}
		own = shared
	}
	type unsafe struct {
		keys  []string
		fault *trust.Error
	}
	var found []*unsafe // one for each path
	check := func(policy trust.Policy, key, path string) {
		if path == "" || path == "-" || !filepath.IsAbs(path) && key != "" {
			return
		}
		fault := trust.Unsafe(policy.Check(path))
		if fault == nil {
			return
		}
		for _, other := range found {
			if other.fault.Path == fault.Path {
				other.keys = append(other.keys, key)
				return
			}
		}
		found = append(found, &unsafe{[]string{key}, fault})
	}
	check(own, "", v.loaded.Path)
	if c.Auth.Method == config.AuthHtpasswd {
		check(shared, "auth.htpasswd.path", c.Auth.Htpasswd.Path)
	}
	check(shared, "http.tls.certificate", c.HTTP.TLS.Certificate)
	check(shared, "http.tls.key", c.HTTP.TLS.Key)
	if c.HTTP.TLS.Certificate == "" && c.HTTP.TLS.LetsEncrypt.Enabled() {
		check(shared, "http.tls.letsencrypt.cachefile", c.HTTP.TLS.LetsEncrypt.CacheFile)
	}
	for _, path := range c.HTTP.TLS.ClientCAs {
		check(shared, "http.tls.clientcas", path)
	}
	if root := c.Storage.Filesystem.RootDirectory; c.Storage.Driver == config.Filesystem {
		check(shared, "storage.filesystem.rootdirectory", root)
		below := shared
		below.Users = slices.Concat(shared.Users, storeOwners(root))
		for _, path := range storePlaces(root) {
			check(below, "storage.filesystem.rootdirectory", path)
		}
	}
	check(shared, "log.audit.path", c.Log.Audit.Path)
	for _, f := range found {
		severity := finding.Warning
		if f.fault.Planted {
			severity = finding.Refused
		}
		v.fault(severity, f.fault, f.keys...)
	}
}

// storeOwners returns the accounts that may write a store: the owner of its root, and the owner of the
// server's own data, who may be the user of an earlier service.
func storeOwners(root string) []int {
	return append(ownersOf(root), ownersOf(filepath.Join(root, "packhouse", "v1"))...)
}

// mostPlaces limits the directories of a store whose permissions are checked.
const mostPlaces = 64

// storePlaces returns the upper directories of a store on disk, and the record of the installation
// that owns it. It returns no links, which an administrator may have made to another disk.
func storePlaces(root string) (places []string) {
	for _, below := range []string{
		"docker", "docker/registry", "docker/registry/v2", "docker/registry/v2/blobs", "docker/registry/v2/blobs/sha256",
		"docker/registry/v2/repositories", "packhouse", "packhouse/installation.json", "packhouse/v1",
	} {
		place := filepath.Join(root, filepath.FromSlash(below))
		info, err := os.Lstat(place)
		if err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			places = append(places, place)
		}
	}
	for _, parent := range []string{"packhouse/v1", "docker/registry/v2/repositories"} {
		for _, name := range directories(root, parent) {
			places = append(places, filepath.Join(root, filepath.FromSlash(parent), name))
		}
	}
	return places
}

// directories returns the names of at most mostPlaces directories in a directory of the store. It
// follows no link and waits for no pipe.
func directories(root, name string) (names []string) {
	top, err := trust.OpenRoot(root)
	if err != nil {
		return nil // the check of the storage reports it
	}
	defer top.Close()
	above, err := top.Sub(path.Dir(name))
	if err != nil {
		return nil
	}
	defer above.Close()
	dir, err := above.Open(path.Base(name), os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(mostPlaces) // a file has none
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}

// fault reports a path that other users can modify, once, with the keys that lead to it. The key ""
// stands for the configuration itself.
func (v *verifier) fault(severity finding.Severity, fault *trust.Error, keys ...string) {
	key := keys[0]
	if key != "" {
		fault = fault.ForServer(v.probes.Users...)
	}
	what := fmt.Sprintf("%s can be changed by users who must not: %s (owner %s, mode %04o)",
		config.QuotePath(fault.Path), fault.Reason, fault.Owner, fault.Permissions())
	names := slices.Compact(keys)
	names[0] = cmp.Or(key, "the configuration")
	p := finding.Finding{
		Code: config.CodeUnsafe, Severity: severity, Subject: finding.Subject{File: v.loaded.Name(), Key: key},
		What: strings.Join(names, ", ") + ": " + what, Remedy: fault.Fix,
	}
	if !slices.ContainsFunc(
		v.problems,
		func(o finding.Finding) bool { return o.Code == p.Code && o.Key == p.Key && o.What == p.What },
	) {
		v.problems = append(v.problems, p)
	}
}
