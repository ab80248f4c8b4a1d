//go:build linux

package deployment

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup/check"
	"packhouse/setup/installation"
)

// TestFilesBelongToWhoRunsTheServer: the process tells as whom it runs; root may read everything.
func TestFilesBelongToWhoRunsTheServer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs to start a process as somebody else")
	}
	if as := runsAs(nil, os.Getpid()); as != nil {
		t.Errorf("root is held to %+v", as)
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	as := runsAs(nil, cmd.Process.Pid)
	if as == nil || as.UID != 65534 {
		t.Fatalf("%+v, want user 65534", as)
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "myconfig.yml")
	text := "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: " + dir + "/data\nhttp:\n  addr: 127.0.0.1:5000\n  tls:\n    certificate: " + dir + "/tls.crt\n    key: " + dir + "/tls.key\nauth:\n  htpasswd:\n    realm: r\n    path: " + dir + "/users\n"
	for name, content := range map[string]string{config: text, dir + "/tls.crt": "", dir + "/tls.key": "", dir + "/users": "", dir + "/data/x": "", dir + "/certs/ca.key": ""} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	theirs := []string{dir + "/tls.key", dir + "/users", dir + "/data"}
	for _, path := range theirs {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	a := &cli.App{Now: time.Now}
	prove := func() check.Result {
		loaded, err := a.LoadConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		target := check.Target{
			Files: files(Subject{Config: config, Installed: &installation.Installed{Dir: dir}}, loaded, as),
			Quick: true,
		}
		report := check.Run(t.Context(), target, nil)
		i := slices.IndexFunc(report.Results, func(r check.Result) bool { return r.ID == "files" })
		return report.Results[i]
	}
	if r := prove(); r.Status != check.Passed {
		t.Fatalf("%+v", r)
	}
	for _, row := range []struct {
		path string
		uid  int
	}{{theirs[0], 0}, {theirs[1], 12345}, {theirs[2], 0}, {dir + "/certs/ca.key", 65534}} {
		var before syscall.Stat_t
		if err := syscall.Stat(row.path, &before); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(row.path, row.uid, -1); err != nil {
			t.Fatal(err)
		}
		if r := prove(); r.Finding.Code != "file-owner" || r.Finding.What == "" || r.Finding.Remedy == "" {
			t.Errorf("%s of %d: %+v", row.path, row.uid, r)
		}
		if err := os.Chown(row.path, int(before.Uid), -1); err != nil {
			t.Fatal(err)
		}
	}
}
