package filesystem

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
)

// The first catalog after a start would read the directories of every repository, which takes long
// if they are not cached. A run that ends cleanly therefore records which repositories had no
// content: emptyFile names them, and the state of the run has a checksum of both lists. The next
// run lists the others without reading their directories, until it has checked them in the
// background. If other software deleted a repository between the runs, it is listed until then.

// recall marks the names that had content when the last run ended, unless this run has removed
// links of them. empty is the content of emptyFile. The caller holds c.mu.
func (c *catalogue) recall(empty []byte) {
	if c.s.lastCatalog == "" || c.checksum(empty) != c.s.lastCatalog {
		return
	}
	for i := range c.names {
		c.names[i].full, c.names[i].recalled = true, true
	}
	for line := range bytes.Lines(empty) {
		c.unsure[strings.TrimSuffix(string(line), "\n")] = struct{}{}
	}
	for name := range c.unsure {
		if n := c.entry(name); n != nil {
			n.full, n.recalled = false, false
		}
	}
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
	if n := c.entry(name); n != nil {
		n.full, n.recalled, n.losses = false, false, n.losses+1
	} else if c.unsure != nil {
		c.unsure[name] = struct{}{}
	}
}

// record writes the names of repositories without content, and returns the checksum for the state
// of the run, or "" if there is none. It is called after the last change, maybe beside listings.
func (c *catalogue) record() string {
	select {
	case <-c.loaded:
	default:
		return ""
	}
	unsure := slices.DeleteFunc(c.before("", math.MaxInt), func(n catalogued) bool { return n.full })
	if len(unsure) > mostRecorded {
		return ""
	}
	var empty []byte
	for _, n := range unsure {
		if !c.s.holds(n) {
			empty = append(append(empty, n.name...), '\n')
		}
	}
	was, err := c.s.read(emptyFile, 1<<30)
	if !bytes.Equal(was, empty) {
		err = c.s.writeDurably(emptyFile, empty)
	}
	if err != nil && !absent(err) {
		return ""
	}
	return c.checksum(empty)
}

// mostRecorded bounds the directories that are read at the end of a run.
const mostRecorded = 1 << 14

// checksum returns the checksum of all names and of those without content.
func (c *catalogue) checksum(empty []byte) string {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for i := range c.names {
		_, _ = sum.Write([]byte(c.names[i].name + "\n"))
	}
	_, _ = sum.Write([]byte{0})
	_, _ = sum.Write(empty)
	return fmt.Sprintf("%08x", sum.Sum32())
}

// lost records that a directory was removed, which may have been a link of a repository.
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
