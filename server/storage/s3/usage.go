package s3

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// Usage implements storage.Upkeep. It lists everything and reads every manifest.
func (s *Store) Usage(ctx context.Context) (storage.Usage, error) {
	ctx, stop := s.running(ctx)
	defer stop()
	u := storage.Usage{Repositories: []storage.RepositoryUsage{}}
	v, err := s.survey(ctx, &survey{o: storage.CollectOptions{Window: s.opt.Window}, tally: &tally{numbers: map[string]int32{}}})
	if err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	defer v.close(ctx)
	held := v.tally.repositories
	err = v.each(ctx, func(_ digest.Digest, f *fact) error {
		if f.data.IsZero() {
			return nil
		}
		u.Blobs++
		u.Bytes += f.size
		if !f.live {
			u.Unreferenced += f.size
		}
		holders := slices.Compact(slices.Sorted(slices.Values(f.holders)))
		for _, h := range holders {
			held[h].Bytes += f.size
		}
		if len(holders) == 1 {
			held[holders[0]].Unique += f.size
		}
		return nil
	})
	if err != nil {
		return u, fmt.Errorf("measure usage: %w", err)
	}
	u.Repositories = append(u.Repositories, held...)
	slices.SortFunc(u.Repositories, func(a, b storage.RepositoryUsage) int { return strings.Compare(a.Name, b.Name) })
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

// tally counts what each repository contains. Repositories are numbered in listing order.
type tally struct {
	numbers      map[string]int32
	repositories []storage.RepositoryUsage
}

func (t *tally) number(repo string) int32 {
	n, ok := t.numbers[repo]
	if !ok {
		n = int32(len(t.repositories)) //nolint:gosec // repositories
		t.numbers[repo] = n
		t.repositories = append(t.repositories, storage.RepositoryUsage{Name: repo})
	}
	return n
}

// linked records a link and returns the number of its repository.
func (t *tally) linked(k repoKey) int32 {
	n := t.number(k.repo)
	if k.kind == layerKind {
		t.repositories[n].Blobs++
	}
	return n
}

// repository records the manifests and tags of a repository.
func (t *tally) repository(w *walked) {
	if w.empty() {
		return
	}
	r := &t.repositories[t.number(w.name)]
	r.Manifests, r.Tags = len(w.revisions), len(w.tags)
}
