package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3 makes ETags of; nothing rests on it
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
)

// deletion is what one listing of a repository shows about content to be deleted.
type deletion struct {
	tags     []string     // that may point to the content
	suspects []taggedNeed // tags whose history contains a manifest that needs the content
	needing  map[digest.Digest]bool
	exist    []digest.Digest // manifests of the repository
}

// taggedNeed is a tag that may point to a manifest that needs the content.
type taggedNeed struct {
	tag      string
	manifest digest.Digest
	etag     string // of the tag's link
}

// errEnough ends a listing early.
var errEnough = errors.New("enough was listed")

// planDeletion lists the manifests and the tags of a repository once. A tag's history names
// everything it ever pointed to, so that the links of most tags need not be read. With force, it
// only finds the tags that may point to d. Where this process listed the repository before, it lists
// ranges of it in parallel.
func (s *Store) planDeletion(
	ctx context.Context, repo string, d digest.Digest, isManifest, force bool,
) (*deletion, error) {
	ends, _ := s.ranges.Get(repo)
	p, next, err := s.planDeletionIn(ctx, repo, ends, d, isManifest, force)
	if errors.Is(err, errMoved) {
		p, next, err = s.planDeletionIn(ctx, repo, nil, d, isManifest, force)
	}
	if len(next) > 0 {
		weight := int64(overhead)
		for _, end := range next {
			weight += int64(len(end)) + 16
		}
		s.ranges.Put(repo, next, weight)
	}
	return p, err
}

// planDeletionIn is planDeletion in the ranges that end with the given keys. It returns those for the
// next listing.
func (s *Store) planDeletionIn(
	ctx context.Context, repo string, ends []string, d digest.Digest, isManifest, force bool,
) (*deletion, []string, error) {
	p := &deletion{}
	if force {
		p.needing = map[digest.Digest]bool{}
	}
	current, etag := "", "" // the tag whose keys are being listed, and the ETag of its link
	next, err := walkRanges(ctx, s.bucket, repoPrefix(repo)+"_manifests/", ends, func(o object) error {
		k, ok := parseRepoKey(o.key)
		if !ok || k.kind != revisionKind && k.kind != tagKind && k.kind != tagHistoryKind {
			return nil
		}
		if k.kind == revisionKind {
			p.exist = append(p.exist, k.digest)
			return nil
		}
		if p.needing == nil { // the manifests are listed before the tags
			if err := s.findNeeding(ctx, repo, d, p); err != nil {
				return err
			}
		}
		switch {
		case len(p.needing) == 0 && !isManifest:
			return errEnough
		case k.kind == tagKind:
			current, etag = k.tag, o.etag
		case k.digest == d:
			p.tags = append(p.tags, k.tag)
		case p.needing[k.digest] && k.tag == current:
			p.suspects = append(p.suspects, taggedNeed{k.tag, k.digest, etag})
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, fmt.Errorf("list manifests: %w", err)
	}
	return p, next, nil
}

// needed returns a *storage.NeededError if one of the suspects points to a manifest that needs d.
func (s *Store) needed(ctx context.Context, repo string, d digest.Digest, p *deletion) error {
	if len(p.suspects) == 0 {
		return nil
	}
	// The ETag is usually the MD5 of the link's content.
	byETag := make(map[string]digest.Digest, len(p.exist))
	for _, m := range p.exist {
		sum := md5.Sum([]byte(m)) //nolint:gosec // as above
		byETag[hex.EncodeToString(sum[:])] = m
	}
	for _, t := range p.suspects {
		m, ok := byETag[strings.Trim(t.etag, `"`)]
		if !ok {
			var err error
			if m, ok, err = s.readLink(ctx, tagLink(repo, t.tag)); err != nil {
				return err
			}
		}
		if ok && m == t.manifest {
			return &storage.NeededError{Digest: d, Tag: t.tag, Manifest: m}
		}
	}
	return nil
}

// findNeeding finds the manifests that need d. It reads the manifests that the record of the
// repository lacks.
func (s *Store) findNeeding(ctx context.Context, repo string, d digest.Digest, p *deletion) error {
	record, err := s.dependencies(ctx, repo, p.exist)
	if err != nil {
		return err
	}
	p.needing = record.Dependents(d, p.exist)
	return nil
}

const (
	// learnedAtOnce is how many manifests are read before the record is written.
	learnedAtOnce = 4096
	// learnedWide is how many of them are read in parallel: a client waits for the first deletion.
	learnedWide = 32
)

// dependencies returns a record of the given manifests of a repository. It contains all that can be
// read. A record that cannot be written is only made again.
func (s *Store) dependencies(ctx context.Context, repo string, exist []digest.Digest) (*storage.Dependencies, error) {
	record, err := s.readDependencies(ctx, repo)
	if err != nil {
		return nil, err
	}
	unknown := slices.DeleteFunc(slices.Clone(exist), record.Has)
	for some := range slices.Chunk(unknown, learnedAtOnce) {
		err := s.learn(ctx, repo, record, some)
		s.saveDependencies(context.WithoutCancel(ctx), repo, record, exist)
		if err != nil {
			return nil, err
		}
	}
	return record, nil
}

func (s *Store) readDependencies(ctx context.Context, repo string) (*storage.Dependencies, error) {
	body, _, err := read(ctx, s.bucket, dependenciesKey(repo), storage.MaxDependencies)
	if err != nil && !errors.Is(err, errMissing) && !errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("read what manifests need: %w", err)
	}
	return storage.ReadDependencies(body), nil
}

// saveDependencies writes a record if the stored one is outdated.
func (s *Store) saveDependencies(
	ctx context.Context, repo string, record *storage.Dependencies, exist []digest.Digest,
) {
	if !record.Outdated(len(exist)) {
		return
	}
	if _, err := s.bucket.put(ctx, dependenciesKey(repo), record.Record(exist), condition{}); err != nil {
		s.log.Warn("record what manifests need", "repository", repo, "error", err)
	}
}

// learn adds manifests to a record.
func (s *Store) learn(ctx context.Context, repo string, record *storage.Dependencies, unknown []digest.Digest) error {
	var mu sync.Mutex
	return inParallel(ctx, len(unknown), learnedWide, func(ctx context.Context, i int) error {
		d := unknown[i]
		stored, err := s.load(ctx, d)
		if errors.Is(err, storage.ErrManifestUnknown) { // its link may name it by another algorithm
			target, ok, lerr := s.readLink(ctx, revisionLink(repo, d))
			if lerr != nil {
				return lerr
			}
			if !ok || target == d {
				return nil // already logged
			}
			stored, err = s.load(ctx, target)
		}
		if errors.Is(err, storage.ErrManifestUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		m, err := manifest.Parse(stored.Content)
		if err != nil {
			return fmt.Errorf("read manifest %s: %w", d, err)
		}
		mu.Lock()
		defer mu.Unlock()
		record.Add(d, m)
		return nil
	})
}
