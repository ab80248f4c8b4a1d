package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup/installation"
)

// TestChangeBesideStoreOfServer verifies that root changes users although the store belongs to the
// user who runs the server, whom the installation does not name, and that the start hint names that
// user.
func TestChangeBesideStoreOfServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	dir := filepath.Join(t.TempDir(), "registry")
	if code, said := say(t, "setup", "--yes", "--no-start", "--offline", "--dir", dir, "--hostname", "localhost",
		"--addr", porttest.Free(t), "--storage-path", filepath.Join(dir, "data")); code != cli.ExitOK {
		t.Fatalf("setup: %d\n%s", code, said)
	}
	for _, name := range []string{"data", "data/packhouse", "data/" + installation.OwnerFile, "auth/htpasswd-basic"} {
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	passwords := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwords, []byte("a-long-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"user", "passwd", "admin", "--password-file", passwords}, {"user", "add", "ci"}, {"user", "remove", "ci"},
	} {
		code, said := say(t, append(args, "--dir", dir)...)
		if code != cli.ExitOK || !strings.HasSuffix(said, "changed\n") {
			t.Errorf("%s: exit %d\n%s", strings.Join(args[:2], " "), code, said)
		}
	}
	in, err := installation.Load(dir)
	if err != nil || !in.Lists(filepath.Join(dir, "data", installation.OwnerFile)) {
		t.Errorf("the manifest does not list the owner record any more: %v", err)
	}
	if code, said := say(t, "status", "--dir", dir); code != cli.ExitFindings ||
		!strings.Contains(said, "runuser -u nobody -- ") {
		t.Errorf("status: exit %d, want the user in the hint:\n%s", code, said)
	}
}

// TestHintsForServerOfAnotherUser verifies that root learns the whole command for the user of a server
// that the installation does not name.
func TestHintsForServerOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	runtime := t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", runtime)
	dir := filepath.Join(t.TempDir(), "registry")
	if code, said := say(t, "setup", "--yes", "--no-start", "--offline", "--dir", dir, "--hostname", "localhost",
		"--addr", porttest.Free(t), "--storage-path", filepath.Join(dir, "data")); code != cli.ExitOK {
		t.Fatalf("setup: %d\n%s", code, said)
	}
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, filepath.Join(dir, "data")
	socket := filepath.Join(runtime, filepath.Base(admin.Paths(c)[0]))
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.Chown(socket, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	passwords := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(passwords, []byte("a-long-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, installation.ConfigFile)
	for _, tc := range []struct{ ask, command string }{
		{"reload", " reload " + file},
		{"status", " status " + file},
		{"check --quick", " check " + file},
		{"user passwd admin --password-file " + passwords, " reload --dir " + dir},
	} {
		code, said := say(t, append(strings.Fields(tc.ask), "--dir", dir)...)
		_, hint, _ := strings.Cut(said, "if nobody (uid 65534) runs your server, run runuser -u nobody -- ")
		hint, _, _ = strings.Cut(hint, "; if not, ")
		if code == cli.ExitOK || !strings.HasSuffix(hint, tc.command) {
			t.Errorf("%s: exit %d, want the command %q for nobody:\n%s", tc.ask, code, tc.command, said)
		}
	}
}
