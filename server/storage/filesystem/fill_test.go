package filesystem_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

// fill writes repositories with one blob each, and tags of the repository "tags", as another registry would have: without syncing.
func fill(tb testing.TB, root string, total int, d digest.Digest) {
	tb.Helper()
	repos := filepath.Join(root, "docker/registry/v2/repositories")
	link := func(name string) {
		name = filepath.Join(repos, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(d), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range total {
		link(fmt.Sprintf("r%05d/_layers/sha256/%s/link", i, d.Encoded()))
		if i > 0 {
			link(fmt.Sprintf("tags/_manifests/tags/t%05d/current/link", i))
		}
	}
}
