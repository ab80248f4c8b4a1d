package check

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
)

func TestProveFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("neither modes nor owners are seen here")
	}
	me := os.Getuid()
	day := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	rows := []struct {
		name   string
		file   File
		mode   os.FileMode // 0: it is not there
		dir    bool
		age    time.Duration // of initial-passwords; 0: it is not there
		status Status
		code   string
		cause  string
		remedy string
	}{
		{name: "as it should be", file: File{Secret: true, Owner: &Account{"me", me}}, mode: 0o600, status: Passed},
		{name: "a directory as it should be", file: File{Dir: true, Secret: true, Owner: &Account{"me", me}}, mode: 0o700, dir: true, status: Passed},
		{name: "need not be there", file: File{Optional: true}, status: Passed},
		{name: "missing", file: File{}, status: Failed, code: "file-missing", cause: "is not there", remedy: "packhouse setup"},
		{name: "a directory in its place", file: File{}, mode: 0o755, dir: true, status: Failed, code: "file-is-directory", cause: "is a directory", remedy: "move it away"},
		{name: "a file in its place", file: File{Dir: true}, mode: 0o644, status: Failed, code: "file-not-directory", cause: "a directory belongs there", remedy: "move it away"},
		{name: "others can read it", file: File{Secret: true}, mode: 0o644, status: Failed, code: "file-mode", cause: "others", remedy: "chmod 600 "},
		{name: "its group can write it", file: File{Secret: true}, mode: 0o660, status: Failed, code: "file-mode", cause: "others", remedy: "chmod 600 "},
		{name: "its group can read it", file: File{Secret: true}, mode: 0o640, status: Passed},
		{name: "its group can look into it", file: File{Dir: true, Secret: true}, mode: 0o750, dir: true, status: Passed},
		{name: "others can look into it", file: File{Dir: true, Secret: true}, mode: 0o755, dir: true, status: Failed, code: "file-mode", cause: "others", remedy: "chmod 700 "},
		{name: "others can read a secret in it", file: File{Holds: []string{"storage.s3.secretkey"}}, mode: 0o644, status: Failed, code: "file-mode", cause: "storage.s3.secretkey in it", remedy: "chmod o= "},
		{name: "its group can read a secret in it", file: File{Holds: []string{"storage.s3.secretkey"}}, mode: 0o640, status: Passed},
		{name: "no secret in it", file: File{}, mode: 0o644, status: Passed},
		{name: "of another user", file: File{Secret: true, Owner: &Account{"packhouse", me + 1}, Why: "the server runs as packhouse, and cannot read it"}, mode: 0o600, status: Failed, code: "file-owner", cause: "the server runs as packhouse", remedy: "chown packhouse "},
		{name: "passwords since yesterday", file: File{}, mode: 0o600, age: 24 * time.Hour, status: Passed},
		{name: "passwords since last week", file: File{}, mode: 0o600, age: 8 * 24 * time.Hour, status: Warning, code: "initial-passwords", cause: "in clear text", remedy: "give them to their users"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			row.file.Path = filepath.Join(dir, "it")
			var err error
			switch {
			case row.dir:
				err = os.Mkdir(row.file.Path, row.mode)
			case row.mode != 0:
				err = os.WriteFile(row.file.Path, []byte("x"), row.mode)
			}
			if err == nil && row.mode != 0 {
				err = os.Chmod(row.file.Path, row.mode) // whatever the umask is
			}
			passwords := filepath.Join(dir, "initial-passwords")
			if row.age > 0 && err == nil {
				err = os.WriteFile(passwords, []byte("admin:secret\n"), 0o600)
				_ = os.Chtimes(passwords, day.Add(-row.age), day.Add(-row.age))
			}
			if err != nil {
				t.Fatal(err)
			}
			s := newSession(Target{Files: []File{row.file}, Passwords: passwords, Now: func() time.Time { return day }})
			r := s.prove(t.Context(), proof{id: "files", prove: proveFiles})
			told(t, r, row.status, row.code, "", row.cause, row.remedy)
		})
	}
}

// linkToFile makes a link to a file, and returns its path.
func linkToFile(t *testing.T, dir, name string) string {
	t.Helper()
	file, link := filepath.Join(t.TempDir(), "file"), filepath.Join(dir, name)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip("symbolic links cannot be made here:", err)
	}
	return link
}

func TestProveFilesNamesALink(t *testing.T) {
	link := linkToFile(t, t.TempDir(), "it")
	s := newSession(Target{Files: []File{{Path: link, Dir: true}}, Now: time.Now})
	r := s.prove(t.Context(), proof{id: "files", prove: proveFiles})
	told(t, r, Failed, "file-not-directory", "", "is a symbolic link to a file, and a directory belongs there", "move it away")
}

func TestProveFilesNamesADevice(t *testing.T) {
	link := filepath.Join(t.TempDir(), "it")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Skip("symbolic links cannot be made here:", err)
	}
	s := newSession(Target{Files: []File{{Path: link, Secret: true}}, Now: time.Now})
	r := s.prove(t.Context(), proof{id: "files", prove: proveFiles})
	told(t, r, Failed, "file-not-regular", "", "is a symbolic link to a device, and a file belongs there", "mv "+link+" ")
}

// TestUnsafePathHasOneHint verifies that the remedy of an untrusted path is not part of its cause.
func TestUnsafePathHasOneHint(t *testing.T) {
	s := newSession(Target{ConfigPath: "myconfig.yml", Findings: []finding.Finding{
		{Code: config.CodeUnsafe, Severity: finding.Refused, What: "journal.json: it is a symbolic link", Remedy: "rm journal.json"},
	}})
	r := s.prove(t.Context(), proof{id: "configuration", prove: proveConfiguration})
	if r.Finding.What != "journal.json: it is a symbolic link" || r.Finding.Remedy != "rm journal.json" {
		t.Errorf("cause %q, remedy %q", r.Finding.What, r.Finding.Remedy)
	}
}

func TestOldPasswordsQuotesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "initial passwords")
	if err := os.WriteFile(path, []byte("admin:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if f := OldPasswords(path, info.ModTime().Add(keepPasswords)); f != nil {
		t.Errorf("after exactly seven days: %v", f)
	}
	f := OldPasswords(path, info.ModTime().Add(keepPasswords+time.Hour))
	if f == nil || !strings.HasSuffix(f.Remedy, "rm '"+path+"'") || strings.Contains(f.String(), "secret") {
		t.Errorf("after seven days: %v", f)
	}
}
