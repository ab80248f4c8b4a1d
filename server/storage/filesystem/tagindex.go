package filesystem

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage/disk"
)

// tagIndex finds the tags of a manifest without reading every tag of its repository. Each repository
// has a log, packhouse/v1/index/tags/<escaped repository>, of lines with two fields:
//
//	+<tag> <digest>         the tag may point to the digest; written before the tag moves
//	=<digest> <changed>     the directory of the revision had this change time, see proof
//	-<tag or digest> -      removed; written afterwards
//	#<epoch> -              the lines before are complete, if this is the current epoch
//
// The log names every tag that points to a digest, and may name others, so a reader checks what it
// finds. Two things could make it incomplete. A power cut may lose lines, because they are not
// synced: after it, and after a failed sync, the epoch changes. Other software may move a tag:
// CNCF distribution then writes the link of the revision again, which changes its directory. In
// both cases the next reader scans the tags.
type tagIndex struct {
	s     *Store
	epoch atomic.Pointer[string]
	mu    sync.Mutex
	by    map[string]*tagLog
	dirty atomic.Bool // lines were written that no sync has covered
}

// tagLog is the log of one repository.
type tagLog struct {
	repo, name string
	scanning   sync.Mutex // held during a scan

	mu        sync.Mutex
	closed    bool      // use another value
	f         disk.File // nil: not open
	size      int64
	torn      bool  // the file does not end in a newline
	compacted int64 // size after the last compaction
}

func newTagIndex(s *Store) *tagIndex {
	x := &tagIndex{s: s, by: map[string]*tagLog{}}
	x.epoch.Store(new(string))
	return x
}

const (
	tagPoints  = '+'
	tagProof   = '='
	tagRemoved = '-'
	tagEpoch   = '#'

	mostTagLogs    = 128     // logs open at once
	slackOfTagLog  = 1 << 20 // bytes that a log may grow without a compaction
	readersOfATree = 16      // parallel reads of a scan: a disk that is not cached serves several at once
)

// begin sets the epoch at a start. lost means that unsynced lines of the last run may be lost.
func (x *tagIndex) begin(lost bool) error {
	body, err := x.s.read(epochFile, 64)
	if err != nil && !absent(err) {
		lost = true
	}
	epoch := strings.TrimSpace(string(body))
	if epoch == "" || lost {
		epoch = newID()[:16]
		err = x.s.writeDurably(epochFile, []byte(epoch+"\n"))
	} else {
		err = nil
	}
	x.epoch.Store(&epoch)
	return err
}

// distrust ends the epoch: a sync failed, and lines may be lost.
func (x *tagIndex) distrust() {
	epoch := newID()[:16]
	x.epoch.Store(&epoch)
	if !x.s.opt.ReadOnly {
		_ = x.s.disk.Remove(epochFile) // the next run begins another
	}
}

// end closes the logs at the end of a run and makes them durable. journaled means that a journal
// has settled everything: its checkpoints cover the lines, which were written before its records.
func (x *tagIndex) end(journaled bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.by {
		l.mu.Lock()
		l.close()
		l.mu.Unlock()
	}
	clear(x.by)
	if x.dirty.Load() && !journaled && x.s.disk.SyncAll() != nil {
		x.distrust()
		_ = x.s.disk.SyncDir(indexDir)
	}
}

func tagLogOf(repo string) string { return tagLogsDir + "/" + escape.Replace(repo) }

// of returns the log of a repository.
func (x *tagIndex) of(repo string) *tagLog {
	x.mu.Lock()
	defer x.mu.Unlock()
	if l, ok := x.by[repo]; ok {
		return l
	}
	if len(x.by) >= mostTagLogs {
		for other, l := range x.by { // any one: a log is cheap to open again
			if l.mu.TryLock() {
				l.close()
				l.mu.Unlock()
				delete(x.by, other)
				break
			}
		}
	}
	l := &tagLog{repo: repo, name: tagLogOf(repo)}
	x.by[repo] = l
	return l
}

// close closes a log that another value replaces. The caller holds l.mu.
func (l *tagLog) close() {
	l.closed = true
	if l.f != nil {
		_ = l.f.Close()
		l.f = nil
	}
}

