package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

func manifestComesBack(t *testing.T, s storage.Store) {
	ctx := context.Background()
	one, two := NewImage(t, "one", nil), NewImage(t, "two", nil)
	one.Push(t, s, "a", "v1", "latest")
	two.Push(t, s, "a") // by digest only
	index := NewIndex(t, one, two)
	index.Push(t, s, "a", "all")
	one.Check(t, s, "a", "v1", "latest")
	two.Check(t, s, "a")
	index.Check(t, s, "a", "all")
	stored, err := s.GetManifest(ctx, Repo(t, "a"), one.Digest, true)
	if err != nil || stored.CreatedAt.IsZero() || stored.MediaType != manifest.OCIManifest {
		t.Errorf("stored: %+v, %v", stored, err)
	}
	if _, err := s.GetManifest(ctx, Repo(t, "b"), one.Digest, false); !errors.Is(err, storage.ErrManifestUnknown) {
		t.Errorf("from another repository: %v", err)
	}
	if _, err := s.GetManifest(ctx, Repo(t, "a"), digest.FromBytes(one.Layer), false); !errors.Is(err, storage.ErrManifestUnknown) {
		t.Errorf("a blob as a manifest: %v", err)
	}
	if _, err := s.ResolveTag(ctx, Repo(t, "a"), Tag(t, "none")); !errors.Is(err, storage.ErrTagUnknown) {
		t.Errorf("a tag that is not: %v", err)
	}
}

func manifestNeedsItsBlobs(t *testing.T, s storage.Store) {
	i := NewImage(t, "one", nil)
	PushBlob(t, s, "a", i.Config)
	PushBlob(t, s, "elsewhere", i.Layer)
	var missing *storage.MissingError
	err := i.TryManifest(t, s, "a", "v1")
	if !errors.As(err, &missing) || len(missing.References) != 1 || missing.References[0].Digest != digest.FromBytes(i.Layer) {
		t.Fatalf("with a layer that only another repository has: %v", err)
	}
	if _, err := s.ResolveTag(context.Background(), Repo(t, "a"), Tag(t, "v1")); !errors.Is(err, storage.ErrTagUnknown) {
		t.Errorf("the tag: %v", err)
	}
	PushBlob(t, s, "a", i.Layer)
	if err := i.TryManifest(t, s, "a", "v1"); err != nil {
		t.Error(err)
	}
	i.Check(t, s, "a", "v1")
}

func indexMayBeSparse(t *testing.T, s storage.Store) {
	here, away := NewImage(t, "here", nil), NewImage(t, "away", nil)
	here.Push(t, s, "a")
	index := NewIndex(t, here, away)
	index.Push(t, s, "a", "v1")
	index.Check(t, s, "a", "v1")
}

func manifestOfSHA512(t *testing.T, s storage.Store) {
	i := NewImage(t, "one", nil)
	i.Digest = digest.SHA512.FromBytes(i.Content)
	i.Push(t, s, "a", "v1")
	i.Check(t, s, "a", "v1")
}

func manifestDeleted(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	one, two := NewImage(t, "one", nil), NewImage(t, "two", nil)
	for range 2 {
		one.Push(t, s, "a", "v1", "latest")
		two.Push(t, s, "a", "v2")
		if err := s.DeleteManifest(ctx, repo, one.Digest, false); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteManifest(ctx, repo, one.Digest, false); !errors.Is(err, storage.ErrManifestUnknown) {
			t.Errorf("deleted twice: %v", err)
		}
		if _, err := s.GetManifest(ctx, repo, one.Digest, false); !errors.Is(err, storage.ErrManifestUnknown) {
			t.Errorf("deleted: %v", err)
		}
		if got := Tags(t, s, "a", 10); !slices.Equal(got, []string{"v2"}) {
			t.Errorf("tags left: %v", got)
		}
		// Pushing the same manifest again does not restore its tags.
		if err := one.TryManifest(t, s, "a"); err != nil {
			t.Fatal(err)
		}
		one.Check(t, s, "a")
		if got := Tags(t, s, "a", 10); !slices.Equal(got, []string{"v2"}) {
			t.Errorf("tags after pushing it again: %v", got)
		}
	}
}

func tagMoved(t *testing.T, s storage.Store) {
	one, two := NewImage(t, "one", nil), NewImage(t, "two", nil)
	one.Push(t, s, "a", "v1")
	two.Push(t, s, "a", "v1")
	two.Check(t, s, "a", "v1")
	one.Check(t, s, "a") // still available by digest
	one.Push(t, s, "a", "v1")
	one.Check(t, s, "a", "v1")
	if err := s.DeleteManifest(context.Background(), Repo(t, "a"), two.Digest, false); err != nil {
		t.Fatal(err)
	}
	one.Check(t, s, "a", "v1")
}

