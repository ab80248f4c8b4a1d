package filesystem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// catalogue is the sorted list of repositories. On disk it is an append-only file of names, written
// before the repository's first link; it may contain stale names but never lacks one of ours. After
// every start, a background walk finds repositories that other software has added. A listing checks
// on disk that each name it returns has content, or knows it from the last run, see recall.
type catalogue struct {
	s      *Store
	loaded chan struct{} // closed when the file was read
	ready  chan struct{} // closed when names are complete as far as known: the file existed, or the walk is done

	mu    sync.RWMutex
	names []catalogued
	fresh map[string]struct{} // names that are not durable yet
	torn  bool                // the file does not end in a newline

	unsure   map[string]struct{} // until the file was read: names that may have no content
	record   disk.File           // emptyFile, if it is complete; nil otherwise
	appended int                 // names written to it since it was rewritten
}

// catalogued is a repository, and the time of its directory when it last had content.
type catalogued struct {
	name string
	repo reference.Repository // name, parsed once
	dir  string
	seen int64

	full     bool   // had content when this process last changed or read it
	recalled bool   // full is from the last run, and not checked since
	losses   uint32 // links removed by this process
}

func byName(c catalogued, name string) int { return strings.Compare(c.name, name) }

func newCatalogue(s *Store) *catalogue {
	return &catalogue{s: s, loaded: make(chan struct{}), ready: make(chan struct{}), unsure: map[string]struct{}{}}
}

// reconcile loads the names and then walks the repositories. It runs once, in the background.
func (c *catalogue) reconcile(ctx context.Context) {
	had := c.load()
	close(c.loaded)
	if had {
		close(c.ready)
	}
	walked, err := c.walk(ctx)
	if err == nil {
		err = errors.Join(c.rewrite(walked), c.check(ctx))
	}
	if err == nil && !c.s.opt.ReadOnly {
		c.mu.Lock()
		err = c.rewriteRecord(false)
		c.mu.Unlock()
	}
	if err != nil && ctx.Err() == nil {
		c.s.log.Warn("look for repositories", "error", err)
	}
	if !had {
		close(c.ready)
	}
}

// namesLimit is the maximum size in bytes of a file of repository names. A larger one, and what is
// not a file, is not read: a walk of the repositories replaces it.
const namesLimit = 64 << 20

// readNames returns the content of a file of repository names. It reads nothing of a larger one.
func (c *catalogue) readNames(name string) ([]byte, error) {
	f, err := c.s.disk.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Regular || info.Size > namesLimit {
		return nil, fmt.Errorf("read %s: not a regular file, or larger than %d bytes", name, namesLimit)
	}
	return io.ReadAll(io.LimitReader(f, namesLimit))
}

// load reads the names file and what the last run recorded, and reports whether the file exists.
func (c *catalogue) load() bool {
	body, err := c.readNames(namesFile)
	empty, emptyErr := c.readNames(emptyFile)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.unsure = nil }()
	if err != nil {
		return false
	}
	c.torn = len(body) > 0 && body[len(body)-1] != '\n'
	for line := range bytes.Lines(body) {
		name, whole := strings.CutSuffix(string(line), "\n")
		if repo, err := reference.ParseRepository(name); err == nil && whole {
			c.names = append(c.names, catalogued{name: repo.String(), repo: repo})
		}
	}
	slices.SortFunc(c.names, func(a, b catalogued) int { return strings.Compare(a.name, b.name) })
	c.names = slices.CompactFunc(c.names, func(a, b catalogued) bool { return a.name == b.name })
	if emptyErr == nil {
		c.recall(empty)
	}
	return true
}

// walk returns the sorted repositories on disk: directories with links, at any depth.
func (c *catalogue) walk(ctx context.Context) ([]string, error) {
	found := []string{}
	err := c.s.eachRepository(ctx, func(name string, parts []string) error {
		if _, err := reference.ParseRepository(name); err == nil && isRepository(parts) {
			found = append(found, name)
		}
		return nil
	})
	slices.Sort(found)
	return found, err
}

func isRepository(parts []string) bool {
	return slices.Contains(parts, "_layers") || slices.Contains(parts, "_manifests")
}