// open opens the log for appending, or creates it. The log of a repository without tags is complete
// from the start. The caller holds l.mu.
func (x *tagIndex) open(l *tagLog) error {
	if l.f != nil {
		return nil
	}
	f, err := x.s.disk.Reopen(l.name)
	if absent(err) {
		return x.create(l)
	}
	if err != nil {
		return err
	}
	l.size, err = f.Seek(0, io.SeekEnd)
	if err == nil && l.size > 0 {
		last := make([]byte, 1)
		_, err = f.ReadAt(last, l.size-1)
		l.torn = last[0] != '\n'
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	l.f = f
	return nil
}

func (x *tagIndex) create(l *tagLog) error {
	_, err := x.s.disk.Stat(tagsDir(l.repo))
	if err != nil && !absent(err) {
		return err
	}
	isNew := absent(err)
	if err := x.s.ensure(tagLogsDir); err != nil {
		return err
	}
	f, err := x.s.disk.Create(l.name)
	if err != nil {
		return err
	}
	l.f, l.size, l.torn, l.compacted = f, 0, false, 0
	if isNew {
		return l.write(tagLine(nil, tagEpoch, *x.epoch.Load(), "-"))
	}
	return nil
}

func tagLine(to []byte, kind byte, name, value string) []byte {
	to = append(append(to, kind), name...)
	return append(append(append(to, ' '), value...), '\n')
}

// write appends lines. The caller holds l.mu.
func (l *tagLog) write(lines []byte) error {
	if l.torn {
		lines = append([]byte{'\n'}, lines...)
	}
	n, err := l.f.Write(lines)
	l.size += int64(n)
	l.torn = err != nil
	return err
}

// add appends lines to the log of a repository.
func (x *tagIndex) add(repo string, lines []byte) error {
	l := x.of(repo)
	l.mu.Lock()
	for l.closed {
		l.mu.Unlock()
		l = x.of(repo)
		l.mu.Lock()
	}
	defer l.mu.Unlock()
	if err := x.open(l); err != nil {
		return fmt.Errorf("open index of tags: %w", err)
	}
	x.dirty.Store(true)
	if err := l.write(lines); err != nil {
		return fmt.Errorf("write index of tags: %w", err)
	}
	if l.compacted == 0 {
		l.compacted = l.size
	}
	if l.size > 2*l.compacted+slackOfTagLog {
		if err := x.compact(l); err != nil {
			x.s.log.Debug("compact index of tags", "repository", repo, "error", err)
			l.compacted = l.size // not before it has doubled again
		}
	}
	return nil
}

// note appends lines whose loss costs only time.
func (x *tagIndex) note(repo string, lines []byte) {
	if err := x.add(repo, lines); err != nil {
		x.s.log.Debug("note in index of tags", "repository", repo, "error", err)
	}
}

// pointing records that tags are about to point to a manifest.
func (x *tagIndex) pointing(repo string, tags []string, d digest.Digest) error {
	if len(tags) == 0 {
		return nil
	}
	var lines []byte
	for _, t := range tags {
		lines = tagLine(lines, tagPoints, t, string(d))
	}
	return x.add(repo, lines)
}

// linked records that this process has written the link of a manifest.
func (x *tagIndex) linked(repo string, d digest.Digest) {
	if p := x.proof(repo, d); p != "" {
		x.note(repo, tagLine(nil, tagProof, string(d), p))
	}
}

// removed records that a tag or a manifest no longer exists.
func (x *tagIndex) removed(repo, name string) { x.note(repo, tagLine(nil, tagRemoved, name, "-")) }

// proof returns the change time of a revision's directory, which every server changes when it
// points a tag to the manifest, but a touch does not. It returns "" if that is not known.
func (x *tagIndex) proof(repo string, d digest.Digest) string {
	info, err := x.s.disk.Stat(revisionDir(repo, d))
	if err != nil {
		return ""
	}
	at := info.Changed
	if at == 0 { // not supported
		at = info.ModTime.UnixNano()
	}
	return strconv.FormatInt(at, 36)
}

// each visits the complete lines of a log. What it passes to visit is valid only during the call.
func (x *tagIndex) each(ctx context.Context, l *tagLog, visit func(kind byte, name, value []byte) error) error {
	f, err := x.s.disk.Open(l.name)
	if absent(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open index of tags: %w", err)
	}
	defer f.Close()
	return eachTagLine(f, func(kind byte, name, value []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return visit(kind, name, value)
	})
}

func eachTagLine(r io.Reader, visit func(kind byte, name, value []byte) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil // an incomplete line is being written, or was never completed
		case errors.Is(err, bufio.ErrBufferFull):
			continue // part of a line that nothing here wrote
		case err != nil:
			return fmt.Errorf("read index of tags: %w", err)
		}
		name, value, ok := bytes.Cut(line[:len(line)-1], []byte{' '})
		if !ok || len(name) < 2 {
			continue
		}
		if err := visit(name[0], name[1:], value); err != nil {
			return err
		}
	}
}

// candidates returns the tags that the log names for the given manifests. whole reports whether
// there can be no others.
func (x *tagIndex) candidates(ctx context.Context, repo string, ds map[digest.Digest]bool) (tags []string, whole bool, err error) {
	seen, proofs, epoch := map[string]bool{}, map[digest.Digest]string{}, ""
	err = x.each(ctx, x.of(repo), func(kind byte, name, value []byte) error {
		switch kind {
		case tagPoints:
			if ds[digest.Digest(value)] && !seen[string(name)] {
				seen[string(name)] = true
			}
		case tagProof:
			if ds[digest.Digest(name)] {
				proofs[digest.Digest(name)] = string(value)
			}
		case tagRemoved:
			delete(seen, string(name))
		case tagEpoch:
			epoch = string(name)
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	for t := range seen {
		if _, err := reference.ParseTag(t); err == nil {
			tags = append(tags, t)
		}
	}
	whole = epoch == *x.epoch.Load()
	for d := range ds {
		if p := x.proof(repo, d); p == "" || p != proofs[d] {
			whole = false
		}
	}
	return tags, whole, nil
}

// tagsOf returns the tags that may point to one of the given manifests: all that do, and possibly
// some that no longer do. Callers check each under its lock. It reads the repository's log, and
// scans the tags if the log may be incomplete.
func (s *Store) tagsOf(ctx context.Context, repo string, ds ...digest.Digest) ([]string, error) {
	set := setOf(ds)
	tags, whole, err := s.tagIndex.candidates(ctx, repo, set)
	if err != nil || whole {
		return tags, err
	}
	if err := s.tagIndex.scan(ctx, repo); err != nil {
		return nil, err
	}
	tags, _, err = s.tagIndex.candidates(ctx, repo, set)
	return tags, err
}

func setOf(ds []digest.Digest) map[digest.Digest]bool {
	set := make(map[digest.Digest]bool, len(ds))
	for _, d := range ds {
		set[d] = true
	}
	return set
}
