package s3

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
)

// mostFacts is approximately how many bytes of facts a survey keeps in memory.
const mostFacts = 16 << 20

// fact is what a survey knows about one digest.
type fact struct {
	size     int64     // valid if data is set; from the blob listing
	data     time.Time // modification time; zero: no data
	link     time.Time // of the youngest link; zero: no link
	live     bool
	manifest bool
	links    []string // if wanted
	holders  []int32  // numbers of the repositories that link to it, if wanted; without duplicates
}

// add merges g into f.
func (f *fact) add(g *fact) {
	if g.link.After(f.link) {
		f.link = g.link
	}
	f.live, f.manifest = f.live || g.live, f.manifest || g.manifest
	f.links = append(f.links, g.links...)
	for _, h := range g.holders {
		f.held(h)
	}
}

// held adds a repository. Calls are grouped by repository, but merging a spilled run may add one
// again.
func (f *fact) held(by int32) {
	if !slices.Contains(f.holders[max(0, len(f.holders)-2):], by) {
		f.holders = append(f.holders, by)
	}
}

// facts are kept by digest. When they exceed their memory limit they spill to the bucket in sorted
// runs, which are merged with the blob listing at the end: memory does not depend on the size of
// the bucket.
type facts struct {
	s      *Store
	most   int64 // bytes; 0: no limit
	by     map[digest.Digest]*fact
	weight int64 // of by, in bytes
	peak   int64 // maximum of weight
	dir    string
	runs   []object
}

func (s *Store) newFacts() *facts {
	f := &facts{s: s, most: s.mostFacts, by: map[digest.Digest]*fact{}, dir: spillDir + newID() + "/"}
	if s.opt.ReadOnly {
		f.most = 0 // cannot spill
	}
	return f
}

// Estimated memory of a fact, including its map entry and digest.
const (
	factWeight   = 320
	linkWeight   = 16
	holderWeight = 4
)

// of returns the fact of a digest to update. It contains only what was added since the last spill.
func (t *facts) of(d digest.Digest) *fact {
	f := t.by[d]
	if f == nil {
		f = &fact{}
		t.by[d] = f
		t.weight += factWeight
	}
	return f
}

// relieve spills the facts in memory if they exceed the limit.
func (t *facts) relieve(ctx context.Context) error {
	t.peak = max(t.peak, t.weight)
	if t.most <= 0 || t.weight < t.most {
		return nil
	}
	var run []byte
	for _, d := range slices.Sorted(maps.Keys(t.by)) {
		run = t.by[d].encode(run, d)
	}
	key := t.dir + strconv.Itoa(len(t.runs))
	etag, err := t.s.bucket.put(ctx, key, run, condition{})
	if err != nil {
		return fmt.Errorf("put away what was found out: %w", err)
	}
	t.runs = append(t.runs, object{key: key, etag: etag, size: int64(len(run))})
	t.by, t.weight = map[digest.Digest]*fact{}, 0
	return nil
}

// forgetLeftovers removes spilled runs and probe objects of dead processes.
func (s *Store) forgetLeftovers(ctx context.Context) error {
	var old []string
	for _, dir := range []string{spillDir, probeDir} {
		err := walk(ctx, s.bucket, dir, func(o object) error {
			if s.now().Sub(o.modTime) > leftoverAge {
				old = append(old, o.key)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for leftovers: %w", err)
		}
	}
	if err := s.deleteAll(ctx, old); err != nil {
		return fmt.Errorf("remove leftovers: %w", err)
	}
	return nil
}

// leftoverAge is longer than any survey takes.
const leftoverAge = 24 * time.Hour

// close removes the spilled runs and clears the facts.
func (t *facts) close(ctx context.Context) {
	t.by = nil
	if len(t.runs) == 0 {
		return
	}
	ctx, cancel := cleanup(ctx)
	defer cancel()
	keys := make([]string, 0, len(t.runs))
	for _, r := range t.runs {
		keys = append(keys, r.key)
	}
	if err := t.s.deleteAll(ctx, keys); err != nil {
		t.s.log.Warn("remove what a survey put away; a later collection does", "error", err)
	}
	t.runs = nil
}

// encode appends a fact: digest, flags, link time, links, holders. The data time comes from the
// final blob listing.
func (f *fact) encode(to []byte, d digest.Digest) []byte {
	var flags byte
	for i, is := range []bool{f.live, f.manifest, !f.link.IsZero()} {
		if is {
			flags |= 1 << i
		}
	}
	to = appendString(to, string(d))
	to = append(to, flags)
	if !f.link.IsZero() {
		to = binary.AppendVarint(to, f.link.UnixNano())
	}
	to = binary.AppendUvarint(to, uint64(len(f.links)))
	for _, l := range f.links {
		to = appendString(to, l)
	}
	to = binary.AppendUvarint(to, uint64(len(f.holders)))
	for _, h := range f.holders {
		to = binary.AppendVarint(to, int64(h))
	}
	return to
}

func appendString(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

var errCut = errors.New("what a survey put away is cut")

// decodeFact reads a fact written by encode.
func decodeFact(r *runReader) (d digest.Digest, f *fact, err error) {
	f = &fact{}
	d = digest.Digest(r.string())
	flags := r.byte()
	f.live, f.manifest = flags&1 != 0, flags&2 != 0
	if flags&4 != 0 {
		f.link = time.Unix(0, r.varint())
	}
	for range r.count() {
		f.links = append(f.links, r.string())
	}
	for range r.count() {
		f.holders = append(f.holders, int32(r.varint())) //nolint:gosec // as it was written
	}
	return d, f, r.err
}

// runReader reads a run in pieces.
type runReader struct {
	ctx   context.Context
	b     bucket
	o     object
	piece int64
	at    int64 // start of the next piece
	left  []byte
	err   error
}

// need makes sure that n bytes are buffered, and reports whether they are.
func (r *runReader) need(n int) bool {
	for r.err == nil && len(r.left) < n {
		if r.at >= r.o.size {
			r.err = errCut
			break
		}
		var more []byte
		more, r.err = readRange(r.ctx, r.b, r.o.key, r.o.etag, r.at, min(max(r.piece, int64(n)), r.o.size-r.at))
		r.at += int64(len(more))
		r.left = append(bytes.Clone(r.left), more...)
	}
	return r.err == nil
}

func (r *runReader) byte() byte {
	if !r.need(1) {
		return 0
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b
}

// ReadByte implements io.ByteReader.
func (r *runReader) ReadByte() (byte, error) { b := r.byte(); return b, r.err }

func (r *runReader) varint() int64 {
	n, err := binary.ReadVarint(r)
	if r.err == nil {
		r.err = err
	}
	return n
}

func (r *runReader) count() uint64 {
	n, err := binary.ReadUvarint(r)
	if r.err == nil {
		r.err = err
	}
	if r.err != nil || n > uint64(r.o.size) { //nolint:gosec // a size
		r.err = errors.Join(r.err, errCut)
		return 0
	}
	return n
}

func (r *runReader) string() string {
	n := int(r.count()) //nolint:gosec // no more than a run has bytes
	if !r.need(n) {
		return ""
	}
	s := string(r.left[:n])
	r.left = r.left[n:]
	return s
}

// ended reports whether the run is read completely.
func (r *runReader) ended() bool { return r.err == nil && len(r.left) == 0 && r.at >= r.o.size }
