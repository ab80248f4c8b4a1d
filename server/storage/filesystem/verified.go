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
	verifiedSlots  = 1 << 17 // 2 MiB, allocated lazily
	verifiedWays   = 4
	verifiedShards = 64
)

// verified is a cache of blobs that were hashed and found intact, by digest, inode, size, change
// time and epoch. A changed file does not match. The cache is bounded and evicts freely; an evicted
// blob is hashed once more.
//
// An epoch ends when the kernel reports that a write to the file system failed. What was hashed
// before may have been pages that never reached the device, so earlier epochs do not count.
type verified struct {
	once  sync.Once
	seed  maphash.Seed
	slots [][2]uint64
	locks [verifiedShards]sync.Mutex
	ended atomic.Uint64 // number of epochs that ended
}

// epoch returns the current epoch. It is read before the bytes are.
func (v *verified) epoch() uint64 { return v.ended.Load() }

// endEpoch invalidates all entries.
func (v *verified) endEpoch() { v.ended.Add(1) }

func (v *verified) init() {
	v.once.Do(func() {
		v.seed = maphash.MakeSeed()
		v.slots = make([][2]uint64, verifiedSlots)
	})
}

// keys returns the slot of a digest, and 128 bits that identify the digest, its file and the epoch.
func (v *verified) keys(d digest.Digest, i disk.Info, epoch uint64) (at int, mark [2]uint64, lock *sync.Mutex) {
	v.init()
	of := maphash.String(v.seed, string(d))
	is := maphash.Comparable(v.seed, struct {
		of, inode     uint64
		size, changed int64
		mod           int64
		epoch         uint64
	}{of, i.Inode, i.Size, i.Changed, i.ModTime.UnixNano(), epoch})
	at = int(of%(verifiedSlots/verifiedWays)) * verifiedWays //nolint:gosec // less than verifiedSlots
	return at, [2]uint64{of | 1, is}, &v.locks[of%verifiedShards]
}

// has reports whether the file was verified in the current epoch.
func (v *verified) has(d digest.Digest, i disk.Info) bool {
	at, mark, lock := v.keys(d, i, v.epoch())
	lock.Lock()
	defer lock.Unlock()
	return slices.Contains(v.slots[at:at+verifiedWays], mark)
}

// forget drops a blob that is damaged or unreadable, so that the next push writes it again.
func (v *verified) forget(d digest.Digest) {
	at, mark, lock := v.keys(d, disk.Info{}, 0)
	lock.Lock()
	defer lock.Unlock()
	for k := range verifiedWays {
		if v.slots[at+k][0] == mark[0] {
			v.slots[at+k] = [2]uint64{}
		}
	}
}

// add records a file whose bytes were read or written since the given epoch.
func (v *verified) add(d digest.Digest, i disk.Info, epoch uint64) {
	at, mark, lock := v.keys(d, i, epoch)
	lock.Lock()
	defer lock.Unlock()
	set := v.slots[at : at+verifiedWays]
	for k := range set {
		if set[k][0] == mark[0] || set[k][0] == 0 {
			set[k] = mark
			return
		}
	}
	copy(set[1:], set) // evicts the oldest
	set[0] = mark
}
