//go:build unix

package installation

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"packhouse/setup"
)

// TestServerUsers: only files that root alone can write name the user of a server.
func TestServerUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of several users")
	}
	const mallory = 50001
	write := func(t *testing.T, path, text string, uid int, mode os.FileMode) {
		t.Helper()
		for _, err := range []error{os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode), os.Chown(path, uid, uid)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name string
		uid  int
		mode os.FileMode
		want []int
	}{
		{"of root", 0, 0o644, []int{4711, 4712}},
		{"of another user", mallory, 0o644, nil},
		{"writable by all users", 0, 0o666, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			unit := filepath.Join(dir, setup.Unit)
			write(t, unit, "[Service]\nUser=nobody\nUser=4711\nGroup=1\n", tc.uid, tc.mode)
			write(t, filepath.Join(dir, ManifestFile), `{"settings":{"run-as":"4712"}}`, tc.uid, tc.mode)
			if got := serverUsers(unit, dir); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
	t.Run("by name", func(t *testing.T) {
		unit := filepath.Join(t.TempDir(), setup.Unit)
		write(t, unit, "[Service]\n User = root\nUser=root\n", 0, 0o644)
		if got := serverUsers(unit, ""); !slices.Equal(got, []int{os.Geteuid()}) {
			t.Errorf("%v", got)
		}
	})
	t.Run("no such user", func(t *testing.T) {
		unit := filepath.Join(t.TempDir(), setup.Unit)
		write(t, unit, "User=no-such-user-"+strconv.Itoa(mallory)+"\n", 0, 0o644)
		if got := serverUsers(unit, ""); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}
