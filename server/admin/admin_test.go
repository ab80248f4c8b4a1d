package admin

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// serve answers requests at path until the test ends.
func serve(t *testing.T, path string, h http.HandlerFunc) {
	t.Helper()
	l, err := Listen(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "admin.sock")
	serve(t, path, func(http.ResponseWriter, *http.Request) {})
	if _, err := Listen(path, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second server: %v", err)
	}
	for _, name := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestStale: the socket of a process that is gone is replaced; a file is not.
func TestStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Dial(path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dial: %v", err)
	}
	serve(t, path, func(http.ResponseWriter, *http.Request) {})
	if _, err := Dial(path); err != nil {
		t.Errorf("dial: %v", err)
	}
}

// TestDeepStore: a store lies deeper than the path of a socket may be long.
func TestDeepStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("deep/", 40), "admin.sock")
	serve(t, path, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"version":"1"}`)) })
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.Version != "1" {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestPaths: servers on two stores do not clash, and a store is known by any of its names.
func TestPaths(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", "/run/unit:/run/other")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	of := func(root string) []string {
		return Paths(&config.Config{Storage: config.Storage{Driver: config.Filesystem, Filesystem: config.FilesystemStorage{RootDirectory: root}}})
	}
	a, b, link := of(filepath.Join(dir, "a")), of(filepath.Join(dir, "b")), of(filepath.Join(dir, "link"))
	if filepath.Dir(a[0]) != "/run/unit" || filepath.Dir(a[1]) != "/run/packhouse" || a[2] != filepath.Join(dir, "a/packhouse/v1/admin.sock") {
		t.Errorf("places: %v", a)
	}
	if a[0] == b[0] || a[0] != link[0] || a[1] != link[1] {
		t.Errorf("names: %v %v %v", a, b, link)
	}
	memory := func(addr string) []string {
		return Paths(&config.Config{Storage: config.Storage{Driver: config.InMemory}, HTTP: config.HTTP{Addr: addr}})
	}
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	if x, y := memory(":5000"), memory(":5001"); x[0] == y[0] || x[2] == y[2] || filepath.Dir(x[2]) != "/run/user/7/packhouse" {
		t.Errorf("in memory: %v %v", x, y)
	}
	// No directory that any user may create is ever used.
	t.Setenv("XDG_RUNTIME_DIR", "")
	if paths := memory(":5000"); len(paths) != 2 {
		t.Errorf("in memory, without a directory of the user: %v", paths)
	}
}

func TestFind(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	c := &config.Config{Storage: config.Storage{Driver: config.Filesystem, Filesystem: config.FilesystemStorage{RootDirectory: t.TempDir()}}}
	if _, err := Find(c); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
	serve(t, Paths(c)[2], func(http.ResponseWriter, *http.Request) {})
	client, err := Find(c)
	if err != nil || client.Path() != Paths(c)[2] {
		t.Errorf("%v", err)
	}
}

// TestAnswersAreClean: a terminal that prints an answer obeys nothing in it.
func TestAnswersAreClean(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	const bad, good = `a\u001b]0;b\u0007`, "a?]0;b?"
	said := ""
	serve(t, path, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/probe" {
			w.WriteHeader(http.StatusBadRequest)
		}
		w.Write([]byte(strings.ReplaceAll(said, "BAD", bad)))
	})
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	said = `{"version":"BAD","faults":["BAD"],"reload":{"error":"BAD","needsRestart":["BAD"]}}`
	s, err := c.Status(t.Context())
	if err != nil || s.Version != good || s.Faults[0] != good || s.Reload.Error != good || s.Reload.NeedsRestart[0] != good {
		t.Errorf("status: %+v, %v", s, err)
	}
	said = `{"error":"BAD"}`
	if r, err := c.Reload(t.Context()); err != nil || r.Error != good {
		t.Errorf("reload: %+v, %v", r, err)
	}
	if _, _, err := c.Probe(t.Context(), "reader"); err == nil || err.Error() != good {
		t.Errorf("probe: %v", err)
	}
	said = `{"damage":{"digest":"BAD","what":"BAD","repositories":["BAD"]}}` + "\n" + `{"done":{"damaged":[{"what":"BAD"}]}}`
	damages := 0
	report, err := c.Scrub(t.Context(), ScrubRequest{}, func(d storage.Damage) {
		damages++
		if string(d.Digest) != good || d.What != good || d.Repositories[0] != good {
			t.Errorf("damage: %+v", d)
		}
	})
	if err != nil || damages != 1 || report.Damaged[0].What != good {
		t.Errorf("scrub: %+v, %d damages, %v", report, damages, err)
	}
	said = `{"verdict":{"reason":"BAD"}}` + "\n" + `{"done":{"skipped":"BAD","problems":["BAD"]}}`
	collected, err := c.Collect(t.Context(), CollectRequest{}, func(v storage.Verdict) {
		if v.Reason != good {
			t.Errorf("verdict: %+v", v)
		}
	})
	if err != nil || collected.Skipped != good || collected.Problems[0] != good {
		t.Errorf("collection: %+v, %v", collected, err)
	}
	said = `{"done":{"repositories":[{"name":"BAD"}]}}`
	if usage, err := c.Usage(t.Context()); err != nil || usage.Repositories[0].Name != good {
		t.Errorf("usage: %+v, %v", usage, err)
	}
}

// TestSilentServer sends requests to a process that does not answer, stops in the middle of its
// answer, or does not end it.
func TestSilentServer(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(w http.ResponseWriter)
		want  error
	}{
		{"silent", func(http.ResponseWriter) {}, errSlow},
		{"stopped", func(w http.ResponseWriter) {
			w.Write([]byte(`{"verdict":{}}` + "\n"))
			w.(http.Flusher).Flush()
		}, errSlow},
		{"endless", func(w http.ResponseWriter) {
			for _, err := w.Write([]byte{'"'}); err == nil; _, err = w.Write(bytes.Repeat([]byte{'x'}, 1<<16)) {
			}
		}, errLong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path, done := filepath.Join(t.TempDir(), "admin.sock"), make(chan struct{})
			defer close(done)
			serve(t, path, func(w http.ResponseWriter, r *http.Request) {
				if tc.name != "stopped" || r.URL.Path == PathCollect {
					tc.write(w)
				}
				<-done
			})
			c, err := Dial(path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if errors.Is(tc.want, errSlow) {
				c.prompt, c.idle = 20*time.Millisecond, 20*time.Millisecond // Reload needs no longer either
			}
			_, err = c.Status(t.Context())
			_, reloaded := c.Reload(t.Context())
			_, streamed := c.Collect(t.Context(), CollectRequest{}, nil)
			for what, err := range map[string]error{"status": err, "reload": reloaded, "gc": streamed} {
				if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// TestStream verifies that lines are reported as they arrive, that empty lines are ignored, and that an
// answer without an end is an error.
func TestStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	var said string
	serve(t, path, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(said)) })
	c, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	const verdict = `{"verdict":{"digest":"sha256:00","reason":"kept"}}` + "\n"
	for _, tc := range []struct {
		said, err string
		verdicts  int
	}{
		{"\n" + verdict + "\n\n" + verdict + "\n" + `{"done":{"blobsKept":2}}`, "", 2},
		{verdict + `{"error":"the store is busy"}`, "the store is busy", 1},
		{verdict, errCutOff.Error(), 1},
		{"", errCutOff.Error(), 0},
		{`{"error":"the \u001b[31mstore\u009b is \u202ebusy"}`, "the ?[31mstore? is ?busy", 0},
		{"nonsense", "ask the running server on " + path + ": its answer is not one of a packhouse server", 0},
	} {
		said = tc.said
		n := 0
		report, err := c.Collect(t.Context(), CollectRequest{}, func(storage.Verdict) { n++ })
		if tc.err == "" && (err != nil || report.BlobsKept != 2) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) || n != tc.verdicts {
			t.Errorf("%q: %+v, %d verdicts, %v", tc.said, report, n, err)
		}
	}
}

// TestDeadSockets verifies that a server removes the sockets of servers that were killed, and no
// other.
func TestDeadSockets(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) net.Listener {
		l, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		return l
	}
	open("dead.sock").Close()
	defer open("live.sock").Close()
	if err := os.WriteFile(filepath.Join(dir, "file.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, filepath.Join(dir, "own.sock"), func(http.ResponseWriter, *http.Request) {})
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"file.sock", "live.sock", "own.sock"}; !slices.Equal(names, want) {
		t.Errorf("sockets %v, want %v", names, want)
	}
}
