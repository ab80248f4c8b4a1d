package filesystem

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
)

const (
	verifiedSlots  = 1 << 17 // 2 MiB, allocated lazily, by shard
	verifiedWays   = 4
	verifiedShards = 512
)

// verified is a cache of blobs that were hashed and found intact, by digest, inode, size, change
// time and epoch. A changed file does not match. The cache is bounded and evicts freely; an evicted
// blob is hashed again.
//
// An epoch ends when the kernel reports that a write to the file system failed. What was hashed
// before may have been pages that never reached the device, so earlier epochs do not count.
type verified struct {
	once   sync.Once
	seed   maphash.Seed
	shards [verifiedShards]verifiedShard
	ended  atomic.Uint64 // number of epochs that ended
}

// verifiedShard is the part of the cache for some digests.
type verifiedShard struct {
	sync.Mutex
	slots [][2]uint64 // nil before the first blob
}

// epoch returns the current epoch. It is read before the bytes are.
func (v *verified) epoch() uint64 { return v.ended.Load() }

// endEpoch invalidates all entries.
func (v *verified) endEpoch() { v.ended.Add(1) }

// lock locks the shard of a digest. It returns the slots that may hold the digest, and 128 bits that
// identify the digest, its file and the epoch. Without fill, the slots of a shard that is still empty
// are nil. The caller unlocks the shard.
func (v *verified) lock(
	d digest.Digest, i disk.Info, epoch uint64, fill bool,
) (set [][2]uint64, mark [2]uint64, shard *verifiedShard) {
	v.once.Do(func() { v.seed = maphash.MakeSeed() })
	of := maphash.String(v.seed, string(d))
	is := maphash.Comparable(v.seed, struct {
		of, inode     uint64
		size, changed int64
		mod           int64
		epoch         uint64
	}{of, i.Inode, i.Size, i.Changed, i.ModTime.UnixNano(), epoch})
	const perShard = verifiedSlots / verifiedShards
	shard = &v.shards[of%verifiedShards]
	at := of / verifiedShards % (perShard / verifiedWays) * verifiedWays
	shard.Lock()
	mark = [2]uint64{of | 1, is}
	switch {
	case shard.slots == nil && !fill:
		return nil, mark, shard
	case shard.slots == nil:
		shard.slots = make([][2]uint64, perShard)
	}
	return shard.slots[at : at+verifiedWays], mark, shard
}

// has reports whether the file was verified in the current epoch.
func (v *verified) has(d digest.Digest, i disk.Info) bool {
	set, mark, shard := v.lock(d, i, v.epoch(), false)
	defer shard.Unlock()
	return slices.Contains(set, mark)
}

// forget drops a blob that is damaged or unreadable, so that the next push writes it again.
func (v *verified) forget(d digest.Digest) {
	set, mark, shard := v.lock(d, disk.Info{}, 0, false)
	defer shard.Unlock()
	for k := range set {
		if set[k][0] == mark[0] {
			set[k] = [2]uint64{}
		}
	}
}

// add records a file whose bytes were read or written since the given epoch.
func (v *verified) add(d digest.Digest, i disk.Info, epoch uint64) {
	set, mark, shard := v.lock(d, i, epoch, true)
	defer shard.Unlock()
	for k := range set {
		if set[k][0] == mark[0] || set[k][0] == 0 {
			set[k] = mark
			return
		}
	}
	copy(set[1:], set) // evicts the oldest
	set[0] = mark
}
