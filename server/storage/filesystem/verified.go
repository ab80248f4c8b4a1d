package filesystem

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage/disk"
)

const (
	verifiedSlots  = 1 << 17 // 2 MiB, paid for as it fills
	verifiedWays   = 4
	verifiedShards = 64
)

// verified remembers which blobs were hashed and found good, by digest, inode, size and change time: a changed file is not remembered. It
// is bounded and forgets at will; forgetting costs one more hashing.
type verified struct {
	once  sync.Once
	seed  maphash.Seed
	slots [][2]uint64
	locks [verifiedShards]sync.Mutex
}

func (v *verified) init() {
	v.once.Do(func() {
		v.seed = maphash.MakeSeed()
		v.slots = make([][2]uint64, verifiedSlots)
	})
}

// keys returns where a digest is looked for, and 128 bits that stand for it and its file.
func (v *verified) keys(d digest.Digest, i disk.Info) (at int, mark [2]uint64, lock *sync.Mutex) {
	v.init()
	of := maphash.String(v.seed, string(d))
	is := maphash.Comparable(v.seed, struct {
		of, inode     uint64
		size, changed int64
		mod           int64
	}{of, i.Inode, i.Size, i.Changed, i.ModTime.UnixNano()})
	at = int(of%(verifiedSlots/verifiedWays)) * verifiedWays //nolint:gosec // less than verifiedSlots
	return at, [2]uint64{of | 1, is}, &v.locks[of%verifiedShards]
}

func (v *verified) has(d digest.Digest, i disk.Info) bool {
	at, mark, lock := v.keys(d, i)
	lock.Lock()
	defer lock.Unlock()
	return slices.Contains(v.slots[at:at+verifiedWays], mark)
}

func (v *verified) add(d digest.Digest, i disk.Info) {
	at, mark, lock := v.keys(d, i)
	lock.Lock()
	defer lock.Unlock()
	set := v.slots[at : at+verifiedWays]
	for k := range set {
		if set[k][0] == mark[0] || set[k][0] == 0 {
			set[k] = mark
			return
		}
	}
	copy(set[1:], set) // the oldest falls out
	set[0] = mark
}
