package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"packhouse/server/storage/disk"
)

// change is a set of files that become visible together, in the one order that survives a crash: contents are durable before they get
// their names, names before anybody is told.
//
//	c := s.begin(); defer c.end()
//	c.write(path, body) …   temporaries in stage
//	c.contents()            barrier over contents
//	c.names()               directories, renames, barrier over names; then what must come after, and its barrier
type change struct {
	s     *Store
	files []disk.File
	dirs  []string // staged directories, synced with the contents
	first []move
	last  []move   // renamed after the names of first are durable
	made  []string // directories made here, not known durable yet
	seen  map[string]struct{}
	order []string // directories to sync, each once
}

// move gives a staged file or directory its name.
type move struct {
	from, to string
	adopted  bool                            // somebody else removes it when it was not renamed
	around   func(rename func() error) error // for who must know exactly when; nil: just rename
}

func (s *Store) begin() *change { return &change{s: s, seen: map[string]struct{}{}} }

// temporary returns a free name in stage, which is emptied at every start.
func (s *Store) temporary() string {
	return stageDir + "/" + s.run + strconv.FormatUint(s.serial.Add(1), 36)
}

// write stages body to be renamed to name.
func (c *change) write(name string, body []byte) error {
	tmp, err := c.stage(body)
	if err != nil {
		return err
	}
	c.first = append(c.first, move{from: tmp, to: name})
	return nil
}

// writeLast stages body to be renamed to name after everything else is durable.
func (c *change) writeLast(name string, body []byte) error {
	tmp, err := c.stage(body)
	if err != nil {
		return err
	}
	c.last = append(c.last, move{from: tmp, to: name})
	return nil
}

func (c *change) stage(body []byte) (string, error) {
	tmp := c.s.temporary()
	return tmp, c.create(tmp, body)
}

// create writes a staged file of the given name.
func (c *change) create(name string, body []byte) error {
	f, err := c.s.disk.Create(name)
	if err != nil {
		return fmt.Errorf("stage file: %w", err)
	}
	c.files = append(c.files, f)
	if _, err := f.Write(body); err != nil {
		_ = c.s.disk.Remove(name)
		return fmt.Errorf("stage file: %w", err)
	}
	return nil
}

// adopt takes over an open file, to be synced and closed.
func (c *change) adopt(f disk.File) { c.files = append(c.files, f) }

// contents makes everything staged durable.
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

// names gives everything its name and makes the names durable. After an error what was renamed is in doubt: it is written anew by the
// next who wants it.
func (c *change) names() error {
	done, err := c.rename(c.first)
	c.first = c.first[len(done):] // what is left is for end to remove
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
	return nil
}

func (c *change) rename(moves []move) (done []string, err error) {
	for _, m := range moves {
		do := func() error {
			if err := c.mkdir(parentOf(m.to)); err != nil {
				return err
			}
			return c.s.disk.Rename(m.from, m.to)
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
	if err := c.s.barrier.wait(nil, c.order); err != nil {
		return done, err
	}
	c.s.pending.settled(c.made)
	c.made, c.order = nil, nil
	clear(c.seen)
	return done, nil
}

// changed notes a directory whose entries must be durable.
func (c *change) changed(dir string) {
	if _, ok := c.seen[dir]; !ok {
		c.seen[dir] = struct{}{}
		c.order = append(c.order, dir)
	}
}

// mkdir makes a directory and what is above it. One that somebody else made just now may not be durable yet, so its parent is synced here too.
func (c *change) mkdir(dir string) error {
	switch info, err := c.s.disk.Stat(dir); {
	case err == nil && !info.Dir:
		return fmt.Errorf("make directory %s: %w", dir, fs.ErrExist)
	case err == nil:
		for c.s.pending.has(dir) {
			c.made = append(c.made, dir)
			dir = parentOf(dir)
			c.changed(dir)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make directory: %w", err)
	}
	if dir == "." {
		return fmt.Errorf("make directory: root is gone: %w", fs.ErrNotExist)
	}
	if err := c.mkdir(parentOf(dir)); err != nil {
		return err
	}
	c.s.pending.add(dir)
	if err := c.s.disk.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		c.s.pending.settled([]string{dir})
		return fmt.Errorf("make directory: %w", err)
	}
	c.made = append(c.made, dir)
	c.changed(parentOf(dir))
	return nil
}

// end closes and removes what was staged and not renamed. It is harmless after names.
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

// pathSet is a set of names for many goroutines. Both uses are nearly always empty.
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
