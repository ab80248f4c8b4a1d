package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestService(t *testing.T) {
	s := Service{
		Name: "packhouse", Program: "/usr/local/bin/packhouse", Config: "/etc/packhouse/myconfig.yml", Dir: "/etc/packhouse",
		StoragePath: "/var/lib/packhouse", Writable: []string{"/var/lib/packhouse"}, User: "packhouse", Group: "packhouse",
	}
	unit, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`ExecStart="/usr/local/bin/packhouse" serve "/etc/packhouse/myconfig.yml"`, "User=packhouse", "AmbientCapabilities=CAP_NET_BIND_SERVICE",
		"ProtectSystem=strict", `ReadWritePaths="/var/lib/packhouse"`, "ProtectHome=yes", "PrivateTmp=yes", "NoNewPrivileges=yes", "Type=notify",
		`ExecReload="/usr/local/bin/packhouse" reload "/etc/packhouse/myconfig.yml"`,
	} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("%q is no line of\n%s", line, unit)
		}
	}
	s.Writable = append(s.Writable, "/var/tmp/audit")
	s.Dir, s.Config = "/home/o'neil/a \"b\" 100%/$x", "/home/o'neil/a \"b\" 100%/$x/myconfig.yml"
	if unit, err = s.Render(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`serve "/home/o'neil/a \"b\" 100%%/$$x/myconfig.yml"`, "ProtectHome=read-only", "PrivateTmp=no", `ReadWritePaths="/var/tmp/audit"`} {
		if !strings.Contains(string(unit), line+"\n") {
			t.Errorf("%q is not in\n%s", line, unit)
		}
	}
}

// TestServiceIsAccepted asks systemd itself what it thinks of the unit, where it is there.
func TestServiceIsAccepted(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not there")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unit, err := Service{
		Name: "packhouse", Program: program, Config: dir + "/a b/myconfig.yml", Dir: dir + "/a b", StoragePath: dir + "/data", Writable: []string{dir + "/data"}, User: "root", Group: "root",
	}.Render()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "packhouse.service")
	if err := os.WriteFile(path, unit, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "packhouse.service:") {
			t.Error(strings.TrimSpace(line))
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
