// Package answertest has answers, files and services for the tests of setup.
package answertest

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
)

// Resolve resolves flags against the installation in dir. It fails the test if a finding is refused.
func Resolve(t *testing.T, m *machine.Machine, dir string, flags answer.Values) (*installation.Installed,
	answer.Resolved,
) {
	t.Helper()
	unit := filepath.Join(filepath.Dir(dir), setup.Unit)
	if _, err := os.Lstat(unit); err != nil {
		unit = setup.UnitFile
	}
	in, err := installation.LoadWith(dir, unit)
	if err != nil {
		t.Fatal(err)
	}
	resolved, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: flags})
	for _, f := range findings {
		if f.Severity == finding.Refused {
			t.Fatalf("refused: %v", f)
		}
	}
	return in, resolved
}

// InDir returns values with --dir.
func InDir(values answer.Values, dir string) answer.Values {
	out := answer.Values{"dir": {dir}}
	maps.Copy(out, values)
	return out
}

// WriteFile writes a new file and returns its path.
func WriteFile(t *testing.T, data []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// PEMFiles writes a self-signed certificate and its key.
func PEMFiles(t *testing.T, days int, at time.Time, names ...string) (cert, key string, pair *certgen.Pair) {
	t.Helper()
	parsed, err := certgen.ParseNames(names)
	if err != nil {
		t.Fatal(err)
	}
	if pair, err = certgen.NewSelfSigned(certgen.LeafOptions{Names: parsed, Days: days, Now: at}); err != nil {
		t.Fatal(err)
	}
	keyPEM, err := pair.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return WriteFile(t, pair.CertPEM(), 0o644), WriteFile(t, keyPEM, 0o600), pair
}

// Question returns the question with an ID.
func Question(t *testing.T, id string) *question.Question {
	t.Helper()
	for _, q := range question.All() {
		if q.ID == id {
			return q
		}
	}
	t.Fatalf("no question %s", id)
	return nil
}
