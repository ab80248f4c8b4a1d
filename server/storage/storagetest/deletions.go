package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// keptBy checks that content is not deleted because a tag needs it.
func keptBy(t *testing.T, tag string, of *Image, err error) {
	t.Helper()
	var needed *storage.NeededError
	if !errors.As(err, &needed) || needed.Tag != tag || needed.Manifest != of.Digest {
		t.Errorf("deletion: %v, want it refused because of tag %s of %s", err, tag, of.Digest)
	}
}

// parts are the blobs of an image.
func (i *Image) parts() []digest.Digest {
	return []digest.Digest{digest.FromBytes(i.Config), digest.FromBytes(i.Layer)}
}

func taggedContentKept(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	one, two := NewImage(t, "one", nil), NewImage(t, "two", nil)
	one.Push(t, s, "a", "v1")
	one.Push(t, s, "b")
	for _, d := range one.parts() {
		keptBy(t, "v1", one, s.DeleteBlob(ctx, repo, d, false))
	}
	one.Check(t, s, "a", "v1")
	// The tag moves: what it needs now is kept, and what it needed before is not.
	two.Push(t, s, "a", "v1")
	for i, d := range one.parts() {
		keptBy(t, "v1", two, s.DeleteBlob(ctx, repo, two.parts()[i], false))
		if err := s.DeleteBlob(ctx, repo, d, false); err != nil {
			t.Errorf("delete what the tag no longer needs: %v", err)
		}
	}
	two.Check(t, s, "a", "v1")
	// It moves back.
	one.Push(t, s, "a", "v1")
	keptBy(t, "v1", one, s.DeleteBlob(ctx, repo, one.parts()[1], false))
	one.Check(t, s, "a", "v1")
	one.Check(t, s, "b")
	if err := s.DeleteTag(ctx, repo, Tag(t, "v1")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteBlob(ctx, repo, one.parts()[1], false); err != nil {
		t.Errorf("delete a blob after its tag: %v", err)
	}
}

func partsOfATaggedIndexKept(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	one, two, absent := NewImage(t, "one", nil), NewImage(t, "two", nil), NewImage(t, "absent", nil)
	one.Push(t, s, "a")
	two.Push(t, s, "a")
	inner := NewIndex(t, one)
	inner.Push(t, s, "a")
	all := NewIndex(t, inner, two, absent)
	all.Push(t, s, "a", "all")
	for _, i := range []*Image{one, two, inner} {
		keptBy(t, "all", all, s.DeleteManifest(ctx, repo, i.Digest, false))
	}
	for _, d := range append(one.parts(), two.parts()...) {
		keptBy(t, "all", all, s.DeleteBlob(ctx, repo, d, false))
	}
	if err := s.DeleteManifest(ctx, repo, absent.Digest, false); !errors.Is(err, storage.ErrManifestUnknown) {
		t.Errorf("delete a part that is missing: %v", err)
	}
	for _, i := range []*Image{one, two, inner} {
		i.Check(t, s, "a")
	}
	all.Check(t, s, "a", "all")
	// The digest of the tagged manifest itself deletes it with its tag.
	for _, i := range []*Image{all, inner, one, two} {
		if err := s.DeleteManifest(ctx, repo, i.Digest, false); err != nil {
			t.Errorf("delete manifests from the top: %v", err)
		}
	}
}

func untaggedContentDeleted(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	subject, alone := NewImage(t, "subject", nil), NewImage(t, "alone", nil)
	subject.Push(t, s, "a")
	referrer := NewImage(t, "referrer", subject)
	referrer.Push(t, s, "a", "signature")
	index := NewIndex(t, subject, alone)
	alone.Push(t, s, "a")
	alone.Push(t, s, "elsewhere", "v1")
	index.Push(t, s, "a")
	index.Push(t, s, "elsewhere", "v2")
	// Neither a manifest without a tag, nor a tag in another repository, nor a tagged referrer
	// needs them.
	for _, d := range append(subject.parts(), alone.parts()...) {
		if err := s.DeleteBlob(ctx, repo, d, false); err != nil {
			t.Errorf("delete blob: %v", err)
		}
	}
	for _, i := range []*Image{subject, alone} {
		if err := s.DeleteManifest(ctx, repo, i.Digest, false); err != nil {
			t.Errorf("delete manifest: %v", err)
		}
	}
	referrer.Check(t, s, "a", "signature")
	alone.Check(t, s, "elsewhere", "v1")
}

func taggedContentDeletedByForce(t *testing.T, s storage.Store) {
	ctx, repo := context.Background(), Repo(t, "a")
	one := NewImage(t, "one", nil)
	one.Push(t, s, "a")
	index := NewIndex(t, one)
	index.Push(t, s, "a", "all")
	for _, d := range one.parts() {
		if err := s.DeleteBlob(ctx, repo, d, true); err != nil {
			t.Errorf("delete blob: %v", err)
		}
	}
	if err := s.DeleteManifest(ctx, repo, one.Digest, true); err != nil {
		t.Errorf("delete manifest: %v", err)
	}
	index.Check(t, s, "a", "all")
	one.Push(t, s, "a")
	one.Check(t, s, "a")
	keptBy(t, "all", index, s.DeleteBlob(ctx, repo, one.parts()[0], false))
}
