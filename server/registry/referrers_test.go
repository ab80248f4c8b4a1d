package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// pagingDouble hands out its referrers in pages, of which each second entry is on record and is none any more.
type pagingDouble struct {
	double
	read int // entries
}

func (s *pagingDouble) Referrers(context.Context, reference.Repository, digest.Digest) ([]manifest.Descriptor, error) {
	return nil, fmt.Errorf("all were asked for")
}

// ReferrersAfter implements storage.ReferrerPages.
func (s *pagingDouble) ReferrersAfter(_ context.Context, _ reference.Repository, _, last digest.Digest, n, _ int) ([]storage.Referrer, digest.Digest, error) {
	from := slices.IndexFunc(s.refs, func(d manifest.Descriptor) bool { return d.Digest > last })
	if from < 0 {
		return nil, "", nil
	}
	on := s.refs[from:min(from+n, len(s.refs))]
	s.read += len(on)
	var page []storage.Referrer
	for i, d := range on {
		if (from+i)%2 == 0 {
			content, err := json.Marshal(d)
			if err != nil {
				return nil, "", err
			}
			page = append(page, storage.Referrer{Digest: d.Digest, ArtifactType: d.ArtifactType, Content: content})
		}
	}
	if from+len(on) == len(s.refs) {
		return page, "", nil
	}
	return page, on[len(on)-1].Digest, nil
}

// TestReferrersAreReadByThePage counts what a store that has pages is asked for.
func TestReferrersAreReadByThePage(t *testing.T) {
	store := &pagingDouble{}
	for i := range 6000 {
		store.refs = append(store.refs, manifest.Descriptor{
			MediaType: manifest.OCIManifest, Digest: digest.FromString(fmt.Sprint(i)), Size: 1, ArtifactType: fmt.Sprint("text/", i%3),
		})
	}
	slices.SortFunc(store.refs, func(a, b manifest.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	g := registry.New(registry.Options{Store: store})
	path := "/v2/a/referrers/" + digest.FromString("x").String()
	for query, most := range map[string]int{"n=10": 30, "n=0": 4, "n=1": 6, "n=700&artifactType=text%2F1": 6000, "": 6000, "n=10&last=sha256:0": 30, "last=zzz": 6000} {
		seen, target := map[digest.Digest]int{}, path+"?"+query
		store.read = 0
		pages := 0
		for ; target != "" && pages < 400; pages++ {
			req, r := parse(t, "GET", target)
			w := serve(t, g, auth.Grant{Request: req}, r)
			var index struct{ Manifests []manifest.Descriptor }
			if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil {
				t.Fatal(err)
			}
			if pages == 0 && store.read > most {
				t.Errorf("%s: %d entries were read for the first page, want %d at most", query, store.read, most)
			}
			for _, d := range index.Manifests {
				seen[d.Digest]++
			}
			target, _, _ = strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
		}
		want := map[bool]int{true: 3000, false: 0}[query != "n=0" && query != "n=1" && query != "last=zzz"]
		if query == "n=1" {
			want = 400
		}
		if strings.Contains(query, "artifactType") {
			want = 0
			for i, d := range store.refs {
				if i%2 == 0 && d.ArtifactType == "text/1" {
					want++
				}
			}
		}
		if len(seen) != want {
			t.Errorf("%s: %d were listed on %d pages, want %d", query, len(seen), pages, want)
		}
		for d, n := range seen {
			if n != 1 {
				t.Errorf("%s: %s was listed %d times", query, d, n)
			}
		}
	}
}

// TestFilteredReferrersAreBounded verifies that a request whose filter matches nothing reads a bounded number of
// referrers, whatever page size it asks for, and that the links lead to the last one.
func TestFilteredReferrersAreBounded(t *testing.T) {
	store := &pagingDouble{}
	for i := range 20_000 {
		store.refs = append(store.refs, manifest.Descriptor{MediaType: manifest.OCIManifest, Digest: digest.FromString(fmt.Sprint(i)), ArtifactType: "text/common"})
	}
	slices.SortFunc(store.refs, func(a, b manifest.Descriptor) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	store.refs[19_998].ArtifactType = "text/rare"
	g := registry.New(registry.Options{Store: store})
	for _, query := range []string{"artifactType=text%2Fnone", "artifactType=text%2Fnone&n=1", "artifactType=text%2Frare", "artifactType=text%2Frare&n=1"} {
		found, pages := 0, 0
		for target := "/v2/a/referrers/" + digest.FromString("x").String() + "?" + query; target != "" && pages < 100; pages++ {
			store.read = 0
			req, r := parse(t, "GET", target)
			w := serve(t, g, auth.Grant{Request: req}, r)
			if store.read > 2000 {
				t.Fatalf("%s: one request read %d referrers", query, store.read)
			}
			found += strings.Count(w.Body.String(), `"digest"`)
			target, _, _ = strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
		}
		if want := strings.Count(query, "rare"); found != want || pages == 100 {
			t.Errorf("%s: %d referrers on %d pages, want %d", query, found, pages, want)
		}
	}
}
