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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Bounds of one endpoint's queue.
const (
	segmentBytes = 1 << 20 // a segment that has grown this far is followed by another
	maxSegments  = 64      // the oldest one goes where there would be more
)

// segment is one file of a journal.
type segment struct {
	number int
	bytes  int64
	lines  int // that are in it
}

// journal is a queue on disk. What add wrote survives the end of the process; delivery is remembered by the cursor.
type journal struct {
	mu       sync.Mutex
	dir      string
	limit    int64 // bytes of a segment
	most     int   // segments
	segments []segment
	file     *os.File // the last segment, for appending
	offset   int64    // of the first event that is not delivered, in the first segment
	skipped  int      // lines before it
	ends     []int64  // of the events that head returned last: where each ends in the first segment
	lost     int      // events whose segment was removed by others, which nobody was told of yet
}

const (
	cursorFile     = "cursor"
	segmentPattern = "%08d.jsonl"
)

// openJournal opens the queue in a directory, which is created where it is missing. A line that a crash cut off is taken away.
func openJournal(dir string, limit int64, most int) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open queue of notifications: %w", err)
	}
	j := &journal{dir: dir, limit: limit, most: most}
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("open queue of notifications: %w", err)
	}
	for _, name := range names {
		number, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".jsonl"))
		if err != nil {
			continue // not ours
		}
		s, err := mend(name)
		if err != nil {
			return nil, fmt.Errorf("open queue of notifications: %w", err)
		}
		s.number = number
		j.segments = append(j.segments, s)
	}
	slices.SortFunc(j.segments, func(a, b segment) int { return a.number - b.number })
	if err := j.readCursor(); err != nil {
		return nil, err
	}
	if len(j.segments) == 0 {
		j.segments = []segment{{number: 1}}
	}
	last := j.segments[len(j.segments)-1]
	if j.file, err = os.OpenFile(j.path(last.number), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open queue of notifications: %w", err)
	}
	return j, nil
}

func (j *journal) path(number int) string {
	return filepath.Join(j.dir, fmt.Sprintf(segmentPattern, number))
}

// mend counts the lines of a segment, and cuts off what follows the last whole one.
func mend(name string) (segment, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return segment{}, err
	}
	whole := int64(bytes.LastIndexByte(data, '\n') + 1)
	if whole < int64(len(data)) {
		if err := os.Truncate(name, whole); err != nil {
			return segment{}, err
		}
	}
	return segment{bytes: whole, lines: bytes.Count(data[:whole], []byte{'\n'})}, nil
}

// readCursor finds where delivery has come to. A cursor that is missing or makes no sense begins anew: rather twice than never.
func (j *journal) readCursor() error {
	data, err := os.ReadFile(filepath.Join(j.dir, cursorFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open queue of notifications: %w", err)
	}
	var number int
	var offset int64
	if _, err := fmt.Sscanf(string(data), "%d %d", &number, &offset); err != nil {
		return nil //nolint:nilerr // begin anew
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

// readFirst reads a part of the first segment. The one that is written to is read even if somebody has removed it.
func (j *journal) readFirst(from, length int64) ([]byte, error) {
	f := j.file
	if len(j.segments) > 1 || f == nil {
		var err error
		if f, err = os.Open(j.path(j.segments[0].number)); err != nil {
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
	if err := os.Remove(j.path(j.segments[0].number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
		if n > 0 { // half a line would spoil the next one
			err = errors.Join(err, j.file.Truncate(last.bytes))
		}
		return dropped, fmt.Errorf("write queue of notifications: %w", err)
	}
	last.bytes += int64(n)
	last.lines++
	return dropped, nil
}

// roll begins another segment, and drops the oldest where there are too many.
func (j *journal) roll() (dropped int, err error) {
	next := j.segments[len(j.segments)-1].number + 1
	if err := os.MkdirAll(j.dir, 0o700); err != nil { // somebody may have removed it
		return 0, fmt.Errorf("write queue of notifications: %w", err)
	}
	f, err := os.OpenFile(j.path(next), os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_TRUNC, 0o600)
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
	for errors.Is(err, fs.ErrNotExist) && len(j.segments) > 1 { // somebody has removed it: on with the next
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
	if n == 0 || len(j.ends) < n { // nothing, or dropped in the meantime
		return nil
	}
	j.offset, j.skipped = j.ends[n-1], j.skipped+n
	j.ends = j.ends[n:]
	staged := filepath.Join(j.dir, cursorFile+".new")
	if _, err := os.Lstat(j.path(j.segments[0].number)); len(j.segments) == 1 && errors.Is(err, fs.ErrNotExist) {
		return j.restore()
	}
	if err := os.WriteFile(staged, fmt.Appendf(nil, "%d %d\n", j.segments[0].number, j.offset), 0o600); err != nil {
		return fmt.Errorf("write cursor of notifications: %w", err)
	}
	if err := os.Rename(staged, filepath.Join(j.dir, cursorFile)); err != nil {
		return fmt.Errorf("write cursor of notifications: %w", err)
	}
	return nil
}

// restore writes what waits in the only segment anew, which somebody has removed: what is added would not be found after a restart.
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

// abandon closes a queue that was opened for nothing, and leaves no trace of it where no event waits.
func (j *journal) abandon() {
	empty := j.len() == 0
	_ = j.close()
	if !empty {
		return
	}
	for _, s := range j.segments {
		_ = os.Remove(j.path(s.number))
	}
	_ = os.Remove(filepath.Join(j.dir, cursorFile))
	_ = os.Remove(j.dir) // unless something of others is in it
}

// directoryOf is the name of an endpoint's directory: readable, and never two the same.
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
