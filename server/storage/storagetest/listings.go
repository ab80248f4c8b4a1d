package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// confusable are names that are prefixes, neighbors or parents of one another in various orderings.
var confusable = []string{
	"a", "a-b", "a/b", "a.b", "a_b", "a__b", "ab", "a0", "a-b/c", "a/b-c", "a/b/c", "a/b.c", "a.b/c", "a--b", "b", "b/a", "a/a/a/a", "a/a", "aa/a", "a/0",
	"z", "0", "0/0", "a-", "a.",
}

func repositoriesListed(t *testing.T, s storage.Store) {
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	want := []string{}
	names := slices.Clone(confusable)
	chance.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		if _, err := reference.ParseRepository(name); err != nil {
			continue
		}
		PushBlob(t, s, name, []byte("same"))
		want = append(want, name)
	}
	slices.Sort(want)
	for n := 1; n <= len(want)+1; n++ {
		if got := Repositories(t, s, n); !slices.Equal(got, want) {
			t.Fatalf("by %d: %v\nwant %v", n, got, want)
		}
	}
	// The filter applies before the page is cut.
	visible := func(r reference.Repository) bool { return len(r.String()) > 2 }
	seen := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return len(n) <= 2 })
	page, more, err := s.Repositories(context.Background(), "", 2, visible)
	if err != nil || !more || !slices.Equal(page, seen[:2]) {
		t.Errorf("of those visible: %v, %v, %v; want %v", page, more, err, seen[:2])
	}
	page, more, err = s.Repositories(context.Background(), "", len(seen), visible)
	if err != nil || more || !slices.Equal(page, seen) {
		t.Errorf("all visible: %v, %v, %v; want %v", page, more, err, seen)
	}
	if page, more, err := s.Repositories(context.Background(), "a5", 1, nil); err != nil || !more || len(page) != 1 || page[0] <= "a5" {
		t.Errorf("after a name that is not: %v, %v, %v", page, more, err)
	}
	// One folder, whose names sort between others.
	for _, folder := range []string{"a/", "a-b/", "none/"} {
		inside := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return !strings.HasPrefix(n, folder) })
		page, more, err := storage.RepositoriesIn(context.Background(), s, folder, "", len(want), nil)
		if err != nil || more || !slices.Equal(page, inside) {
			t.Errorf("in %s: %v, %v, %v; want %v", folder, page, more, err, inside)
		}
	}
}

func tagsListed(t *testing.T, s storage.Store) {
	i := NewImage(t, "one", nil)
	want := []string{"v1", "v1.0", "v1-0", "v1_0", "V1", "v10", "_", "0", "v", "v1.0.0", "latest", "current", "index", "link", "data"}
	i.Push(t, s, "a", want...)
	i.Push(t, s, "a/b", "other")
	slices.Sort(want)
	for n := 1; n <= len(want)+1; n++ {
		if got := Tags(t, s, "a", n); !slices.Equal(got, want) {
			t.Fatalf("by %d: %v\nwant %v", n, got, want)
		}
	}
	if page, more, err := s.Tags(context.Background(), Repo(t, "a"), "zzz", 1); err != nil || more || len(page) != 0 {
		t.Errorf("after the last: %v, %v, %v", page, more, err)
	}
	if _, _, err := s.Tags(context.Background(), Repo(t, "nothing"), "", 1); !errors.Is(err, storage.ErrRepositoryUnknown) {
		t.Errorf("of an unknown repository: %v", err)
	}
}

// listingsFollowWhatHappens pushes and deletes at random and compares every listing with a simple
// set.
func listingsFollowWhatHappens(t *testing.T, s storage.Store) {
	ctx := context.Background()
	chance := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same every time
	repos := []string{"a", "a/b", "a-b"}
	images := []*Image{NewImage(t, "0", nil), NewImage(t, "1", nil)}
	want := map[string]map[string]int{"a": {}, "a/b": {}, "a-b": {}}
	pushed := map[string]bool{}
	for step := range 150 {
		repo, tag, i := repos[chance.IntN(len(repos))], fmt.Sprint("t", chance.IntN(6)), chance.IntN(len(images))
		switch op := chance.IntN(10); {
		case op < 6:
			images[i].Push(t, s, repo, tag)
			want[repo][tag], pushed[repo] = i, true
		case op < 9:
			_, there := want[repo][tag]
			if err := s.DeleteTag(ctx, Repo(t, repo), Tag(t, tag)); (err == nil) != there {
				t.Fatalf("step %d: delete tag: %v", step, err)
			}
			delete(want[repo], tag)
		default:
			err := s.DeleteManifest(ctx, Repo(t, repo), images[i].Digest, false)
			if err != nil && !errors.Is(err, storage.ErrManifestUnknown) {
				t.Fatalf("step %d: %v", step, err)
			}
			for tag, to := range want[repo] {
				if to == i {
					delete(want[repo], tag)
				}
			}
		}
		names := []string{}
		for _, repo := range repos {
			if !pushed[repo] {
				continue
			}
			names = append(names, repo)
			tags := []string{}
			for tag := range want[repo] {
				tags = append(tags, tag)
			}
			slices.Sort(tags)
			if got := Tags(t, s, repo, 2); !slices.Equal(got, tags) {
				t.Fatalf("step %d: tags of %s are %v, want %v", step, repo, got, tags)
			}
		}
		slices.Sort(names)
		if got := Repositories(t, s, 1); !slices.Equal(got, names) {
			t.Fatalf("step %d: repositories are %v, want %v", step, got, names)
		}
	}
}
