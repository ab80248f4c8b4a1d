package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup/installation"
)

// TestPasswordCost verifies that setup and changes hash passwords with bcrypt's cost of production,
// which most tests replace.
func TestPasswordCost(t *testing.T) {
	const want = 10
	dir := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close() //nolint:errcheck // read only
	at, said := filepath.Join(dir, "installation"), &words{}
	a := &cli.App{
		Stdin: null, Stdout: io.Discard, Stderr: said, Now: time.Now,
		Surroundings: (&fakeMachine{Names: map[string][]string{"*": {"192.0.2.17"}}}).machine(),
		Env:          []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir, "CI=1"},
	}
	for _, args := range [][]string{
		{
			"setup", "--yes", "--dir", at, "--hostname", "registry.example.com", "--addr", porttest.Free(t),
			"--storage-path", filepath.Join(dir, "data"), "--offline", "--no-start",
		},
		{"user", "add", "ci", "--dir", at},
	} {
		if code := run(t.Context(), a, args); code != cli.ExitOK {
			t.Fatalf("packhouse %v: exit %d\n%s", args, code, said)
		}
	}
	data, err := os.ReadFile(filepath.Join(at, installation.HtpasswdFile))
	if err != nil {
		t.Fatal(err)
	}
	file, problems := htpasswd.Parse(data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, user := range []string{"admin", "ci"} {
		hash, _ := file.Lookup(user)
		if cost, err := htpasswd.Cost(hash); cost != want || err != nil {
			t.Errorf("cost of %s's password: %d, %v, want %d", user, cost, err, want)
		}
	}
}
