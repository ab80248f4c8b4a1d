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

// FolderListings is an optional interface of a Store for which skipping names is expensive.
// RepositoriesIn is Repositories restricted to names that begin with prefix.
type FolderListings interface {
	RepositoriesIn(ctx context.Context, prefix, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error)
}

// RepositoriesIn lists the repositories of any store whose names begin with prefix. If the store
// does not implement FolderListings, it filters the listing. visible (nil: all) need not check the
// prefix.
func RepositoriesIn(ctx context.Context, s RepositoryListings, prefix, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error) {
	if folders, ok := s.(FolderListings); ok {
		return folders.RepositoriesIn(ctx, prefix, last, n, visible)
	}
	return s.Repositories(ctx, max(last, prefix), n, func(r reference.Repository) bool {
		return strings.HasPrefix(r.String(), prefix) && (visible == nil || visible(r))
	})
}
