package packs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPushIsRepeatable pushes the same content from two folders, after everything in the registry was deleted.
func TestPushIsRepeatable(t *testing.T) {
	digests := map[string]bool{}
	for day := range 2 {
		dir := copyPack(t, "hello-1.2.3")
		when := time.Date(2026, 3, 4+day, 5, 6, 7, 8, time.UTC)
		if err := os.Chtimes(filepath.Join(dir, "values.yaml"), when, when); err != nil {
			t.Fatal(err)
		}
		digests[mustPush(t, newDouble(t).client(nil), PushOptions{Dir: dir}).Digest] = true
	}
	if len(digests) != 1 {
		t.Errorf("equal content has the digests %v", digests)
	}
	o := PushOptions{Dir: "testdata/hello-1.2.3", Created: time.Unix(1_700_000_000, 0)}
	epoch := mustPush(t, newDouble(t).client(nil), o)
	if digests[epoch.Digest] {
		t.Error("Created did not change the digest")
	}
}

// pushAgain pushes what the registry has, with options that do not matter then.
func pushAgain(t *testing.T, d *double, first *Pushed, dir string) {
	t.Helper()
	for _, o := range []PushOptions{{}, {Force: true}, {Force: true, Message: "again"}, {Created: time.Unix(1, 0)}} {
		o.Dir = dir
		if again := mustPush(t, d.client(nil), o); !again.Unchanged || again.Digest != first.Digest || again.Replaced != "" {
			t.Errorf("the same content, %+v: %+v", o, again)
		}
	}
	if len(d.manifests[first.Repository]) != 1 {
		t.Errorf("there are %d manifests, want one", len(d.manifests[first.Repository]))
	}
}

// TestOverwriting holds when a push changes a version.
func TestOverwriting(t *testing.T) {
	d := newDouble(t)
	c := d.client(nil)
	dir := copyPack(t, "hello-1.2.3")
	first := mustPush(t, c, PushOptions{Dir: dir})
	if first.Unchanged {
		t.Error("the first push is reported as unchanged")
	}
	pushAgain(t, d, first, dir)
	again := mustPush(t, c, PushOptions{Dir: dir, Force: true, Message: "again", SkipDigestCheck: true})
	if again.Archive != first.Archive || again.Replaced != first.Digest || again.Unchanged {
		t.Errorf("without the check: %+v", again)
	}
	delete(d.blobs, first.Archive)
	if restored := mustPush(t, c, PushOptions{Dir: dir}); !restored.Unchanged || d.blobs[first.Archive] == nil {
		t.Errorf("a lost archive was not pushed again: %+v", restored)
	}
	write(t, filepath.Join(dir, "values.yaml"), "pack: {}\n")
	_, err := c.Push(t.Context(), PushOptions{Dir: dir})
	if f := failureOf(t, err); f.Code != CodeVersionExists || !strings.Contains(f.What, "other content") {
		t.Errorf("a change without force: %s: %s", f.Code, f.What)
	}
	changed := mustPush(t, c, PushOptions{Dir: dir, Force: true, Message: "corrected\x1b[31m"})
	if changed.Replaced != again.Digest {
		t.Errorf("it replaced %s, want %s", changed.Replaced, again.Digest)
	}
	versions, err := c.Versions(t.Context(), "hello")
	if err != nil || len(versions) != 1 ||
		versions[0].Message != "corrected?[31m" || versions[0].Digest != changed.Digest {
		t.Errorf("versions: %+v, %v", versions, err)
	}
	// The old one is still there under its digest.
	pulled, err := c.Pull(t.Context(), Reference{Name: "hello", Digest: first.Digest}, t.TempDir(), nil)
	if err != nil || !strings.Contains(string(pulled.Contents.Document(ValuesFile)), "charts:") {
		t.Errorf("pull by the old digest: %v", err)
	}
}
