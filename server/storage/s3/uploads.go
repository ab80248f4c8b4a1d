package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// defaultRecordEvery is how many bytes of one long chunk may be lost if the process dies.
const defaultRecordEvery = 64 << 20

// StartUpload implements storage.Uploads.
func (s *Store) StartUpload(ctx context.Context, o storage.Owner, alg digest.Algorithm) (storage.Upload, error) {
	id := newID()
	if err := s.quota.Start(ctx, o.User, id); err != nil {
		return storage.Upload{}, err
	}
	upload, err := s.startSession(ctx, id, o, alg)
	if err != nil {
		s.quota.End(o.User, id)
	}
	return upload, err
}

func (s *Store) startSession(ctx context.Context, id string, o storage.Owner, alg digest.Algorithm) (storage.Upload, error) {
	leave, err := s.enter()
	if err != nil {
		return storage.Upload{}, err
	}
	defer leave()
	u := &session{
		id: id, dir: userFolder(o.User) + id + "/", Repository: o.Repository.String(), User: o.User, Algorithm: alg,
		StartedAt: s.now().UTC(), Base: s.opt.Config.ChunkSize,
	}
	if err := u.at(alg.Hash(), 0); err != nil {
		return storage.Upload{}, err
	}
	if err := s.save(ctx, u); err != nil {
		return storage.Upload{}, err
	}
	return u.upload(), nil
}

// StatUpload implements storage.Uploads.
func (s *Store) StatUpload(ctx context.Context, o storage.Owner, id string) (storage.Upload, error) {
	u, err := s.session(ctx, o, id)
	if err != nil {
		return storage.Upload{}, err
	}
	if err := s.verifySession(ctx, u); err != nil {
		return storage.Upload{}, s.refuse(ctx, u, err)
	}
	return u.upload(), nil
}

// CancelUpload implements storage.Uploads. A concurrent append elsewhere finds no record to replace
// and removes what it wrote.
func (s *Store) CancelUpload(ctx context.Context, o storage.Owner, id string) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	u, err := s.session(ctx, o, id)
	if err != nil {
		return err
	}
	s.drop(ctx, u)
	return nil
}

// AppendUpload implements storage.Uploads.
func (s *Store) AppendUpload(ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64) (storage.Upload, error) {
	body, err := s.quota.Receive(ctx, o.User, id, bodyMemory)
	if err != nil {
		return storage.Upload{}, err
	}
	defer body.Done()
	leave, err := s.enter()
	if err != nil {
		return storage.Upload{}, err
	}
	defer leave()
	defer s.alone(id)()
	t, err := s.take(ctx, o, id, at, r, size, false)
	if err != nil {
		return storage.Upload{}, err
	}
	defer t.release()
	err = t.keep(ctx, t.err)
	return t.u.upload(), err
}

// alone serializes the chunks of a session if the service does not support conditional replacement.
func (s *Store) alone(id string) (release func()) {
	if s.traits.Replace {
		return func() {}
	}
	return s.locks.lock("upload " + id)
}

// taken is a received chunk: the updated session record, the parts already in the bucket, and the
// rest in memory.
type taken struct {
	s       *Store
	o       storage.Owner
	before  *session // as read
	u       *session // updated with what was received
	final   bool     // ends the session, so its progress is not recorded
	kept    int      // how many of its parts are recorded
	in      *incoming
	tail    []byte
	release func()
	err     error // result of receiving
}

