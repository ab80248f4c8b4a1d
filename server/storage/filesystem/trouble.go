package filesystem

import (
	"fmt"
	"log/slog"
	"sync"

	"packhouse/server/storage"
)

// trouble records problems with a failing device, which Health reports immediately. Acknowledged
// content is in the journal meanwhile.
type trouble struct {
	log *slog.Logger

	mu     sync.Mutex
	failed error // no changes are accepted
	kept   error // some content cannot be written to its place
	write  error // the last write to the journal failed
}

// set records that the store accepts no changes.
func (t *trouble) set(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = err
}

// journal records the result of the last write to the journal.
func (t *trouble) journal(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && t.write == nil {
		t.log.Error("write journal", "error", err)
	}
	t.write = err
}

// stuck records which items could not be written to their place, and that the store accepts
// changes.
func (t *trouble) stuck(items []item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	recovered := t.failed != nil || t.kept != nil
	if t.failed, t.kept = nil, nil; len(items) > 0 {
		t.kept = fmt.Errorf("%s and %d others could not be written to their place", items[0].file(), len(items)-1)
	} else if recovered {
		t.log.Info("everything acknowledged is in its place again")
	}
}

// err returns the current problem as storage.ErrFailing, or nil.
func (t *trouble) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, err := range []error{t.failed, t.write, t.kept} {
		if err != nil {
			return fmt.Errorf("%w: %w", storage.ErrFailing, err)
		}
	}
	return nil
}
