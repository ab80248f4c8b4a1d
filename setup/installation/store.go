package installation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// onlyOwnerFile reports whether a directory contains nothing but the owner record, which setup
// gives to the server's user.
func onlyOwnerFile(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil &&
		!slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != filepath.Base(OwnerFile) })
}

// OwnerFile records, below the root of a store on disk, which installation owns the store. CNCF
// distribution does not read the packhouse directory.
const OwnerFile = setup.OwnName + "/installation.json"

// largestOwnerFile is the maximum size of ownerFile in bytes.
const largestOwnerFile = 64 << 10

// StoreOwner is the installation that owns a store on disk.
type StoreOwner struct {
	ID      string `json:"installation"` // its Manifest.ID
	Dir     string `json:"directory"`    // its directory, for messages
	Created bool   `json:"created"`      // it created the store, so that uninstall --data may remove it
}

// ReadStoreOwner returns the recorded owner of the store in root, or nil if none is recorded. The
// server's user can write there: planted is not nil if a link, a pipe, a directory or a file that is
// too large is in the place of the record, or a link in that of its directory.
// readStoreOwner neither follows it nor waits for it.
func ReadStoreOwner(root string) (recorded *StoreOwner, planted *trust.Error) {
	data, err := readRecord(root)
	if err != nil {
		return nil, unusableRecord(root, err)
	}
	o := &StoreOwner{}
	if json.Unmarshal(data, o) != nil || o.ID == "" {
		return nil, nil
	}
	return o, nil
}

// unusableRecord returns what is in the place of the owner record, given why it cannot be read, or
// nil if there is no record or only its permissions are missing.
func unusableRecord(root string, err error) *trust.Error {
	fault := trust.Unsafe(err)
	if fault != nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return fault
	}
	record := filepath.Join(root, OwnerFile)
	info, err := os.Lstat(record)
	if err != nil {
		return nil
	}
	uid, _ := machine.Owner(info)
	return &trust.Error{
		Path: record, Owner: fmt.Sprintf("uid %d", uid), Mode: info.Mode(),
		Reason: "it is not a record of an installation", Fix: "look at it first, then " + trust.MoveAway(record),
	}
}

// isOwnerRecord reports whether path is the owner record of a store, and returns the store's root.
func isOwnerRecord(path string) (root string, ok bool) {
	root, ok = strings.CutSuffix(filepath.ToSlash(path), "/"+OwnerFile)
	return filepath.FromSlash(root), ok
}

// PlantedRecord returns what [ReadStoreOwner] reports to be in the place of the owner record at
// path, or nil. It returns nil for other paths.
func PlantedRecord(path string) *trust.Error {
	root, ok := isOwnerRecord(path)
	if !ok {
		return nil
	}
	_, planted := ReadStoreOwner(root)
	return planted
}

func readRecord(root string) ([]byte, error) {
	dir, err := trust.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	name, base := path.Split(OwnerFile)
	own, err := dir.Sub(name)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	f, err := own.OpenRegular(base, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return trust.ReadAtMost(f, largestOwnerFile)
}

// InstallationID returns the ID of the installation in dir: the one in its manifest, else one
// derived from the directory and the machine, so that repeating an installation yields the same ID.
func InstallationID(m *Manifest, dir string) string {
	if m != nil && m.ID != "" {
		return m.ID
	}
	machine, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		machine = nil // missing in containers
	}
	sum := sha256.Sum256([]byte("packhouse installation\n" + strings.TrimSpace(string(machine)) + "\n" +
		filepath.Clean(dir)))
	return hex.EncodeToString(sum[:16])
}

// StoreTrees returns the directories below the root of a store that hold a registry's content: the
// layout of CNCF distribution and this program's own data, unless that is only the owner record.
// Nothing else in the root belongs to the registry. It returns nil if content is not stored in a
// directory.
func StoreTrees(c *config.Config) []string {
	return slices.DeleteFunc(StoreTreePaths(c), func(tree string) bool {
		info, err := os.Lstat(tree)
		return err != nil || !info.IsDir() || filepath.Base(tree) == setup.OwnName && onlyOwnerFile(tree)
	})
}

// StoreTreePaths returns the paths that [StoreTrees] considers, whether or not they exist.
func StoreTreePaths(c *config.Config) []string {
	if c == nil || c.Storage.Driver != config.Filesystem || !filepath.IsAbs(c.Storage.Filesystem.RootDirectory) {
		return nil
	}
	root := c.Storage.Filesystem.RootDirectory
	return []string{filepath.Join(root, "docker", "registry", "v2"), filepath.Join(root, setup.OwnName)}
}

// LinkInStore returns the first symbolic link on the way from a store's root to its content, and
// its target. Both are "" if there is none.
func LinkInStore(root string) (link, target string) {
	root = filepath.Clean(root)
	for _, path := range []string{root, filepath.Join(root, "docker"), filepath.Join(root, "docker", "registry")} {
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			if target, err = filepath.EvalSymlinks(path); err != nil {
				target = path
			}
			return path, target
		}
	}
	return "", ""
}
