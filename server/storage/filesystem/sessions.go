package filesystem

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// session is an upload in progress. Its record on disk is rewritten after every chunk, in place and without a sync: a 202 promises nothing
// durable, one write survives the process whole, and a session of before a restart of the machine is dropped.
//
// Records are kept for the next session and not removed: ext4 does not give out an inode that was freed within the last minutes, and looks at
// each of them whenever it wants a new one, which at a few hundred pushes a second takes more time than everything else together.
type session struct {
	id      string
	slot    string // its directory in uploads
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
	ID         string           `json:"id"`
	Repository string           `json:"repository"`
	User       string           `json:"user"`
	Algorithm  digest.Algorithm `json:"algorithm"`
	Offset     int64            `json:"offset"`
	Hash       []byte           `json:"hash"` // encoding.BinaryMarshaler of the hash
	StartedAt  time.Time        `json:"startedAt"`
	SeenAt     time.Time        `json:"seenAt"`
	Boot       string           `json:"boot"`
}

// sealed is a record and, in a line of its own, its checksum: what is behind it in the file is of an earlier, longer one.
func (r record) sealed() ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(body, "\n%08x\n", crc32.ChecksumIEEE(body)), nil
}

// unsealed is the reverse of sealed.
func unsealed(body []byte) (r record, err error) {
	line, rest, _ := bytes.Cut(body, []byte("\n"))
	sum, _, _ := bytes.Cut(rest, []byte("\n"))
	if string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(line)) {
		return r, errors.New("its record is torn")
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("parse its record: %w", err)
	}
	return r, nil
}

// sessions are all of them. They are read from disk at the first use, not at the start.
type sessions struct {
	once sync.Once
	mu   sync.Mutex
	all  map[string]*session
	user map[string]int

	idle sync.Mutex
	free []string // slots that wait for their next session
}

// mostFree is how many slots are kept without a session.
const mostFree = 64

func (u *session) dir() string    { return uploadsDir + "/" + u.slot }
func (u *session) data() string   { return u.dir() + "/" + u.id } // a name is used once: the journal knows data by it
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
		var slots []string
		_ = s.disk.List(uploadsDir, func(e disk.Entry) error {
			slots = append(slots, e.Name)
			return nil
		})
		for _, slot := range slots {
			u, err := s.recall(slot)
			switch {
			case err == nil:
				l.all[u.id] = u
				l.user[u.owner.User]++
			case s.opt.ReadOnly:
			case !errors.Is(err, errNoSession) || !l.keep(slot):
				s.log.Info("drop an upload of before", "reason", err)
				s.removeTree(uploadsDir + "/" + slot)
			}
		}
	})
}

// errNoSession is what recall says of a slot that waits for its next session.
var errNoSession = errors.New("no session")

// recall reads one session from disk.
func (s *Store) recall(slot string) (*session, error) {
	u := &session{slot: slot, busy: make(chan struct{}, 1)}
	body, err := s.read(u.record(), 64<<10)
	if err != nil {
		return nil, err
	}
	r, err := unsealed(body)
	if err != nil {
		return nil, err
	}
	if u.id = r.ID; len(u.id) != len(newID()) || strings.ContainsAny(u.id, "/.") {
		return nil, errors.New("its record names no upload")
	}
	info, err := s.disk.Stat(u.data())
	if absent(err) {
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
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
	if info.Size < r.Offset {
		return nil, fmt.Errorf("%d of its %d bytes are left", info.Size, r.Offset)
	}
	u.owner, u.started, u.alg = storage.Owner{Repository: repo, User: r.User}, r.StartedAt, alg
	u.offset, u.seen, u.hash = r.Offset, r.SeenAt, h
	return u, nil
}

// save records where a session stands.
func (s *Store) save(u *session, offset int64) error {
	state, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	now := s.now().UTC()
	body, err := record{
		ID: u.id, Repository: u.owner.Repository.String(), User: u.owner.User, Algorithm: u.alg, Offset: offset, Hash: state,
		StartedAt: u.started, SeenAt: now, Boot: s.disk.Traits().Boot,
	}.sealed()
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	f, err := s.disk.Reopen(u.record())
	if absent(err) {
		f, err = s.disk.Create(u.record())
	}
	if err != nil {
		return fmt.Errorf("record upload: %w", mapped(err))
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err != nil {
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

// keep has a slot wait for its next session, unless enough do.
func (l *sessions) keep(slot string) bool {
	l.idle.Lock()
	defer l.idle.Unlock()
	if len(l.free) >= mostFree {
		return false
	}
	l.free = append(l.free, slot)
	return true
}

// slot returns one that waits for a session; false where none does.
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