// eachRepository visits every directory below repositories together with the parts of a repository
// in it: _layers, _manifests, _uploads. The name may be invalid. A symbolic link is visited without
// parts and not followed. Several directories are read at once, but visit is called by one
// goroutine at a time, in no order.
func (s *Store) eachRepository(ctx context.Context, visit func(name string, parts []string) error) error {
	var visiting sync.Mutex
	level := []string{""}
	for depth := 0; len(level) > 0 && depth <= reference.MaxName/2+1; depth++ {
		var next []string
		err := inParallel(ctx, readersOfATree, len(level), func(i int) error {
			parts, below, links, err := s.readRepository(ctx, level[i])
			if err != nil {
				return err
			}
			visiting.Lock()
			defer visiting.Unlock()
			if len(parts) > 0 {
				if err := visit(level[i], parts); err != nil {
					return err
				}
			}
			for _, l := range links {
				if err := visit(l, nil); err != nil {
					return err
				}
			}
			next = append(next, below...)
			return nil
		})
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// readRepository lists a directory below repositories: the parts of a repository in it, and the
// names of the directories and symbolic links.
func (s *Store) readRepository(ctx context.Context, name string) (parts, below, links []string, err error) {
	err = s.disk.List(repoDir(name), func(e disk.Entry) error {
		full := strings.TrimPrefix(name+"/"+e.Name, "/")
		switch {
		case e.Link:
			links = append(links, full)
		case !e.Dir:
		case strings.HasPrefix(e.Name, "_"):
			parts = append(parts, e.Name)
		default:
			below = append(below, full)
		}
		return ctx.Err()
	})
	if absent(err) && name != "" {
		return nil, nil, nil, nil
	}
	if err != nil { // also if the root is missing: a lost mount must not look like an empty store
		return nil, nil, nil, fmt.Errorf("walk repositories: %w", err)
	}
	return parts, below, links, nil
}

// rewrite adds the repositories that a walk found to the names and the file. Names added in the
// meantime stay.
func (c *catalogue) rewrite(walked []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, torn := len(c.names), c.torn
	for _, w := range walked {
		c.insert(w)
	}
	if c.s.opt.ReadOnly || len(c.names) == before && !torn && c.exists() {
		return nil
	}
	return mapped(c.save())
}

// persist writes the names to a new file, durably.
func (c *catalogue) persist() error {
	<-c.loaded
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.save()
}

// save writes the names to a new file, durably and without the journal, because records in the
// journal may depend on it. The caller holds c.mu.
func (c *catalogue) save() error {
	var body bytes.Buffer
	for _, n := range c.names {
		body.WriteString(n.name)
		body.WriteByte('\n')
	}
	err := c.s.writeDurably(namesFile, body.Bytes())
	c.torn = err != nil
	return err
}

func (c *catalogue) exists() bool {
	info, err := c.s.disk.Stat(namesFile)
	return err == nil && info.Regular
}

func (c *catalogue) insert(name string) {
	i, found := slices.BinarySearchFunc(c.names, name, byName)
	if found {
		return
	}
	if repo, err := reference.ParseRepository(name); err == nil { // valid: it was parsed for the push
		c.names = slices.Insert(c.names, i, catalogued{name: name, repo: repo})
		c.append(name)
	}
}

// repository makes sure that the catalogue names a repository before anything in it becomes
// durable.
func (c *change) repository(name string) error {
	return c.s.catalogue.add(c, name)
}

func (c *catalogue) add(ch *change, name string) error {
	<-c.loaded
	c.mu.RLock()
	_, found := slices.BinarySearchFunc(c.names, name, byName)
	_, fresh := c.fresh[name]
	c.mu.RUnlock()
	if found && !fresh {
		return nil
	}
	// Until the name is known to be durable, every change writes it.
	ch.repo = name
	if ch.j != nil {
		ch.items = append(ch.items, item{kind: itemRepository, name: name})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.s.disk.Reopen(namesFile)
	if absent(err) {
		f, err = c.s.disk.Create(namesFile)
		ch.changed(indexDir)
	}
	if err != nil { // may be a directory
		c.insert(name)
		if serr := c.save(); serr != nil {
			return fmt.Errorf("add to catalogue: %w", errors.Join(err, serr))
		}
		return nil
	}
	if ch.j == nil {
		ch.files = append(ch.files, f)
	} else {
		defer f.Close()
	}
	_, found = slices.BinarySearchFunc(c.names, name, byName)
	if _, fresh = c.fresh[name]; found && !fresh {
		return nil
	}
	// If the name is found and fresh, the change that wrote it may have failed to sync it. Write it
	// again: a second sync would not report the failure.
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("add to catalogue: %w", err)
	}
	line := name + "\n"
	if c.torn {
		line = "\n" + line
	}
	if _, err := f.Write([]byte(line)); err != nil {
		c.torn = true
		return fmt.Errorf("add to catalogue: %w", err)
	}
	c.torn = false
	c.insert(name)
	if c.fresh == nil {
		c.fresh = map[string]struct{}{}
	}
	c.fresh[name] = struct{}{}
	return nil
}

// durable records that a name is durable, and so is the first link of the repository.
func (c *catalogue) durable(name string) {
	c.mu.Lock()
	delete(c.fresh, name)
	c.mu.Unlock()
	c.update(name, func(n *catalogued) { n.full = true })
}

// all returns every name, including repositories without content.
func (c *catalogue) all(ctx context.Context) []string {
	select {
	case <-c.ready:
	case <-ctx.Done():
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := make([]string, 0, len(c.names))
	for _, n := range c.names {
		names = append(names, n.name)
	}
	return names
}

// Repositories implements storage.Listings.
func (s *Store) Repositories(ctx context.Context, last string, n int, visible func(reference.Repository) bool) (page []string, more bool, err error) {
	select {
	case <-s.catalogue.ready:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	page = make([]string, 0, min(max(n, 0), mostAhead))
	for {
		batch := s.catalogue.after(last, min(max(n-len(page), 0)+1, mostAhead))
		if len(batch) == 0 {
			return page, false, nil
		}
		last = batch[len(batch)-1].name
		if visible != nil {
			batch = slices.DeleteFunc(batch, func(c catalogued) bool { return !visible(c.repo) })
		}
		held, err := s.held(ctx, batch)
		if err != nil {
			return nil, false, err
		}
		for i, c := range batch {
			if !held[i] {
				continue
			}
			if len(page) >= n {
				return page, true, nil
			}
			page = append(page, c.name)
		}
	}
}

// held reports which repositories contain a manifest or a blob. It reads several at once unless
// they were read before: then one stat each suffices, which is faster than a goroutine.
func (s *Store) held(ctx context.Context, batch []catalogued) ([]bool, error) {
	held := make([]bool, len(batch))
	atOnce := 1
	if slices.ContainsFunc(batch, func(c catalogued) bool { return c.dir == "" && !c.recalled }) {
		atOnce = readersOfATree
	}
	return held, inParallel(ctx, atOnce, len(batch), func(i int) error {
		held[i] = s.holds(batch[i])
		return nil
	})
}

// mostAhead is how many catalogue entries a listing copies at a time.
const mostAhead = 1024

// after returns copies of up to n entries after a name.
func (c *catalogue) after(last string, n int) []catalogued {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i, found := slices.BinarySearchFunc(c.names, last, byName)
	if found {
		i++
	}
	return slices.Clone(c.names[i:min(i+n, len(c.names))])
}

// holds reports whether a repository contains a manifest or a blob. If the directory that had
// entries before has not changed, or has directories in it, one stat suffices.
func (s *Store) holds(c catalogued) bool {
	if c.recalled {
		return true
	}
	if c.dir != "" {
		if info, err := s.disk.Stat(c.dir); err == nil && info.ModTime.UnixNano() == c.seen {
			return true
		}
	}
	for _, kind := range []string{revisionsDir(c.name), layersDir(c.name)} {
		for _, alg := range algorithms {
			dir := kind + "/" + string(alg)
			info, err := s.disk.Stat(dir)
			if err == nil && (info.Below || s.anything(dir)) {
				s.catalogue.saw(c, dir, info.ModTime.UnixNano())
				return true
			}
		}
	}
	return false
}

// saw records that a directory of a repository had entries, in the state that was copied before.
func (c *catalogue) saw(was catalogued, dir string, at int64) {
	c.update(was.name, func(n *catalogued) {
		n.dir, n.seen, n.full, n.recalled = dir, at, n.losses == was.losses, false
	})
}

// update changes the entry of a name, if there is one.
func (c *catalogue) update(name string, change func(*catalogued)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.entry(name); n != nil {
		change(n)
	}
}

// entry returns the entry of a name, or nil. The caller holds c.mu.
func (c *catalogue) entry(name string) *catalogued {
	i, found := slices.BinarySearchFunc(c.names, name, byName)
	if !found {
		return nil
	}
	return &c.names[i]
}
