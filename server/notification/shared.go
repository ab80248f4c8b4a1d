package notification

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"
)

// Records is where queues lie that many processes share: a folder of small objects, such as one of a bucket. A name is of letters, digits, '-',
// '_' and '.'.
type Records interface {
	Get(ctx context.Context, name string) ([]byte, error)
	Put(ctx context.Context, name string, content []byte) error
	Delete(ctx context.Context, name string) error
	// List returns every record with its age, by the clock of whoever keeps it.
	List(ctx context.Context) ([]Record, error)
	// Alone takes what one process does at a time, until release; not ok where another one is at it.
	Alone(ctx context.Context, what string) (held context.Context, release func(), ok bool, err error)
}

// Record is one of them.
type Record struct {
	Name string
	Age  time.Duration
}

// recordBytes is how much of a queue goes into one record, in bytes. Larger events are in none.
const recordBytes = 512 << 10

// shared is a queue in memory. What is not delivered at once is written to records as well, many events in one, so that another process finds
// it when this one is no more: a receiver that answers costs no request.
type shared struct {
	prefix string // of the records' names
	limit  int    // bytes

	mu      sync.Mutex
	entries []sharedEntry
	bytes   int
	gone    int // events that were dropped while head had returned them
	taken   int // events that head returned last
	tick    int // counts the rounds of the writer
	number  int // of the last record
	garbage []string
}

type sharedEntry struct {
	line   []byte
	tick   int           // when it came
	record *sharedRecord // it is in; nil: none
}

// sharedRecord is a record that holds events of this queue.
type sharedRecord struct {
	name   string
	left   int  // events that still wait
	stored bool // else it is being written
}

func newShared(prefix string, limit int) *shared { return &shared{prefix: prefix, limit: limit} }

// leave takes the oldest event away. The record is garbage with its last event.
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

// pick chooses what goes into the next record: events that are in none, and that have waited since before the last round unless all go.
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
			e.record = &sharedRecord{left: 2} // too large to be written down: it waits in memory only
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

// written notes what became of a record that pick returned.
func (q *shared) written(r *sharedRecord, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		for i := range q.entries {
			if q.entries[i].record == r {
				q.entries[i].record = nil
			}
		}
		q.garbage = append(q.garbage, r.name) // it may have arrived
		return
	}
	r.stored = true
	if r.left == 0 {
		q.garbage = append(q.garbage, r.name)
	}
}

// take adds the events of a record that another process wrote. They are already in one of ours.
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

// unwritten counts the events that are in no record: those that are too large for one, or the engine did not take.
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

// waste notes a record that could not be removed.
func (q *shared) waste(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.garbage) < mostGarbage {
		q.garbage = append(q.garbage, name)
	}
}

// mostGarbage bounds the records that are remembered to be removed. What is forgotten is delivered once more.
const mostGarbage = 1000

// next returns a name for a record.
func (q *shared) next() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.number++
	return fmt.Sprintf("%s.%08d", q.prefix, q.number)
}

// turn begins the next round and returns the records that are garbage, and whether any is of use.
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
