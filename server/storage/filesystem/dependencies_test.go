package filesystem_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"

	"github.com/opencontainers/go-digest"
)

// TestDeletionWithoutItsRecord deletes parts of tagged images after the record of what manifests
// need was lost, damaged or never written, as after a power cut or by other software.
func TestDeletionWithoutItsRecord(t *testing.T) {
	const images = 24
	for name, change := range map[string]func(body []byte) []byte{
		"kept":    func(body []byte) []byte { return body },
		"missing": func([]byte) []byte { return nil },
		"empty":   func([]byte) []byte { return []byte{} },
		"cut":     func(body []byte) []byte { return body[:len(body)/2] },
		"zeros":   func(body []byte) []byte { return append(body[:len(body)/3], make([]byte, len(body))...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, root, repo := t.Context(), t.TempDir(), storagetest.Repo(t, "a")
			s, err := filesystem.Open(ctx, filesystem.Options{Root: root})
			if err != nil {
				t.Fatal(err)
			}
			var all []*storagetest.Image
			for i := range images {
				all = append(all, storagetest.NewImage(t, fmt.Sprint(i), nil))
				all[i].Push(t, s, "a")
			}
			index := storagetest.NewIndex(t, all...)
			index.Push(t, s, "a", "all")
			closing(t, s)
			record := filepath.Join(root, "packhouse/v1/refs/a/dependencies")
			body, err := os.ReadFile(record)
			if err != nil {
				t.Fatal(err)
			}
			if body = change(body); body == nil {
				err = os.Remove(record)
			} else {
				err = os.WriteFile(record, body, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time the record is complete
				if s, err = filesystem.Open(ctx, filesystem.Options{Root: root}); err != nil {
					t.Fatal(err)
				}
				for _, i := range all {
					var needed *storage.NeededError
					if err := s.DeleteManifest(ctx, repo, i.Digest, false); !errors.As(err, &needed) {
						t.Errorf("a part of the index: %v", err)
					}
					if err := s.DeleteBlob(ctx, repo, digest.FromBytes(i.Layer), false); !errors.As(err, &needed) {
						t.Errorf("a layer: %v", err)
					}
				}
				closing(t, s)
			}
		})
	}
}

// TestDeletionBesideADamagedManifest checks that a tagged manifest that cannot be read keeps
// everything in its repository, because it may need it, but not itself.
func TestDeletionBesideADamagedManifest(t *testing.T) {
	ctx, root, repo := t.Context(), t.TempDir(), storagetest.Repo(t, "a")
	s, err := filesystem.Open(ctx, filesystem.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { closing(t, s) }()
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "a", "v1")
	closing(t, s)
	hex := image.Digest.Encoded()
	for _, name := range []string{
		"docker/registry/v2/blobs/sha256/" + hex[:2] + "/" + hex + "/data", "packhouse/v1/refs/a/dependencies",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = filesystem.Open(ctx, filesystem.Options{Root: root}); err != nil {
		t.Fatal(err)
	}
	layer := digest.FromBytes(image.Layer)
	var needed *storage.NeededError
	if err := s.DeleteBlob(ctx, repo, layer, false); !errors.As(err, &needed) || needed.Tag != "v1" {
		t.Errorf("the layer: %v", err)
	}
	if err := s.DeleteManifest(ctx, repo, image.Digest, false); err != nil {
		t.Errorf("the manifest: %v", err)
	}
	if err := s.DeleteBlob(ctx, repo, layer, false); err != nil {
		t.Errorf("the layer without its manifest: %v", err)
	}
}

// TestDeletionCosts counts the calls of the disk for the deletion of a blob that nothing needs,
// among few and among many manifests, and that a push needs no more for the record than one append
// for many manifests.
func TestDeletionCosts(t *testing.T) {
	measure := func(total int) (deletion int) {
		ctx, repo := context.Background(), storagetest.Repo(t, "a")
		f := &faulty{Disk: inmemory.NewDisk(inmemory.DiskOptions{Now: anHourAgo})}
		s, err := filesystem.OpenDisk(ctx, f, filesystem.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer closing(t, s)
		for i := range total {
			storagetest.NewImage(t, fmt.Sprint(i), nil).Push(t, s, "a", fmt.Sprint("v", i%7))
		}
		if _, err := s.Reindex(ctx); err != nil { // the work of the start is done
			t.Fatal(err)
		}
		alone := storagetest.PushBlob(t, s, "a", []byte("alone"))
		before := f.count()
		if err := s.DeleteBlob(ctx, repo, alone, false); err != nil {
			t.Fatal(err)
		}
		return f.count() - before
	}
	few, many := measure(30), measure(300)
	if many > few+3 || many > 25 {
		t.Errorf("among 30 manifests: %d calls; among 300: %d", few, many)
	}
}
