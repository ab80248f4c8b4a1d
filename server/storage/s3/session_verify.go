package s3

import (
	"bytes"
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"

	"packhouse/server/storage"
)

// The hash of a session covers what was received, not what the bucket returns. Parts are bound by
// their ETags when they are copied; the tail after them passes through this process again, so it is
// hashed again before it is used or its offset acknowledged.

// errLostBytes means that the bucket returned other bytes than were received.
var errLostBytes = errors.New("the bytes in the bucket are not those that were received")

// hashOfParts returns the hash of a session's full parts. It reads them if the record was written
// by a version that does not save that hash.
func (s *Store) hashOfParts(ctx context.Context, u *session) (hash.Hash, error) {
	h := u.Algorithm.Hash()
	switch {
	case len(u.Parts) == 0:
		return h, nil
	case u.PartsHash == nil:
		return h, s.hashParts(ctx, u, h)
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.PartsHash); err != nil {
		return nil, fmt.Errorf("resume hash of upload: %w", err)
	}
	return h, nil
}

// hashParts reads the full parts of a session into h.
func (s *Store) hashParts(ctx context.Context, u *session, h hash.Hash) error {
	for _, p := range u.Parts {
		src := &source{s: s, ctx: ctx, key: u.dir + p.Name, o: object{size: p.Size, etag: p.ETag}}
		_, err := io.CopyBuffer(onlyWriter{h}, onlyReader{src}, make([]byte, 128<<10))
		src.drop()
		if err != nil {
			return fmt.Errorf("hash upload again: %w", err)
		}
	}
	return nil
}

// verifyTail checks that the parts followed by tail have the session's hash.
func (s *Store) verifyTail(ctx context.Context, u *session, tail io.Reader) error {
	h, err := s.hashOfParts(ctx, u)
	if err != nil {
		return err
	}
	want, err := u.resume()
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(onlyWriter{h}, onlyReader{tail}, make([]byte, 128<<10)); err != nil {
		return err
	}
	if !bytes.Equal(h.Sum(nil), want.Sum(nil)) {
		return errLostBytes
	}
	return nil
}

// verifySession verifies the tail of a session without keeping it in memory.
func (s *Store) verifySession(ctx context.Context, u *session) error {
	switch {
	case u.tailSize() == 0:
		return nil
	case u.Tail == nil:
		return s.verifyTail(ctx, u, bytes.NewReader(u.Inline))
	}
	src := s.openTail(ctx, u)
	defer src.drop()
	return superseded(s.verifyTail(ctx, u, src))
}

func (s *Store) openTail(ctx context.Context, u *session) *source {
	return &source{s: s, ctx: ctx, key: u.dir + u.Tail.Name, o: object{size: u.Tail.Size, etag: u.Tail.ETag}}
}

// superseded turns the error of reading a tail that is gone into ErrBusy: another process has
// continued the session, so the record that was read is outdated.
func superseded(err error) error {
	if errors.Is(err, errMissing) || errors.Is(err, errCondition) {
		return fmt.Errorf("%w: the upload was continued elsewhere", storage.ErrBusy)
	}
	return err
}

// refuse drops a session whose bytes are lost, so that the client starts over. Other errors are
// returned as they are.
func (s *Store) refuse(ctx context.Context, u *session, err error) error {
	if !errors.Is(err, errLostBytes) {
		return err
	}
	s.log.Warn("drop upload session", "upload", u.id, "error", err)
	s.drop(ctx, u)
	return fmt.Errorf("%w: %w", storage.ErrUploadUnknown, err)
}
