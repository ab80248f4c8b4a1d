package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

// PlanUninstall plans the removal of an installation. It removes only files listed in the manifest
// with the content that setup wrote; files that people added or changed are kept, and their Meaning
// states why. The plan never includes the content of the registry: see [StoreTrees].
func PlanUninstall(ctx context.Context, in *Installed) (*Plan, error) {
	b := &builder{installed: in, readings: in.readings, dir: in.Dir, now: time.Now(), plan: &Plan{Dir: in.Dir, installed: in, unit: in.unit}}
	b.plan.now = b.now
	if in.Manifest == nil {
		return nil, finding.NewError(refused(CodeNoManifest, "setup wrote nothing in "+in.Dir+", or its list of files is gone", "remove what you do not want by hand"))
	}
	dirs := map[string]bool{}
	for _, row := range in.Manifest.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.takeAway(row)
		for dir := filepath.Dir(row.at(in.Dir)); dir != in.Dir && rel(in.Dir, dir) != dir; dir = filepath.Dir(dir) {
			dirs[dir] = true
		}
		if path := row.at(in.Dir); in.ownsStore(path) {
			dirs[filepath.Dir(path)] = true
		}
	}
	b.remove(in.path(ManifestFile), false, "lists the files above")
	for dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			b.removeIfEmpty(dir, fs.ModeDir|0o700)
		}
	}
	if b.err != nil {
		return nil, fmt.Errorf("plan removal: %w", b.err)
	}
	// Files first, then directories, the inner ones before the outer ones.
	slices.SortStableFunc(b.plan.Changes, func(x, y Change) int {
		switch {
		case x.Mode.IsDir() != y.Mode.IsDir() && y.Mode.IsDir():
			return -1
		case x.Mode.IsDir() != y.Mode.IsDir():
			return 1
		case x.Mode.IsDir():
			return len(y.Path) - len(x.Path)
		}
		return 0
	})
	return b.plan, nil
}

// takeAway plans the removal of one file of the manifest.
func (b *builder) takeAway(row ManifestFileRow) {
	path := row.at(b.dir)
	info, err := os.Lstat(path)
	if unreachable(err) {
		return
	}
	keep := func(why string) {
		b.plan.Changes = append(b.plan.Changes, Change{Path: path, Kind: Keep, Mode: info.Mode(), UID: -1, GID: -1, Secret: true, Meaning: []string{why}})
	}
	switch {
	case err != nil:
		b.fail(err)
	case !info.Mode().IsRegular():
		keep("is no longer a file")
	case row.SHA256 == "":
		b.remove(path, true)
	case info.Size() > trust.MaxInput: // setup writes no such files
		keep("was changed since setup wrote it")
	default:
		data, err := b.read(path)
		switch {
		case trust.Unsafe(err) != nil:
			keep("is not read: " + err.Error())
		case err != nil:
			b.fail(err)
		case sum(data) != row.SHA256:
			keep("was changed since setup wrote it")
		default:
			b.remove(path, true)
		}
	}
}

