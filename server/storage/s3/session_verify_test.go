package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// rewrite changes the objects whose key contains part, and keeps their ETags, as an engine does that
// returns other bytes than it was given.
func (b *memoryBucket) rewrite(part string, change func([]byte) []byte) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, o := range b.objects {
		if strings.Contains(key, part) {
			o.body = change(bytes.Clone(o.body))
			o.o.size = int64(len(o.body))
			b.objects[key] = o
			n++
		}
	}
	return n
}

func zeroed(body []byte) []byte { return make([]byte, len(body)) }

// record edits the records of sessions.
func (b *memoryBucket) record(t *testing.T, edit func(map[string]any)) {
	t.Helper()
	n := b.rewrite("/session", func(body []byte) []byte {
		fields := map[string]any{}
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatal(err)
		}
		edit(fields)
		body, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return body
	})
	if n != 1 {
		t.Fatalf("%d records, want 1", n)
	}
}

// TestResumeVerifiesTheEnd damages what follows the full parts of a session. No request acknowledges its
// offset, and the client can start over.
func TestResumeVerifiesTheEnd(t *testing.T) {
	requests := map[string]func(*Store, storage.Owner, string, digest.Digest) error{
		"GET": func(s *Store, o storage.Owner, id string, _ digest.Digest) error {
			_, err := s.StatUpload(context.Background(), o, id)
			return err
		},
		"PATCH": func(s *Store, o storage.Owner, id string, _ digest.Digest) error {
			_, err := s.AppendUpload(context.Background(), o, id, -1, strings.NewReader("x"), 1)
			return err
		},
		"PUT": func(s *Store, o storage.Owner, id string, d digest.Digest) error {
			return s.FinishUpload(context.Background(), o, id, -1, nil, 0, d)
		},
	}
	for name, tt := range map[string]struct {
		size   int
		legacy bool
		damage func(*testing.T, *memoryBucket)
	}{
		"end in an object":  {2*tinyChunk + 60<<10, false, damageTail},
		"no part":           {60 << 10, false, damageTail},
		"end in the record": {2*tinyChunk + 7000, false, damageInline},
		"older record":      {2*tinyChunk + 60<<10, true, damageTail},
	} {
		for request, ask := range requests {
			for _, damaged := range []bool{false, true} {
				t.Run(name+", "+request, func(t *testing.T) {
					b := newMemoryBucket()
					s := openMemory(t, b, nil)
					tiny(s, b)
					o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
					content := noise(1, tt.size)
					d := digest.FromBytes(content)
					u, err := s.StartUpload(t.Context(), o, digest.SHA256)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content), int64(len(content))); err != nil {
						t.Fatal(err)
					}
					if tt.legacy {
						b.record(t, func(r map[string]any) { delete(r, "partsHash") })
					}
					if damaged {
						tt.damage(t, b)
					}
					err = ask(s, o, u.ID, d)
					if !damaged {
						if err != nil {
							t.Error(err)
						}
						return
					}
					if !errors.Is(err, storage.ErrUploadUnknown) {
						t.Errorf("%v, want %v", err, storage.ErrUploadUnknown)
					}
					if got, err := storagetest.ReadBlob(s, o.Repository, d); err == nil && !bytes.Equal(got, content) {
						t.Error("wrong bytes were served whole")
					}
					if _, err := s.StatUpload(t.Context(), o, u.ID); !errors.Is(err, storage.ErrUploadUnknown) {
						t.Errorf("afterwards: %v", err)
					}
				})
			}
		}
	}
}

func damageTail(t *testing.T, b *memoryBucket) {
	t.Helper()
	if n := b.rewrite("/tail-", zeroed); n != 1 {
		t.Fatalf("%d ends, want 1", n)
	}
}

func damageInline(t *testing.T, b *memoryBucket) {
	t.Helper()
	b.record(t, func(r map[string]any) {
		r["inline"] = make([]byte, len(bytes.TrimRight([]byte(r["inline"].(string)), "="))*3/4)
	})
}

// TestChangedPartIsVerifiedOnRead damages a part before it is copied. The copy has another ETag, so the
// blob is not taken for verified.
func TestChangedPartIsVerifiedOnRead(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	tiny(s, b)
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	content := noise(1, 3*tinyChunk)
	d := digest.FromBytes(content)
	u, err := s.StartUpload(t.Context(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	if b.rewrite("/part-0-", zeroed) != 1 {
		t.Fatal("no part")
	}
	if err := s.FinishUpload(t.Context(), o, u.ID, -1, nil, 0, d); err == nil {
		if got, err := storagetest.ReadBlob(s, o.Repository, d); err == nil && !bytes.Equal(got, content) {
			t.Error("wrong bytes were served whole")
		}
	}
}

// TestLostPartDropsTheSession removes a part, and replaces one, before the upload is finished.
func TestLostPartDropsTheSession(t *testing.T) {
	for name, lose := range map[string]func(*memoryBucket, string){
		"removed": func(b *memoryBucket, key string) { delete(b.objects, key) },
		"replaced": func(b *memoryBucket, key string) {
			o := b.objects[key]
			o.o.etag = `"another"`
			b.objects[key] = o
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newMemoryBucket()
			s := openMemory(t, b, nil)
			tiny(s, b)
			o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
			content := noise(1, 3*tinyChunk)
			u, err := s.StartUpload(t.Context(), o, digest.SHA256)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content), -1); err != nil {
				t.Fatal(err)
			}
			b.mu.Lock()
			for key := range b.objects {
				if strings.Contains(key, "/part-1-") {
					lose(b, key)
				}
			}
			b.mu.Unlock()
			err = s.FinishUpload(t.Context(), o, u.ID, -1, nil, 0, digest.FromBytes(content))
			if !errors.Is(err, storage.ErrUploadUnknown) {
				t.Errorf("%v, want %v", err, storage.ErrUploadUnknown)
			}
		})
	}
}

// TestFailedRefreshFailsNoRead lets every write fail: a user who may push still reads.
func TestFailedRefreshFailsNoRead(t *testing.T) {
	b := newMemoryBucket()
	now := time.Now()
	s := openMemory(t, b, func(o *Options) { o.Now = func() time.Time { return now } })
	image, repo := storagetest.NewImage(t, "one", nil), storagetest.Repo(t, "a")
	image.Push(t, s, "a", "v1")
	now = now.Add(time.Hour)
	refused := errors.New("access denied")
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "put" {
			return refused
		}
		return nil
	}
	if _, err := s.StatBlob(t.Context(), repo, digest.FromBytes(image.Layer), true); err != nil {
		t.Errorf("HEAD blob: %v", err)
	}
	if _, err := s.GetManifest(t.Context(), repo, image.Digest, true); err != nil {
		t.Errorf("GET manifest: %v", err)
	}
	if err := image.TryManifest(t, s, "a", "v2"); !errors.Is(err, refused) {
		t.Errorf("push manifest: %v, want %v", err, refused)
	}
}
