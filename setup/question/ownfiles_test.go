package question

import (
	"testing"
)

// TestSecretFileIsADirectory verifies that a directory in place of a file is called a directory.
func TestSecretFileIsADirectory(t *testing.T) {
	dir := t.TempDir()
	findings, regular := probeSecretFile(dir, "the key")
	if regular || len(findings) != 1 || findings[0].What != dir+" is a directory" {
		t.Errorf("got %v, %v", findings, regular)
	}
}
