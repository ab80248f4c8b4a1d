//go:build unix

package verify

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
)

// other is a user without an account.
const other = 50031

// TestVerifyPlaces verifies what another user put in the place of the files that a configuration
// names. A named pipe must not block.
func TestVerifyPlaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of several users")
	}
	for _, tc := range []struct {
		name     string
		users    []int
		plant    func(dir string) error
		key      string
		code     string // empty: no problem of the key
		severity finding.Severity
	}{
		{"safe", nil, func(string) error { return nil }, "", config.CodeUnsafe, finding.Warning},
		{"pipe as audit log", nil, func(dir string) error {
			return syscall.Mkfifo(filepath.Join(dir, "audit"), 0o600)
		}, "log.audit.path", config.CodeFile, finding.Refused},
		{"audit log of another user", nil, func(dir string) error {
			return own(filepath.Join(dir, "audit"), os.WriteFile(filepath.Join(dir, "audit"), nil, 0o600))
		}, "log.audit.path", config.CodeUnsafe, finding.Refused},
		{"audit log of the server", []int{other}, func(dir string) error {
			return own(filepath.Join(dir, "audit"), os.WriteFile(filepath.Join(dir, "audit"), nil, 0o600))
		}, "log.audit.path", "", finding.Refused},
		{"pipe as htpasswd", nil, func(dir string) error {
			return syscall.Mkfifo(filepath.Join(dir, "users"), 0o600)
		}, "auth.htpasswd.path", config.CodeFile, finding.Refused},
		{"htpasswd of another user", nil, func(dir string) error {
			return own(filepath.Join(dir, "users"), os.WriteFile(filepath.Join(dir, "users"), nil, 0o600))
		}, "auth.htpasswd.path", config.CodeUnsafe, finding.Warning},
		{"htpasswd of the server", []int{other}, func(dir string) error {
			return own(filepath.Join(dir, "users"), os.WriteFile(filepath.Join(dir, "users"), nil, 0o600))
		}, "auth.htpasswd.path", "", finding.Warning},
		{"store of another user", nil, func(dir string) error {
			return own(filepath.Join(dir, "store"), os.Mkdir(filepath.Join(dir, "store"), 0o700))
		}, "storage.filesystem.rootdirectory", config.CodeUnsafe, finding.Warning},
		{"link of another user in a directory of all", nil, func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "target"), nil, 0o600); err != nil {
				return err
			}
			if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
				return err
			}
			return own(filepath.Join(dir, "users"), os.Symlink("target", filepath.Join(dir, "users")))
		}, "auth.htpasswd.path", config.CodeUnsafe, finding.Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tc.plant(dir); err != nil {
				t.Fatal(err)
			}
			l := &config.Loaded{Path: filepath.Join(dir, "none.yml")}
			l.Config.Auth.Method = config.AuthHtpasswd
			l.Config.Auth.Htpasswd.Path = filepath.Join(dir, "users")
			l.Config.Storage.Driver = config.Filesystem
			l.Config.Storage.Filesystem.RootDirectory = filepath.Join(dir, "store")
			l.Config.Log.Audit.Path = filepath.Join(dir, "audit")
			found := false
			for _, p := range Run(t.Context(), l, Probes{Running: true, Users: tc.users}) {
				switch {
				case tc.key == "" && p.Code == config.CodeUnsafe,
					tc.key != "" && tc.code == "" && p.Key == tc.key && p.Code == config.CodeUnsafe:
					t.Errorf("Verify: %v, want no such problem", p)
				case p.Key == tc.key && p.Code == tc.code && p.Severity == tc.severity:
					found = true
				}
			}
			if tc.key != "" && tc.code != "" && !found {
				t.Errorf(
					"Verify: %v, want %s of %s",
					Run(t.Context(), l, Probes{Running: true, Users: tc.users}),
					tc.code,
					tc.key,
				)
			}
		})
	}
}

// TestEveryKeyOfAnUnsafeDirectory verifies that one finding names all keys whose files are in a
// directory of another user.
func TestEveryKeyOfAnUnsafeDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of several users")
	}
	dir := t.TempDir()
	if err := own(dir, nil); err != nil {
		t.Fatal(err)
	}
	l := &config.Loaded{Path: filepath.Join(t.TempDir(), "none.yml")}
	l.Config.Auth.Method = config.AuthHtpasswd
	l.Config.Auth.Htpasswd.Path = filepath.Join(dir, "users")
	l.Config.HTTP.TLS = config.TLS{
		Certificate: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"),
		ClientCAs: []string{filepath.Join(dir, "a.crt"), filepath.Join(dir, "b.crt")},
	}
	const want = "auth.htpasswd.path, http.tls.certificate, http.tls.key, http.tls.clientcas: "
	var got []string
	for _, p := range Run(t.Context(), l, Probes{Running: true}) {
		if p.Code == config.CodeUnsafe {
			got = append(got, p.What)
		}
	}
	if len(got) != 1 || !strings.HasPrefix(got[0], want) {
		t.Errorf("got %q, want one that begins with %q", got, want)
	}
}

// own gives a path to the other user unless err is an error.
func own(path string, err error) error {
	if err != nil {
		return err
	}
	return os.Lchown(path, other, other)
}

// TestReadsNoPlantedLink: a link that another user retargets after the configuration was verified
// is not followed by a later read.
func TestReadsNoPlantedLink(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of several users")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := own(filepath.Join(dir, "key"), os.Symlink("/etc/passwd", filepath.Join(dir, "key"))); err != nil {
		t.Fatal(err)
	}
	v := &verifier{loaded: &config.Loaded{}}
	if data, ok := v.read("http.tls.key", filepath.Join(dir, "key")); ok || len(v.problems) != 1 ||
		!strings.Contains(v.problems[0].What, "symbolic link") {
		t.Errorf("read: %d bytes, %v, %v, want a problem: symbolic link", len(data), ok, v.problems)
	}
}