// take reads a session, checks the offset of the chunk, and receives it.
func (s *Store) take(ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64, final bool) (*taken, error) {
	u, err := s.session(ctx, o, id)
	if errors.Is(err, storage.ErrUploadUnknown) {
		s.quota.End(o.User, id)
	}
	if err != nil {
		return nil, err
	}
	if at >= 0 && at != u.Offset {
		return nil, &storage.OffsetError{Upload: u.upload(), Want: at}
	}
	h, err := u.resume()
	if err != nil {
		return nil, err
	}
	t := &taken{s: s, o: o, before: u, u: u.copied(), kept: len(u.Parts), final: final}
	t.in = s.newIncoming(ctx, r, size, h)
	c := &cutter{s: s, in: t.in, base: t.u.Base, next: len(u.Parts), send: t.sendPart}
	t.tail, t.release, t.err = c.run(ctx, u.tailSize(), func(ctx context.Context, into []byte) error { return s.readTail(ctx, u, into) })
	if t.err == nil || t.tail != nil {
		return t, nil
	}
	t.release()
	if !errors.Is(t.err, errUnsure) {
		t.forget(ctx)
	}
	return nil, s.refuse(ctx, u, t.lost(ctx, t.err))
}

// tailSize returns how many bytes follow the last full part.
func (u *session) tailSize() int64 {
	if u.Tail != nil {
		return u.Tail.Size
	}
	return int64(len(u.Inline))
}

// readTail reads and verifies the bytes after the last full part.
func (s *Store) readTail(ctx context.Context, u *session, into []byte) error {
	if u.Tail == nil {
		copy(into, u.Inline)
		return s.verifyTail(ctx, u, bytes.NewReader(into))
	}
	src := s.openTail(ctx, u)
	defer src.drop()
	if _, err := io.ReadFull(src, into); err != nil {
		return superseded(err)
	}
	return s.verifyTail(ctx, u, bytes.NewReader(into))
}

// sendPart writes a full part to the bucket, and records the progress from time to time.
func (t *taken) sendPart(ctx context.Context, n int, body []byte, end mark) error {
	p := piece{Name: "part-" + strconv.Itoa(n) + "-" + nonce(), Size: int64(len(body))}
	etag, err := t.s.bucket.put(ctx, t.u.dir+p.Name, body, condition{})
	if err != nil {
		t.s.discard(ctx, t.before, []piece{p}) // it may have arrived
		return fmt.Errorf("write part of upload: %w", err)
	}
	p.ETag = etag
	t.u.Parts, t.u.PartsHash = append(t.u.Parts, p), end.hash
	if t.final || t.before.Offset+end.n-t.u.Offset < t.s.recordEvery {
		return nil
	}
	t.u.Tail, t.u.Inline = nil, nil
	t.u.Hash, t.u.Offset = end.hash, t.before.Offset+end.n
	if err := t.s.save(ctx, t.u); err != nil {
		return err
	}
	t.kept = len(t.u.Parts)
	return nil
}

// forget removes the objects that this chunk wrote but are not recorded, and those it replaced.
func (t *taken) forget(ctx context.Context, also ...piece) {
	gone := append(also, t.u.Parts[t.kept:]...)
	if t.kept > len(t.before.Parts) {
		gone = append(gone, t.former()...)
	}
	t.s.discard(ctx, t.before, gone)
}

// keep records what was received, even if receiving failed. A chunk longer than announced is
// undone.
func (t *taken) keep(ctx context.Context, why error) error {
	s := t.s
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if long := (*storage.SizeError)(nil); errors.As(why, &long) && long.Got > long.Want {
		return t.undo(ctx, why)
	}
	if t.in.n == 0 {
		t.u = t.before
		return why
	}
	var tail []piece
	t.u.Tail, t.u.Inline = nil, nil
	if len(t.tail) <= mostInline {
		t.u.Inline = append([]byte(nil), t.tail...)
	} else {
		p := piece{Name: "tail-" + nonce(), Size: int64(len(t.tail))}
		etag, err := s.bucket.put(ctx, t.u.dir+p.Name, t.tail, condition{})
		if err != nil {
			t.forget(ctx, p) // it may have arrived
			return errors.Join(why, fmt.Errorf("write end of upload: %w", err))
		}
		p.ETag = etag
		t.u.Tail, tail = &p, []piece{p}
	}
	err := t.u.at(t.in.h, t.before.Offset+t.in.n)
	if err == nil {
		err = s.save(ctx, t.u)
	}
	if err != nil {
		if !errors.Is(err, errUnsure) {
			t.forget(ctx, tail...)
		}
		return errors.Join(why, t.lost(ctx, err))
	}
	s.discard(ctx, t.before, t.former())
	return why
}

