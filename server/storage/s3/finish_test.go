package s3

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// finishing returns a session that holds the first chunk of content, and what is left to send.
func finishing(t *testing.T, s *Store, o storage.Owner) (id string, content, rest []byte) {
	t.Helper()
	content = noise(1, 5*tinyChunk+7000)
	first := 2*tinyChunk + 100
	u, err := s.StartUpload(t.Context(), o, digest.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AppendUpload(t.Context(), o, u.ID, 0, bytes.NewReader(content[:first]), int64(first)); err != nil {
		t.Fatal(err)
	}
	return u.ID, content, content[first:]
}

// TestFinishOutlivesItsClient: a client or proxy that gives up while the blob is
// assembled finds the blob when it returns.
func TestFinishOutlivesItsClient(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	tiny(s, b)
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	id, content, rest := finishing(t, s, o)
	client, leave := context.WithCancel(t.Context())
	defer leave()
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "copy" {
			leave()
		}
		return nil
	}
	if err := s.FinishUpload(client, o, id, -1, bytes.NewReader(rest), int64(len(rest)), digest.FromBytes(content)); err != nil {
		t.Error(err)
	}
	if client.Err() == nil {
		t.Fatal("nothing was copied")
	}
	if got, err := storagetest.ReadBlob(s, o.Repository, digest.FromBytes(content)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestFailedAssemblyCanBeRepeated: the same request succeeds once the engine works again.
func TestFailedAssemblyCanBeRepeated(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	tiny(s, b)
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	id, content, rest := finishing(t, s, o)
	broken := errors.New("slow down")
	b.before = func(_ context.Context, verb, _ string) error {
		if verb == "copy" {
			return broken
		}
		return nil
	}
	finish := func() error {
		return s.FinishUpload(t.Context(), o, id, -1, bytes.NewReader(rest), int64(len(rest)), digest.FromBytes(content))
	}
	if err := finish(); !errors.Is(err, broken) {
		t.Fatalf("%v, want %v", err, broken)
	}
	if u, err := s.StatUpload(t.Context(), o, id); err != nil || u.Offset != int64(len(content)-len(rest)) {
		t.Errorf("after the failure: %+v, %v", u, err)
	}
	b.before = nil
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	if got, err := storagetest.ReadBlob(s, o.Repository, digest.FromBytes(content)); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
