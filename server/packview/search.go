package packview

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/packs"
	"packhouse/server/packview/record"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
)

const (
	// mostIndexed and mostIndexedVersions are the numbers of files and versions of one pack that
	// requests without ?archive find: those of the highest versions.
	mostIndexed, mostIndexedVersions = 64 << 10, 5000
	// indexedAtOnce is the number of versions whose manifests are read at once for an index.
	indexedAtOnce = 500
	// indexWindow is how long an index proves that a file is missing, in case another process moved
	// a tag.
	indexWindow = time.Minute
	// buildsAtOnce is the number of indexes that are built at once.
	buildsAtOnce = 2
)

// pushCounts counts pushes by the hash of the repository, so that no index outlives a push by this
// process.
type pushCounts [256]atomic.Uint64

// of returns the counter of a repository, which others may share.
func (c *pushCounts) of(repo reference.Repository) *atomic.Uint64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(repo.String())) // never fails
	return &c[h.Sum32()%uint32(len(c))]
}

// fileIndex finds the archive that holds a file, among those of the tagged versions of a pack.
type fileIndex struct {
	state    indexState
	made     time.Time
	archives []digest.Digest
	files    []indexedFile // sorted by key, then by archive, once the index is built
	full     bool          // it has mostIndexed files
}

// indexState is what an index was built from. Another state needs another index.
type indexState struct {
	view   *View
	pushes uint64
	tags   [sha256.Size]byte // of the list of tags
}

type indexedFile struct {
	key     uint64 // the first bytes of the sha256; the record of the archive has the others
	archive uint32 // index in fileIndex.archives
}

// keyOf returns the key of a file, whose sha256 has hexadecimal digits.
func keyOf(sha256 string) (uint64, bool) {
	sum, err := hex.DecodeString(sha256)
	if err != nil || len(sum) < 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(sum), true
}

// find returns the archive of the highest version that holds a file, or "" if there is none.
func (x *fileIndex) find(key uint64) digest.Digest {
	i, ok := slices.BinarySearchFunc(x.files, key, func(f indexedFile, key uint64) int { return cmp.Compare(f.key, key) })
	if !ok {
		return ""
	}
	return x.archives[x.files[i].archive]
}

// findFile finds a file by its digest: in the archive that the request names, otherwise in those of
// the tagged versions. The context has a lease of the records.
func (v *View) findFile(ctx context.Context, req route.Request) (*record.Record, packs.File, error) {
	archive, unknown := req.Archive, problem.New(http.StatusNotFound, problem.BlobUnknown, "the archive does not contain this file")
	if archive == "" {
		unknown = problem.New(http.StatusNotFound, problem.BlobUnknown, "no tagged version of the pack contains this file: select another archive with ?archive=")
		key, ok := keyOf(req.Digest.Encoded())
		if !ok || req.Digest.Algorithm() != digest.SHA256 {
			return nil, packs.File{}, unknown
		}
		var err error
		if archive, err = v.search(ctx, req.Repository, key); err != nil {
			return nil, packs.File{}, err
		}
		if archive == "" {
			return nil, packs.File{}, unknown
		}
	}
	rec, err := v.o.Records.Get(ctx, req.Repository, archive)
	if err != nil {
		return nil, packs.File{}, err
	}
	if file, ok := rec.FileOf(req.Digest.Encoded()); ok {
		return rec, file, nil
	}
	return nil, packs.File{}, unknown
}

// search returns the archive of the highest tagged version that holds a file, or "". It builds the
// index of the pack if there is none for its present state.
func (v *View) search(ctx context.Context, repo reference.Repository, key uint64) (digest.Digest, error) {
	if archive, known, err := v.searchIndex(ctx, repo, key); known || err != nil {
		return archive, err
	}
	if err := v.builds.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer v.builds.Release(1)
	if archive, known, err := v.searchIndex(ctx, repo, key); known || err != nil {
		return archive, err // another request has built it
	}
	x, err := v.buildIndex(ctx, repo)
	if err != nil {
		return "", err
	}
	return x.find(key), nil
}

