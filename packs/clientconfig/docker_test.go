package clientconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHelperInRelativePath verifies that a relative directory in PATH is not searched for helpers.
func TestHelperInRelativePath(t *testing.T) {
	dir := t.TempDir()
	helper := filepath.Join(dir, "docker-credential-x")
	if err := os.WriteFile(helper, []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, path := range []string{".", ""} {
		t.Setenv("PATH", path+":/nonexistent")
		t.Setenv("GODEBUG", "execerrdot=0")
		if err := verifyHelper("x"); err == nil || !strings.Contains(err.Error(), "relative directory") {
			t.Errorf("PATH %q: %v, want an error", path, err)
		}
	}
}
