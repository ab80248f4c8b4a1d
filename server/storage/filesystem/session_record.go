package filesystem

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// record is a session on disk.
type record struct {
	ID         string           `json:"id"`
	Repository string           `json:"repository"`
	User       string           `json:"user"`
	Algorithm  digest.Algorithm `json:"algorithm"`
	Offset     int64            `json:"offset"`
	Hash       []byte           `json:"hash"` // encoding.BinaryMarshaler of the hash
	StartedAt  time.Time        `json:"startedAt"`
	SeenAt     time.Time        `json:"seenAt"`
	// Boot holds Store.sessionEpoch. Versions that trusted Hash without reading the bytes compare
	// it with the boot ID alone, so they drop these sessions instead of resuming them.
	Boot string `json:"boot"`
}

// sealed returns the record followed by its checksum on a line of its own. Bytes after that belong
// to an earlier, longer record.
func (r record) sealed() ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(body, "\n%08x\n", crc32.ChecksumIEEE(body)), nil
}

// unsealed parses what sealed returned.
func unsealed(body []byte) (r record, err error) {
	line, rest, _ := bytes.Cut(body, []byte("\n"))
	sum, _, _ := bytes.Cut(rest, []byte("\n"))
	if string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(line)) {
		return r, errors.New("parse upload record: checksum mismatch")
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("parse upload record: %w", err)
	}
	return r, nil
}

// sessionEpoch identifies the boot, the device and the mount that unsynced bytes depend on. A
// session of another epoch is dropped.
func (s *Store) sessionEpoch() string {
	s.sessions.epochOnce.Do(func() {
		t, device := s.disk.Traits(), uint64(0)
		if info, err := s.disk.Stat(uploadsDir); err == nil {
			device = info.Device
		}
		s.sessions.epoch = fmt.Sprintf("%s@%d/%s", t.Boot, device, t.Mount)
	})
	return s.sessions.epoch
}

// load reads the records of earlier runs once. Their bytes are verified when a client resumes them.
func (l *sessions) load(s *Store) {
	l.once.Do(func() {
		l.all = map[string]*session{}
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
			case s.opt.ReadOnly:
			case !errors.Is(err, errNoSession) || !l.keep(slot):
				s.log.Info("drop upload session of an earlier run", "reason", err)
				s.removeTree(uploadsDir + "/" + slot)
			}
		}
	})
}

// errNoSession is returned by recall for a slot without a session.
var errNoSession = errors.New("no session")

// recall reads the record of one slot.
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
		return nil, errors.New("parse upload record: invalid ID")
	}
	info, err := s.disk.Stat(u.data())
	if absent(err) {
		return nil, errNoSession
	}
	if err != nil {
		return nil, err
	}
	if r.Boot != s.sessionEpoch() {
		return nil, errors.New("the machine was restarted, the file system was mounted again, or another version wrote it")
	}
	repo, err := reference.ParseRepository(r.Repository)
	if err != nil {
		return nil, err
	}
	alg, err := reference.ParseAlgorithm(string(r.Algorithm))
	if err != nil {
		return nil, err
	}
	if _, err := restoreHash(alg, r.Hash); err != nil {
		return nil, err
	}
	if info.Size < r.Offset {
		return nil, fmt.Errorf("%d of its %d bytes are left", info.Size, r.Offset)
	}
	u.owner, u.started, u.alg = storage.Owner{Repository: repo, User: r.User}, r.StartedAt, alg
	u.offset, u.seen, u.state = r.Offset, r.SeenAt, r.Hash
	return u, nil
}

// save records the session with its hash at offset. The record is rewritten in place and not
// synced: one write survives a kill whole, and a session does not survive a restart of the machine.
func (s *Store) save(u *session, offset int64) error {
	state, err := hashState(u.hash)
	if err != nil {
		return err
	}
	now := s.now().UTC()
	body, err := record{
		ID: u.id, Repository: u.owner.Repository.String(), User: u.owner.User, Algorithm: u.alg, Offset: offset, Hash: state,
		StartedAt: u.started, SeenAt: now, Boot: s.sessionEpoch(),
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
	u.advance(offset, state, now)
	return nil
}

// advance moves a session to an offset with the hash state it has there.
func (u *session) advance(offset int64, state []byte, now time.Time) {
	u.state = state
	u.mu.Lock()
	defer u.mu.Unlock()
	u.offset, u.seen = offset, now
}

// hashState returns the state of a hash for restoreHash.
func hashState(h hash.Hash) ([]byte, error) {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("save hash of upload: %w", err)
	}
	return state, nil
}

// restoreHash returns a hash in a saved state.
func restoreHash(alg digest.Algorithm, state []byte) (hash.Hash, error) {
	h := alg.Hash()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, fmt.Errorf("restore hash of upload: %w", err)
	}
	return h, nil
}
