package e2e

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
)

func (m *machine) takesChanges() {
	pid := m.show("MainPID")
	if out, code := m.try(machinePasswords["late"], "packhouse", "user", "add", "late", "--password-stdin"); code != 0 || !strings.Contains(out, "the running server has taken the change") {
		m.t.Fatalf("user add: exit %d\n%s", code, out)
	}
	if got := m.status("/v2/_catalog", "late"); got != "200" {
		m.t.Errorf("the new user: %s", got)
	}
	before := m.fingerprint()
	m.run("packhouse", "cert", "rotate")
	if m.fingerprint() == before {
		m.t.Error("the certificate is the one before")
	}
	if out, code := m.try("", "packhouse", "check"); code != 0 {
		m.t.Errorf("packhouse check: exit %d\n%s", code, out)
	}
	m.serves()
	if m.show("MainPID") != pid {
		m.t.Error("the server was restarted")
	}
}

// fingerprint is that of the certificate that is served.
func (m *machine) fingerprint() string {
	m.t.Helper()
	return m.run("bash", "-c", "openssl s_client -connect 127.0.0.1:443 -servername "+hostname+" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256")
}

func (m *machine) reloads() {
	const config, users = "/etc/packhouse/myconfig.yml", "/etc/packhouse/auth/htpasswd-basic"
	good, err := os.ReadFile(m.path(config))
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(config, bytes.Replace(good, []byte("level: info"), []byte("level: loud"), 1))
	if out, code := m.try("", "systemctl", "reload", "packhouse"); code == 0 {
		m.t.Errorf("a configuration that the server refuses was reloaded\n%s", out)
	}
	m.write(config, good)
	if got := m.status("/health", ""); m.show("ActiveState") != "active" || got != "200" {
		m.t.Errorf("after a reload that was refused: %s, %s", m.show("ActiveState"), got)
	}
	// A user by hand: late's hash under another name.
	lines, err := os.ReadFile(m.path(users))
	if err != nil {
		m.t.Fatal(err)
	}
	hash := regexp.MustCompile(`(?m)^late:(.*)$`).FindSubmatch(lines)
	m.write(users, append(lines, fmt.Sprintf("byhand:%s\n", hash[1])...))
	m.run("systemctl", "reload", "packhouse")
	if got := m.status("/v2/_catalog", "", "--user", "byhand:"+machinePasswords["late"]); got != "200" {
		m.t.Errorf("a user by hand, after systemctl reload: %s", got)
	}
	m.write(users, lines)
	m.run("systemctl", "reload", "packhouse")
	m.serves()
}

