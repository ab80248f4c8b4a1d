package question

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
)

func TestContentNamesALink(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		file:       "docker is a symbolic link to a file, and the store needs a directory there",
		"nonesuch": "docker is a broken symbolic link, and the store needs a directory there",
	} {
		root := t.TempDir()
		if err := os.Symlink(target, filepath.Join(root, "docker")); err != nil {
			t.Skip("symbolic links cannot be made here:", err)
		}
		findings := probeContent(&Answers{StoragePath: root})
		if len(findings) != 1 || findings[0].Severity != finding.Refused || findings[0].Code != setup.CodeStoreBlocked ||
			!strings.HasSuffix(findings[0].What, want) {
			t.Errorf("link to %s: %v, want %q", target, findings, want)
		}
	}
}
