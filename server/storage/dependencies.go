package storage

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
)

// NeededError reports that content was not deleted, because a tag of the repository needs it.
type NeededError struct {
	Digest   digest.Digest
	Tag      string
	Manifest digest.Digest // what the tag points to
}

// Error implements error.
func (e *NeededError) Error() string {
	return fmt.Sprintf("%s is part of %s, which has the tag %s", e.Digest, e.Manifest, e.Tag)
}

// Dependencies records what the manifests of one repository refer to, so that a deletion does not
// have to read all of them. A manifest never changes, so a record can be incomplete but not
// outdated: a driver lists the manifests that exist, and reads those that Has does not know.
//
// The record is a sequence of entries. Each contains the first 16 bytes of a manifest's digest,
// the number of its references and whether it is an index, the first 8 bytes of each referenced
// digest, and a checksum. References with the same first 8 bytes are not distinguished: that
// protects more than necessary, never less.
type Dependencies struct {
	body    []byte
	entries map[manifestID]int // offsets in body
	added   int
	torn    bool
}

type (
	manifestID  [16]byte
	referenceID uint64
)

const (
	entryHead = len(manifestID{}) + 4
	entryTail = 4 // checksum
	indexFlag = 1 << 31
)

// MaxDependencies is the size of the largest record that is read, in bytes.
const MaxDependencies = 256 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadDependencies parses a record. It ignores everything after the first damaged entry, which a
// power cut can leave. It takes ownership of body.
func ReadDependencies(body []byte) *Dependencies {
	p := &Dependencies{entries: map[manifestID]int{}}
	at := 0
	for at < len(body) {
		n := entrySize(body[at:])
		if n == 0 {
			p.torn = true
			break
		}
		p.entries[manifestID(body[at:])] = at
		at += n
	}
	p.body = body[:at:at]
	return p
}

// Join adds the entries of another record.
func (p *Dependencies) Join(body []byte) {
	other := ReadDependencies(body)
	for id, at := range other.entries {
		p.entries[id] = len(p.body) + at
	}
	p.body = append(p.body, other.body...)
}

// entrySize returns the size of the first entry in bytes, or 0 if it is damaged.
func entrySize(body []byte) int {
	if len(body) < entryHead+entryTail {
		return 0
	}
	count := int(binary.BigEndian.Uint32(body[len(manifestID{}):]) &^ indexFlag)
	if count > (len(body)-entryHead-entryTail)/8 {
		return 0
	}
	end := entryHead + count*8
	if crc32.Checksum(body[:end], castagnoli) != binary.BigEndian.Uint32(body[end:]) {
		return 0
	}
	return end + entryTail
}

// AppendDependencies appends the entry of manifest d to a record.
func AppendDependencies(body []byte, d digest.Digest, m *manifest.Manifest) []byte {
	references, start := m.References(), len(body)
	count := uint32(len(references)) //nolint:gosec // at most manifest.MaxSize bytes hold them
	if slices.ContainsFunc(references, func(r manifest.Reference) bool { return r.Kind == manifest.Child }) {
		count |= indexFlag
	}
	id := identify(d)
	body = append(body, id[:]...)
	body = binary.BigEndian.AppendUint32(body, count)
	for _, r := range references {
		body = binary.BigEndian.AppendUint64(body, uint64(identify(r.Digest).short()))
	}
	return binary.BigEndian.AppendUint32(body, crc32.Checksum(body[start:], castagnoli))
}

func identify(d digest.Digest) (id manifestID) {
	_, _ = hex.Decode(id[:], []byte(d.Encoded()[:2*len(id)])) // a parsed digest is hexadecimal
	return id
}

func (id manifestID) short() referenceID { return referenceID(binary.BigEndian.Uint64(id[:])) }

// Add adds a manifest to the record.
func (p *Dependencies) Add(d digest.Digest, m *manifest.Manifest) {
	at := len(p.body)
	p.body = AppendDependencies(p.body, d, m)
	p.entries[identify(d)] = at
	p.added++
}

// Has reports whether the record contains a manifest.
func (p *Dependencies) Has(d digest.Digest) bool {
	_, ok := p.entries[identify(d)]
	return ok
}

// Outdated reports whether the record should be written again, given the number of manifests that
// exist: it was damaged, many manifests were added, or most of its manifests no longer exist.
func (p *Dependencies) Outdated(exist int) bool {
	return p.torn || p.added > max(16, len(p.entries)/16) || len(p.entries) > 2*exist+64
}

// Record returns the record of the given manifests to be written.
func (p *Dependencies) Record(exist []digest.Digest) []byte {
	body := make([]byte, 0, len(p.body))
	for _, d := range exist {
		if at, ok := p.entries[identify(d)]; ok {
			body = append(body, p.body[at:at+p.size(at)]...)
		}
	}
	return body
}

// size returns the size of the intact entry at an offset.
func (p *Dependencies) size(at int) int {
	count := binary.BigEndian.Uint32(p.body[at+len(manifestID{}):]) &^ indexFlag
	return entryHead + int(count)*8 + entryTail
}

// Dependents returns the manifests among exist that need d, directly or as part of another
// manifest. A manifest that cannot be read, and is therefore missing from the record, may need
// anything.
func (p *Dependencies) Dependents(d digest.Digest, exist []digest.Digest) map[digest.Digest]bool {
	found, next := map[digest.Digest]bool{}, []digest.Digest{}
	find := func(parent digest.Digest) {
		if parent != d && !found[parent] {
			found[parent] = true
			next = append(next, parent)
		}
	}
	wanted, indexes := identify(d).short(), map[referenceID][]digest.Digest{}
	for _, m := range exist {
		at, ok := p.entries[identify(m)]
		if !ok {
			find(m)
			continue
		}
		index := binary.BigEndian.Uint32(p.body[at+len(manifestID{}):])&indexFlag != 0
		end := at + p.size(at) - entryTail
		for at += entryHead; at < end; at += 8 {
			r := referenceID(binary.BigEndian.Uint64(p.body[at:]))
			if r == wanted {
				find(m)
			}
			if index {
				indexes[r] = append(indexes[r], m)
			}
		}
	}
	for len(next) > 0 {
		child := next[0]
		next = next[1:]
		for _, parent := range indexes[identify(child).short()] {
			find(parent)
		}
	}
	return found
}
