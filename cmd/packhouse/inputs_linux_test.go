package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestFilesOfOtherUsers verifies that root neither reads nor repeats a file that a flag names and
// another user can write, and follows no link of another user to a pack.
func TestFilesOfOtherUsers(t *testing.T) {
	s := newPlanted(t)
	own, theirs := filepath.Join(s.root, "secret"), filepath.Join(s.theft, "given")
	s.write(own, "hunter2: content\n", 0o600)
	s.write(theirs, "hunter2: content\n", 0o644)
	s.give(mallory, theirs)
	pack, link := filepath.Join(s.root, "pack"), filepath.Join(s.theft, "pack")
	s.ok(os.CopyFS(pack, os.DirFS(filepath.Join("..", "..", "packs", "testdata", "hello-1.2.3"))))
	s.ok(os.Symlink(pack, link))
	s.give(mallory, link)
	inSetup := []string{"setup", "--yes", "--offline", "--no-start", "--dir", s.dir}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"answers of another user", append(inSetup, "--answers", theirs), cli.ExitUsage, "look at it first"},
		{"answers that are another file", append(inSetup, "--answers", own), cli.ExitUsage, "unknown key"},
		{"password in setup", append(inSetup, "--password-file", "ci="+theirs), cli.ExitUsage, "look at it first"},
		{"password", []string{"user", "passwd", "ci", "--dir", s.dir, "--password-file", theirs}, cli.ExitFailed, "look at it"},
		{"CA", []string{"check", "--url", "https://localhost:1", "--ca-file", theirs}, cli.ExitFailed, "look at it first"},
		{"pack of another user", []string{"pack", "push", link, "-r", "localhost:1"}, cli.ExitFailed, "symbolic link"},
		{"lint of a pack", []string{"pack", "lint", link}, cli.ExitFailed, "symbolic link"},
		{"name like a path", []string{"user", "add", "../x", "--dir", s.dir}, cli.ExitUsage, "slash"},
		{"name of all", []string{"user", "add", "*", "--dir", s.dir}, cli.ExitUsage, "every user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.state()
			code, out := s.run(0, tc.args...)
			if code != tc.code || !strings.Contains(out, tc.want) || strings.Contains(out, "hunter2") {
				t.Errorf("exit %d, want %d and %q:\n%s", code, tc.code, tc.want, out)
			}
			if changed := changesOf(before, s.state()); len(changed) > 0 {
				t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
			}
		})
	}
}

// TestPlantedOwnerRecordBlocksNothing verifies that the server's user cannot block commands of root
// with a pipe in the store.
func TestPlantedOwnerRecordBlocksNothing(t *testing.T) {
	s := newPlanted(t)
	record := filepath.Join(s.root, "data", "packhouse", "installation.json")
	s.ok(os.Remove(record))
	s.ok(syscall.Mkfifo(record, 0o600))
	s.give(mallory, record)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"user", "add", "eve"}, cli.ExitOK, "uid 50021"},
		{[]string{"status"}, cli.ExitFindings, "not running"},
		{[]string{"rollback", "--yes"}, cli.ExitOK, ""},
		{[]string{"uninstall", "--yes"}, cli.ExitOK, ""},
	} {
		if code, out := s.run(0, append(tc.args, "--dir", s.dir)...); code != tc.code || !strings.Contains(out, tc.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s", tc.args, code, tc.code, tc.want, out)
		}
	}
}

