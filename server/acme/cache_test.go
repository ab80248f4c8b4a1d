package acme

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestDirectory: for its owner only, replaced in one step, and a miss where there is nothing.
func TestDirectory(t *testing.T) {
	d, ctx := Directory(filepath.Join(t.TempDir(), "a", "le-cache")), t.Context()
	if _, err := d.Get(ctx, host); !errors.Is(err, ErrCacheMiss) {
		t.Errorf("no directory yet: %v", err)
	}
	if err := d.Delete(ctx, host); err != nil {
		t.Errorf("delete nothing: %v", err)
	}
	for _, content := range []string{"first", "second"} {
		if err := d.Put(ctx, host, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Get(ctx, host); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := os.Chmod(string(d), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(ctx, accountKey, nil); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{string(d): 0o700, filepath.Join(string(d), host): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(string(d)); err != nil || len(entries) != 2 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	file := Directory(filepath.Join(string(d), host))
	if err := file.Put(ctx, host, nil); err == nil {
		t.Error("a file is taken for a directory")
	}
}

// FuzzKeys: whatever a name or a token is, no file outside of the directory is touched.
func FuzzKeys(f *testing.F) {
	for _, key := range []string{host, accountKey, "..", ".", "", "../x", "a/../../b", "a\\b", "a\x00", "-x", "+x", ".staged-1", "x+http-01"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		path, err := Directory("/cache").path(key)
		if err == nil && (filepath.Dir(path) != "/cache" || path != "/cache/"+key) {
			t.Errorf("%q lies at %q", key, path)
		}
	})
}
