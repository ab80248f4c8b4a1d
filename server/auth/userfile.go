package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	paths "packhouse/trust"
)

const (
	// pollEvery is the interval at which the htpasswd file is checked for changes.
	pollEvery = time.Second
	// settledAfter is how long a file must be unchanged before its fingerprint identifies its
	// content, because a file can change twice within one clock tick, and before missing users
	// count as removed, because a program may still be writing the file.
	settledAfter = 2 * time.Second
	// maxFileSize is the maximum size of an htpasswd file in bytes, enough for 100,000 users.
	maxFileSize = 8 << 20
)

// userFile tracks the htpasswd file. Polls and explicit reloads both use load, so they accept and
// reject the same files.
type userFile struct {
	state  atomic.Pointer[users]
	broken atomic.Pointer[error]
	looked atomic.Int64 // Unix nanoseconds of the last poll

	command string // validates the configuration and the file; set before use

	mu      sync.Mutex
	path    string
	file    *htpasswd.File // the file in use; nil before the first one
	seen    fingerprint    // of the last file that was read, accepted or not
	since   time.Time      // when seen was first observed
	settled bool           // seen identifies the content that was read
	refusal error          // why the file of seen is not in use; nil if it is
}

// open loads path and tracks it from then on. If the file cannot be read, or is damaged while a
// previous one is in use, open returns an error and changes nothing.
func (f *userFile) open(path string, now time.Time, log *slog.Logger) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	previous := f.path
	f.path, f.seen, f.settled = path, fingerprint{}, false
	if err := f.load(now, log, true); err != nil {
		f.path, f.seen, f.settled = previous, fingerprint{}, false
		return err
	}
	f.looked.Store(now.UnixNano())
	f.broken.Store(nil)
	return nil
}

// current returns the users. If the last poll was at least pollEvery ago, it checks the file first;
// concurrent callers do not wait for the check.
func (f *userFile) current(now time.Time, log *slog.Logger) *users {
	last := f.looked.Load()
	if passed := now.Sub(time.Unix(0, last)); (passed >= pollEvery || passed < 0) && f.looked.CompareAndSwap(last, now.UnixNano()) {
		f.mu.Lock()
		f.poll(now, log)
		f.mu.Unlock()
	}
	return f.state.Load()
}

// reread checks the file regardless of the last poll and returns the users.
func (f *userFile) reread(now time.Time, log *slog.Logger) *users {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked.Store(now.UnixNano())
	f.poll(now, log)
	return f.state.Load()
}

// poll loads the file if it has changed. If it is missing, unreadable or damaged, the last valid
// users stay in use, and poll logs the reason once. The caller holds f.mu.
func (f *userFile) poll(now time.Time, log *slog.Logger) {
	err := f.load(now, log, false)
	was := f.broken.Load()
	switch {
	case err == nil && was != nil:
		f.broken.Store(nil)
		log.Info("the htpasswd file is valid again", "path", f.path)
	case err != nil && (was == nil || (*was).Error() != err.Error()):
		f.broken.Store(&err)
		log.Error("the htpasswd file cannot be loaded; the last valid users stay in use", "path", f.path, "error", err,
			"remedy", f.command+" reports its faults; correct them, or restore a backup of the file")
	}
}

// load reloads the file if it has changed. If explicit is set, an operator requested it, so users
// missing from the file are removed immediately; otherwise only once the file has settled. It takes
// the fingerprint before reading the content, so that the next poll detects a change in between.
// The caller holds f.mu.
func (f *userFile) load(now time.Time, log *slog.Logger, explicit bool) error {
	current, modified, err := fingerprintOf(f.path)
	if err != nil {
		return fmt.Errorf("read htpasswd file: %w", err)
	}
	if f.settled && current == f.seen {
		return f.refusal
	}
	data, err := readUsers(f.path)
	if err != nil {
		return fmt.Errorf("read htpasswd file: %w", err)
	}
	changed := current != f.seen
	if changed {
		f.since = now
	}
	settled := now.Sub(modified) >= settledAfter || now.Sub(f.since) >= settledAfter
	parsed, problems := htpasswd.ParseFile(f.path, data)
	f.seen, f.settled, f.refusal = current, settled, nil
	if err := parsed.Damage(f.file, problems); err != nil {
		f.refusal = fmt.Errorf("load htpasswd file %s: %w", f.path, err)
		return f.refusal
	}
	if parsed.Removes(f.file) && !settled && !explicit {
		return nil // a later poll reads it again
	}
	if changed || parsed.Removes(f.file) {
		report(log, f.path, parsed, problems)
	}
	f.file = parsed
	f.state.Store(newUsers(parsed))
	return nil
}

// readUsers returns the content of the htpasswd file.
func readUsers(path string) ([]byte, error) {
	data, err := paths.ReadConfigured(path, maxFileSize+1)
	if err == nil && len(data) > maxFileSize {
		err = errTooLarge
	}
	return data, err
}

var errTooLarge = errors.New("the file is larger than 8 MiB")

// report logs the problems of a loaded file and its number of users.
func report(log *slog.Logger, path string, f *htpasswd.File, problems []finding.Finding) {
	for _, p := range problems {
		log.Warn("a line of the htpasswd file has a problem", "path", path, "line", p.Line, "code", p.Code, "what", p.What, "remedy", p.Remedy)
	}
	n := len(f.Users())
	if n == 0 {
		log.Warn("the htpasswd file has no users, so no one can sign in", "path", path)
		return
	}
	log.Info("users loaded", "path", path, "users", n)
}

// fault returns why the file on disk is not in use, or nil if it is.
func (f *userFile) fault() error {
	if err := f.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// count returns the number of users who can sign in.
func (f *userFile) count() int {
	if u := f.state.Load(); u != nil {
		return len(u.accounts)
	}
	return 0
}
