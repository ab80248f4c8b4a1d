package filesystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"sync"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// change is a set of files that become visible together, in a crash-safe order: contents are
// durable before they are named, and everything is durable before it is acknowledged.
//
//	c := s.begin(); defer c.end()
//	c.write(path, body) …   temporary files in stage
//	c.contents()            large contents are durable; without a journal, all of them
//	c.names()               write the journal; then create directories and rename. Without a journal:
//	                        create directories, rename, barrier over names; then the same for last
type change struct {
	s     *Store
	j     *journal // nil: use barrier
	epoch uint64   // before anything was staged, see verified
	items []item   // for the journal
	files []disk.File
	dirs  []string // staged directories, synced with the contents
	first []move
	last  []move   // renamed after the names of first are durable
	made  []string // directories created here, not known to be durable
	seen  map[string]struct{}
	order []string // directories to sync, without duplicates
	repo  string   // repository whose catalogue name is not known to be durable

	linked bool // the link of a manifest is written
}

// move renames a staged file or directory to its place.
type move struct {
	from, to string
	adopted  bool                            // its owner removes it if it was not renamed
	around   func(rename func() error) error // wraps the rename, to observe it; nil: just rename
}

func (s *Store) begin() *change {
	return &change{s: s, j: s.journal.Load(), epoch: s.verified.epoch(), seen: map[string]struct{}{}}
}

// temporary returns an unused name in stage, which is emptied at every start.
func (s *Store) temporary() string {
	return stageDir + "/" + s.run + strconv.FormatUint(s.serial.Add(1), 36)
}

// write stages body to be renamed to name.
func (c *change) write(name string, body []byte) error {
	m, err := c.staged(name, body, nil)
	if err == nil {
		c.first = append(c.first, m)
	}
	return err
}

// writeLast stages body to be renamed to name after everything else is durable. o is the origin of
// name.
func (c *change) writeLast(name string, body []byte, o *origin) error {
	m, err := c.staged(name, body, o)
	if err == nil {
		c.last = append(c.last, m)
	}
	return err
}

func (c *change) staged(name string, body []byte, o *origin) (move, error) {
	m := move{from: c.s.temporary(), to: name}
	f, err := c.create(m.from, body)
	if err != nil {
		return m, err
	}
	if c.j != nil && len(body) <= inlineMost {
		return m, c.inline(f, name, body, o)
	}
	if c.j != nil {
		c.items = append(c.items, item{kind: itemMoved, name: name, from: m.from, size: int64(len(body))})
	}
	c.files = append(c.files, f)
	return m, nil
}

// inline closes a staged file that will be renamed to name, and stores its content in the journal
// record.
func (c *change) inline(f disk.File, name string, body []byte, o *origin) error {
	if o != nil {
		info, err := f.Stat()
		if err != nil {
			_ = f.Close()
			return fmt.Errorf("stage file: %w", err)
		}
		o.place, o.staged = c.j.place, identityOf(info)
	}
	c.items = append(c.items, item{kind: itemFile, name: name, body: body, origin: o})
	return f.Close()
}

// inside writes a file in a staged directory. Its final name is name, with origin o.
func (c *change) inside(staged, name string, body []byte, o *origin) error {
	f, err := c.create(staged, body)
	if err != nil {
		return err
	}
	if c.j == nil {
		c.files = append(c.files, f)
		return nil
	}
	return c.inline(f, name, body, o)
}

// create writes a staged file of the given name.
func (c *change) create(name string, body []byte) (disk.File, error) {
	f, err := c.s.create(name)
	if err != nil {
		return nil, fmt.Errorf("stage file: %w", err)
	}
	if _, err := f.Write(body); err != nil {
		_ = f.Close()
		_ = c.s.disk.Remove(name)
		return nil, fmt.Errorf("stage file: %w", err)
	}
	return f, nil
}

// adopt takes ownership of an open file of size bytes that was staged as from and hashed to d, and
// returns the journal item for it. The item contains the bytes as the file has them now, so they
// are hashed again: the kernel may have lost some.
//
// A small file is not synced: the checkpoint detects failed writes. That covers only pages that are
// dirty from now on, so the bytes are written again.
func (c *change) adopt(f disk.File, from string, d digest.Digest, size int64) (item, error) {
	i := item{kind: itemMoved, name: blobPath(d), from: from, size: size}
	if c.j == nil || size > inlineMost {
		c.files = append(c.files, f)
		return i, nil
	}
	defer f.Close()
	i.kind, i.body = itemFile, make([]byte, size)
	if n, err := f.ReadAt(i.body, 0); int64(n) < size {
		return i, fmt.Errorf("read staged file: %w", err)
	}
	if got := d.Algorithm().FromBytes(i.body); got != d {
		return i, fmt.Errorf("%w: the staged bytes were lost: they have the digest %s", storage.ErrUnavailable, got)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return i, fmt.Errorf("write staged file: %w", err)
	}
	if _, err := f.Write(i.body); err != nil {
		return i, fmt.Errorf("write staged file: %w", err)
	}
	return i, nil
}

