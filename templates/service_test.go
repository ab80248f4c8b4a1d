package templates

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestService(t *testing.T) {
	s := Service{
		Name: "packhouse", Program: "/usr/local/bin/packhouse", Config: "/etc/packhouse/myconfig.yml", Dir: "/etc/packhouse",
		StoragePath: "/var/lib/packhouse", Writable: []string{"/var/lib/packhouse"}, User: "packhouse", Group: "packhouse", LowPort: true,
	}
	unit, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`ExecStart="/usr/local/bin/packhouse" serve "/etc/packhouse/myconfig.yml"`, "User=packhouse", "AmbientCapabilities=CAP_NET_BIND_SERVICE",
		"ProtectSystem=strict", `ReadWritePaths="/var/lib/packhouse"`, "ProtectHome=yes", "PrivateTmp=yes", "NoNewPrivileges=yes", "Type=notify",
		"UMask=0077", "ProcSubset=pid", "PrivateMounts=yes", "Environment=PACKHOUSE_BOOT_ID=%b",
		`ExecReload="/usr/local/bin/packhouse" reload "/etc/packhouse/myconfig.yml"`,
	} {
		if !strings.Contains(string(unit), "\n"+line+"\n") {
			t.Errorf("%q is no line of\n%s", line, unit)
		}
	}
	if strings.Contains(string(unit), "PrivateUsers") {
		t.Errorf("the right to bind port 443 is lost in a user namespace of its own:\n%s", unit)
	}
	s.LowPort = false
	s.Writable = append(s.Writable, "/var/tmp/audit")
	s.Dir, s.Config = "/home/o'neil/a \"b\" 100%/$x", "/home/o'neil/a \"b\" 100%/$x/myconfig.yml"
	if unit, err = s.Render(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`serve "/home/o'neil/a \"b\" 100%%/$$x/myconfig.yml"`, "ProtectHome=read-only", "PrivateTmp=no", `ReadWritePaths="/var/tmp/audit"`, "PrivateUsers=yes", "\nCapabilityBoundingSet=", "\nAmbientCapabilities="} {
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

// TestServiceExposure asks systemd-analyze to rate the unit, if it is installed.
func TestServiceExposure(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for _, test := range []struct {
		name    string
		lowPort bool
		most    float64
	}{{"port 443", true, 1.5}, {"port 5000", false, 1.2}} {
		t.Run(test.name, func(t *testing.T) {
			unit, err := Service{
				Name: "packhouse", Program: "/usr/local/bin/packhouse", Config: "/etc/packhouse/myconfig.yml", Dir: "/etc/packhouse",
				StoragePath: "/var/lib/packhouse", Writable: []string{"/var/lib/packhouse"}, User: "packhouse", Group: "packhouse",
				LowPort: test.lowPort,
			}.Render()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "packhouse.service")
			if err := os.WriteFile(path, unit, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", path).CombinedOutput()
			if strings.Contains(string(out), "unrecognized option") || strings.Contains(string(out), "Unknown") {
				t.Skipf("systemd-analyze cannot rate a unit file: %s", out)
			}
			found := regexp.MustCompile(`Overall exposure level for packhouse.service: (\S+)`).FindSubmatch(out)
			if found == nil {
				t.Fatalf("systemd-analyze security: %v\n%s", err, out)
			}
			exposure, err := strconv.ParseFloat(string(found[1]), 64)
			if err != nil || exposure > test.most {
				t.Errorf("exposure %s, want at most %.1f\n%s", found[1], test.most, out)
			}
			t.Logf("exposure %s", found[1])
		})
	}
}