// undo restores the session to its state before this chunk, and returns why.
func (t *taken) undo(ctx context.Context, why error) error {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	mine := t.u.Parts[len(t.before.Parts):]
	if t.kept > len(t.before.Parts) {
		u := t.before.copied()
		u.etag, u.Sequence = t.u.etag, t.u.Sequence
		if err := t.s.save(ctx, u); err != nil {
			return errors.Join(why, t.lost(ctx, err))
		}
	}
	t.s.discard(ctx, t.before, mine)
	t.u = t.before
	return why
}

// lost converts the error of a failed record update: if another writer was first, it returns an
// OffsetError with the current offset.
func (t *taken) lost(ctx context.Context, err error) error {
	if !errors.Is(err, errCondition) {
		return err
	}
	ctx, cancel := cleanup(ctx)
	defer cancel()
	now, err := t.s.session(ctx, t.o, t.before.id)
	if err != nil {
		return err
	}
	return &storage.OffsetError{Upload: now.upload(), Want: t.before.Offset}
}

// former returns the tail that the record named before this chunk.
func (t *taken) former() []piece {
	if t.before.Tail == nil || t.u.Tail == t.before.Tail {
		return nil
	}
	return []piece{*t.before.Tail}
}

// FinishUpload implements storage.Uploads. A session whose digest does not match is dropped. If the
// last chunk is not received completely, or the blob cannot be assembled, the session stays as it
// was before: clients send the same request again. The blob is assembled even if the client
// disconnects, within assembleTimeout, so that the retry finds it.
func (s *Store) FinishUpload(ctx context.Context, o storage.Owner, id string, at int64, r io.Reader, size int64, d digest.Digest) error {
	body, err := s.quota.Receive(ctx, o.User, id, bodyMemory)
	if err != nil {
		return err
	}
	defer body.Done()
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	defer s.alone(id)()
	t, err := s.take(ctx, o, id, at, r, size, true)
	if err != nil {
		return err
	}
	defer t.release()
	if t.err != nil {
		return t.undo(ctx, t.err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), assembleTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	got := digest.NewDigest(t.u.Algorithm, t.in.h)
	if d.Algorithm() != t.u.Algorithm {
		if got, err = s.hashAgain(ctx, t.u, t.tail, d.Algorithm()); err != nil {
			return t.undo(ctx, err)
		}
	}
	if got != d {
		s.drop(ctx, t.u, t.former()...)
		return &storage.DigestError{Want: d, Got: got}
	}
	if err := s.assemble(ctx, t, d); err != nil {
		if derr := (*storage.DigestError)(nil); errors.As(err, &derr) {
			s.drop(ctx, t.u, t.former()...)
			return err
		}
		if errors.Is(err, errLostBytes) {
			return s.refuse(ctx, t.u, err)
		}
		return t.undo(ctx, err)
	}
	if !s.ended(ctx, t.u) {
		t.forget(ctx)
		return storage.ErrUploadUnknown
	}
	s.drop(ctx, t.u, t.former()...)
	return nil
}

// assembleTimeout bounds the assembly of a blob. The service copies its parts, which takes minutes
// for the largest.
const assembleTimeout = 10 * time.Minute

// ended claims a session whose blob is complete. If several requests finish it at once, only one
// succeeds; the others created the same blob from the same bytes, and get ErrUploadUnknown, as they
// would a moment later.
func (s *Store) ended(ctx context.Context, u *session) bool {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	u.Finished = true
	return !errors.Is(s.save(ctx, u), errCondition)
}

// hashAgain hashes a whole upload with another algorithm.
func (s *Store) hashAgain(ctx context.Context, u *session, tail []byte, alg digest.Algorithm) (digest.Digest, error) {
	h := alg.Hash()
	if err := s.hashParts(ctx, u, h); err != nil {
		return "", err
	}
	h.Write(tail)
	return digest.NewDigest(alg, h), nil
}
