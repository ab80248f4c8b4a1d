package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/quota"
)

// recordEvery is how many bytes of one long chunk may be lost if the process dies.
const recordEvery = 64 << 20

// StartUpload implements storage.Uploads.
func (s *Store) StartUpload(ctx context.Context, o storage.Owner, alg digest.Algorithm) (_ storage.Upload, err error) {
	defer mapping(&err)
	id := newID()
	if err := s.quota.Start(ctx, o.User, id); err != nil {
		return storage.Upload{}, err
	}
	upload, err := s.startSession(id, o, alg)
	if err != nil {
		s.quota.End(o.User, id)
	}
	return upload, err
}

func (s *Store) startSession(id string, o storage.Owner, alg digest.Algorithm) (storage.Upload, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.Upload{}, err
	}
	defer leave()
	if err := s.fits(0); err != nil {
		return storage.Upload{}, err
	}
	s.sessions.load(s)
	now := s.now().UTC()
	u := &session{id: id, owner: o, started: now, seen: now, alg: alg, busy: make(chan struct{}, 1), hash: alg.Hash()}
	u.busy <- struct{}{}
	defer func() { <-u.busy }()
	s.sessions.add(u)
	if err := s.createSession(u); err != nil {
		s.drop(u)
		return storage.Upload{}, err
	}
	return u.upload(), nil
}

// createSession creates the files of a new session and keeps its data file open. The record comes
// first: data without a record belongs to no session.
func (s *Store) createSession(u *session) error {
	slot, ok := s.sessions.slot()
	if u.slot = slot; !ok {
		u.slot = strings.TrimPrefix(s.temporary(), stageDir+"/")
		if err := s.disk.Mkdir(u.dir()); err != nil {
			return fmt.Errorf("start upload: %w", err)
		}
	}
	if err := s.save(u, 0); err != nil {
		return err
	}
	f, err := s.disk.Create(u.data())
	if err != nil {
		return fmt.Errorf("start upload: %w", err)
	}
	s.attach(u, f)
	return nil
}

// acquire returns a session to its owner for one request, verified if necessary. The caller calls
// release.
func (s *Store) acquire(ctx context.Context, o storage.Owner, id string) (u *session, release func(), err error) {
	leave, err := s.enter()
	if err != nil {
		return nil, nil, err
	}
	if u, err = s.find(o, id); err != nil {
		leave()
		return nil, nil, err
	}
	free, err := u.hold(ctx)
	if err != nil {
		leave()
		return nil, nil, err
	}
	release = func() { free(); leave() }
	if err := s.resume(ctx, u); err != nil {
		release()
		return nil, nil, err
	}
	return u, release, nil
}

// StatUpload implements storage.Uploads. It does not wait for a chunk that is being received.
func (s *Store) StatUpload(ctx context.Context, o storage.Owner, id string) (_ storage.Upload, err error) {
	defer mapping(&err)
	u, err := s.find(o, id)
	if err != nil {
		return storage.Upload{}, err
	}
	if u.isOpen() {
		return u.upload(), nil
	}
	u, release, err := s.acquire(ctx, o, id)
	if err != nil {
		return storage.Upload{}, err
	}
	defer release()
	return u.upload(), nil
}

// AppendUpload implements storage.Uploads.
func (s *Store) AppendUpload(
	ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64,
) (_ storage.Upload, err error) {
	defer mapping(&err)
	if _, err := s.find(o, id); err != nil {
		return storage.Upload{}, err
	}
	body, err := s.quota.Receive(ctx, o.User, id, bodyMemory)
	if err != nil {
		return storage.Upload{}, err
	}
	defer body.Done()
	u, release, err := s.acquire(ctx, o, id)
	if err != nil {
		return storage.Upload{}, err
	}
	defer release()
	err = s.receiveChunk(ctx, u, chunk{at: at, r: r, size: size, body: body})
	return u.upload(), err
}

// chunk is a part of an upload that arrives.
type chunk struct {
	at    int64       // offset; -1: the end
	r     io.Reader   // nil: no bytes
	size  int64       // -1: unknown
	final bool        // the session ends with it
	body  *quota.Body // counts it; nil without r
}

