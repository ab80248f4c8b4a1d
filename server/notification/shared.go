package notification

import (
	"bytes"
	"fmt"
	"sync"
)

// recordBytes is the maximum size of a record. Larger events are not recorded.
const recordBytes = 512 << 10

// shared is a queue in memory. Events that are not delivered soon are also written to records, many events per record, so
// that another process finds them if this one ends.
type shared struct {
	prefix string // of the records' names
	limit  int    // bytes

	mu      sync.Mutex
	entries []sharedEntry
	bytes   int
	gone    int      // events that head returned last and that were dropped since
	taken   int      // number of events that head returned last
	tick    int      // number of the writer's rounds
	number  int      // of the last record
	garbage []string // names of records to delete
}

type sharedEntry struct {
	line   []byte
	tick   int           // at which it was added
	record *sharedRecord // the record that contains it; nil: none
}

// sharedRecord is a record that holds events of this queue.
type sharedRecord struct {
	name   string
	left   int  // undelivered events
	stored bool // false while it is being written
}

func newShared(prefix string, limit int) *shared { return &shared{prefix: prefix, limit: limit} }

// leave removes the oldest event. A record becomes garbage with its last event.
func (q *shared) leave() {
	e := q.entries[0]
	q.bytes -= len(e.line)
	q.entries[0] = sharedEntry{}
	q.entries = q.entries[1:]
	if r := e.record; r != nil {
		if r.left--; r.left == 0 && r.stored {
			q.garbage = append(q.garbage, r.name)
		}
	}
}

func (q *shared) add(line []byte) (dropped int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.append(line, nil), nil
}

func (q *shared) append(line []byte, in *sharedRecord) (dropped int) {
	q.entries = append(q.entries, sharedEntry{line, q.tick, in})
	q.bytes += len(line)
	for q.bytes > q.limit && len(q.entries) > 1 {
		q.leave()
		dropped++
	}
	q.gone = min(q.taken, q.gone+dropped)
	return dropped
}

func (q *shared) head(most int) ([][]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken, q.gone = min(most, len(q.entries)), 0
	lines := make([][]byte, q.taken)
	for i := range lines {
		lines[i] = q.entries[i].line
	}
	return lines, nil
}

func (q *shared) done(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range max(0, n-q.gone) {
		q.leave()
	}
	q.taken, q.gone = 0, 0
	return nil
}

func (q *shared) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries)
}

func (q *shared) close() error { return nil }

// pick returns the next record and its content: unrecorded events that were added before the last round, or all unrecorded
// events. It returns nil if there are none.
func (q *shared) pick(all bool) (*sharedRecord, []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &sharedRecord{}
	var content []byte
	for i := range q.entries {
		e := &q.entries[i]
		if e.record != nil {
			continue
		}
		if len(e.line) > recordBytes {
			e.record = &sharedRecord{left: 2} // too large for a record: it stays in memory only
			continue
		}
		if !all && e.tick >= q.tick || r.left > 0 && len(content)+len(e.line) > recordBytes {
			break
		}
		e.record = r
		r.left++
		content = append(append(content, e.line...), '\n')
	}
	if r.left == 0 {
		return nil, nil
	}
	q.number++
	r.name = fmt.Sprintf("%s.%08d", q.prefix, q.number)
	return r, content
}

// written records the result of writing a record that pick returned.
func (q *shared) written(r *sharedRecord, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		for i := range q.entries {
			if q.entries[i].record == r {
				q.entries[i].record = nil
			}
		}
		q.garbage = append(q.garbage, r.name) // it may have been written despite the error
		return
	}
	r.stored = true
	if r.left == 0 {
		q.garbage = append(q.garbage, r.name)
	}
}

// take adds the events of a record of another process. The record name, which this process wrote, contains them.
func (q *shared) take(name string, content []byte) (dropped int) {
	lines := bytes.Split(bytes.TrimSuffix(content, []byte{'\n'}), []byte{'\n'})
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &sharedRecord{name: name, left: len(lines), stored: true}
	for _, line := range lines {
		dropped += q.append(line, r)
	}
	return dropped
}

// unwritten returns the number of events without a record: those that are too large, or whose record could not be written.
func (q *shared) unwritten() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		if e.record == nil || !e.record.stored {
			n++
		}
	}
	return n
}

// waste adds a record that could not be deleted to the garbage.
func (q *shared) waste(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.garbage) < mostGarbage {
		q.garbage = append(q.garbage, name)
	}
}

// mostGarbage bounds the garbage. The events of records that are not deleted are delivered again.
const mostGarbage = 1000

// next returns the name of a new record.
func (q *shared) next() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.number++
	return fmt.Sprintf("%s.%08d", q.prefix, q.number)
}

// turn starts the next round. It returns the records to delete, and whether a queued event has a record.
func (q *shared) turn() (garbage []string, inUse bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tick++
	garbage, q.garbage = q.garbage, nil
	for _, e := range q.entries {
		inUse = inUse || e.record != nil
	}
	return garbage, inUse
}
