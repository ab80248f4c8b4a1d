package filesystem

import (
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// origin describes a tag's link before and after a change, so that a replay can distinguish a move
// that a power cut undid from a later move by another server, without comparing clock times.
type origin struct {
	place  string   // location of the journal: inodes are meaningless in a copy of it
	staged identity // the file that is renamed to the link
	before identity // the file that was the link; zero if there was none
	held   string   // content of that file
}

// identity identifies a file that is written once and then only renamed. Copies that preserve times
// have the same mod.
type identity struct {
	inode uint64
	mod   int64 // in nanoseconds; compared for equality only
}

func identityOf(i disk.Info) identity { return identity{i.Inode, i.ModTime.UnixNano()} }

// originVersion introduces the origins after the items of a record. Older versions stop reading at
// the itemEnd before it.
const originVersion = 1

// appendOrigins encodes the origins of items. Nothing is appended if there are none.
func appendOrigins(p []byte, items []item) []byte {
	some := false
	text := func(s string) {
		p = binary.AppendUvarint(p, uint64(len(s)))
		p = append(p, s...)
	}
	for n, i := range items {
		if i.origin == nil {
			continue
		}
		if !some {
			some = true
			p = append(p, itemEnd, originVersion)
			text(i.origin.place)
		}
		p = binary.AppendUvarint(p, uint64(n)) //nolint:gosec // an index
		for _, of := range []identity{i.origin.staged, i.origin.before} {
			p = binary.AppendUvarint(p, of.inode)
			p = binary.AppendVarint(p, of.mod)
		}
		text(i.origin.held)
	}
	return p
}

// parseOrigins decodes what appendOrigins wrote and sets the origins of the items. Unknown data is
// ignored.
func parseOrigins(p []byte, items []item) {
	if len(p) < 2 || p[0] != itemEnd || p[1] != originVersion {
		return
	}
	d := decoder{p: p[2:], ok: true}
	place := string(d.bytes())
	for d.ok && len(d.p) > 0 {
		n := d.number()
		o := &origin{place: place}
		for _, of := range []*identity{&o.staged, &o.before} {
			of.inode, of.mod = d.number(), d.signed()
		}
		o.held = string(d.bytes())
		if !d.ok || n >= uint64(len(items)) {
			return
		}
		items[n].origin = o
	}
}

// journalPlace identifies the directory of the journal on its file system; "" if unknown.
func (s *Store) journalPlace() string {
	info, err := s.disk.Stat(journalDir)
	volume := s.disk.Traits().Volume
	if err != nil || volume == "" || info.Inode == 0 {
		return ""
	}
	return fmt.Sprintf("%s/%d", volume, info.Inode)
}

// history combines what the records say about one link.
type history struct {
	final   []byte // content according to the last record
	last    int    // index of that record
	at      int64  // time of that record
	origins bool   // every record has an origin
	here    bool   // the journal is where the records were written, not a copy
	bodies  map[string]struct{}
	mods    map[int64]struct{}
	inodes  map[uint64]struct{}
}

// histories collects the history of every link that the records name.
func (s *Store) histories(records []foundRecord) map[string]*history {
	place, all := s.journalPlace(), map[string]*history{}
	for n, r := range records {
		for _, i := range r.items {
			if i.kind != itemFile || path.Base(i.name) != "link" {
				continue
			}
			h := all[i.name]
			if h == nil {
				h = &history{
					origins: true, here: place != "", bodies: map[string]struct{}{},
					mods: map[int64]struct{}{}, inodes: map[uint64]struct{}{},
				}
				all[i.name] = h
			}
			h.add(i, n, r.at, place)
		}
	}
	return all
}

func (h *history) add(i item, record int, at int64, place string) {
	h.final, h.last, h.at = i.body, record, at
	h.bodies[string(i.body)] = struct{}{}
	o := i.origin
	if o == nil {
		h.origins = false
		return
	}
	h.here = h.here && o.place == place
	if o.held != "" {
		h.bodies[o.held] = struct{}{}
	}
	for _, of := range []identity{o.staged, o.before} {
		if of != (identity{}) {
			h.mods[of.mod], h.inodes[of.inode] = struct{}{}, struct{}{}
		}
	}
}

// foreign reports whether the link, which contains now, was written by another server after the
// records or, in a copy of the directory, later than the copy of the journal. A link without a
// valid digest is damaged and never foreign. In doubt, the acknowledged change in the journal wins.
func (h *history) foreign(now []byte, info disk.Info) bool {
	if _, err := reference.ParseDigest(strings.TrimSpace(string(now))); err != nil || string(now) == string(h.final) {
		return false
	}
	_, ours := h.bodies[string(now)]
	if !h.origins { // written by a version without origins: only the time is available
		return !ours && info.ModTime.UnixNano() > h.at+int64(otherAfter)
	}
	if !h.here {
		return !ours
	}
	_, mod := h.mods[info.ModTime.UnixNano()]
	_, inode := h.inodes[info.Inode]
	return !mod && !(inode && ours)
}
