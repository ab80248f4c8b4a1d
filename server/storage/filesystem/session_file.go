package filesystem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"syscall"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// A session's running hash describes the bytes that passed through one descriptor. It can be
// trusted only while that descriptor stays open, because only its fsync reports every failed
// write-back of those bytes. So the descriptor stays open between chunks and
// completion syncs it. A session without it is synced, read back and hashed before its offset is
// acknowledged.

// mostOpenSessions bounds the descriptors that sessions keep open between chunks.
const mostOpenSessions = 256

// idleAfter is how long a session keeps its descriptor open after its last chunk.
const idleAfter = 5 * time.Minute

// resumption is the progress of verifying a session's bytes. It outlives a caller that gives up.
type resumption struct {
	f    disk.File
	h    hash.Hash
	done int64 // bytes hashed
}

// isOpen reports whether the descriptor that wrote the session's bytes is open.
func (u *session) isOpen() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.file != nil
}

// attach makes f the session's descriptor. The caller holds u.
func (s *Store) attach(u *session, f disk.File) {
	u.mu.Lock()
	u.file = f
	u.mu.Unlock()
	s.countOpen(u)
}

// countOpen counts the descriptor of a session and shuts the least recently used sessions if there
// are too many. The caller holds u.
func (s *Store) countOpen(u *session) {
	for _, old := range s.sessions.opened(u, s.now()) {
		s.shut(old)
		<-old.busy
	}
}

// detach removes the descriptor from the session without closing it, and returns it. The caller
// holds u.
func (s *Store) detach(u *session) disk.File {
	s.sessions.closed(u)
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.file
	u.file = nil
	return f
}

// opened records that a session has an open descriptor and returns sessions to shut, which it has
// acquired.
func (l *sessions) opened(u *session, now time.Time) (victims []*session) {
	l.files.Lock()
	defer l.files.Unlock()
	if l.open == nil {
		l.open = map[*session]time.Time{}
	}
	l.open[u] = now
	for passed := map[*session]bool{u: true}; len(l.open) > mostOpenSessions; {
		var oldest *session
		for o, at := range l.open {
			if !passed[o] && (oldest == nil || at.Before(l.open[oldest])) {
				oldest = o
			}
		}
		if oldest == nil {
			break // all are in use
		}
		passed[oldest] = true
		select {
		case oldest.busy <- struct{}{}:
			delete(l.open, oldest)
			victims = append(victims, oldest)
		default:
		}
	}
	return victims
}

// used records that an open session was used.
func (l *sessions) used(u *session, now time.Time) {
	l.files.Lock()
	defer l.files.Unlock()
	if _, ok := l.open[u]; ok {
		l.open[u] = now
	}
}

func (l *sessions) closed(u *session) {
	l.files.Lock()
	defer l.files.Unlock()
	delete(l.open, u)
}

// shut closes a session's descriptor. It syncs first, on that descriptor; if that fails the bytes
// are lost and the session is dropped. The caller holds u.
func (s *Store) shut(u *session) {
	s.abandonResume(u)
	f := s.detach(u)
	if f == nil {
		return
	}
	err := f.Sync()
	if err = errors.Join(err, f.Close()); err != nil {
		s.log.Warn("drop upload session: its bytes could not be written", "upload", u.id, "error", err)
		s.drop(u)
	}
}

// shutIdle shuts the sessions that are not in use and were last used before a time.
func (s *Store) shutIdle(before time.Time) {
	l := &s.sessions
	var idle []*session
	l.files.Lock()
	for u, at := range l.open {
		if at.Before(before) {
			select {
			case u.busy <- struct{}{}:
				idle = append(idle, u)
			default:
			}
		}
	}
	l.files.Unlock()
	for _, u := range idle {
		s.shut(u)
		<-u.busy
	}
}

// resume makes sure that the session's descriptor is open and its bytes match its hash. If they do
// not, the session is dropped, and the client starts over. Only one caller verifies a session; one
// that gives up leaves its progress to the next. The caller holds u.
func (s *Store) resume(ctx context.Context, u *session) error {
	if u.isOpen() {
		s.sessions.used(u, s.now())
		return nil
	}
	if err := s.beginResume(u); err != nil {
		return s.refuse(u, err)
	}
	r := u.resuming
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for end := u.upload().Offset; r.done < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.f.ReadAt((*buf)[:min(int64(len(*buf)), end-r.done)], r.done)
		r.h.Write((*buf)[:n])
		r.done += int64(n)
		if err != nil && r.done < end {
			return s.refuse(u, fmt.Errorf("read: %w", err))
		}
	}
	want, err := restoreHash(u.alg, u.state)
	if err != nil {
		return s.refuse(u, err)
	}
	if !bytes.Equal(r.h.Sum(nil), want.Sum(nil)) {
		return s.refuse(u, errors.New("the bytes on disk are not those that were received"))
	}
	u.resuming, u.hash = nil, r.h
	s.attach(u, r.f)
	return nil
}

// beginResume opens the session's file. Its fsync reports write-back errors not yet reported to any
// descriptor; then the cached pages are dropped, so that hashing reads from the device.
func (s *Store) beginResume(u *session) error {
	if u.resuming != nil {
		return nil
	}
	f, err := s.disk.Reopen(u.data())
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	f.Uncache()
	u.resuming = &resumption{f: f, h: u.alg.Hash()}
	s.countOpen(u)
	return nil
}

// abandonResume closes what beginResume opened.
func (s *Store) abandonResume(u *session) {
	if u.resuming != nil {
		s.sessions.closed(u)
		u.resuming.f.Close()
		u.resuming = nil
	}
}

// refuse drops a session that cannot be resumed and returns the error for the client.
func (s *Store) refuse(u *session, err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) { // not a problem of the bytes
		return fmt.Errorf("resume upload: %w", mapped(err))
	}
	s.log.Warn("drop upload session: its bytes could not be verified", "upload", u.id, "error", err)
	s.drop(u)
	return fmt.Errorf("%w: %w", storage.ErrUploadUnknown, err)
}

// rewind truncates what an interrupted chunk left after the recorded end.
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
