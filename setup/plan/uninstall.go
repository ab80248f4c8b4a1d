package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// Uninstall plans the removal of an installation. It removes only files listed in the manifest
// with the content that setup wrote; files that people added or changed are kept, and their Meaning
// states why. The plan never includes the content of the registry: see [installation.StoreTrees].
func Uninstall(ctx context.Context, in *installation.Installed) (*Plan, error) {
	b := restoring(in)
	if in.Manifest == nil {
		return nil, setup.Refusal(setup.CodeNoManifest,
			"setup wrote nothing in "+in.Dir+", or its list of files is gone",
			"look at it with ls -lA "+setup.Shell(in.Dir)+"; if you do not need it, "+trust.MoveAway(in.Dir))
	}
	dirs := map[string]bool{}
	for _, row := range in.Manifest.Files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.takeAway(row)
		for dir := filepath.Dir(row.At(in.Dir)); dir != in.Dir && installation.Rel(in.Dir, dir) != dir; dir = filepath.Dir(dir) {
			dirs[dir] = true
		}
		if path := row.At(in.Dir); OwnsStore(in, path) {
			dirs[filepath.Dir(path)] = true
		}
	}
	b.remove(in.Path(installation.ManifestFile), false, "lists the files above")
	for dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			b.removeIfEmpty(dir, fs.ModeDir|0o700)
		}
	}
	if b.err != nil {
		return nil, fmt.Errorf("plan removal: %w", b.err)
	}
	depth := func(c Change) int { // files first, then directories, the inner ones before the outer ones
		if c.Mode.IsDir() {
			return len(c.Path)
		}
		return math.MaxInt
	}
	slices.SortStableFunc(b.plan.Changes, func(x, y Change) int {
		return cmp.Compare(depth(y), depth(x))
	})
	return b.plan, nil
}

// takeAway plans the removal of one file of the manifest.
func (b *builder) takeAway(row installation.ManifestFileRow) {
	path := row.At(b.dir)
	info, err := os.Lstat(path)
	if unreachable(err) {
		return
	}
	keep := func(why string) {
		b.plan.Changes = append(b.plan.Changes,
			Change{Path: path, Kind: setup.Keep, Mode: info.Mode(), UID: -1, GID: -1, Secret: true, Meaning: []string{why}})
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
		case installation.Sum(data) != row.SHA256:
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

// Remainder describes something of a registry that an uninstall leaves in place.
type Remainder struct {
	Where  string // a directory or a location in a bucket
	What   string // its contents
	Remedy string // how to remove it
}

// Remainders lists what any uninstall leaves in place: bucket content, which other servers may use,
// and certificates that the server ordered. [installation.StoreTrees] returns the content in directories.
func Remainders(c *config.Config) (list []Remainder) {
	if c == nil {
		return nil
	}
	const keys = "ACME account and certificates, with their private keys"
	l, s3 := c.HTTP.TLS.LetsEncrypt, c.Storage.S3
	inBucket := c.Storage.Driver == config.S3
	at := func(parts ...string) string {
		engine := cmp.Or(s3.RegionEndpoint, "AWS, "+s3.Region)
		return fmt.Sprintf("bucket %s (%s), %s", s3.Bucket, engine,
			strings.TrimPrefix(path.Join(append([]string{s3.RootDirectory}, parts...)...), "/")+"/")
	}
	remove := func(parts ...string) string {
		where := "s3://" + path.Join(append([]string{s3.Bucket, s3.RootDirectory}, parts...)...) + "/"
		command := "aws s3 rm --recursive " + setup.Shell(where)
		if s3.RegionEndpoint != "" {
			command += " --endpoint-url " + setup.Shell(s3.RegionEndpoint)
		}
		return "once no other server uses them, remove them with the tools of the S3 service, for instance " + command
	}
	if inBucket {
		list = append(list,
			Remainder{
				at("docker", "registry", "v2"), "packs and images",
				remove("docker", "registry", "v2"),
			},
			Remainder{at(setup.OwnName, "v1"), "what this program keeps beside them", remove(setup.OwnName, "v1")})
	}
	if dir := c.CertificateDirectory(); l.Enabled() && dir != "" && (inBucket || l.StorageFolder() == "") {
		if _, err := os.Lstat(dir); err == nil {
			list = append(list, Remainder{
				dir, keys,
				"if this machine will not serve the same name again soon, remove it with rm -r " + setup.Shell(dir) +
					"; directories limit how often they sign",
			})
		}
	} else if l.Enabled() && inBucket {
		folder := []string{setup.OwnName, "v1", "records", l.StorageFolder()}
		list = append(list, Remainder{
			at(folder...), keys, remove(folder...) + "; anyone who can read the bucket has the keys",
		})
	}
	return list
}

// RemoveStore removes the registry's content, and its directories if they are empty. No server may
// be running. It does not follow links that the server's user can have created.
func RemoveStore(in *installation.Installed) error { return removeStore(in.Places(), in.Config) }

func removeStore(p installation.Places, c *config.Config) error {
	trees := installation.StoreTreePaths(c)
	if len(trees) == 0 {
		return nil
	}
	root := filepath.Clean(c.Storage.Filesystem.RootDirectory)
	link, _ := installation.LinkInStore(root)
	for _, tree := range trees {
		if err := p.RemoveAll(tree); err != nil {
			return fmt.Errorf("remove content: %w", installation.AsFinding(err))
		}
		for dir := filepath.Dir(tree); len(dir) >= len(root) && dir != link && p.Remove(dir) == nil; dir = filepath.Dir(dir) {
			continue
		}
	}
	return nil
}

// VerifyStoreRemoval returns an error if [RemoveStore] would refuse to remove the content of the
// registry, because another user can replace a directory above it.
func VerifyStoreRemoval(in *installation.Installed) error {
	for _, tree := range installation.StoreTrees(in.Config) {
		dir, _, err := in.Places().Policy().OpenParent(tree)
		if err != nil {
			return fmt.Errorf("remove content: %w", installation.AsFinding(err))
		}
		_ = dir.Close()
	}
	return nil
}

// PlannedTrees is [installation.StoreTrees] for the storage directory that a plan configures.
func PlannedTrees(p *Plan) []string { return installation.StoreTrees(p.config()) }

// RemovePlannedStore is [RemoveStore] for the storage directory that a plan configures.
func RemovePlannedStore(p *Plan) error {
	return removeStore(installation.Places{Users: p.ServerUsers()}, p.config())
}

// config returns the configuration that a plan writes or keeps, or nil if there is none or it does
// not load.
func (p *Plan) config() *config.Config {
	c := p.Change(installation.ConfigFile)
	if c == nil || c.After == nil {
		return nil
	}
	loaded, err := config.Load(config.Source{Path: c.Path, Data: c.After})
	if err != nil {
		return nil
	}
	return &loaded.Config
}
