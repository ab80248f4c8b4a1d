package main

import (
	"os"
	"path/filepath"
	"testing"

	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/admin"
)

// TestSignalServer verifies that a process is signaled only if the kernel knows it by the ID that the server reports.
func TestSignalServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := admin.Listen(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	client, err := admin.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if client.PID() != os.Getpid() {
		t.Errorf("process %d, want %d", client.PID(), os.Getpid())
	}
	for name, pid := range map[string]int{"unknown": 0, "of another namespace": 4242} {
		if err := deployment.SignalServer(pid, admin.Status{PID: 1}); err == nil {
			t.Errorf("%s: signaled", name)
		}
	}
}
