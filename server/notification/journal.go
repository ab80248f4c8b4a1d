package notification

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"packhouse/trust"
)

// Bounds of one endpoint's queue.
const (
	segmentBytes = 1 << 20 // size from which a new segment is started
	maxSegments  = 64      // beyond this number, the oldest segment is dropped
)

// segment is one file of a journal.
type segment struct {
	number int
	bytes  int64
	lines  int
}

// journal is a queue on disk. Added events survive the end of the process; the cursor records what was delivered.
type journal struct {
	mu       sync.Mutex
	dir      queueDir
	limit    int64 // bytes of a segment
	most     int   // number of segments
	segments []segment
	file     *os.File // the last segment, for appending
	offset   int64    // of the first undelivered event in the first segment
	skipped  int      // lines before offset
	ends     []int64  // end offsets, in the first segment, of the events that head returned last
	lost     int      // events of segments that others removed, to be reported by the next add
}

const (
	cursorFile     = "cursor"
	mostCursor     = 1 << 10 // bytes
	segmentPattern = "%08d.jsonl"
)

// openJournal opens the queue in a directory, which it creates if necessary. It removes a line that a crash cut off.
func openJournal(dir queueDir, limit int64, most int) (*journal, error) {
	j := &journal{dir: dir, limit: limit, most: most}
	if err := j.dir.within(j.open); err != nil {
		return nil, fmt.Errorf("open queue of notifications: %w", err)
	}
	return j, nil
}

// open reads the segments and the cursor, and opens the last segment for appending.
func (j *journal) open(dir *trust.Dir) error {
	names, err := dir.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		number, err := strconv.Atoi(strings.TrimSuffix(name, ".jsonl"))
		if err != nil || !strings.HasSuffix(name, ".jsonl") {
			continue // not a segment
		}
		s, err := repairSegment(dir, name)
		if err != nil {
			return err
		}
		s.number = number
		j.segments = append(j.segments, s)
	}
	slices.SortFunc(j.segments, func(a, b segment) int { return a.number - b.number })
	if err := j.readCursor(dir); err != nil {
		return err
	}
	if len(j.segments) == 0 {
		j.segments = []segment{{number: 1}}
	}
	last := j.segments[len(j.segments)-1]
	const flags = os.O_RDWR | os.O_APPEND | os.O_CREATE
	if j.file, err = dir.OpenRegular(nameOf(last.number), flags|os.O_EXCL, 0o600); err == nil {
		dir.Inherit(j.file)
		return nil
	}
	j.file, err = dir.OpenRegular(nameOf(last.number), flags, 0o600)
	return err
}

// nameOf returns the name of a segment.
func nameOf(number int) string { return fmt.Sprintf(segmentPattern, number) }

