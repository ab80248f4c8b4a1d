package filesystem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// The first catalog after a start would read the directories of every repository, which takes long
// if they are not cached. A run therefore records in emptyFile which repositories may have no
// content, so that the next run lists the others without reading their directories, until it has
// checked them in the background. The file has the current epoch of the tag index in its first
// line, which ends when writes may be lost (see tagIndex), and then names in any order. A name is
// written before the repository is created and before a link of it is removed, and is left out when
// the file is written again: after the check and at the end of a run. If other software deleted a
// repository between the runs, it is listed until the check.

// recall marks the names that had content when the last run ended, unless this run has removed
// links of them, and opens emptyFile for the names of this run. empty is its content. The caller
// holds c.mu.
func (c *catalogue) recall(empty []byte) {
	header, rest, _ := bytes.Cut(empty, []byte{'\n'})
	if string(header) != c.epochLine() {
		return
	}
	for i := range c.names {
		c.names[i].full, c.names[i].recalled = true, true
	}
	if !c.s.opt.ReadOnly {
		c.openRecord(len(rest) > 0 && rest[len(rest)-1] != '\n')
	}
	for name := range c.unsure {
		c.unsureOf(name)
	}
	for line := range bytes.Lines(rest) {
		if n := c.entry(strings.TrimSuffix(string(line), "\n")); n != nil {
			n.full, n.recalled = false, false
		}
	}
}

func (c *catalogue) epochLine() string { return string(tagEpoch) + *c.s.tagIndex.epoch.Load() }

// openRecord opens emptyFile for appending. torn means that it does not end in a newline. The
// caller holds c.mu.
func (c *catalogue) openRecord(torn bool) {
	f, err := c.s.disk.Reopen(emptyFile)
	if err == nil {
		c.record = f
		if _, err = f.Seek(0, io.SeekEnd); err == nil && torn {
			_, err = f.Write([]byte{'\n'})
		}
	}
	if err != nil {
		c.closeRecord(true)
	}
}

// closeRecord closes emptyFile, and removes it if it has become incomplete. The caller holds c.mu.
func (c *catalogue) closeRecord(incomplete bool) {
	if c.record != nil {
		_ = c.record.Close()
		c.record = nil
	}
	if incomplete {
		if err := c.s.disk.Remove(emptyFile); err != nil && !absent(err) {
			c.s.log.Debug("remove list of repositories without content", "error", err)
		}
	}
}

// unsureOf records that a repository may have no content, on disk too if the file does not say so
// yet. The caller holds c.mu.
func (c *catalogue) unsureOf(name string) {
	n := c.entry(name)
	if n == nil {
		if c.unsure != nil {
			c.unsure[name] = struct{}{}
		}
		return
	}
	known := n.full || n.recalled
	n.full, n.recalled, n.losses = false, false, n.losses+1
	if known {
		c.append(name)
	}
}

// append adds a name to emptyFile. The caller holds c.mu.
func (c *catalogue) append(name string) {
	if c.record == nil {
		return
	}
	c.appended++
	if c.appended > len(c.names)+mostRecorded {
		_ = c.rewriteRecord(false)
	} else if _, err := c.record.Write([]byte(name + "\n")); err != nil {
		c.closeRecord(true)
	}
}

// rewriteRecord writes emptyFile with the repositories that may have no content. During a run it
// need not be durable: a power cut ends the epoch. The caller holds c.mu.
func (c *catalogue) rewriteRecord(durably bool) error {
	body := []byte(c.epochLine() + "\n")
	for i := range c.names {
		if !c.names[i].full {
			body = append(append(body, c.names[i].name...), '\n')
		}
	}
	c.closeRecord(false)
	write := c.s.replace
	if durably {
		write = c.s.writeDurably
	}
	if err := write(emptyFile, body); err != nil {
		c.closeRecord(true)
		return err
	}
	c.appended = 0
	c.openRecord(false)
	return nil
}

// replace writes a file in one step, but not durably.
func (s *Store) replace(name string, body []byte) error {
	staged := s.temporary()
	f, err := s.disk.Create(staged)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.disk.Rename(staged, name)
	}
	if err != nil {
		return errors.Join(err, s.disk.Remove(staged))
	}
	return nil
}

// check reads the directories of the repositories of which this run does not know that they have
// content. It begins with the last one, because listings begin with the first.
func (c *catalogue) check(ctx context.Context) error {
	for upTo := ""; ; {
		batch := c.before(upTo, mostAhead)
		if len(batch) == 0 {
			return nil
		}
		upTo = batch[0].name
		batch = slices.DeleteFunc(batch, func(n catalogued) bool { return n.full && !n.recalled })
		err := inParallel(ctx, readersOfATree, len(batch), func(i int) error {
			n := batch[i]
			n.recalled = false
			if !c.s.holds(n) {
				c.emptied(n.name)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read repositories: %w", err)
		}
	}
}

// before returns copies of up to n entries before a name, or of the last ones for "".
func (c *catalogue) before(upTo string, n int) []catalogued {
	c.mu.RLock()
	defer c.mu.RUnlock()
	end := len(c.names)
	if upTo != "" {
		end, _ = slices.BinarySearchFunc(c.names, upTo, byName)
	}
	return slices.Clone(c.names[max(0, end-n):end])
}

// emptied records that a repository may have no content.
func (c *catalogue) emptied(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsureOf(name)
}

// finish writes emptyFile at the end of a run, after the last change. well is false if the run
// could not make everything durable.
func (c *catalogue) finish(well bool) {
	loaded := false
	select {
	case <-c.loaded:
		loaded = true
	default:
	}
	if well && loaded {
		unsure := slices.DeleteFunc(c.before("", math.MaxInt), func(n catalogued) bool { return n.full })
		for _, n := range unsure[:min(len(unsure), mostRecorded)] {
			c.s.holds(n)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if well && loaded {
		if err := c.rewriteRecord(true); err != nil {
			c.s.log.Debug("write list of repositories without content", "error", err)
		}
	}
	c.closeRecord(!well || !loaded)
}

// mostRecorded bounds the directories that are read at the end of a run, and the names that emptyFile
// may have more than once.
const mostRecorded = 1 << 14

// lost records that a directory is about to be removed, or was, which may be a link of a repository.
func (c *catalogue) lost(dir string) {
	rest, ok := strings.CutPrefix(dir, reposDir+"/")
	if !ok {
		return
	}
	parts := strings.Split(rest, "/")
	if i := slices.IndexFunc(parts, func(p string) bool { return strings.HasPrefix(p, "_") }); i > 0 {
		c.emptied(strings.Join(parts[:i], "/"))
	}
}
