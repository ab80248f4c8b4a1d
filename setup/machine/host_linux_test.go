package machine_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/setup/machine"
)

func TestThisMachineNamesTheHolderOfAPort(t *testing.T) {
	h := machine.ThisMachine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	if err := h.Listen(t.Context(), addr); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listen at a taken port: %v", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if holder := h.Holder(port); holder.PID != os.Getpid() || holder.Name == "" {
		t.Errorf("held by %+v, want this process", holder)
	}
	l.Close()
	if holder := h.Holder(port); holder.PID != 0 {
		t.Errorf("still held by %+v", holder)
	}
	if err := h.Listen(t.Context(), addr); err != nil {
		t.Errorf("listen at a free port: %v", err)
	}
}

func TestThisMachineKnowsItsFileSystems(t *testing.T) {
	h, dir := machine.ThisMachine(), t.TempDir()
	fs, err := h.FileSystem(filepath.Join(dir, "not", "there", "yet"))
	if err != nil || fs.Total == 0 || fs.Free > fs.Total {
		t.Errorf("%+v, %v", fs, err)
	}
	if shm, err := h.FileSystem("/dev/shm"); err == nil && shm.Kind == "tmpfs" && !shm.Memory() {
		t.Error("tmpfs is not called memory")
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Writable(filepath.Join(file, "below")); err == nil {
		t.Error("below a file something could be made")
	}
	if err := h.Writable(file); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("a file taken for a directory: %v", err)
	}
	if err := h.Writable(filepath.Join(dir, "a", "b")); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("asking left something behind: %v", entries)
	}
}

func TestThisMachineHasAddresses(t *testing.T) {
	m := machine.Detect(t.Context(), machine.ThisMachine())
	if len(m.Names) == 0 || m.CPUs < 1 || m.Memory == 0 || m.ConfigDir == "" {
		t.Errorf("%+v", m)
	}
	for _, a := range m.Addresses {
		if !m.Has(a.Addr) {
			t.Errorf("%v is not its own", a.Addr)
		}
	}
}
