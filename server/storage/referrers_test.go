package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
)

// twoAtOnce is an engine that reads two entries for a page at most, and leaves out those without a link: so a page may be empty and not the last.
type twoAtOnce struct {
	entries []digest.Digest
	gone    map[digest.Digest]bool
	broken  digest.Digest // a page that starts after this one cannot be read
}

func (e twoAtOnce) ReferrersAfter(_ context.Context, _ reference.Repository, _, last digest.Digest, n, _ int) (page []storage.Referrer, next digest.Digest, err error) {
	if last != "" && last == e.broken {
		return nil, "", errors.New("list referrers: broken")
	}
	from := slices.Index(e.entries, last) + 1
	to := min(from+min(n, 2), len(e.entries))
	for _, d := range e.entries[from:to] {
		if !e.gone[d] {
			page = append(page, storage.Referrer{Digest: d, Content: []byte(`{"digest":"` + string(d) + `"}`)})
		}
	}
	if to < len(e.entries) {
		next = e.entries[to-1]
	}
	return page, next, nil
}

func TestAllReferrers(t *testing.T) {
	repo, err := reference.ParseRepository("team/app")
	if err != nil {
		t.Fatal(err)
	}
	five := []digest.Digest{"sha256:1", "sha256:2", "sha256:3", "sha256:4", "sha256:5"}
	for _, test := range []struct {
		name  string
		pages twoAtOnce
		want  []digest.Digest // nil: an error
	}{
		{"none", twoAtOnce{}, []digest.Digest{}},
		{"one page", twoAtOnce{entries: five[:2]}, five[:2]},
		{"several", twoAtOnce{entries: five}, five},
		{"an empty one between", twoAtOnce{entries: five, gone: map[digest.Digest]bool{five[2]: true, five[3]: true}}, []digest.Digest{five[0], five[1], five[4]}},
		{"the second cannot be read", twoAtOnce{entries: five, broken: five[1]}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			all, err := storage.AllReferrers(t.Context(), test.pages, repo, "sha256:0")
			if test.want == nil {
				if err == nil || all != nil {
					t.Fatalf("%v, %v", all, err)
				}
				return
			}
			if err != nil || all == nil { // an answer holds a list, never null
				t.Fatalf("%v, %v", all, err)
			}
			got := []digest.Digest{}
			for _, r := range all {
				got = append(got, r.Digest)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%v, not %v", got, test.want)
			}
		})
	}
}
