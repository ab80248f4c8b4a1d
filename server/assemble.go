package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/packview"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/s3"
)

// OpenStore opens the store that the configuration names.
func OpenStore(ctx context.Context, c *config.Config, log *slog.Logger, now func() time.Time) (storage.Store, error) {
	return openStore(ctx, c, filesystem.Options{Log: log, Now: now})
}

// OpenStoreOffline opens the store for an offline command, such as "store gc". If a server starts
// on the same file-system store meanwhile, it waits for the command to close it; yield is then
// called once.
func OpenStoreOffline(ctx context.Context, c *config.Config, log *slog.Logger, now func() time.Time, work string, yield func()) (storage.Store, error) {
	return openStore(ctx, c, filesystem.Options{Log: log, Now: now, Work: work, Yield: yield})
}

// defaultStoreWait is long enough for an offline command to finish its current step, and shorter
// than service managers' start timeouts.
const defaultStoreWait = 2 * time.Minute

func openStore(ctx context.Context, c *config.Config, given filesystem.Options) (storage.Store, error) {
	log, now := given.Log, given.Now
	o := filesystem.Options{
		Wait: given.Wait, Work: given.Work, Yield: given.Yield,
		Root: c.Storage.Filesystem.RootDirectory, ReadOnly: c.Storage.Maintenance.ReadOnly.Enabled, Log: log, Now: now,
		ProbeEvery: c.Health.StorageDriver.Interval,
		Window:     c.Storage.Maintenance.GC.Window, UploadsPerUser: c.HTTP.Limits.UploadsPerUser,
	}
	open := filesystem.Open
	switch c.Storage.Driver {
	case config.Filesystem:
	case config.InMemory:
		open = inmemory.Open
	case config.S3:
		store, err := s3.Open(ctx, s3.Options{
			Config: c.Storage.S3, ReadOnly: o.ReadOnly, Log: log, Now: now, Window: o.Window, UploadsPerUser: o.UploadsPerUser,
		})
		if err != nil {
			return nil, err // a nil *s3.Store would be a non-nil storage.Store
		}
		return store, nil
	default:
		return nil, fmt.Errorf("storage driver %q is not one of %s, %s, %s", c.Storage.Driver, config.Filesystem, config.InMemory, config.S3)
	}
	store, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	return store, nil
}

// addHandlers creates the request handlers. They are stateless, so a reload simply creates new
// ones.
func (s *Server) addHandlers(st *state) error {
	c := st.config
	base := st.prefix
	if !c.HTTP.RelativeURLs && c.HTTP.Host != "" {
		base = strings.TrimSuffix(c.HTTP.Host, "/") + st.prefix
	}
	tell := s.tell(c)
	if err := s.addPackView(st, base, tell); err != nil {
		return err
	}
	mayReferTo, err := urlRule(c.Validation)
	if err != nil {
		return err
	}
	st.registry = registry.New(registry.Options{
		Sparse: c.Validation.Sparse == "allow", MayReferTo: mayReferTo, MayTag: packview.RefuseParent,
		Store: s.store, Base: base,
		MayOverwrite: overwriting(c.Packs), OnEvent: s.tellPackView(st, tell), Redirect: redirecting(c.Storage.Redirect, s.store),
	})
	return nil
}

// urlRule returns the rule for URLs in manifests, or nil if every URL is accepted.
func urlRule(c config.Validation) (func(string) error, error) {
	if c.Disabled || len(c.Allow) == 0 && len(c.Deny) == 0 {
		return nil, nil
	}
	rule, err := registry.URLRule(c.Allow, c.Deny)
	if err != nil {
		return nil, fmt.Errorf("read validation.manifests.urls: %w", err)
	}
	return rule, nil
}

// presignedLife is the lifetime of a presigned URL, long enough to start a download.
const presignedLife = 20 * time.Minute

// redirecting returns a function that presigns the URL of a blob, or nil if redirects are disabled
// or the storage driver does not support them.
func redirecting(c config.Redirect, store storage.Store) func(context.Context, reference.Repository, digest.Digest) (string, error) {
	engine, able := store.(interface {
		Presign(
			ctx context.Context, repo reference.Repository, d digest.Digest, life time.Duration, below int64,
		) (string, error)
	})
	if c.Disable || !able {
		return nil
	}
	return func(ctx context.Context, repo reference.Repository, d digest.Digest) (string, error) {
		return engine.Presign(ctx, repo, d, presignedLife, c.ProxyBelow)
	}
}

// overwriting returns the rule for moving existing tags. With packs.overwrite "deny", pack versions
// cannot be overwritten, not even by an admin.
func overwriting(c config.Packs) func(auth.Grant, reference.Tag, digest.Digest) error {
	if c.Overwrite != "deny" {
		return registry.OverwriteRule
	}
	return func(g auth.Grant, tag reference.Tag, _ digest.Digest) error {
		if _, name, pack := g.Request.Repository.Pack(); pack {
			return problem.Forbidden("version %s of pack %s already exists and packs.overwrite denies overwriting it: push another version", tag, name)
		}
		return nil
	}
}
