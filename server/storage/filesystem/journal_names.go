package filesystem

import "hash/maphash"

// nameSet answers one question about the records of a segment: do they name anything in a directory? It holds hashes of what they name and of every
// directory above, because the names themselves, some thousands of two hundred bytes, are wanted nowhere but in the segment, where they are.
// Two names may share a hash, and then a directory seems to be named that is not: it is settled for nothing.
type nameSet struct {
	seed maphash.Seed
	set  map[uint32]struct{}
}

func newNameSet() nameSet {
	return nameSet{maphash.MakeSeed(), map[uint32]struct{}{}}
}

// hash keeps half of the bits: of a hundred thousand questions, one is answered wrongly.
func (n nameSet) hash(name string) uint32 { return uint32(maphash.String(n.seed, name)) } //nolint:gosec // half of it

// add notes a name and all directories above it.
func (n nameSet) add(name string) {
	for i := range len(name) {
		if name[i] == '/' {
			n.set[n.hash(name[:i])] = struct{}{}
		}
	}
	n.set[n.hash(name)] = struct{}{}
}

// has tells whether name, or anything in it, was added. It may be wrong in saying so.
func (n nameSet) has(name string) bool {
	_, ok := n.set[n.hash(name)]
	return ok
}

func (n nameSet) empty() bool { return len(n.set) == 0 }

func (n nameSet) clear() { clear(n.set) }
