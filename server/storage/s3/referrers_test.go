package s3

import (
	"fmt"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestAPageOfReferrersCostsAPage counts requests: a page costs as much with three thousand referrers as with few.
func TestAPageOfReferrersCostsAPage(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	subject := storagetest.NewImage(t, "subject", nil)
	repo := storagetest.Repo(t, "a")
	const all = 2*mostListed + 500
	for i := range all {
		d := digest.FromString(fmt.Sprint(i))
		body, err := storage.DescribeReferrer(d, 1, &manifest.Manifest{MediaType: manifest.OCIManifest, ArtifactType: "text/x"})
		if err != nil {
			t.Fatal(err)
		}
		b.set(referrerKey("a", subject.Digest, d), body)
		if i%2 == 0 { // the others were deleted
			b.set(revisionLink("a", d), []byte(d))
		}
	}
	b.set(referrersPrefix("a", subject.Digest)+"zzz is no digest", []byte("x"))
	before := b.counts["list"] + b.counts["head"] + b.counts["get"]
	page, next, err := s.ReferrersAfter(t.Context(), repo, subject.Digest, "", 10, storage.MostReferrer)
	if err != nil || next == "" || len(page) == 0 || len(page) > 10 {
		t.Errorf("%d, next %q, %v", len(page), next, err)
	}
	if n := b.counts["list"] + b.counts["head"] + b.counts["get"] - before; n != 1+10+len(page) {
		t.Errorf("%d requests for a page of %d", n, len(page))
	}
	seen, last := map[digest.Digest]bool{}, digest.Digest("")
	for range 1000 {
		page, next, err := s.ReferrersAfter(t.Context(), repo, subject.Digest, last, 100, storage.MostReferrer)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			if seen[d.Digest] || d.Digest <= last {
				t.Errorf("%s comes again", d.Digest)
			}
			seen[d.Digest] = true
		}
		if next == "" {
			break
		}
		last = next
	}
	if len(seen) != all/2 {
		t.Errorf("%d of %d", len(seen), all/2)
	}
	if whole, err := s.Referrers(t.Context(), repo, subject.Digest); err != nil || len(whole) != all/2 {
		t.Errorf("%d of %d, %v", len(whole), all/2, err)
	}
}
