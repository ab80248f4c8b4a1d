package auth

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/server/auth/htpasswd"
)

const (
	// pollEvery is how often the htpasswd file is looked at.
	pollEvery = time.Second
	// settledAfter is how old a modification time must be to be believed: within one tick of the clock a file can change twice.
	settledAfter = 2 * time.Second
	// mostUsers bounds the file, in bytes: a hundred thousand users.
	mostUsers = 8 << 20
)

// users is the htpasswd file at one time. It never changes.
type users struct {
	accounts map[string]account
	dummy    []byte // what unknown users are compared with
	digest   string // htpasswd.File.Digest
}

// account is what is known of a user name.
type account struct {
	known bool
	hash  []byte // of an unknown user the dummy
	// pad is what a failure is compared with in addition where the hash costs less than others, so that it lasts as long.
	pad [][]byte
}

func (u *users) lookup(user string) account {
	if u == nil {
		return account{}
	}
	if a, ok := u.accounts[user]; ok {
		return a
	}
	return account{hash: u.dummy}
}

// newUsers indexes a parsed file.
func newUsers(f *htpasswd.File) *users {
	most := f.MaxCost()
	u := &users{accounts: map[string]account{}, dummy: dummyHash(most), digest: f.Digest()}
	for _, name := range f.Users() {
		hash, ok := f.Lookup(name)
		if !ok {
			continue
		}
		u.accounts[name] = account{known: true, hash: hash, pad: padding(hash, most)}
	}
	return u
}

// padding makes up for what a hash costs less than the highest: each cost is twice the one before, so one of each from its own on to below
// the highest are together what is missing.
func padding(hash []byte, most int) [][]byte {
	cost, err := htpasswd.Cost(hash)
	if err != nil {
		return [][]byte{dummyHash(most)}
	}
	var pad [][]byte
	for ; cost < most; cost++ {
		pad = append(pad, dummyHash(cost))
	}
	return pad
}

// dummyHash is a bcrypt hash that takes as long as any of this cost and that nobody has a password for. Its salt is public, which is no
// matter: what is compared with it is refused whatever comes out.
func dummyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat(".", 53))
}

// userFile keeps up with the htpasswd file.
type userFile struct {
	state  atomic.Pointer[users]
	broken atomic.Pointer[error]
	looked atomic.Int64 // Unix nanoseconds of the last look

	mu      sync.Mutex
	path    string
	seen    fingerprint // at the last reading
	settled bool        // seen may be believed
}

// open takes a file into use, or fails and changes nothing.
func (f *userFile) open(path string, now time.Time, log *slog.Logger) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	previous, seen, settled := f.path, f.seen, f.settled
	f.path, f.seen, f.settled = path, fingerprint{}, false
	if err := f.read(now, log); err != nil {
		f.path, f.seen, f.settled = previous, seen, settled
		return err
	}
	f.looked.Store(now.UnixNano())
	f.broken.Store(nil)
	return nil
}

// current returns the users, looking at the file first if the last look is long enough ago. One caller looks, the others go on.
func (f *userFile) current(now time.Time, log *slog.Logger) *users {
	last := f.looked.Load()
	if passed := now.Sub(time.Unix(0, last)); (passed >= pollEvery || passed < 0) && f.looked.CompareAndSwap(last, now.UnixNano()) {
		f.mu.Lock()
		f.follow(now, log)
		f.mu.Unlock()
	}
	return f.state.Load()
}

// reread is current without the interval between two looks.
func (f *userFile) reread(now time.Time, log *slog.Logger) *users {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked.Store(now.UnixNano())
	f.follow(now, log)
	return f.state.Load()
}

// follow reads the file if it has changed. A file that is missing or cannot be read leaves the last good one in use; that is told once.
func (f *userFile) follow(now time.Time, log *slog.Logger) {
	err := f.read(now, log)
	was := f.broken.Load()
	switch {
	case err == nil && was != nil:
		f.broken.Store(nil)
		log.Info("the htpasswd file is readable again", "path", f.path)
	case err != nil && (was == nil || (*was).Error() != err.Error()):
		f.broken.Store(&err)
		log.Error("the htpasswd file cannot be read, the users known last stay", "path", f.path, "error", err)
	}
}

// read brings state up to the file. The fingerprint is taken before the content, so that a change in between is seen the next time.
func (f *userFile) read(now time.Time, log *slog.Logger) error {
	current, modified, err := fingerprintOf(f.path)
	if err != nil {
		return fmt.Errorf("read htpasswd file: %w", err)
	}
	if f.settled && current == f.seen {
		return nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("read htpasswd file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mostUsers+1))
	switch {
	case err != nil:
		return fmt.Errorf("read htpasswd file: %w", err)
	case len(data) > mostUsers:
		return fmt.Errorf("read htpasswd file: %w", errTooLarge)
	}
	parsed, problems := htpasswd.Parse(data)
	if changed := current != f.seen; changed {
		report(log, f.path, parsed, problems)
	}
	f.state.Store(newUsers(parsed))
	f.seen, f.settled = current, now.Sub(modified) >= settledAfter
	return nil
}

var errTooLarge = errors.New("the file is larger than 8 MiB")

// report logs what a newly read file has to say.
func report(log *slog.Logger, path string, f *htpasswd.File, problems []htpasswd.Problem) {
	for _, p := range problems {
		log.Warn("a line of the htpasswd file has a problem", "path", path, "line", p.Line, "code", p.Code, "what", p.What, "remedy", p.Remedy)
	}
	n := len(f.Users())
	if n == 0 {
		log.Warn("the htpasswd file has no users, nobody can sign in", "path", path)
		return
	}
	log.Info("users read", "path", path, "users", n)
}

func (f *userFile) fault() error {
	if err := f.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *userFile) count() int {
	if u := f.state.Load(); u != nil {
		return len(u.accounts)
	}
	return 0
}
