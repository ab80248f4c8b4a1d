package s3

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// walked is what a listing of the whole store shows about a repository. The keys of a repository
// are consecutive, because directories inside a repository start with an underscore and name
// elements do not.
type walked struct {
	name      string
	layers    int
	revisions []walkedRevision
	tags      []walkedTag
	signature uint64 // of the revision links and their times
}

type walkedRevision struct {
	key  repoKey
	link object
}

type walkedTag struct {
	name string
	link object
}

func (r *walked) empty() bool { return r.layers == 0 && len(r.revisions) == 0 }

// walkRepositories lists all keys of distribution's repositories in b and calls do for each repository.
func (s *Store) walkRepositories(ctx context.Context, b bucket, do func(*walked) error) error {
	return s.walkLinks(ctx, b, nil, do)
}

// walkLinks is walkRepositories that also calls layer for each layer link.
func (s *Store) walkLinks(
	ctx context.Context, b bucket, layer func(repoKey, object) error, do func(*walked) error,
) error {
	var now *walked
	end := func() error {
		if now == nil {
			return nil
		}
		r := now
		now = nil
		return do(r)
	}
	err := walk(ctx, b, reposDir, func(o object) error {
		k, ok := parseRepoKey(o.key)
		if !ok || k.kind == otherKey {
			return nil
		}
		if now == nil || now.name != k.repo {
			if err := end(); err != nil {
				return err
			}
			now = &walked{name: k.repo}
		}
		switch k.kind {
		case layerKind:
			now.layers++
			if layer != nil {
				return layer(k, o)
			}
		case revisionKind:
			now.revisions = append(now.revisions, walkedRevision{k, o})
			h := fnv.New64a()
			_, _ = h.Write([]byte(o.key + o.modTime.UTC().String()))
			now.signature += h.Sum64()
		case tagKind:
			now.tags = append(now.tags, walkedTag{k.tag, o})
		case otherKey, tagHistoryKind, uploadKind:
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list repositories: %w", err)
	}
	return end()
}

// walkedRepositories is RepositoriesIn without an index, for a read-only bucket that has none.
func (s *Store) walkedRepositories(ctx context.Context, prefix, last string, n int, visible func(reference.Repository) bool) ([]string, bool, error) {
	var all []string
	err := s.walkRepositories(ctx, s.bucket, func(w *walked) error {
		r, err := reference.ParseRepository(w.name)
		if err == nil && !w.empty() && w.name > last && strings.HasPrefix(w.name, prefix) && (visible == nil || visible(r)) {
			all = append(all, w.name)
		}
		return nil
	})
	return cut(all, n), len(all) > n, err
}

// walkedTags is Tags without an index.
func (s *Store) walkedTags(ctx context.Context, repo reference.Repository, last string, n int) ([]string, bool, error) {
	all, err := s.listedTags(ctx, repo.String())
	if err != nil {
		return nil, false, err
	}
	if len(all) == 0 {
		p, err := s.bucket.list(ctx, repoPrefix(repo.String())+"_", "", 1, false)
		if err == nil && len(p.objects) == 0 {
			err = fmt.Errorf("%w: %s", storage.ErrRepositoryUnknown, repo)
		}
		return []string{}, false, err
	}
	all = slices.DeleteFunc(all, func(t string) bool { return t <= last })
	return cut(all, n), len(all) > n, nil
}

func cut(all []string, n int) []string {
	slices.Sort(all)
	return append([]string{}, all[:min(max(n, 0), len(all))]...)
}

// listedTags returns the tags of a repository from distribution's layout.
func (s *Store) listedTags(ctx context.Context, repo string) ([]string, error) {
	var all []string
	err := walk(ctx, s.bucket, tagsPrefix(repo), func(o object) error {
		if k, ok := parseRepoKey(o.key); ok && k.kind == tagKind {
			all = append(all, k.tag)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	return all, nil
}

// completeTags reconciles the tag index of a repository with its tags, which may change concurrently.
func (s *Store) completeTags(ctx context.Context, repo string) error {
	all, err := s.listedTags(ctx, repo)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	prefix := tagEntries(repo)
	err = walk(ctx, s.bucket, prefix, func(o object) error {
		there[unescape(strings.TrimPrefix(o.key, prefix))] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("list index of tags: %w", err)
	}
	var missing, stale []string
	for _, t := range all {
		if !there[t] {
			missing = append(missing, t)
		}
		delete(there, t)
	}
	for t := range there {
		stale = append(stale, t)
	}
	return errors.Join(
		inParallel(ctx, len(missing), wide, func(ctx context.Context, i int) error { return s.completeTag(ctx, repo, missing[i]) }),
		inParallel(ctx, len(stale), wide, func(ctx context.Context, i int) error { return s.removeTagEntry(ctx, repo, stale[i]) }),
	)
}

func (s *Store) completeTag(ctx context.Context, repo, tag string) error {
	if err := s.putEntry(ctx, tagEntry(repo, tag)); err != nil {
		return err
	}
	_, err := s.bucket.head(ctx, tagLink(repo, tag))
	if errors.Is(err, errMissing) {
		return s.removeTagEntry(ctx, repo, tag) // deleted in the meantime
	}
	return err
}
