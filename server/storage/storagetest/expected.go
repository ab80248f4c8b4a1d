package storagetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

var errUnexpected = errors.New("the tag is not as expected")

// put returns the Put of an image with tags.
func (i *Image) put(t *testing.T, repo string, tags ...string) storage.Put {
	t.Helper()
	p := storage.Put{Repository: Repo(t, repo), Digest: i.Digest, Content: i.Content, Manifest: i.Manifest}
	for _, tag := range tags {
		p.Tags = append(p.Tags, Tag(t, tag))
	}
	return p
}

func manifestMayBeSparse(t *testing.T, s storage.Store) {
	ctx := context.Background()
	i := NewImage(t, "one", nil)
	PushBlob(t, s, "a", i.Config)
	p := i.put(t, "a", "v1")
	p.Sparse = true
	if err := s.PutManifest(ctx, p); err != nil {
		t.Fatal(err)
	}
	stored, err := s.GetManifest(ctx, Repo(t, "a"), i.Digest, false)
	if err != nil || string(stored.Content) != string(i.Content) {
		t.Errorf("the manifest: %v", err)
	}
	if _, err := ReadBlob(s, Repo(t, "a"), digest.FromBytes(i.Layer)); !errors.Is(err, storage.ErrBlobUnknown) {
		t.Errorf("the missing layer: %v", err)
	}
	PushBlob(t, s, "a", i.Layer)
	i.Check(t, s, "a", "v1")
}

// expectedTag checks that Expect sees what each tag points to, also where nothing would change, and
// that its error rejects the whole Put.
func expectedTag(t *testing.T, s storage.Store) {
	ctx := context.Background()
	one, two := NewImage(t, "one", nil), NewImage(t, "two", nil)
	one.Push(t, s, "a", "v1")
	two.Push(t, s, "a")
	for _, c := range []struct {
		of   *Image
		tags []string
		want map[string]digest.Digest
		fail string
	}{
		{of: two, tags: []string{"v1"}, want: map[string]digest.Digest{"v1": one.Digest}, fail: "v1"},
		{of: one, tags: []string{"v1"}, want: map[string]digest.Digest{"v1": one.Digest}, fail: "v1"},
		{of: two, tags: []string{"new"}, want: map[string]digest.Digest{"new": ""}, fail: "new"},
		{of: two, tags: []string{"new", "v1"}, want: map[string]digest.Digest{"new": "", "v1": one.Digest}, fail: "v1"},
		{of: two, tags: []string{"new", "v1"}, want: map[string]digest.Digest{"new": "", "v1": one.Digest}},
		{of: two, tags: []string{"v1"}, want: map[string]digest.Digest{"v1": two.Digest}},
	} {
		p, asked := c.of.put(t, "a", c.tags...), map[string]digest.Digest{}
		p.Expect = func(tag reference.Tag, now digest.Digest) error {
			asked[tag.String()] = now
			if tag.String() == c.fail {
				return errUnexpected
			}
			return nil
		}
		if err := s.PutManifest(ctx, p); errors.Is(err, errUnexpected) != (c.fail != "") || err != nil && c.fail == "" {
			t.Errorf("%v: %v", c.tags, err)
		}
		for tag, now := range asked {
			if want, ok := c.want[tag]; !ok || now != want {
				t.Errorf("%v: asked for %s, which points to %q, want %q", c.tags, tag, now, want)
			}
		}
		if len(asked) == 0 {
			t.Errorf("%v: nothing was expected", c.tags)
		}
		if c.fail == "" {
			c.of.Check(t, s, "a", c.tags...)
			continue
		}
		one.Check(t, s, "a", "v1")
		if _, err := s.ResolveTag(ctx, Repo(t, "a"), Tag(t, "new")); !errors.Is(err, storage.ErrTagUnknown) {
			t.Errorf("%v: rejected, but the tag new: %v", c.tags, err)
		}
	}
}

// expectedTagOfManyPushesAtOnce creates a tag and then moves it, several at once: one succeeds.
func expectedTagOfManyPushesAtOnce(t *testing.T, s storage.Store) {
	ctx := context.Background()
	images := make([]*Image, 6)
	for i := range images {
		images[i] = NewImage(t, string(rune('a'+i)), nil)
		images[i].Push(t, s, "a")
	}
	now := digest.Digest("")
	for range 3 {
		var all sync.WaitGroup
		var won, failed atomic.Int64
		for _, i := range images {
			if i.Digest == now {
				continue
			}
			p := i.put(t, "a", "shared")
			p.Expect = func(_ reference.Tag, is digest.Digest) error {
				if is != now {
					return errUnexpected
				}
				return nil
			}
			all.Go(func() {
				err := s.PutManifest(ctx, p)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, errUnexpected):
					failed.Add(1)
				default:
					t.Errorf("push: %v", err)
				}
			})
		}
		all.Wait()
		d, err := s.ResolveTag(ctx, Repo(t, "a"), Tag(t, "shared"))
		if err != nil || d == now || won.Load() != 1 {
			t.Errorf("%d pushes moved the tag from %q to %q and %d did not, %v", won.Load(), now, d, failed.Load(), err)
		}
		now = d
	}
}
