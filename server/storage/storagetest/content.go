package storagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// Repo parses a repository name.
func Repo(t testing.TB, name string) reference.Repository {
	t.Helper()
	r, err := reference.ParseRepository(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Tag parses a tag.
func Tag(t testing.TB, name string) reference.Tag {
	t.Helper()
	tag, err := reference.ParseTag(name)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// Image is an artifact with one config and one layer.
type Image struct {
	Config, Layer []byte
	Content       []byte
	Manifest      *manifest.Manifest
	Digest        digest.Digest
}

func descriptor(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest.FromBytes(content), "size": len(content)}
}

// NewImage creates an image whose layer is text. It refers to subject unless that is nil.
func NewImage(t testing.TB, text string, subject *Image) *Image {
	t.Helper()
	i := &Image{Config: []byte(`{"of":"` + text + `"}`), Layer: []byte("layer of " + text)}
	m := map[string]any{
		"schemaVersion": 2, "mediaType": manifest.OCIManifest,
		"config": descriptor("application/vnd.packhouse.test+json", i.Config),
		"layers": []any{descriptor("application/octet-stream", i.Layer)},
	}
	if subject != nil {
		m["subject"] = descriptor(manifest.OCIManifest, subject.Content)
		m["artifactType"] = "application/vnd.packhouse.signature"
		m["annotations"] = map[string]string{"of": text}
	}
	i.seal(t, m)
	return i
}

// NewIndex creates an index of images.
func NewIndex(t testing.TB, children ...*Image) *Image {
	t.Helper()
	list := []any{}
	for _, c := range children {
		list = append(list, descriptor(manifest.OCIManifest, c.Content))
	}
	i := &Image{}
	i.seal(t, map[string]any{"schemaVersion": 2, "mediaType": manifest.OCIIndex, "manifests": list})
	return i
}

func (i *Image) seal(t testing.TB, m map[string]any) {
	t.Helper()
	var err error
	if i.Content, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if i.Manifest, err = manifest.Parse(i.Content); err != nil {
		t.Fatal(err)
	}
	i.Digest = digest.FromBytes(i.Content)
}

// PushBlob pushes a blob and returns its digest.
func PushBlob(t testing.TB, s storage.Store, repo string, content []byte) digest.Digest {
	t.Helper()
	d := digest.FromBytes(content)
	if err := TryBlob(s, Repo(t, repo), content); err != nil {
		t.Fatalf("push blob: %v", err)
	}
	return d
}

// TryBlob pushes a blob.
func TryBlob(s storage.Store, repo reference.Repository, content []byte) error {
	return s.PutBlob(context.Background(), storage.Owner{Repository: repo, User: "ann"}, digest.FromBytes(content), bytes.NewReader(content), int64(len(content)))
}

// Push pushes an image and its blobs.
func (i *Image) Push(t testing.TB, s storage.Store, repo string, tags ...string) {
	t.Helper()
	if err := i.TryPush(t, s, repo, tags...); err != nil {
		t.Fatalf("push image: %v", err)
	}
}

// TryPush pushes an image and its blobs.
func (i *Image) TryPush(t testing.TB, s storage.Store, repo string, tags ...string) error {
	t.Helper()
	r := Repo(t, repo)
	for _, b := range [][]byte{i.Config, i.Layer} {
		if b == nil {
			continue
		}
		if err := TryBlob(s, r, b); err != nil {
			return err
		}
	}
	return i.TryManifest(t, s, repo, tags...)
}

// TryManifest pushes only the manifest.
func (i *Image) TryManifest(t testing.TB, s storage.Store, repo string, tags ...string) error {
	t.Helper()
	p := storage.Put{Repository: Repo(t, repo), Digest: i.Digest, Content: i.Content, Manifest: i.Manifest}
	for _, tag := range tags {
		p.Tags = append(p.Tags, Tag(t, tag))
	}
	return s.PutManifest(context.Background(), p)
}

// Check reads an image back completely, by every tag.
func (i *Image) Check(t testing.TB, s storage.Store, repo string, tags ...string) {
	t.Helper()
	if err := i.TryCheck(t, s, repo, tags...); err != nil {
		t.Fatal(err)
	}
}

// TryCheck reads an image back completely, by every tag.
func (i *Image) TryCheck(t testing.TB, s storage.Store, repo string, tags ...string) error {
	t.Helper()
	ctx, r := context.Background(), Repo(t, repo)
	stored, err := s.GetManifest(ctx, r, i.Digest, false)
	if err != nil {
		return err
	}
	if !bytes.Equal(stored.Content, i.Content) || stored.MediaType != i.Manifest.MediaType || stored.Digest != i.Digest {
		return errors.New("another manifest came back")
	}
	for _, tag := range tags {
		d, err := s.ResolveTag(ctx, r, Tag(t, tag))
		if err != nil {
			return err
		}
		if d != i.Digest {
			return errors.New("tag " + tag + " points to " + string(d))
		}
	}
	for _, b := range [][]byte{i.Config, i.Layer} {
		if b == nil {
			continue
		}
		got, err := ReadBlob(s, r, digest.FromBytes(b))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, b) {
			return errors.New("another blob came back")
		}
	}
	return nil
}

// ReadBlob reads a blob.
func ReadBlob(s storage.Store, repo reference.Repository, d digest.Digest) ([]byte, error) {
	b, err := s.OpenBlob(context.Background(), repo, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.Close() }()
	return io.ReadAll(b.Content())
}

// Repositories lists all repositories, in pages of n.
func Repositories(t testing.TB, s storage.Store, n int) []string {
	t.Helper()
	return pages(t, func(last string) ([]string, bool, error) {
		return s.Repositories(context.Background(), last, n, nil)
	})
}

// Tags lists all tags of a repository, in pages of n.
func Tags(t testing.TB, s storage.Store, repo string, n int) []string {
	t.Helper()
	return pages(t, func(last string) ([]string, bool, error) {
		return s.Tags(context.Background(), Repo(t, repo), last, n)
	})
}

func pages(t testing.TB, next func(last string) ([]string, bool, error)) []string {
	t.Helper()
	all, last := []string{}, ""
	for {
		page, more, err := next(last)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if !more {
			break
		}
		if len(page) == 0 {
			t.Fatal("an empty page says that more follow")
		}
		last = page[len(page)-1]
	}
	if !slices.IsSorted(all) {
		t.Fatalf("not sorted: %s", strings.Join(all, " "))
	}
	return all
}
