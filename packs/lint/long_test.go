package lint

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"packhouse/packs"
)

// TestLongFiles reports values and manifests that are too long, without reading them whole or
// parsing what was read.
func TestLongFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"pack.json": packJSON, "values.yaml": "a: [\n", "manifests/job.yaml": "a: [\n", "manifests/more.yml": "",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if name == "pack.json" {
			continue
		}
		if err := os.Truncate(path, 256<<20); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pack, err := packs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	left, _ := (&Config{}).Apply(os.DirFS(dir), pack, Pack(os.DirFS(dir), pack, Options{}))
	runtime.ReadMemStats(&after)
	if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 128 {
		t.Errorf("it allocated %d MiB", allocated)
	}
	var long []string
	for _, p := range left {
		switch p.Code {
		case packs.CodeFileSize:
			long = append(long, p.File)
		case packs.CodeValues, packs.CodeManifest:
			t.Errorf("a part of the file was parsed: %v", p)
		}
	}
	if got := strings.Join(long, " "); got != "manifests/job.yaml manifests/more.yml values.yaml" {
		t.Errorf("too long: %q", got)
	}
}