func tagKept(t *testing.T, s storage.Store) {
	ctx := context.Background()
	one, two := NewImage(t, "one", nil), NewImage(t, "two", nil)
	one.Push(t, s, "a", "v1")
	two.Push(t, s, "a", "other")
	no := errors.New("no")
	asked := 0
	put := func(i *Image, tags ...reference.Tag) error {
		return s.PutManifest(ctx, storage.Put{
			Repository: Repo(t, "a"), Digest: i.Digest, Content: i.Content, Manifest: i.Manifest, Tags: tags,
			MayOverwrite: func(tag reference.Tag, old digest.Digest) error {
				asked++
				if tag.String() != "v1" || old != one.Digest {
					t.Errorf("asked for %s, which points to %s", tag, old)
				}
				return no
			},
		})
	}
	if err := put(two, Tag(t, "new"), Tag(t, "v1")); !errors.Is(err, no) || asked != 1 {
		t.Errorf("over another: %v, asked %d times", err, asked)
	}
	if got := Tags(t, s, "a", 10); !slices.Equal(got, []string{"other", "v1"}) {
		t.Errorf("refused in whole, but the tags are %v", got)
	}
	if err := put(one, Tag(t, "v1"), Tag(t, "new")); err != nil || asked != 1 {
		t.Errorf("the same again: %v, asked %d times", err, asked)
	}
	one.Check(t, s, "a", "v1", "new")
}

func tagDeleted(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	i := NewImage(t, "one", nil)
	for range 2 {
		i.Push(t, s, "a", "v1", "v2")
		if err := s.DeleteTag(ctx, repo, Tag(t, "v1")); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteTag(ctx, repo, Tag(t, "v1")); !errors.Is(err, storage.ErrTagUnknown) {
			t.Errorf("deleted twice: %v", err)
		}
		if _, err := s.ResolveTag(ctx, repo, Tag(t, "v1")); !errors.Is(err, storage.ErrTagUnknown) {
			t.Errorf("deleted: %v", err)
		}
		i.Check(t, s, "a", "v2")
		if got := Tags(t, s, "a", 10); !slices.Equal(got, []string{"v2"}) {
			t.Errorf("tags left: %v", got)
		}
	}
}

func tagsOfManyPushesAtOnce(t *testing.T, s storage.Store) {
	images := []*Image{NewImage(t, "0", nil), NewImage(t, "1", nil), NewImage(t, "2", nil)}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if err := images[i%3].TryPush(t, s, "a", "shared", fmt.Sprint("own-", i)); err != nil {
				t.Errorf("push: %v", err)
			}
		})
	}
	all.Wait()
	d, err := s.ResolveTag(context.Background(), Repo(t, "a"), Tag(t, "shared"))
	if err != nil || !slices.ContainsFunc(images, func(i *Image) bool { return i.Digest == d }) {
		t.Errorf("the tag everybody moved: %s, %v", d, err)
	}
	if got := Tags(t, s, "a", 5); len(got) != 13 {
		t.Errorf("tags: %v", got)
	}
	for i := range 12 {
		images[i%3].Check(t, s, "a", fmt.Sprint("own-", i))
	}
}

func referrers(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	subject := NewImage(t, "subject", nil)
	list := func() []manifest.Descriptor {
		t.Helper()
		got, err := s.Referrers(ctx, repo, subject.Digest)
		if err != nil || got == nil {
			t.Fatalf("referrers: %v, %v", got, err)
		}
		return got
	}
	if got := list(); len(got) != 0 {
		t.Fatalf("of nothing: %v", got)
	}
	early, late := NewImage(t, "early", subject), NewImage(t, "late", subject)
	early.Push(t, s, "a")
	if got := list(); len(got) != 1 || got[0].Digest != early.Digest {
		t.Fatalf("before the subject is here: %v", got)
	}
	subject.Push(t, s, "a", "v1")
	late.Push(t, s, "a", "signature")
	late.Push(t, s, "elsewhere")
	got := list()
	if len(got) != 2 || !slices.IsSortedFunc(got, func(x, y manifest.Descriptor) int { return slices.Compare([]byte(x.Digest), []byte(y.Digest)) }) {
		t.Fatalf("both: %v", got)
	}
	for _, g := range got {
		if g.MediaType != manifest.OCIManifest || g.ArtifactType != "application/vnd.packhouse.signature" || g.Annotations["of"] == "" || g.Size == 0 {
			t.Errorf("descriptor: %+v", g)
		}
	}
	if err := s.DeleteManifest(ctx, repo, early.Digest, false); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 1 || got[0].Digest != late.Digest {
		t.Errorf("after one was deleted: %v", got)
	}
	if err := s.DeleteManifest(ctx, repo, subject.Digest, false); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 1 {
		t.Errorf("after the subject was deleted: %v", got)
	}
	early.Push(t, s, "a")
	if got := list(); len(got) != 2 {
		t.Errorf("after it was pushed again: %v", got)
	}
}
