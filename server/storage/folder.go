package storage

import (
	"context"
	"strings"

	"packhouse/server/reference"
)

// RepositoryListings is the part of Listings that lists repositories.
type RepositoryListings interface {
	Repositories(ctx context.Context, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error)
}

// FolderListings is what a Store may be, too, where passing over names costs something: RepositoriesIn is Repositories of those alone whose names
// begin with prefix.
type FolderListings interface {
	RepositoriesIn(ctx context.Context, prefix, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error)
}

// RepositoriesIn lists the repositories whose names begin with prefix, of any store: where it has no way to list only those, the others are passed
// over. Visible (nil: all) need not know of the prefix.
func RepositoriesIn(ctx context.Context, s RepositoryListings, prefix, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error) {
	if folders, ok := s.(FolderListings); ok {
		return folders.RepositoriesIn(ctx, prefix, last, n, visible)
	}
	return s.Repositories(ctx, max(last, prefix), n, func(r reference.Repository) bool {
		return strings.HasPrefix(r.String(), prefix) && (visible == nil || visible(r))
	})
}
