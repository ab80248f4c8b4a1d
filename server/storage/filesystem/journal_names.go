package filesystem

import "hash/maphash"

// nameSet answers whether the records of a segment name anything in a directory. It stores hashes
// of the names and of all their parent directories, because the names themselves, thousands of up
// to two hundred bytes, are needed only in the segment. Hashes may collide; the directory is then
// settled unnecessarily.
type nameSet struct {
	seed maphash.Seed
	set  map[uint32]struct{}
}

func newNameSet() nameSet {
	return nameSet{maphash.MakeSeed(), map[uint32]struct{}{}}
}

// hash uses 32 bits: about one of a hundred thousand lookups is a false positive.
func (n nameSet) hash(name string) uint32 { return uint32(maphash.String(n.seed, name)) } //nolint:gosec // half of it

// add adds a name and all its parent directories.
func (n nameSet) add(name string) {
	for i := range len(name) {
		if name[i] == '/' {
			n.set[n.hash(name[:i])] = struct{}{}
		}
	}
	n.set[n.hash(name)] = struct{}{}
}

// has reports whether name, or anything in it, was added. False positives are possible.
func (n nameSet) has(name string) bool {
	_, ok := n.set[n.hash(name)]
	return ok
}

func (n nameSet) empty() bool { return len(n.set) == 0 }

func (n nameSet) clear() { clear(n.set) }
