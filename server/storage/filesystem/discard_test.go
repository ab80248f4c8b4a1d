package filesystem

import (
	"testing"

	"packhouse/server/storage/storagetest"
)

// TestDiscardKeepsSharedData: data that any repository links to, as a blob or as a manifest, stays.
func TestDiscardKeepsSharedData(t *testing.T) {
	s, err := Open(t.Context(), Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := storagetest.PushBlob(t, s, "probe", []byte("shared"))
	storagetest.PushBlob(t, s, "team/app", []byte("shared"))
	image := storagetest.NewImage(t, "shared", nil)
	image.Push(t, s, "team/app", "v1")
	if err := s.DeleteBlob(t.Context(), storagetest.Repo(t, "probe"), d, false); err != nil {
		t.Fatal(err)
	}
	if err := s.DiscardData(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.DiscardData(t.Context(), image.Digest); err != nil {
		t.Fatal(err)
	}
	if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "team/app"), d); err != nil || string(got) != "shared" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.GetManifest(t.Context(), storagetest.Repo(t, "team/app"), image.Digest, false); err != nil {
		t.Error(err)
	}
}