func indexName(repo reference.Repository) string { return "files/" + repo.String() }

// searchIndex searches the existing index. known reports whether its result is still valid.
func (v *View) searchIndex(ctx context.Context, repo reference.Repository, key uint64) (archive digest.Digest, known bool, err error) {
	x, ok := v.o.Records.Remembered(indexName(repo)).(*fileIndex)
	if !ok {
		return "", false, nil
	}
	state, _, err := v.indexState(ctx, repo)
	if err != nil || state != x.state {
		return "", false, err
	}
	archive = x.find(key)
	return archive, archive != "" || v.o.Now().Sub(x.made) < indexWindow, nil
}

// indexState returns the present state of a pack, and its tags.
func (v *View) indexState(ctx context.Context, repo reference.Repository) (indexState, []string, error) {
	state := indexState{view: v, pushes: v.pushes.of(repo).Load()}
	tags, err := v.Tags(ctx, repo)
	if err != nil {
		return state, nil, err
	}
	hash := sha256.New()
	for _, tag := range tags {
		_, _ = hash.Write(append([]byte(tag), '\n')) // never fails
	}
	hash.Sum(state.tags[:0])
	return state, tags, nil
}

// buildIndex reads the records of the tagged versions, the highest first, up to mostIndexed files,
// and remembers the index.
func (v *View) buildIndex(ctx context.Context, repo reference.Repository) (*fileIndex, error) {
	state, tags, err := v.indexState(ctx, repo)
	if err != nil {
		return nil, err
	}
	x := &fileIndex{state: state, made: v.o.Now()}
	slices.SortFunc(tags, func(a, b string) int { return packs.CompareTags(b, a) })
	seen := map[digest.Digest]bool{}
	for chunk := range slices.Chunk(tags[:min(len(tags), mostIndexedVersions)], indexedAtOnce) {
		versions, err := v.Versions(ctx, repo, nil, chunk)
		if err != nil {
			return nil, err
		}
		for _, f := range versions {
			if f.Artifact == nil || seen[f.Artifact.Archive] || x.full {
				continue
			}
			seen[f.Artifact.Archive] = true
			if err := v.addToIndex(ctx, x, repo, f.Artifact.Archive); err != nil {
				return nil, err
			}
		}
		if x.full {
			break
		}
	}
	x.compact()
	v.o.Records.Remember(indexName(repo), x, int64(16*len(x.files)+128*len(x.archives)))
	return x, nil
}

// addToIndex adds the files of an archive. A lost archive does not hide the others.
func (v *View) addToIndex(ctx context.Context, x *fileIndex, repo reference.Repository, archive digest.Digest) error {
	rec, err := v.o.Records.Get(ctx, repo, archive)
	if errors.Is(err, storage.ErrBlobUnknown) {
		return nil
	}
	if err != nil {
		return err
	}
	at := uint32(len(x.archives)) //nolint:gosec // below mostTags
	x.archives = append(x.archives, archive)
	for _, f := range rec.Files {
		if key, ok := keyOf(f.SHA256); ok {
			x.files = append(x.files, indexedFile{key, at})
		}
	}
	if len(x.files) >= 2*mostIndexed { // versions share most files
		x.compact()
	}
	return nil
}

// compact sorts the files and keeps each once, in the archive of the highest version, and
// mostIndexed of them.
func (x *fileIndex) compact() {
	byKey := func(a, b indexedFile) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.archive, b.archive))
	}
	slices.SortFunc(x.files, byKey)
	x.files = slices.CompactFunc(x.files, func(a, b indexedFile) bool { return a.key == b.key })
	if len(x.files) >= mostIndexed {
		slices.SortFunc(x.files, func(a, b indexedFile) int { return cmp.Compare(a.archive, b.archive) })
		x.files, x.full = x.files[:mostIndexed], true
		slices.SortFunc(x.files, byKey)
	}
	x.files = slices.Clone(x.files) // of the size that is remembered
}
