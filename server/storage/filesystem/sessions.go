package filesystem

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"hash"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// session is an upload in progress. Its record on disk is rewritten after every chunk; see save.
//
// Slots are reused for later sessions and not removed: ext4 does not reuse an inode within minutes
// of freeing it and inspects each such inode when it allocates one, which at hundreds of pushes a
// second costs more than everything else.
type session struct {
	id      string
	slot    string // its directory below uploads
	owner   storage.Owner
	started time.Time
	alg     digest.Algorithm
	busy    chan struct{} // holds one token while the session is in use

	mu     sync.Mutex
	offset int64     // recorded
	seen   time.Time // last change
	gone   bool
	file   disk.File // the descriptor that wrote the bytes; nil: they must be verified before they are used

	// The following fields are guarded by busy.
	hash     hash.Hash   // of the first offset bytes, if file is open
	state    []byte      // of the hash at offset, as recorded
	resuming *resumption // in progress; nil: not begun
}

// sessions holds all upload sessions. They are loaded on first use, not at startup.
type sessions struct {
	once sync.Once
	mu   sync.Mutex
	all  map[string]*session

	idle sync.Mutex
	free []string // slots without a session

	files sync.Mutex
	open  map[*session]time.Time // sessions with an open descriptor, by time of last use

	epochOnce sync.Once
	epoch     string
}

// mostFree bounds the slots kept without a session.
const mostFree = 64

func (u *session) dir() string    { return uploadsDir + "/" + u.slot }
func (u *session) data() string   { return u.dir() + "/" + u.id } // unique, because the journal identifies data by name
func (u *session) record() string { return u.dir() + "/state" }

func (u *session) upload() storage.Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return storage.Upload{ID: u.id, Offset: u.offset, StartedAt: u.started}
}

// find returns a session to its owner. To any other user the session does not exist.
func (s *Store) find(o storage.Owner, id string) (*session, error) {
	s.sessions.load(s)
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	u, ok := s.sessions.all[id]
	if !ok || u.owner != o {
		return nil, storage.ErrUploadUnknown
	}
	return u, nil
}

// hold acquires the session for one request. The caller calls release.
func (u *session) hold(ctx context.Context) (release func(), err error) {
	select {
	case u.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone {
		<-u.busy
		return nil, storage.ErrUploadUnknown
	}
	return func() { <-u.busy }, nil
}

// add adds a new session.
func (l *sessions) add(u *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[u.id] = u
}

// drop closes and removes a session. The caller holds it. A failed cleanup is not reported: the
// purge repeats it.
func (s *Store) drop(u *session) {
	s.forget(u)
	s.abandonResume(u)
	if f := s.detach(u); f != nil {
		f.Close()
	}
	if u.slot == "" {
		return
	}
	if err := s.disk.Remove(u.data()); err == nil || absent(err) {
		if s.sessions.keep(u.slot) {
			return
		}
	}
	s.removeTree(u.dir())
}

// keep retains a slot for a later session and reports whether it did.
func (l *sessions) keep(slot string) bool {
	l.idle.Lock()
	defer l.idle.Unlock()
	if len(l.free) >= mostFree {
		return false
	}
	l.free = append(l.free, slot)
	return true
}

// slot returns a retained slot, if there is one.
func (l *sessions) slot() (string, bool) {
	l.idle.Lock()
	defer l.idle.Unlock()
	if len(l.free) == 0 {
		return "", false
	}
	slot := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	return slot, true
}

// forget removes a session from the lists.
func (s *Store) forget(u *session) {
	u.mu.Lock()
	u.gone = true
	u.mu.Unlock()
	s.quota.End(u.owner.User, u.id)
	l := &s.sessions
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[u.id] == u {
		delete(l.all, u.id)
	}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
