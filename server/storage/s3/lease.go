package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// leaseLife is how long a lease outlives the process that holds it.
const leaseLife = time.Minute

// leaseRecord is the body of a lease.
type leaseRecord struct {
	Holder   string `json:"holder"`
	Nonce    string `json:"nonce"`
	Released bool   `json:"released,omitempty"`
}

// Lease takes what only one process may do at a time: the returned context ends when the lease is lost, release gives it back. Not ok where
// another process holds it. It prevents double work; nothing rests on its being exclusive.
func (s *Store) Lease(ctx context.Context, name string) (held context.Context, release func(), ok bool, err error) {
	if !s.traits.Conditional() {
		return ctx, func() {}, true, nil // one process has the bucket to itself
	}
	key := leaseDir + name
	body := func(released bool) []byte {
		b, _ := json.Marshal(leaseRecord{Holder: s.id, Nonce: nonce(), Released: released}) // strings
		return b
	}
	c := ifAbsent
	now, o, err := read(ctx, s.bucket, key, 4<<10)
	switch {
	case err == nil:
		var r leaseRecord
		if json.Unmarshal(now, &r) == nil && !r.Released && s.now().Sub(o.modTime) < leaseLife {
			return nil, nil, false, nil
		}
		c = ifMatch(o.etag)
	case !errors.Is(err, errMissing):
		return nil, nil, false, fmt.Errorf("read lease: %w", err)
	}
	etag, err := s.bucket.put(ctx, key, body(false), c)
	if errors.Is(err, errCondition) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, fmt.Errorf("take lease: %w", err)
	}
	held, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for last := time.Now(); pause(held, leaseLife/4) == nil; {
			next, err := s.bucket.put(held, key, body(false), ifMatch(etag))
			switch {
			case err == nil:
				etag, last = next, time.Now()
			case errors.Is(err, errCondition), time.Since(last) > leaseLife:
				cancel(errLeaseLost)
			}
		}
	}()
	return held, func() {
		cancel(nil)
		<-done
		ctx, cancel := cleanup(ctx)
		defer cancel()
		_, _ = s.bucket.put(ctx, key, body(true), ifMatch(etag)) // else it runs out
	}, true, nil
}

var errLeaseLost = errors.New("another process has taken over")

// ErrNoRecord says that there is no record of that name.
var ErrNoRecord = errors.New("no such record")

// mostRecord is the largest record, in bytes.
const mostRecord = 1 << 20

// Records are small things that every process of this registry shares, such as certificates that were ordered: a folder of the bucket.
type Records struct {
	s      *Store
	folder string
}

// Records returns a folder of records. Its name is one that this program chose.
func (s *Store) Records(folder string) *Records { return &Records{s, recordsDir + folder + "/"} }

func (r *Records) key(name string) string { return r.folder + escapeRecord(name) }

// Get returns a record; ErrNoRecord.
func (r *Records) Get(ctx context.Context, name string) ([]byte, error) {
	body, _, err := read(ctx, r.s.bucket, r.key(name), mostRecord)
	if errors.Is(err, errMissing) {
		return nil, ErrNoRecord
	}
	return body, err
}

// Put writes a record.
func (r *Records) Put(ctx context.Context, name string, content []byte) error {
	leave, err := r.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	_, err = r.s.bucket.put(ctx, r.key(name), content, condition{})
	return err
}

// Delete removes a record, if there is one.
func (r *Records) Delete(ctx context.Context, name string) error {
	leave, err := r.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return r.s.bucket.delete(ctx, r.key(name))
}

// escapeRecord makes one path element of any name.
func escapeRecord(name string) string {
	out := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
			out = append(out, c)
		default:
			out = append(out, fmt.Sprintf("!%02x", c)...)
		}
	}
	return string(out)
}
