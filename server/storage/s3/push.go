package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3 makes ETags of
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// PutBlob implements storage.Uploads. The digest is known, so the bytes go straight to their final
// key: a small blob is hashed in memory and written by one request; a large one is sent in parts
// while it is hashed, and completed only if the hash matches.
func (s *Store) PutBlob(ctx context.Context, o storage.Owner, d digest.Digest, r io.Reader, size int64) error {
	body, err := s.quota.Put(ctx, o.User, bodyMemory)
	if err != nil {
		return err
	}
	defer body.Done()
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &direct{s: s, key: blobKey(d)}
	c := &cutter{
		s: s, in: s.newIncoming(ctx, r, size, d.Algorithm().Hash()), base: s.opt.Config.ChunkSize, send: m.send,
	}
	tail, release, err := c.run(ctx, 0, nil)
	defer release()
	if err == nil {
		if got := digest.NewDigest(d.Algorithm(), c.in.h); got != d {
			err = &storage.DigestError{Want: d, Got: got}
		}
	}
	if err != nil {
		m.abort(ctx)
		return err
	}
	if m.id == "" {
		return s.putSmall(ctx, o, d, tail)
	}
	w, err := s.look(ctx)
	if err != nil {
		m.abort(ctx)
		return err
	}
	etag, err := m.complete(ctx, c.next, tail, c.in.n)
	if err != nil {
		return err
	}
	return s.commit(ctx, w, o.Repository.String(), d, written{etag, c.in.n, true}, func(context.Context) (string, error) {
		return "", fmt.Errorf("%w: %s", storage.ErrBusy, d) // the bytes are gone: the client must send them again
	})
}

// putSmall writes a blob that is in memory.
func (s *Store) putSmall(ctx context.Context, o storage.Owner, d digest.Digest, content []byte) error {
	write := func(ctx context.Context) (string, error) {
		etag, err := s.bucket.put(withDigest(ctx, d), blobKey(d), content, condition{})
		if err != nil {
			return "", fmt.Errorf("write blob: %w", err)
		}
		return etag, nil
	}
	w, err := s.look(ctx)
	if err != nil {
		return err
	}
	etag, err := write(ctx)
	if err != nil {
		return err
	}
	return s.commit(ctx, w, o.Repository.String(), d, written{etag, int64(len(content)), true}, write)
}

// written describes the data of a blob that a push wrote or found.
type written struct {
	etag  string
	size  int64
	known bool // the bytes match the digest; if false, the first read verifies them
}

// commit links a blob whose data was written after w was taken, and makes sure that both stay. If a
// collection has deleted the data, commit calls again to write it again.
func (s *Store) commit(ctx context.Context, w watch, repo string, d digest.Digest, o written, again func(context.Context) (string, error)) error {
	s.health.good(s.opt.Now())
	err := s.guardedSince(w, func(w watch) error {
		for attempt := 0; ; attempt++ {
			err := s.link(ctx, w, repo, d, d)
			if !errors.Is(err, storage.ErrBusy) || attempt > 2 {
				return err
			}
			o.known = false
			if o.etag, err = again(ctx); err != nil {
				return err
			}
		}
	})
	if err == nil && o.known {
		s.remember(d, o.etag, o.size)
	}
	return err
}

// direct is a multipart upload to the final key of a blob. It is started with the first part.
type direct struct {
	s     *Store
	key   string
	id    string
	note  string // key of its multipartRecord
	parts []part
}

func (m *direct) begin(ctx context.Context) (err error) {
	m.id, m.note, err = m.s.openMultipart(ctx, m.key)
	return err
}

func (m *direct) send(ctx context.Context, n int, body []byte, _ mark) error {
	if m.id == "" {
		if err := m.begin(ctx); err != nil {
			return err
		}
	}
	p, err := m.s.bucket.putPart(ctx, m.key, m.id, int32(n+1), body) //nolint:gosec // at most 10,000
	if err != nil {
		return fmt.Errorf("write part of blob: %w", err)
	}
	m.parts = append(m.parts, p)
	return nil
}

func (m *direct) complete(ctx context.Context, n int, tail []byte, size int64) (string, error) {
	if len(tail) > 0 {
		if err := m.send(ctx, n, tail, mark{}); err != nil {
			m.abort(ctx)
			return "", err
		}
	}
	etag, err := m.s.closeMultipart(ctx, m.key, m.id, m.note, m.parts, size)
	if err != nil {
		m.abort(ctx)
	}
	return etag, err
}

func (m *direct) abort(ctx context.Context) {
	if m.id != "" {
		m.s.abort(ctx, m.key, m.id, m.note)
	}
}

// multipartRecord describes an open multipart upload, so that it can be found if this process dies:
// S3 keeps its parts, and bills for them, until it is aborted.
type multipartRecord struct {
	Key       string    `json:"key"`
	ID        string    `json:"id"`
	StartedAt time.Time `json:"startedAt"`
}

func (s *Store) openMultipart(ctx context.Context, key string) (id, note string, err error) {
	id, err = s.bucket.startMultipart(ctx, key)
	if err != nil {
		return "", "", err
	}
	body, err := json.Marshal(multipartRecord{key, id, s.now().UTC()})
	if err == nil {
		note = multipartDir + nonce()
		_, err = s.bucket.put(ctx, note, body, condition{})
	}
	if err != nil {
		s.abort(ctx, key, id, note)
		return "", "", fmt.Errorf("record multipart upload: %w", err)
	}
	return id, note, nil
}

func (s *Store) closeMultipart(ctx context.Context, key, id, note string, parts []part, size int64) (string, error) {
	etag, err := s.bucket.completeMultipart(ctx, key, id, parts)
	if errors.Is(err, errMissing) {
		// An attempt whose response was lost may have completed it.
		if o, ok := s.completed(ctx, key, parts, size); ok {
			etag, err = o.etag, nil
		}
	}
	if err != nil {
		return "", err
	}
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := s.bucket.delete(ctx, note); err != nil {
		s.log.Warn("forget a completed multipart upload", "key", note, "error", err)
	}
	return etag, nil
}

// completed reports whether the object under a key consists of the given parts. It may also be the
// previous object, possibly a damaged one that this upload replaces. Most services derive the ETag
// from those of the parts; if it differs, the blob is read to verify it.
func (s *Store) completed(ctx context.Context, key string, parts []part, size int64) (object, bool) {
	o, err := s.bucket.head(ctx, key)
	if err != nil || o.size != size {
		return o, false
	}
	d, ok := parseBlobKey(key)
	if !ok || strings.Trim(o.etag, `"`) == multipartETag(parts) {
		return o, true
	}
	return o, s.verify(ctx, d, o) == nil
}

// multipartETag returns the ETag that S3 derives from those of the parts.
func multipartETag(parts []part) string {
	h := md5.New() //nolint:gosec // as S3 does; the parts were sent under their SHA-256
	for _, p := range parts {
		sum, _ := hex.DecodeString(strings.Trim(p.etag, `"`))
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// abort aborts a multipart upload. Failures are only logged, because the upload is recorded.
func (s *Store) abort(ctx context.Context, key, id, note string) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	err := s.bucket.abortMultipart(ctx, key, id)
	if errors.Is(err, errMissing) {
		err = nil
	}
	if err == nil && note != "" {
		err = s.bucket.delete(ctx, note)
	}
	if err != nil {
		s.log.Warn("abort multipart upload", "key", key, "error", err)
	}
}
