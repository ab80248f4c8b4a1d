package filesystem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// recordEvery is how much of one long chunk may be lost with the process.
const recordEvery = 64 << 20

// StartUpload implements storage.Uploads.
func (s *Store) StartUpload(_ context.Context, o storage.Owner, alg digest.Algorithm) (storage.Upload, error) {
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
	u := &session{id: newID(), owner: o, started: now, seen: now, alg: alg, busy: make(chan struct{}, 1), hash: alg.Hash()}
	if err := s.sessions.open(u, s.opt.UploadsPerUser); err != nil {
		return storage.Upload{}, err
	}
	if err := s.lay(u); err != nil {
		s.drop(u)
		return storage.Upload{}, mapped(err)
	}
	return u.upload(), nil
}

// lay makes the files of a new session. The record comes first: data without one is nobody's.
func (s *Store) lay(u *session) error {
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
	f.Close()
	return nil
}

// StatUpload implements storage.Uploads.
func (s *Store) StatUpload(_ context.Context, o storage.Owner, id string) (storage.Upload, error) {
	u, err := s.find(o, id)
	if err != nil {
		return storage.Upload{}, err
	}
	return u.upload(), nil
}

// AppendUpload implements storage.Uploads.
func (s *Store) AppendUpload(ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64) (storage.Upload, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.Upload{}, err
	}
	defer leave()
	u, err := s.find(o, id)
	if err != nil {
		return storage.Upload{}, err
	}
	release, err := u.hold(ctx)
	if err != nil {
		return storage.Upload{}, err
	}
	defer release()
	f, err := s.take(ctx, u, at, r, size, true)
	if f != nil {
		f.Close()
	}
	return u.upload(), err
}

// take adds a chunk to a held session and returns its open file, if it got so far. The end of a last chunk need not be recorded: whatever
// comes of it, the session is over.
func (s *Store) take(ctx context.Context, u *session, at int64, r io.Reader, size int64, record bool) (disk.File, error) {
	begin := u.upload().Offset
	if at >= 0 && at != begin {
		return nil, &storage.OffsetError{Upload: u.upload(), Want: at}
	}
	set, err := s.reserve(size)
	if err != nil {
		return nil, err
	}
	defer set.release()
	f, err := s.disk.Reopen(u.data())
	if absent(err) {
		s.drop(u)
		return nil, storage.ErrUploadUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	if err := rewind(f, begin); err != nil {
		return f, err
	}
	if r == nil {
		return f, nil
	}
	w := &receiver{s: s, f: f, h: u.hash, offset: begin, begun: begin, set: set}
	for left := size; ; {
		part := left
		if part < 0 || part > recordEvery {
			part = recordEvery
		}
		more, rest := part != left, io.Reader(r)
		if more {
			rest = io.LimitReader(r, part)
		}
		n, err := w.receive(ctx, rest, partSize(more, left))
		if over := (*storage.SizeError)(nil); errors.As(err, &over) && over.Got > over.Want {
			// More than announced: none of the chunk counts.
			return f, s.undo(ctx, u, f, begin, &storage.SizeError{Want: size, Got: size + 1})
		}
		if err == nil && !record && (!more || n < part) {
			u.mu.Lock()
			u.offset = w.offset
			u.mu.Unlock()
		} else if serr := s.save(u, w.offset); serr != nil {
			s.drop(u) // hash and record no longer agree
			return f, serr
		}
		if err != nil {
			if short := (*storage.SizeError)(nil); errors.As(err, &short) {
				err = &storage.SizeError{Want: size, Got: w.offset - begin}
			}
			return f, err
		}
		if !more || n < part {
			if size >= 0 && w.offset-begin < size {
				return f, &storage.SizeError{Want: size, Got: w.offset - begin}
			}
			return f, nil
		}
		if left > 0 {
			left -= n
		}
	}
}

// partSize is what receive is to expect: a part in the middle may end early, which is found out by its caller.
func partSize(more bool, left int64) int64 {
	if more {
		return -1
	}
	return left
}

// rewind cuts what an interrupted chunk left behind the recorded end.
func rewind(f disk.File, to int64) error {
	info, err := f.Stat()
	if err == nil && info.Size > to {
		err = f.Truncate(to)
	}
	if err == nil {
		_, err = f.Seek(to, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("resume upload: %w", err)
	}
	return nil
}

// undo puts a session back to an offset by hashing what is before it again, and returns why.
func (s *Store) undo(ctx context.Context, u *session, f disk.File, to int64, why error) error {
	u.hash.Reset()
	if _, err := io.Copy(u.hash, &contextReader{ctx, io.NewSectionReader(f, 0, to)}); err != nil {
		s.drop(u)
		return errors.Join(why, err)
	}
	if err := errors.Join(rewind(f, to), s.save(u, to)); err != nil {
		s.drop(u)
		return errors.Join(why, err)
	}
	return why
}

// FinishUpload implements storage.Uploads. A session whose bytes turn out wrong, or could not be made durable, is gone.
func (s *Store) FinishUpload(ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64, d digest.Digest) error {
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
	f, err := s.take(ctx, u, at, r, size, false)
	if err != nil {
		if f != nil {
			f.Close()
		}
		return err
	}
	total, got := u.upload().Offset, digest.NewDigest(u.alg, u.hash)
	if d.Algorithm() != u.alg {
		if got, _, err = hashFile(ctx, f, total, d.Algorithm()); err != nil {
			f.Close()
			return fmt.Errorf("hash upload again: %w", err)
		}
	}
	defer s.drop(u)
	if got != d {
		f.Close()
		return &storage.DigestError{Want: d, Got: got}
	}
	_, err = s.commit(o.Repository.String(), d, f, u.data(), total)
	return err
}

// CancelUpload implements storage.Uploads. A chunk under way is cut off by its connection, not here: cancelling waits for it.
func (s *Store) CancelUpload(ctx context.Context, o storage.Owner, id string) error {
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