// give schedules the rename of an adopted file, before all others.
func (c *change) give(i item, from string) {
	c.first = append([]move{{from: from, to: i.name, adopted: true}}, c.first...)
	c.items = append([]item{i}, c.items...)
}

// contents makes staged files durable that are not in the journal.
func (c *change) contents() error {
	err := c.s.barrier.wait(c.files, c.dirs)
	c.close()
	return err
}

func (c *change) close() {
	for _, f := range c.files {
		f.Close()
	}
	c.files = nil
}

// names renames everything to its place and makes the names durable. After an error, the renamed
// files are in doubt: the next change that needs them writes them again.
func (c *change) names() error {
	if c.j != nil && len(c.items) > 0 {
		applied, err := c.j.write(c.items, c.latest(), c.epoch)
		if err != nil {
			return err
		}
		defer applied()
	}
	done, err := c.rename(c.first)
	c.first = c.first[len(done):] // end removes the rest
	if err == nil && len(c.last) > 0 {
		var late []string
		late, err = c.rename(c.last)
		c.last = c.last[len(late):]
		done = append(done, late...)
	}
	if err != nil {
		c.s.doubt.add(done...)
		return err
	}
	c.s.doubt.settled(done)
	if c.repo != "" {
		c.s.catalogue.durable(c.repo)
	}
	return nil
}

// latest returns the modification time of the youngest directory that the change adds a name to, in
// nanoseconds.
func (c *change) latest() (at int64) {
	for _, moves := range [][]move{c.first, c.last} {
		for _, m := range moves {
			at = max(at, c.s.mtimeOf(parentOf(m.to)))
		}
	}
	return at
}

func (c *change) rename(moves []move) (done []string, err error) {
	for _, m := range moves {
		do := func() error {
			if err := c.mkdir(parentOf(m.to)); err != nil {
				return err
			}
			return c.s.rename(m.from, m.to)
		}
		if m.around != nil {
			err = m.around(do)
		} else {
			err = do()
		}
		if err != nil {
			return done, fmt.Errorf("name file: %w", err)
		}
		done = append(done, m.to)
		c.changed(parentOf(m.to))
	}
	if c.j != nil {
		return done, nil
	}
	if err := c.s.barrier.wait(nil, c.order); err != nil {
		return done, err
	}
	c.s.pending.settled(c.made)
	c.made, c.order = nil, nil
	clear(c.seen)
	return done, nil
}

// changed records a directory whose entries must be made durable.
func (c *change) changed(dir string) {
	if _, ok := c.seen[dir]; !ok {
		c.seen[dir] = struct{}{}
		c.order = append(c.order, dir)
	}
}

// mkdir creates a directory and its parents. A directory that a concurrent change created may not
// be durable yet, so its parent is synced here, too.
func (c *change) mkdir(dir string) error {
	switch info, err := c.s.disk.Stat(dir); {
	case err == nil && !info.Dir:
		if err := c.s.clearWayForDir(dir); err != nil {
			return err
		}
	case err == nil:
		for c.j == nil && c.s.pending.has(dir) {
			c.made = append(c.made, dir)
			dir = parentOf(dir)
			c.changed(dir)
		}
		return nil
	case !absent(err):
		return fmt.Errorf("make directory: %w", err)
	}
	if dir == "." {
		return fmt.Errorf("make directory: root is gone: %w", fs.ErrNotExist)
	}
	if err := c.mkdir(parentOf(dir)); err != nil {
		return err
	}
	if c.j == nil {
		c.s.pending.add(dir)
	}
	if err := c.s.disk.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		c.s.pending.settled([]string{dir})
		return fmt.Errorf("make directory: %w", err)
	}
	if c.j == nil {
		c.made = append(c.made, dir)
		c.changed(parentOf(dir))
	}
	return nil
}

// rough writes a file that can be rebuilt: atomically, but without a sync.
func (c *change) rough(name string, body []byte) error {
	tmp := c.s.temporary()
	f, err := c.create(tmp, body)
	if err != nil {
		return err
	}
	if err = f.Close(); err == nil {
		if err = c.mkdir(parentOf(name)); err == nil {
			err = c.s.rename(tmp, name)
		}
	}
	if err != nil {
		c.s.removeTree(tmp)
	}
	return err
}

// end closes and removes what was staged and not renamed. It does nothing after names succeeded.
func (c *change) end() {
	c.close()
	for _, moves := range [][]move{c.first, c.last} {
		for _, m := range moves {
			if !m.adopted {
				c.s.removeTree(m.from)
			}
		}
	}
}

// pathSet is a concurrent set of names. It is nearly always empty.
type pathSet struct {
	mu  sync.Mutex
	set map[string]struct{}
}

func (p *pathSet) add(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.set == nil {
		p.set = map[string]struct{}{}
	}
	for _, n := range names {
		p.set[n] = struct{}{}
	}
}

func (p *pathSet) has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.set[name]
	return ok
}

func (p *pathSet) settled(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range names {
		delete(p.set, n)
	}
}