// unreachable reports whether an error says that no file is at a path, also because a directory on
// the way to it was replaced.
func unreachable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// Forget removes the backups, and the installation directory if it is otherwise empty. Call it
// after [PlanUninstall] was applied: it cannot be rolled back. It returns what is left in the
// directory.
//
// It acquires the lock unless l is held.
func Forget(dir string, l *Lock) (left []string, err error) {
	err = l.hold(dir, func() error {
		left, err = forget(dir)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return left, err
}

func forget(dir string) (left []string, err error) {
	for _, name := range backups(dir) {
		if err := (places{}).removeAll(filepath.Join(dir, BackupDir, name)); err != nil {
			return nil, fmt.Errorf("remove backup: %w", err)
		}
	}
	_ = (places{}).remove(filepath.Join(dir, BackupDir)) // fails if it is not empty
	entries, err := os.ReadDir(dir)                      // check first: removing a link to a directory always succeeds
	if err != nil {
		return nil, fmt.Errorf("look at what is left: %w", err)
	}
	if len(entries) == 0 && (places{}).remove(dir) == nil {
		return nil, nil
	}
	for _, entry := range entries {
		left = append(left, filepath.Join(dir, entry.Name()))
	}
	return left, nil
}

// StoreTrees returns the directories below the root of a store that hold a registry's content: the
// layout of CNCF distribution and this program's own data, unless that is only the owner record.
// Nothing else in the root belongs to the registry. It returns nil if content is not stored in a
// directory.
func StoreTrees(c *config.Config) []string {
	return slices.DeleteFunc(storeTrees(c), func(tree string) bool {
		info, err := os.Lstat(tree)
		return err != nil || !info.IsDir() || filepath.Base(tree) == ownName && onlyOwnerFile(tree)
	})
}

// storeTrees returns the paths that [StoreTrees] considers, whether or not they exist.
func storeTrees(c *config.Config) []string {
	if c == nil || c.Storage.Driver != config.Filesystem || !filepath.IsAbs(c.Storage.Filesystem.RootDirectory) {
		return nil
	}
	root := c.Storage.Filesystem.RootDirectory
	return []string{filepath.Join(root, "docker", "registry", "v2"), filepath.Join(root, ownName)}
}

// Remainder describes something of a registry that an uninstall leaves in place.
type Remainder struct {
	Where  string // a directory or a location in a bucket
	What   string // its contents
	Remedy string // how to remove it
}

// Remainders lists what any uninstall leaves in place: bucket content, which other servers may use,
// and certificates that the server ordered. [StoreTrees] returns the content in directories.
func Remainders(c *config.Config) (list []Remainder) {
	if c == nil {
		return nil
	}
	const keys = "ACME account and certificates, with their private keys"
	l, s3 := c.HTTP.TLS.LetsEncrypt, c.Storage.S3
	inBucket := c.Storage.Driver == config.S3
	at := func(parts ...string) string {
		engine := cmp.Or(s3.RegionEndpoint, "AWS, "+s3.Region)
		return fmt.Sprintf("bucket %s (%s), %s", s3.Bucket, engine, strings.TrimPrefix(path.Join(append([]string{s3.RootDirectory}, parts...)...), "/")+"/")
	}
	if inBucket {
		list = append(list, Remainder{at("docker", "registry", "v2"), "packs and images", "remove them with the tools of the S3 service once no other server uses them"},
			Remainder{at(ownName, "v1"), "what this program keeps beside them", "likewise"})
	}
	if dir := c.CertificateDirectory(); l.Enabled() && dir != "" && (inBucket || l.StorageFolder() == "") {
		if _, err := os.Lstat(dir); err == nil {
			list = append(list, Remainder{dir, keys, "remove it, unless this machine is to serve the same name again soon: directories limit how often they sign"})
		}
	} else if l.Enabled() && inBucket {
		list = append(list, Remainder{at(ownName, "v1", "records", l.StorageFolder()), keys, "remove them with the tools of the S3 service once no other server uses them; anyone who can read the bucket has the keys"})
	}
	return list
}

// RemoveStore removes the registry's content, and its directories if they are empty. No server may
// be running. It does not follow links that the server's user can have created.
func RemoveStore(in *Installed) error { return removeStore(in.places(), in.Config) }

func removeStore(p places, c *config.Config) error {
	trees := storeTrees(c)
	if len(trees) == 0 {
		return nil
	}
	root := filepath.Clean(c.Storage.Filesystem.RootDirectory)
	link, _ := linkInStore(root)
	for _, tree := range trees {
		if err := p.removeAll(tree); err != nil {
			return fmt.Errorf("remove content: %w", refuseUnsafe(err))
		}
		for dir := filepath.Dir(tree); len(dir) >= len(root) && dir != link && p.remove(dir) == nil; dir = filepath.Dir(dir) {
			continue
		}
	}
	return nil
}

// linkInStore returns the first symbolic link on the way from a store's root to its content, and
// its target. Both are "" if there is none.
func linkInStore(root string) (link, target string) {
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

// VerifyStoreRemoval returns an error if [RemoveStore] would refuse to remove the content of the
// registry, because another user can replace a directory above it.
func VerifyStoreRemoval(in *Installed) error {
	for _, tree := range StoreTrees(in.Config) {
		dir, _, err := in.places().policy().OpenParent(tree)
		if err != nil {
			return fmt.Errorf("remove content: %w", refuseUnsafe(err))
		}
		_ = dir.Close()
	}
	return nil
}

// PlannedTrees is [StoreTrees] for the storage directory that a plan configures.
func PlannedTrees(p *Plan) []string { return StoreTrees(p.config()) }

// RemovePlannedStore is [RemoveStore] for the storage directory that a plan configures.
func RemovePlannedStore(p *Plan) error {
	return removeStore(places{users: p.serverUsers()}, p.config())
}

// config returns the configuration that a plan writes or keeps, or nil if there is none or it does
// not load.
func (p *Plan) config() *config.Config {
	c := p.change(ConfigFile)
	if c == nil || c.After == nil {
		return nil
	}
	loaded, err := config.Load(config.Source{Path: c.Path, Data: c.After})
	if err != nil {
		return nil
	}
	return &loaded.Config
}