// write puts content into a file; owner and mode of one that is there stay.
func (m *machine) write(path string, content []byte) {
	m.t.Helper()
	if err := os.WriteFile(m.path(path), content, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) moves() {
	m.run("mkdir", "-p", "/srv/machine/packs", "/srv/machine/audit")
	m.run("chown", "packhouse:", "/srv/machine/audit")
	config, err := os.ReadFile(m.path("/etc/packhouse/myconfig.yml"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.write("/etc/packhouse/myconfig.yml", bytes.Replace(config, []byte("\nlog:\n"), []byte("\nlog:\n  audit:\n    path: /srv/machine/audit/audit.log\n"), 1))
	out := m.setup("--storage-path", "/srv/machine/packs") // its checks push and pull
	if !strings.Contains(out, "systemd has restarted the server") {
		m.t.Errorf("a store elsewhere needs a restart:\n%s", out)
	}
	m.serves()
	unit := m.run("systemctl", "cat", "packhouse")
	for _, path := range []string{"/srv/machine/packs", "/srv/machine/audit"} {
		if !strings.Contains(unit, `ReadWritePaths="`+path+`"`) {
			m.t.Errorf("the server may not write to %s:\n%s", path, unit)
		}
	}
	if out, code := m.try("", "test", "-s", "/srv/machine/audit/audit.log"); code != 0 {
		m.t.Errorf("nothing was written to the audit log: %s", out)
	}
}

func (m *machine) rollsBack() {
	m.setup("--log-level", "warn")
	m.run("packhouse", "rollback", "--yes")
	m.serves()
	config, err := os.ReadFile(m.path("/etc/packhouse/myconfig.yml"))
	if err != nil || !bytes.Contains(config, []byte("level: info")) {
		m.t.Errorf("after the rollback: %v\n%s", err, config)
	}
	m.setup("--service", "none", "--no-start")
	if state := m.show("ActiveState"); state != "inactive" || m.show("LoadState") != "not-found" {
		m.t.Errorf("without a service: %s, %s", state, m.show("LoadState"))
	}
	m.run("packhouse", "rollback", "--yes")
	m.serves()
	if got := m.show("UnitFileState"); got != "enabled" {
		m.t.Errorf("after the rollback the unit is %s", got)
	}
	// Without the service, root serves the trial. Its files in the store belong to the owner of their
	// directory, but the audit log, in a directory of root, to root, so the service cannot write it.
	// The rollback restores the files, so that exit code 1, nothing changed, would be wrong.
	if out, code := m.try("", "packhouse", "setup", "--yes", "--service", "none"); code != 1 || !strings.Contains(out, "chown root: /srv/machine/audit") {
		m.t.Errorf("root is to write an audit log of another user: exit %d\n%s", code, out)
	}
	m.run("chown", "-R", "root:", "/srv/machine/audit")
	m.setup("--service", "none")
	m.run("packhouse", "store", "usage")
	out, code := m.try("", "packhouse", "rollback", "--yes")
	if code != 4 || !strings.Contains(out, "log.audit.path cannot be written") {
		m.t.Errorf("rollback to a service whose content root has served: exit %d\n%s", code, out)
	}
	m.run("chown", "-R", "packhouse:", "/srv/machine/packs", "/srv/machine/audit")
	m.run("systemctl", "start", "packhouse")
	m.serves()
}

func (m *machine) failsToStart() {
	const closed = "/srv/machine/packs/packhouse/v1/lease"
	m.run("systemctl", "stop", "packhouse")
	m.run("chown", "root:", closed)
	m.run("chmod", "700", closed)
	// Again where systemd's journal has not taken in yet what the server said last.
	eventually(m.t, "a store that the user may not enter is told", toolTimeout, func() bool {
		m.run("systemctl", "reset-failed", "packhouse") // whatever was tried before
		out, code := m.try("", "packhouse", "setup", "--yes")
		if code != 1 || !strings.Contains(out, "journalctl -u packhouse.service") {
			m.t.Fatalf("a store that the user may not enter: exit %d\n%s", code, out)
		}
		return strings.Contains(out, "systemd has not brought the server up: ") && strings.Contains(out, "open storage") && strings.Contains(out, "permission denied")
	})
	m.run("chown", "packhouse:", closed)
	m.run("systemctl", "reset-failed", "packhouse")
	m.setup()
	m.serves()
}

func (m *machine) leaves() {
	m.run("packhouse", "uninstall", "--yes")
	if state := m.show("LoadState"); state != "not-found" || m.show("ActiveState") != "inactive" {
		m.t.Errorf("after uninstall the unit is %s, %s", state, m.show("ActiveState"))
	}
	for _, path := range []string{"/etc/systemd/system/packhouse.service", "/etc/systemd/system/multi-user.target.wants/packhouse.service", "/etc/packhouse/certs/tls.key"} {
		if _, err := os.Lstat(m.path(path)); err == nil {
			m.t.Errorf("%s is still there", path)
		}
	}
	if m.run("find", "/srv/machine/packs", "-name", "repositories") == "" {
		m.t.Error("the content is gone")
	}
	m.setup("--storage-path", "/srv/machine/packs")
	m.serves()
	m.run("packhouse", "uninstall", "--yes")
	// Line by line, each question with its default.
	out, code := m.try(strings.Repeat("\n", 9)+"write\nyes\n", "packhouse", "setup", "--accessible", "--hostname", hostname)
	for _, want := range []string{"Default: 2, systemd, detected on this machine", "Default: packhouse", "systemctl status packhouse.service"} {
		if code != 0 || !strings.Contains(out, want) {
			m.t.Errorf("asked line by line: exit %d, without %q\n%s", code, want, out)
		}
	}
	if m.show("ActiveState") != "active" || m.status("/health", "") != "200" {
		m.t.Error("the wizard's service does not run")
	}
}
