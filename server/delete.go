package server

import (
	"context"
	"errors"
	"fmt"

	"packhouse/server/admin"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// Delete removes a manifest, or else a blob, from a repository. Without r.Force, content that a tag
// needs stays, which the Deletion reports.
func Delete(ctx context.Context, store storage.Store, r admin.DeleteRequest) (admin.Deletion, error) {
	done := admin.Deletion{Repository: r.Repository, Digest: r.Digest, Kind: "manifest"}
	repo, err := reference.ParseRepository(r.Repository)
	if err != nil {
		return done, err
	}
	d, err := reference.ParseDigest(r.Digest)
	if err != nil {
		return done, fmt.Errorf("digest %q: %w", r.Digest, err)
	}
	err = store.DeleteManifest(ctx, repo, d, r.Force)
	if errors.Is(err, storage.ErrManifestUnknown) {
		done.Kind = "blob"
		err = store.DeleteBlob(ctx, repo, d, r.Force)
	}
	if errors.Is(err, storage.ErrBlobUnknown) {
		return done, fmt.Errorf("repository %s has no manifest and no blob %s", repo, d)
	}
	if needed, ok := errors.AsType[*storage.NeededError](err); ok {
		done.Tag, done.Manifest = needed.Tag, needed.Manifest.String()
		return done, nil
	}
	done.Deleted = err == nil
	return done, err
}
