package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/admin"
	"packhouse/server/config"
)

// TestServerOnFails verifies that a server that listens but does not report its state counts as running.
func TestServerOnFails(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	t.Setenv("RUNTIME_DIRECTORY", dir)
	if on := deployment.ServerOn(t.Context(), dir, root); on.Up {
		t.Fatalf("without a server: %+v", on)
	}
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, root
	listener, err := net.Listen("unix", filepath.Join(dir, filepath.Base(admin.Paths(c)[0])))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(listener.Addr().String(), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "{}")
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	if on := deployment.ServerOn(t.Context(), dir, root); !on.Up && on.Doubt == nil {
		t.Error("a server that fails counts as none")
	}
}
