package apply

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"packhouse/racetest"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// serviceGroup is the group of a server that the operator runs.
const serviceGroup = 4242

// readACL returns an access control list in the form of the kernel that lets one more user read a file of mode 0640.
func readACL(uid uint32) []byte {
	acl := binary.LittleEndian.AppendUint32(nil, 2)
	for _, entry := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 6, ^uint32(0)}, {2, 4, uid}, {4, 4, ^uint32(0)}, {16, 4, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		acl = binary.LittleEndian.AppendUint16(acl, entry.tag)
		acl = binary.LittleEndian.AppendUint16(acl, entry.perm)
		acl = binary.LittleEndian.AppendUint32(acl, entry.id)
	}
	return acl
}

// metadataOf describes owner, group, mode and attributes of everything an operator set in an installation.
func metadataOf(t *testing.T, dir string, names ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		uid, gid := machine.Owner(info)
		text := []string{
			info.Mode().String(),
			string(rune('0' + uid)),
			map[bool]string{true: "service"}[gid == serviceGroup],
		}
		for _, attribute := range []string{"system.posix_acl_access", "user.note"} {
			value := make([]byte, 256)
			n, err := unix.Getxattr(path, attribute, value)
			if err != nil && !errors.Is(err, unix.ENODATA) {
				t.Fatal(err)
			}
			text = append(text, attribute+"="+string(value[:max(n, 0)]))
		}
		out[name] = strings.Join(text, " ")
	}
	return out
}

// operated is an installation whose files the operator gave to the group of a service, with attributes, as docs/configuration.md allows.
func operated(t *testing.T) (m *machine.Machine, dir string, names []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may change groups")
	}
	m, dir = machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"user": {"bob"}})
	must := func(err error) {
		t.Helper()
		if errors.Is(err, unix.ENOTSUP) && os.Getenv("CI") != "true" {
			t.Skipf("the file system has no extended attributes: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]fs.FileMode{
		"auth": 0o750, "certs": 0o750, installation.HtpasswdFile: 0o640, installation.KeyFile: 0o640, installation.CertFile: 0o640, installation.ConfigFile: 0o640, installation.CAKeyFile: 0o400,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(os.Chown(path, 0, serviceGroup))
		must(os.Chmod(path, mode))
		names = append(names, name)
		if mode == 0o640 {
			must(unix.Setxattr(path, "system.posix_acl_access", readACL(nobody), 0))
			must(unix.Setxattr(path, "user.note", []byte("by "+name), 0))
		}
	}
	slices.Sort(names)
	return m, dir, names
}

// TestOperatorsMetadataStays changes everything that setup writes: owner, group, mode and extended attributes of the files stay.
func TestOperatorsMetadataStays(t *testing.T) {
	for name, change := range map[string]answer.Values{
		"user": {"user": {"p:writer"}}, "certificate": {"rotate-cert": {"true"}, "new-key": {"true"}}, "setting": {"addr": {":5001"}, "log-level": {"debug"}},
		"nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			m, dir, names := operated(t)
			before := metadataOf(t, dir, names...)
			planned := install(t, m, dir, change)
			if after := metadataOf(t, dir, names...); !mapsEqual(before, after) {
				t.Errorf("after the change\n%q\nwas\n%q", after, before)
			}
			if change == nil {
				for _, c := range planned.Changes {
					if c.Kind != setup.Keep && c.Path != filepath.Join(dir, installation.ManifestFile) {
						t.Errorf("nothing is to change, and the plan has %s %s: %q", c.Kind, c.Path, c.Meaning)
					}
				}
				return
			}
			in, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			back, err := plan.Rollback(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Apply(t.Context(), back, Options{}); err != nil {
				t.Fatal(err)
			}
			if after := metadataOf(t, dir, names...); !mapsEqual(before, after) {
				t.Errorf("after the rollback\n%q\nwas\n%q", after, before)
			}
		})
	}
}

// TestOperatorsMetadataSurvivesFailures fails and kills a change at each operation: the metadata is as before, also after recovery.
func TestOperatorsMetadataSurvivesFailures(t *testing.T) {
	t.Parallel()
	m, dir, names := operated(t)
	before := metadataOf(t, dir, names...)
	for _, hook := range []func(n int) func(string) error{
		func(n int) func(string) error { return failAt(n, 1, syscall.EIO, true) },
		func(n int) func(string) error {
			at := 0
			return func(string) error {
				if at++; at == n {
					return errors.New("killed")
				}
				return nil
			}
		},
	} {
		done := false
		for n := 1; !done; n += racetest.Sample(3, 12) {
			planned := planFor(t, m, dir, answer.Values{"user": {"p:writer"}, "rotate-cert": {"true"}})
			_, err := Apply(t.Context(), planned, Options{Hook: hook(n)})
			done = err == nil && n > 40
			if _, err := Open(dir); err != nil {
				t.Fatal(err)
			}
			if after := metadataOf(t, dir, names...); !mapsEqual(before, after) {
				t.Fatalf("operation %d: %q\nwas\n%q", n, after, before)
			}
		}
	}
}

// TestUnsafeModesAreCorrected has secrets that everyone can read or a group can write: they get a safe mode, and the review says so.
func TestUnsafeModesAreCorrected(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{0o644: 0o600, 0o660: 0o600, 0o640: 0o640, 0o440: 0o440, 0o604: 0o600} {
		m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
		install(t, m, dir, nil)
		path := filepath.Join(dir, installation.KeyFile)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		planned := install(t, m, dir, nil)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%04o became %04o, want %04o (%v)", mode, info.Mode().Perm(), want, err)
		}
		if told := strings.Contains(strings.Join(planned.Change(installation.KeyFile).Meaning, ";"), "mode 0600, was"); told != (mode != want) {
			t.Errorf("%04o: the review says that the mode changes: %t", mode, told)
		}
	}
}