// receiveChunk adds a chunk to a session that the caller holds. What was received of an incomplete
// chunk counts, unless it is the final one: clients send that again unchanged, so the session is
// reset to its start. Nothing of the final chunk is recorded, because the session ends with it.
func (s *Store) receiveChunk(ctx context.Context, u *session, c chunk) error {
	r, size, final := c.r, c.size, c.final
	begin := u.upload().Offset
	if c.at >= 0 && c.at != begin {
		return &storage.OffsetError{Upload: u.upload(), Want: c.at}
	}
	set, err := s.reserve(size)
	if err != nil {
		return err
	}
	defer set.release()
	if err := rewind(u.file, begin); err != nil {
		return err
	}
	if r == nil {
		return nil
	}
	before := u.state
	w := &receiver{s: s, f: u.file, h: u.hash, offset: begin, begun: begin, set: set, body: c.body}
	for left := size; ; {
		part := left
		if part < 0 || part > recordEvery {
			part = recordEvery
		}
		more, rest := part != left, r
		if more {
			rest = io.LimitReader(r, part)
		}
		n, err := w.receive(ctx, rest, partSize(more, left))
		if over := (*storage.SizeError)(nil); errors.As(err, &over) && over.Got > over.Want {
			// The client sent more than it announced: none of the chunk counts.
			c.body.Add(begin - w.offset)
			return s.undo(u, before, begin, &storage.SizeError{Want: size, Got: size + 1})
		}
		last := err == nil && (!more || n < part)
		if serr := s.advance(u, w.offset, !final); serr != nil {
			s.drop(u) // hash and record differ
			return serr
		}
		if err != nil {
			if short := (*storage.SizeError)(nil); errors.As(err, &short) {
				err = &storage.SizeError{Want: size, Got: w.offset - begin}
			}
		} else if last && size >= 0 && w.offset-begin < size {
			err = &storage.SizeError{Want: size, Got: w.offset - begin}
		}
		if err != nil && final {
			c.body.Add(begin - w.offset)
			return s.undo(u, before, begin, err)
		}
		if err != nil || last {
			return err
		}
		if left > 0 {
			left -= n
		}
	}
}

// advance moves a session to the offset that its hash has reached, on disk too if record is set.
func (s *Store) advance(u *session, offset int64, record bool) error {
	if record {
		return s.save(u, offset)
	}
	state, err := hashState(u.hash)
	if err == nil {
		u.advance(offset, state, s.now().UTC())
	}
	return err
}

// partSize returns the size that receive expects: unknown for a part in the middle, which may end
// early.
func partSize(more bool, left int64) int64 {
	if more {
		return -1
	}
	return left
}

// undo resets a session to an offset and the hash state it had there, and returns why.
func (s *Store) undo(u *session, state []byte, to int64, why error) error {
	h, err := restoreHash(u.alg, state)
	if err == nil {
		u.hash = h
		err = errors.Join(rewind(u.file, to), s.save(u, to))
	}
	if err != nil {
		s.drop(u)
	}
	return errors.Join(why, err)
}

// FinishUpload implements storage.Uploads. A session whose digest does not match, or that could not
// be made durable, is dropped.
func (s *Store) FinishUpload(
	ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64, d digest.Digest,
) (err error) {
	defer mapping(&err)
	last := chunk{at: at, r: r, size: size, final: true}
	if r != nil {
		if _, err := s.find(o, id); err != nil {
			return err
		}
		if last.body, err = s.quota.Receive(ctx, o.User, id, bodyMemory); err != nil {
			return err
		}
		defer last.body.Done()
	}
	u, release, err := s.acquire(ctx, o, id)
	if err != nil {
		return err
	}
	defer release()
	if err := s.receiveChunk(ctx, u, last); err != nil {
		return err
	}
	defer s.drop(u)
	total, got := u.upload().Offset, digest.NewDigest(u.alg, u.hash)
	if d.Algorithm() != u.alg {
		if got, _, err = hashFile(ctx, u.file, total, d.Algorithm()); err != nil {
			return fmt.Errorf("hash upload again: %w", err)
		}
	}
	if got != d {
		return &storage.DigestError{Want: d, Got: got}
	}
	_, err = s.commit(o.Repository.String(), d, s.detach(u), u.data(), total)
	return err
}

// CancelUpload implements storage.Uploads. It waits for a chunk that is being received.
func (s *Store) CancelUpload(ctx context.Context, o storage.Owner, id string) (err error) {
	defer mapping(&err)
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	u, err := s.find(o, id)
	if err != nil {
		return err
	}
	release, err := u.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	s.drop(u)
	return nil
}
