package server

import (
	"context"
	"fmt"
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
)

// defaultStoreWait is long enough for an offline command to finish its current step, and shorter
// than service managers' start timeouts.
const defaultStoreWait = 2 * time.Minute

// addHandlers creates the request handlers. They are stateless, so a reload simply creates new
// ones.
func addHandlers(s *Server, st *state) error {
	c := st.config
	base := st.prefix
	if !c.HTTP.RelativeURLs && c.HTTP.Host != "" {
		base = strings.TrimSuffix(c.HTTP.Host, "/") + st.prefix
	}
	notify := events(s, c)
	if err := addPackView(s, st, base, notify); err != nil {
		return err
	}
	mayReferTo, err := urlRule(c.Validation)
	if err != nil {
		return err
	}
	st.registry = registry.New(registry.Options{
		Sparse: c.Validation.Sparse == "allow", MayReferTo: mayReferTo, MayTag: packview.RefuseParent,
		Store: s.store, Base: base,
		MayOverwrite: overwriting(c.Packs), OnEvent: indexPushes(st, notify), Redirect: redirecting(c.Storage.Redirect, s.store),
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