// TestUninstallWithReplacedStore uninstalls after the server's user has replaced the directory that
// the record of the store's owner was in.
func TestUninstallWithReplacedStore(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"file":          func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"circular link": func(path string) error { return os.Symlink(path, path) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newPlanted(t)
			store := filepath.Join(s.root, "data", "packhouse")
			s.ok(os.RemoveAll(store))
			s.ok(plant(store))
			s.ok(os.Lchown(store, mallory, mallory))
			if code, out := s.run(0, "uninstall", "--yes", "--dir", s.dir); code != cli.ExitOK {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
}

// TestKeysAndCertificatesOfOtherUsers verifies that root reads no certificate or key that another user
// can write, that the installation stays as it is, and that links of root's own, as certbot makes
// them, are followed.
func TestKeysAndCertificatesOfOtherUsers(t *testing.T) {
	s := newPlanted(t)
	copied := func(from, to string, mode os.FileMode) string {
		data, err := os.ReadFile(s.at(from))
		s.ok(err)
		s.ok(os.MkdirAll(filepath.Dir(to), 0o755)) //nolint:gosec // other users are to pass
		s.write(to, string(data), mode)
		return to
	}
	cert := copied("certs/tls.crt", filepath.Join(s.root, "archive", "cert1.pem"), 0o644)
	key := copied("certs/tls.key", filepath.Join(s.root, "archive", "key1.pem"), 0o600)
	caKey := copied("certs/ca.key", filepath.Join(s.theft, "ca.key"), 0o600)
	theirCert := copied("certs/tls.crt", filepath.Join(s.theft, "tls.crt"), 0o644)
	theirKey := copied("certs/tls.key", filepath.Join(s.theft, "tls.key"), 0o600)
	secret := filepath.Join(s.theft, "secret")
	s.write(secret, "aHVudGVyMg\n", 0o600)
	s.give(mallory, caKey, theirCert, theirKey, secret)
	link := func(target, path string, uid int) string {
		s.ok(os.MkdirAll(filepath.Dir(path), 0o755)) //nolint:gosec // other users are to pass
		s.ok(os.Symlink(target, path))
		s.give(uid, path)
		return path
	}
	linked := link(key, filepath.Join(s.theft, "link.key"), mallory)
	live := link("../archive/cert1.pem", filepath.Join(s.root, "live", "cert.pem"), 0)
	liveKey := link("../archive/key1.pem", filepath.Join(s.root, "live", "key.pem"), 0)

	first := []string{
		"setup", "--yes", "--offline", "--no-start", "--hostname", "registry.example.com",
		"--dir", filepath.Join(s.root, "new"), "--storage-path", filepath.Join(s.root, "new-data"),
	}
	with := func(further ...string) []string { return slices.Concat(first, further) }
	files := func(cert, key string, further ...string) []string {
		return slices.Concat(first, []string{"--tls", "files", "--tls-cert", cert, "--tls-key", key}, further)
	}
	acme := func(further ...string) []string {
		return slices.Concat(first, []string{
			"--tls", "letsencrypt", "--addr", ":443", "--acme-email", "a@example.com",
			"--acme-directory", "https://localhost:1/directory",
		}, further)
	}
	bucket := func(further ...string) []string {
		return slices.Concat(first, []string{"--storage", "s3", "--s3-bucket", "packs"}, further)
	}
	const unsafe = "another user"
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"certificate", files(theirCert, key), cli.ExitUsage, unsafe},
		{"key", files(cert, theirKey), cli.ExitUsage, unsafe},
		{"link to a key of root", files(cert, linked), cli.ExitUsage, unsafe},
		{"root of the certificate", files(cert, key, "--tls-ca", theirCert), cli.ExitUsage, unsafe},
		{"CA of the directory", acme("--acme-ca", theirCert), cli.ExitUsage, unsafe},
		{"key of the external account", acme("--acme-eab-kid", "kid", "--acme-eab-key-file", secret), cli.ExitUsage, unsafe},
		{"CA of the bucket", bucket("--s3-endpoint", "https://localhost:1", "--s3-ca-file", theirCert), cli.ExitUsage, unsafe},
		{"secret key of the bucket", bucket("--s3-access-key", "id", "--s3-secret-key-file", secret), cli.ExitUsage, unsafe},
		{"key of the CA", []string{"cert", "rotate", "--dir", s.dir, "--ca-key", caKey}, cli.ExitUsage, unsafe},
		{"missing key of the CA, at the first setup", with("--ca-key", "/nonexistent"), cli.ExitUsage, "leave out --ca-key"},
		{"links of certbot", files(live, liveKey, "--dry-run"), cli.ExitPending, "create"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.state()
			code, out := s.run(0, tc.args...)
			if code != tc.code || !strings.Contains(out, tc.want) || strings.Contains(out, "aHVudGVyMg") {
				t.Errorf("exit %d, want %d and %q:\n%s", code, tc.code, tc.want, out)
			}
			if changed := changesOf(before, s.state()); len(changed) > 0 {
				t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
			}
		})
	}
}

// TestServeRepeatsNoForeignFile verifies that the errors of serve contain no text of a file that a link
// of another user refers to, and still explain what is wrong with a file of another user, as mounted
// into a container, and with one behind links of root.
func TestServeRepeatsNoForeignFile(t *testing.T) {
	s := newPlace(t)
	s.give(mallory, s.theft)
	secret, theirs := filepath.Join(s.root, "key"), filepath.Join(s.theft, "myconfig.yml")
	link := filepath.Join(s.theft, "link.yml")
	s.write(secret, "hunter2: hunter3\n", 0o600)
	s.write(theirs, "hunter2: hunter3\n", 0o644)
	s.ok(os.Symlink(secret, link))
	s.give(mallory, theirs, link)
	mount := filepath.Join(s.root, "mount")
	s.ok(os.Mkdir(mount, 0o755))                          //nolint:gosec // as mounts are
	s.ok(os.Mkdir(filepath.Join(mount, "..2026"), 0o755)) //nolint:gosec // likewise
	s.write(filepath.Join(mount, "..2026", "myconfig.yml"), "hunter2: hunter3\n", 0o644)
	s.ok(os.Symlink("..2026", filepath.Join(mount, "..data")))
	s.ok(os.Symlink("..data/myconfig.yml", filepath.Join(mount, "myconfig.yml")))
	for _, tc := range []struct {
		config string
		shown  bool
	}{{link, false}, {theirs, true}, {filepath.Join(mount, "myconfig.yml"), true}} {
		code, out := s.run(0, "serve", tc.config)
		if code == cli.ExitOK || strings.Contains(out, "hunter2") != tc.shown {
			t.Errorf("serve %s: exit %d, want an error that repeats the file: %t\n%s", tc.config, code, tc.shown, out)
		}
	}
}
