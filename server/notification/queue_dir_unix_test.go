//go:build unix

package notification

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/trust"
)

// TestPlantedInQueue: the owner of a store cannot make the server write elsewhere, nor wait, by what it puts into the queue of a webhook.
func TestPlantedInQueue(t *testing.T) {
	for _, tc := range []struct {
		name  string
		plant func(store, secret string) error // secret is a directory of another user, with a file "file"
		want  string
	}{
		{"link for a segment", func(store, secret string) error {
			return os.Symlink(filepath.Join(secret, "file"), filepath.Join(store, "v1/queue/00000001.jsonl"))
		}, "symbolic link"},
		{"dangling link for a segment", func(store, secret string) error {
			return os.Symlink(filepath.Join(secret, "new"), filepath.Join(store, "v1/queue/00000001.jsonl"))
		}, "symbolic link"},
		{"hard link for a segment", func(store, secret string) error {
			return os.Link(filepath.Join(secret, "file"), filepath.Join(store, "v1/queue/00000001.jsonl"))
		}, "hard links"},
		{"link for the cursor", func(store, secret string) error {
			return os.Symlink(filepath.Join(secret, "file"), filepath.Join(store, "v1/queue/cursor"))
		}, "symbolic link"},
		{"link for the queue", func(store, secret string) error {
			return os.Symlink(secret, filepath.Join(store, "v1/queue"))
		}, "symbolic link"},
		{"link above the queue", func(store, secret string) error {
			return os.Symlink(secret, filepath.Join(store, "v1"))
		}, "symbolic link"},
		{"named pipe for a segment", func(store, _ string) error {
			return syscall.Mkfifo(filepath.Join(store, "v1/queue/00000001.jsonl"), 0o600)
		}, "named pipe"},
		{"named pipe for the cursor", func(store, _ string) error {
			return syscall.Mkfifo(filepath.Join(store, "v1/queue/cursor"), 0o600)
		}, "named pipe"},
		{"named pipe for the queue", func(store, _ string) error {
			return syscall.Mkfifo(filepath.Join(store, "v1/queue"), 0o600)
		}, "named pipe"},
		{"nothing", func(string, string) error { return nil }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, secret := t.TempDir(), t.TempDir()
			if err := os.WriteFile(filepath.Join(secret, "file"), []byte("1 0\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasSuffix(tc.name, " the queue") && !strings.HasPrefix(tc.name, "link above"):
				if err := os.Mkdir(filepath.Join(store, "v1"), 0o750); err != nil {
					t.Fatal(err)
				}
			case !strings.HasPrefix(tc.name, "link above"):
				if err := os.MkdirAll(filepath.Join(store, "v1/queue"), 0o750); err != nil {
					t.Fatal(err)
				}
			}
			if err := tc.plant(store, secret); err != nil {
				t.Fatal(err)
			}
			root, err := trust.OpenRoot(store)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			j, err := openJournal(queueDir{root, "v1/queue"}, segmentBytes, maxSegments)
			switch {
			case err == nil && tc.want == "":
				_ = j.close()
			case err == nil:
				t.Errorf("openJournal: nil, want an error: %s", tc.want)
				_, _ = j.add([]byte("event"))
				_ = j.close()
			case tc.want == "" || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), store):
				t.Errorf("openJournal: %v, want an error: %s", err, tc.want)
			}
			left, err := os.ReadDir(secret)
			if err != nil || len(left) != 1 {
				t.Errorf("the directory of another user has %v, %v, want its file only", left, err)
			}
			if data, err := os.ReadFile(filepath.Join(secret, "file")); err != nil || string(data) != "1 0\n" {
				t.Errorf("the file of another user has %q, %v", data, err)
			}
		})
	}
}

// TestPlantedWhileServing: what is planted into the queue of a running server is not followed either.
func TestPlantedWhileServing(t *testing.T) {
	store, secret := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(queueAt(t, filepath.Join(store, "queue")), 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	for _, name := range []string{"00000002.jsonl", "cursor.new"} {
		if err := os.Symlink(secret, filepath.Join(store, "queue", name)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := j.add([]byte("event")); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err := j.head(1); err != nil || len(lines) != 1 {
		t.Fatalf("head: %q, %v", lines, err)
	}
	if err := j.done(1); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the file behind the links: %q, %v, want it unchanged", data, err)
	}
}
