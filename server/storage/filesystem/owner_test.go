package filesystem_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
)

func TestOneOwner(t *testing.T) {
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	var owned *storage.OwnedError
	_, err := filesystem.Open(context.Background(), filesystem.Options{Root: root})
	if !errors.As(err, &owned) || owned.PID != os.Getpid() || owned.Host == "" || owned.Since.IsZero() {
		t.Errorf("a second owner: %v, %+v", err, owned)
	}
	if _, err := filesystem.Open(context.Background(), filesystem.Options{Root: root, ReadOnly: true}); !errors.As(err, &owned) {
		t.Errorf("a reader beside the owner: %v", err)
	}
	closing(t, s)
	first := open(t, filesystem.Options{Root: root, ReadOnly: true})
	second := open(t, filesystem.Options{Root: root, ReadOnly: true})
	if _, err := filesystem.Open(context.Background(), filesystem.Options{Root: root}); !errors.As(err, &owned) {
		t.Errorf("an owner beside readers: %v", err)
	}
	closing(t, first)
	closing(t, second)
	closing(t, open(t, filesystem.Options{Root: root}))
}

// TestServerWaitsForOfflineCommand: an offline command learns of a waiting server and gives the root up; a server never does.
func TestServerWaitsForOfflineCommand(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		root := t.TempDir()
		yielded := make(chan struct{})
		offline := open(t, filesystem.Options{Root: root, Work: "store gc", Yield: func() { close(yielded) }})
		var owned *storage.OwnedError
		// An offline command waits for no other, and a server only as long as it is told to.
		for _, wait := range []time.Duration{0, 20 * time.Millisecond} {
			_, err := filesystem.Open(t.Context(), filesystem.Options{Root: root, Wait: wait, ReadOnly: readOnly})
			if !errors.As(err, &owned) || owned.Work != "store gc" || !strings.Contains(err.Error(), "packhouse store gc") {
				t.Errorf("wait of %v: %v", wait, err)
			}
		}
		opened := make(chan error, 1)
		var server *filesystem.Store
		go func() {
			var err error
			server, err = filesystem.Open(t.Context(), filesystem.Options{Root: root, Wait: time.Hour, ReadOnly: readOnly})
			opened <- err
		}()
		<-yielded
		closing(t, offline)
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		if !readOnly {
			// Were this one waited for, it would be for an hour.
			if _, err := filesystem.Open(t.Context(), filesystem.Options{Root: root, Wait: time.Hour}); !errors.As(err, &owned) || owned.Work != "" {
				t.Errorf("a second server: %v", err)
			}
		}
		closing(t, server)
	}
}

// TestWaitEndsWithItsContext: a server that is stopped while it waits stops waiting.
func TestWaitEndsWithItsContext(t *testing.T) {
	root := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	offline := open(t, filesystem.Options{Root: root, Work: "store scrub", Yield: cancel})
	defer closing(t, offline)
	if _, err := filesystem.Open(ctx, filesystem.Options{Root: root, Wait: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestForeignDirectoriesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files   []string
		refused string
	}{
		"empty":                   {nil, ""},
		"fresh file system":       {[]string{"lost+found/x"}, ""},
		"a fresh mount":           {[]string{".snapshot/daily", ".zfs/x", ".DS_Store", "lost+found/x"}, ""},
		"a mount in use":          {[]string{".Trash/x"}, ".Trash"},
		"distribution's":          {[]string{"docker/registry/v2/blobs/x"}, ""},
		"ours":                    {[]string{"packhouse/v1/stage/x"}, ""},
		"ours, cut short":         {[]string{"packhouse/x"}, ""},
		"home directory":          {[]string{".bashrc"}, ".bashrc"},
		"docker engine's":         {[]string{"docker/overlay2/x"}, "docker"},
		"ours beside other files": {[]string{"packhouse/v1/stage/x", "notes.txt"}, ""},
	} {
		root := t.TempDir()
		for _, f := range c.files {
			write(t, filepath.Join(root, f), nil)
		}
		s, err := filesystem.Open(context.Background(), filesystem.Options{Root: root})
		var foreign *storage.ForeignError
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.refused != "" && (!errors.As(err, &foreign) || foreign.Found != c.refused || foreign.Path != root):
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			closing(t, s)
		} else if left, _ := os.ReadDir(root); len(left) != 1 {
			t.Errorf("%s: refused, and yet written to: %v", name, left)
		}
	}
	root := t.TempDir() + "/not/yet/there"
	closing(t, open(t, filesystem.Options{Root: root}))
}
