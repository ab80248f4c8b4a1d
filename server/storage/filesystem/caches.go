package filesystem

import (
	"github.com/opencontainers/go-digest"

	"packhouse/server/lru"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// manifestCache caches manifests by digest. Each use is validated with a stat of the data.
type manifestCache struct {
	*lru.Cache[digest.Digest, cachedManifest]
}

type cachedManifest struct {
	stored storage.Stored
	info   disk.Info
}

func newManifestCache(bytes int64) *manifestCache {
	return &manifestCache{lru.NewCache[digest.Digest, cachedManifest](bytes, bytes)}
}

// overhead is the estimated memory of an entry besides its content, in bytes.
const overhead = 400

// pointerCache caches what tags point to. Each use is validated with a stat of the link.
type pointerCache struct {
	*lru.Cache[pointerKey, pointer]
}

type pointerKey struct{ repo, tag string }

type pointer struct {
	digest digest.Digest
	info   disk.Info
}

// pointers is how many tags are cached, in about 2 MiB.
const pointers = 4096

func newPointerCache() *pointerCache {
	return &pointerCache{lru.NewCache[pointerKey, pointer](pointers, pointers)}
}
