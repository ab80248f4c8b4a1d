package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"packhouse/server/storage"
)

// Usage implements storage.Upkeep. It lists everything and reads every manifest.
func (s *Store) Usage(ctx context.Context) (storage.Usage, error) {
	ctx, stop := s.running(ctx)
	defer stop()
	u := storage.Usage{Repositories: []storage.RepositoryUsage{}}
	v, err := s.survey(ctx, storage.CollectOptions{Window: s.opt.Window}, nil, nil)
	if err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	for _, f := range v.facts {
		if f.data.IsZero() {
			continue
		}
		u.Blobs++
		u.Bytes += f.size
		if !f.live {
			u.Unreferenced += f.size
		}
	}
	if err := s.measure(ctx, v, &u); err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	err = s.eachUpload(ctx, func(up foundUpload) error {
		u.Uploads++
		u.UploadBytes += up.size
		return nil
	})
	if err == nil {
		err = walk(ctx, s.bucket, quarantineDir, func(object) error {
			u.Quarantined++
			return nil
		})
	}
	if err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	return u, nil
}

// measure sums up what each repository links to. What only one links to is found by who was the first to.
func (s *Store) measure(ctx context.Context, v *survey, u *storage.Usage) error {
	type holder struct {
		repo   int32
		shared bool
	}
	holders := map[*fact]*holder{}
	index := map[string]int{}
	seen := map[*fact]bool{} // of the repository at hand
	current := ""
	of := func(repo string) (int, *storage.RepositoryUsage) {
		i, ok := index[repo]
		if !ok {
			i = len(u.Repositories)
			index[repo] = i
			u.Repositories = append(u.Repositories, storage.RepositoryUsage{Name: repo})
		}
		if repo != current {
			current = repo
			clear(seen)
		}
		return i, &u.Repositories[i]
	}
	count := func(k repoKey, l object) (*storage.RepositoryUsage, error) {
		target, err := s.targetOf(ctx, walkedRevision{k, l})
		if err != nil {
			return nil, err
		}
		i, r := of(k.repo)
		f := v.facts[target]
		if f == nil || f.data.IsZero() || seen[f] {
			return r, nil
		}
		seen[f] = true
		r.Bytes += f.size
		if h := holders[f]; h != nil {
			h.shared = h.shared || int(h.repo) != i
		} else {
			holders[f] = &holder{repo: int32(i)} //nolint:gosec // repositories
		}
		return r, nil
	}
	err := s.walkLinks(ctx, func(k repoKey, l object) error {
		r, err := count(k, l)
		if err == nil {
			r.Blobs++
		}
		return err
	}, func(w *walked) error {
		if w.empty() {
			return nil
		}
		for _, revision := range w.revisions {
			if _, err := count(revision.key, revision.link); err != nil {
				return err
			}
		}
		_, r := of(w.name)
		r.Manifests, r.Tags = len(w.revisions), len(w.tags)
		return nil
	})
	for f, h := range holders {
		if !h.shared {
			u.Repositories[h.repo].Unique += f.size
		}
	}
	slices.SortFunc(u.Repositories, func(a, b storage.RepositoryUsage) int { return strings.Compare(a.Name, b.Name) })
	return err
}
