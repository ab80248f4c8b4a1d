package s3

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/pattern"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

const (
	// mostInline is the largest tail stored inside the record, in bytes: a small blob then needs no
	// separate object.
	mostInline  = 32 << 10
	mostSession = 4 << 20 // of a record: 10,000 parts and a tail
)

// session is an upload in progress: one object, replaced with If-Match, so that any process can
// continue it but of two concurrent writers only one succeeds.
type session struct {
	Repository string           `json:"repository"`
	User       string           `json:"user"`
	Algorithm  digest.Algorithm `json:"algorithm"`
	StartedAt  time.Time        `json:"startedAt"`
	Offset     int64            `json:"offset"`
	Hash       []byte           `json:"hash"` // of the first Offset bytes (encoding.BinaryMarshaler)
	Base       int64            `json:"base"` // size of the first part, see partSize
	Parts      []piece          `json:"parts,omitempty"`
	PartsHash  []byte           `json:"partsHash,omitempty"` // of the parts alone, encoded as Hash; older versions do not save it
	Tail       *piece           `json:"tail,omitempty"`      // the bytes after the last full part
	Inline     []byte           `json:"inline,omitempty"`    // the same, if short
	Finished   bool             `json:"finished,omitempty"`  // the blob is complete and the record about to be deleted
	Sequence   int              `json:"sequence"`
	Nonce      string           `json:"nonce"` // makes every record unique

	id, dir, etag string
}

// piece is an object that contains a part of an upload.
type piece struct {
	Name string `json:"name"` // within the session's folder
	Size int64  `json:"size"`
	ETag string `json:"etag"`
}

var sessionID = pattern.Lazy(`^[0-9a-f]{32}$`)

// userFolder returns the folder of a user's sessions. User names may contain any character, so the
// name is hashed.
func userFolder(user string) string {
	sum := sha256.Sum256([]byte(user))
	return uploadsDir + hex.EncodeToString(sum[:10]) + "/"
}

func (u *session) key() string { return u.dir + "session" }

func (u *session) upload() storage.Upload {
	return storage.Upload{ID: u.id, Offset: u.Offset, StartedAt: u.StartedAt}
}

// copied returns a copy that can be changed independently.
func (u *session) copied() *session {
	c := *u
	c.Parts = append([]piece(nil), u.Parts...)
	return &c
}

// resume returns the hash of the bytes received so far.
func (u *session) resume() (hash.Hash, error) {
	h := u.Algorithm.Hash()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.Hash); err != nil {
		return nil, fmt.Errorf("resume hash of upload: %w", err)
	}
	return h, nil
}

// at records the state of the hash at an offset.
func (u *session) at(h hash.Hash, offset int64) error {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return fmt.Errorf("record hash of upload: %w", err)
	}
	u.Hash, u.Offset = state, offset
	return nil
}

// session reads a session for its owner. For any other user, it returns ErrUploadUnknown.
func (s *Store) session(ctx context.Context, o storage.Owner, id string) (*session, error) {
	if !sessionID().MatchString(id) {
		return nil, storage.ErrUploadUnknown
	}
	u := &session{id: id, dir: userFolder(o.User) + id + "/"}
	body, obj, err := read(ctx, s.bucket, u.key(), mostSession)
	if errors.Is(err, errMissing) {
		return nil, storage.ErrUploadUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("read upload: %w", err)
	}
	if err := json.Unmarshal(body, u); err != nil {
		return nil, fmt.Errorf("read upload %s: %w", id, err)
	}
	if u.User != o.User || u.Repository != o.Repository.String() || u.Finished {
		return nil, storage.ErrUploadUnknown
	}
	if _, err := reference.ParseAlgorithm(string(u.Algorithm)); err != nil || u.Base < s.smallest || u.Offset < 0 || u.tailSize() > partSize(u.Base, len(u.Parts)) {
		return nil, fmt.Errorf("read upload %s: its record makes no sense", id)
	}
	u.etag = obj.etag
	return u, nil
}

// errUnsure means that a record may have been written or still may be: a request without a response
// can arrive late. The objects that the record names must not be deleted.
var errUnsure = errors.New("it is not known whether it was written")

// save replaces the record of a session. It returns errCondition if another writer replaced or
// deleted it in the meantime, and errUnsure if the record may still be written.
func (s *Store) save(ctx context.Context, u *session) error {
	u.Sequence++
	u.Nonce = nonce()
	body, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	c := ifMatch(u.etag)
	if u.etag == "" || !s.traits.Replace {
		c = condition{}
	}
	etag, err := s.bucket.put(ctx, u.key(), body, c)
	if err != nil {
		etag, err = s.settle(ctx, u, body, c, err)
	}
	if err != nil {
		return fmt.Errorf("record upload: %w", err)
	}
	u.etag = etag
	return nil
}

// settle determines the outcome of a failed record write: an attempt whose response was lost may
// have written it, and an abandoned one may still arrive. To prevent that, settle rewrites the
// current record, which changes its ETag.
func (s *Store) settle(ctx context.Context, u *session, body []byte, c condition, why error) (etag string, err error) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	for range 3 {
		now, o, err := read(ctx, s.bucket, u.key(), mostSession)
		switch {
		case err == nil && string(now) == string(body):
			return o.etag, nil
		case errors.Is(why, errCondition):
			return "", why
		case c == (condition{}):
			return "", fmt.Errorf("%w: %w", errUnsure, why)
		case errors.Is(err, errMissing):
			return "", why // deleted in the meantime; If-Match fails for a missing object
		case err != nil:
			return "", fmt.Errorf("%w: %w", errUnsure, why)
		}
		there := session{}
		if json.Unmarshal(now, &there) != nil {
			break
		}
		there.Nonce = nonce()
		if now, err = json.Marshal(there); err != nil {
			break
		}
		if _, err = s.bucket.put(ctx, u.key(), now, ifMatch(o.etag)); err == nil {
			return "", why
		}
		if !errors.Is(err, errCondition) {
			break
		}
	}
	return "", fmt.Errorf("%w: %w", errUnsure, why)
}

// drop removes a session: the record first, so that no client can continue it, then its parts.
// Failures are only logged.
func (s *Store) drop(ctx context.Context, u *session, also ...piece) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	s.quota.End(u.User, u.id)
	if err := s.bucket.delete(ctx, u.key()); err != nil {
		s.log.Warn("drop upload", "upload", u.id, "error", err)
	}
	all := append(append([]piece(nil), u.Parts...), also...)
	if u.Tail != nil {
		all = append(all, *u.Tail)
	}
	s.discard(ctx, u, all)
}

// discard removes objects of a session. PurgeUploads removes what remains.
func (s *Store) discard(ctx context.Context, u *session, pieces []piece) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	err := inParallel(ctx, len(pieces), wide, func(ctx context.Context, i int) error {
		return s.bucket.delete(ctx, u.dir+pieces[i].Name)
	})
	if err != nil {
		s.log.Warn("remove parts of an upload", "upload", u.id, "error", err)
	}
}
