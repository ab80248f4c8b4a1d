package filesystem

import (
	"context"
	"crypto/rand"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// session is an upload in progress. Its record on disk is rewritten after every chunk, by rename and without a sync: a 202 promises
// nothing durable, and a session of before a restart of the machine is dropped.
type session struct {
	id      string
	owner   storage.Owner
	started time.Time
	alg     digest.Algorithm
	busy    chan struct{} // holds one token while a chunk is taken

	mu     sync.Mutex
	offset int64     // recorded
	seen   time.Time // last change
	gone   bool

	hash hash.Hash // of the first offset bytes; belongs to whoever holds busy
}

// record is the session on disk.
type record struct {
	Repository string           `json:"repository"`
	User       string           `json:"user"`
	Algorithm  digest.Algorithm `json:"algorithm"`
	Offset     int64            `json:"offset"`
	Hash       []byte           `json:"hash"` // encoding.BinaryMarshaler of the hash
	StartedAt  time.Time        `json:"startedAt"`
	SeenAt     time.Time        `json:"seenAt"`
	Boot       string           `json:"boot"`
}

// sessions are all of them. They are read from disk at the first use, not at the start.
type sessions struct {
	once sync.Once
	mu   sync.Mutex
	all  map[string]*session
	user map[string]int
}

func (u *session) dir() string    { return uploadsDir + "/" + u.id }
func (u *session) data() string   { return u.dir() + "/data" }
func (u *session) record() string { return u.dir() + "/state" }

func (u *session) upload() storage.Upload {
	u.mu.Lock()
	defer u.mu.Unlock()
	return storage.Upload{ID: u.id, Offset: u.offset, StartedAt: u.started}
}

// load reads the sessions of earlier runs once.
func (l *sessions) load(s *Store) {
	l.once.Do(func() {
		l.all, l.user = map[string]*session{}, map[string]int{}
		var ids []string
		_ = s.disk.List(uploadsDir, func(e disk.Entry) error {
			ids = append(ids, e.Name)
			return nil
		})
		for _, id := range ids {
			u, err := s.recall(id)
			if err != nil {
				s.log.Info("drop an upload of before", "upload", id, "reason", err)
				if !s.opt.ReadOnly {
					s.removeTree(uploadsDir + "/" + id)
				}
				continue
			}
			l.all[id] = u
			l.user[u.owner.User]++
		}
	})
}

// recall reads one session from disk.
func (s *Store) recall(id string) (*session, error) {
	body, err := s.read(uploadsDir+"/"+id+"/state", 64<<10)
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("parse its record: %w", err)
	}
	if r.Boot != s.disk.Traits().Boot {
		return nil, fmt.Errorf("the machine was restarted")
	}
	repo, err := reference.ParseRepository(r.Repository)
	if err != nil {
		return nil, err
	}
	alg, err := reference.ParseAlgorithm(string(r.Algorithm))
	if err != nil {
		return nil, err
	}
	h := alg.Hash()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(r.Hash); err != nil {
		return nil, fmt.Errorf("resume its hash: %w", err)
	}
	info, err := s.disk.Stat(uploadsDir + "/" + id + "/data")
	if err != nil {
		return nil, err
	}
	if info.Size < r.Offset {
		return nil, fmt.Errorf("%d of its %d bytes are left", info.Size, r.Offset)
	}
	return &session{
		id: id, owner: storage.Owner{Repository: repo, User: r.User}, started: r.StartedAt, alg: alg, busy: make(chan struct{}, 1),
		offset: r.Offset, seen: r.SeenAt, hash: h,
	}, nil
}

// save records where a session stands.
func (s *Store) save(u *session, offset int64) error {
	state, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	now := s.now().UTC()
	body, err := json.Marshal(record{
		Repository: u.owner.Repository.String(), User: u.owner.User, Algorithm: u.alg, Offset: offset, Hash: state,
		StartedAt: u.started, SeenAt: now, Boot: s.disk.Traits().Boot,
	})
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	c := s.begin()
	defer c.end()
	tmp, err := c.stage(body)
	if err != nil {
		return mapped(err)
	}
	if err := s.disk.Rename(tmp, u.record()); err != nil {
		s.removeTree(tmp)
		return fmt.Errorf("record upload: %w", mapped(err))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.offset, u.seen = offset, now
	return nil
}

// find returns a session to its owner. Anybody else learns nothing.
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

// hold waits until nobody else adds to a session.
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

// idleAfter is how long after its last chunk a session stops counting against its user: whoever was killed in the middle of uploads has not
// locked themselves out until the purge.
const idleAfter = 5 * time.Minute

// open counts a new session against its user.
func (l *sessions) open(u *session, limit int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.user[u.owner.User] >= limit && l.awake(u.owner.User, u.started.Add(-idleAfter)) >= limit {
		return fmt.Errorf("%w: %d are open, finish or cancel some", storage.ErrTooManyUploads, limit)
	}
	l.user[u.owner.User]++
	l.all[u.id] = u
	return nil
}

// awake counts the sessions of a user that something arrived for since then. The caller holds the lock.
func (l *sessions) awake(user string, since time.Time) (n int) {
	for _, u := range l.all {
		if u.owner.User != user {
			continue
		}
		u.mu.Lock()
		if len(u.busy) > 0 || u.seen.After(since) {
			n++
		}
		u.mu.Unlock()
	}
	return n
}

// drop forgets a session and removes what it left. Called by whoever holds it; failing to clean up is nobody's error.
func (s *Store) drop(u *session) {
	s.forget(u)
	s.removeTree(u.dir())
}

func (s *Store) forget(u *session) {
	u.mu.Lock()
	u.gone = true
	u.mu.Unlock()
	l := &s.sessions
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[u.id] != u {
		return
	}
	delete(l.all, u.id)
	if l.user[u.owner.User]--; l.user[u.owner.User] <= 0 {
		delete(l.user, u.owner.User)
	}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}