// repairSegment counts the lines of a segment and removes an incomplete last line.
func repairSegment(dir *trust.Dir, name string) (segment, error) {
	f, err := dir.OpenRegular(name, os.O_RDWR, 0)
	if err != nil {
		return segment{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return segment{}, err
	}
	whole := int64(bytes.LastIndexByte(data, '\n') + 1)
	if whole < int64(len(data)) {
		if err := f.Truncate(whole); err != nil {
			return segment{}, err
		}
	}
	return segment{bytes: whole, lines: bytes.Count(data[:whole], []byte{'\n'})}, nil
}

// readCursor reads how far delivery has progressed. Without a valid cursor, delivery starts with the first event, because
// delivering an event twice is better than losing it.
func (j *journal) readCursor(dir *trust.Dir) error {
	f, err := dir.OpenRegular(cursorFile, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := trust.ReadAtMost(f, mostCursor)
	if err != nil {
		return err
	}
	var number int
	var offset int64
	if _, err := fmt.Sscanf(string(data), "%d %d", &number, &offset); err != nil {
		return nil //nolint:nilerr // start with the first event
	}
	for len(j.segments) > 1 && j.segments[0].number < number {
		if err := j.removeFirst(); err != nil {
			return err
		}
	}
	if len(j.segments) == 0 || j.segments[0].number != number || offset < 0 || offset > j.segments[0].bytes {
		return nil
	}
	before, err := j.readFirst(0, offset)
	if err != nil {
		return err
	}
	if offset > 0 && before[offset-1] != '\n' {
		return nil
	}
	j.offset, j.skipped = offset, bytes.Count(before, []byte{'\n'})
	return nil
}

// readFirst reads a part of the first segment. If that is the one open for appending, it works even if the file was removed.
func (j *journal) readFirst(from, length int64) ([]byte, error) {
	f := j.file
	if len(j.segments) > 1 || f == nil {
		var err error
		if err = j.dir.within(func(dir *trust.Dir) error {
			f, err = dir.OpenRegular(nameOf(j.segments[0].number), os.O_RDONLY, 0)
			return err
		}); err != nil {
			return nil, fmt.Errorf("read queue of notifications: %w", err)
		}
		defer f.Close()
	}
	data := make([]byte, length)
	if _, err := f.ReadAt(data, from); err != nil {
		return nil, fmt.Errorf("read queue of notifications: %w", err)
	}
	return data, nil
}

func (j *journal) removeFirst() error {
	err := j.dir.within(func(dir *trust.Dir) error { return dir.Remove(nameOf(j.segments[0].number)) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("shorten queue of notifications: %w", err)
	}
	j.segments, j.offset, j.skipped, j.ends = j.segments[1:], 0, 0, nil
	return nil
}

func (j *journal) add(line []byte) (dropped int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return 0, fmt.Errorf("write queue of notifications: %w", fs.ErrClosed)
	}
	dropped, j.lost = j.lost, 0
	last := &j.segments[len(j.segments)-1]
	if last.bytes >= j.limit {
		oldest, err := j.roll()
		if dropped += oldest; err != nil {
			return dropped, err
		}
		last = &j.segments[len(j.segments)-1]
	}
	n, err := j.file.Write(append(slices.Clip(line), '\n'))
	if err != nil {
		if n > 0 { // half a line would damage the next one
			err = errors.Join(err, j.file.Truncate(last.bytes))
		}
		return dropped, fmt.Errorf("write queue of notifications: %w", err)
	}
	last.bytes += int64(n)
	last.lines++
	return dropped, nil
}

// roll starts a new segment, and drops the oldest if there are too many.
func (j *journal) roll() (dropped int, err error) {
	next := j.segments[len(j.segments)-1].number + 1
	var f *os.File
	err = j.dir.within(func(dir *trust.Dir) error {
		if err := dir.Remove(nameOf(next)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f, err = dir.OpenRegular(nameOf(next), os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			dir.Inherit(f)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("write queue of notifications: %w", err)
	}
	_ = j.file.Close() // everything was written
	j.file = f
	j.segments = append(j.segments, segment{number: next})
	if len(j.segments) > j.most {
		dropped = j.segments[0].lines - j.skipped
		if err := j.removeFirst(); err != nil {
			return 0, err
		}
	}
	return dropped, nil
}

func (j *journal) head(most int) ([][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.offset >= j.segments[0].bytes && len(j.segments) > 1 {
		if err := j.removeFirst(); err != nil {
			return nil, err
		}
	}
	j.ends = nil
	if j.offset >= j.segments[0].bytes {
		return nil, nil
	}
	data, err := j.readFirst(j.offset, j.segments[0].bytes-j.offset)
	for errors.Is(err, fs.ErrNotExist) && len(j.segments) > 1 { // the file was removed: continue with the next
		j.lost += j.segments[0].lines - j.skipped
		j.segments, j.offset, j.skipped = j.segments[1:], 0, 0
		data, err = j.readFirst(0, j.segments[0].bytes)
	}
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	end := j.offset
	for r := bufio.NewReader(bytes.NewReader(data)); len(lines) < most; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		end += int64(len(line))
		lines, j.ends = append(lines, line[:len(line)-1]), append(j.ends, end)
	}
	return lines, nil
}

func (j *journal) done(n int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n == 0 || len(j.ends) < n { // nothing to do, or the events were dropped in the meantime
		return nil
	}
	j.offset, j.skipped = j.ends[n-1], j.skipped+n
	j.ends = j.ends[n:]
	gone := false
	err := j.dir.within(func(dir *trust.Dir) error {
		there, err := dir.Exists(nameOf(j.segments[0].number))
		if gone = err == nil && !there && len(j.segments) == 1; gone || err != nil {
			return err
		}
		return dir.Replace(cursorFile, cursorFile+".new", fmt.Appendf(nil, "%d %d\n", j.segments[0].number, j.offset), 0o600)
	})
	switch {
	case err != nil:
		return fmt.Errorf("write cursor of notifications: %w", err)
	case gone:
		return j.restore()
	}
	return nil
}

// restore writes the pending events of the only segment to a new file, because the segment's file was removed and a
// restart would not find them.
func (j *journal) restore() error {
	last := j.segments[0]
	waits, err := j.readFirst(j.offset, last.bytes-j.offset)
	if err != nil {
		return err
	}
	if _, err := j.roll(); err != nil {
		return err
	}
	if _, err := j.file.Write(waits); err != nil {
		return fmt.Errorf("write queue of notifications: %w", err)
	}
	next := &j.segments[len(j.segments)-1]
	next.bytes, next.lines = int64(len(waits)), last.lines-j.skipped
	j.segments, j.offset, j.skipped, j.ends = j.segments[1:], 0, 0, nil
	return nil
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := -j.skipped
	for _, s := range j.segments {
		n += s.lines
	}
	return n
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// abandon closes a queue that is not needed, and removes its directory if it has no events.
func (j *journal) abandon() {
	empty := j.len() == 0
	_ = j.close()
	if !empty {
		return
	}
	_ = j.dir.within(func(dir *trust.Dir) error {
		for _, s := range j.segments {
			_ = dir.Remove(nameOf(s.number))
		}
		return dir.Remove(cursorFile)
	})
	j.dir.remove()
}

// directoryOf returns the name of an endpoint's directory, which is readable and unique.
func directoryOf(endpoint string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, endpoint)
	sum := sha256.Sum256([]byte(endpoint))
	return readable[:min(len(readable), 40)] + "-" + hex.EncodeToString(sum[:4])
}
