package s3

import (
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
)

// FuzzEscape holds what the index rests on: an escaped name is one path element, comes back, and sorts as the name does.
func FuzzEscape(f *testing.F) {
	for _, pair := range [][2]string{{"a", "a-b"}, {"a/b", "a-b"}, {"a.b", "a/b"}, {"a", "a/b"}, {"a0", "a.0"}, {"a_b", "a/b"}, {"a--b", "a-b/c"}, {"A", "a"}} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, name := range []string{a, b} {
			_, rerr := reference.ParseRepository(name)
			_, terr := reference.ParseTag(name)
			if rerr != nil && terr != nil {
				return
			}
			e := escape(name)
			if unescape(e) != name || len(e) != len(name) || strings.ContainsAny(e, "/.-") {
				t.Errorf("%q became %q and %q", name, e, unescape(e))
			}
		}
		if strings.Compare(a, b) != strings.Compare(escape(a), escape(b)) {
			t.Errorf("%q and %q sort differently from %q and %q", a, b, escape(a), escape(b))
		}
	})
}

// TestNoKeyIsAPrefixDirectory writes the index of confusable names: engines on a file system cannot keep a and a/b both.
func TestNoKeyIsAPrefixDirectory(t *testing.T) {
	d := digest.FromString("d")
	var keys []string
	for _, repo := range []string{"a", "a/b", "a-b", "a.b", "a/b/c"} {
		keys = append(keys, repositoryEntry(repo), tagEntry(repo, "v1"), tagEntry(repo, "v1.0"), referrerKey(repo, d, d), layerLink(repo, d), revisionLink(repo, d),
			tagLink(repo, "v1"), tagLink(repo, "current"), tagHistoryLink(repo, "v1", d), tagHistoryLink(repo, "index", d))
	}
	keys = append(keys, blobKey(d), markerKey(d), indexState, healthKey, leaseDir+"collect", runsDir+"1", multipartDir+"1", uploadsDir+"u/1/session", quarantineDir+flat(d))
	slices.Sort(keys)
	for i, a := range keys {
		for _, b := range keys[i+1:] {
			if strings.HasPrefix(b, a+"/") || a == b {
				t.Errorf("%s and %s", a, b)
			}
		}
	}
}

func TestParseRepoKey(t *testing.T) {
	d := digest.FromString("d")
	long := digest.SHA512.FromString("d")
	for key, want := range map[string]repoKey{
		layerLink("a", d):                           {kind: layerKind, repo: "a", digest: d},
		layerLink("a/b-c", long):                    {kind: layerKind, repo: "a/b-c", digest: long},
		revisionLink("a/b", d):                      {kind: revisionKind, repo: "a/b", digest: d},
		tagLink("a", "index"):                       {kind: tagKind, repo: "a", tag: "index"},
		tagHistoryLink("a", "current", d):           {kind: tagHistoryKind, repo: "a", tag: "current", digest: d},
		reposDir + "a/_uploads/1/startedat":         {kind: uploadKind, repo: "a", upload: "1"},
		reposDir + "a/_uploads/1/hashstates/x/10":   {kind: uploadKind, repo: "a", upload: "1"},
		reposDir + "a/_manifests/tags/v1/something": {kind: otherKey, repo: "a"},
	} {
		if got, ok := parseRepoKey(key); !ok || got != want {
			t.Errorf("%s: %+v, %v", key, got, ok)
		}
	}
	for _, key := range []string{
		"", reposDir, reposDir + "a", reposDir + "_layers/x", reposDir + "A/_layers/sha256/" + d.Encoded() + "/link", reposDir + "a/_layers/sha256/12/link",
		reposDir + "a/_layers/md5/" + d.Encoded() + "/link", reposDir + "../_layers/sha256/" + d.Encoded() + "/link", blobKey(d),
	} {
		if got, ok := parseRepoKey(key); ok && got.kind != otherKey {
			t.Errorf("%s: %+v", key, got)
		}
	}
	if got, ok := parseBlobKey(blobKey(long)); !ok || got != long {
		t.Errorf("%s, %v", got, ok)
	}
	for _, key := range []string{blobsDir + "sha256/ab/" + d.Encoded() + "/data", blobKey(d) + "x", strings.TrimSuffix(blobKey(d), "data") + "other"} {
		if _, ok := parseBlobKey(key); ok && !strings.HasPrefix(d.Encoded(), "ab") {
			t.Errorf("%s is taken for a blob", key)
		}
	}
}

func TestWalkedRepositoriesComeInOnePiece(t *testing.T) {
	b := newMemoryBucket()
	d := digest.FromString("d")
	names := []string{"a", "a/1", "a/b", "a-b", "a.b", "a0", "a/_"[:1], "z/a", "z"}
	for _, name := range names {
		b.set(layerLink(name, d), []byte(d))
		b.set(revisionLink(name, d), []byte(d))
		b.set(tagLink(name, "v1"), []byte(d))
	}
	seen := map[string]int{}
	err := newStoreOn(b).walkRepositories(t.Context(), b, func(w *walked) error {
		seen[w.name]++
		if w.layers != 1 || len(w.revisions) != 1 || len(w.tags) != 1 {
			t.Errorf("%+v", w)
		}
		return nil
	})
	if err != nil || len(seen) != 8 {
		t.Errorf("%v, %v", seen, err)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", name, n)
		}
	}
}
