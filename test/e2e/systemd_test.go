package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Passwords of the people on the machine, none of which may get into its journal.
var machinePasswords = map[string]string{"admin": "the quick brown fox 1", "ci": "jumps over the dog 2", "late": "a lazy one, later 3"}

// machineTrust is what clients on the machine are handed.
const machineTrust = "/etc/packhouse/certs/ca.crt"

// status asks the registry on the machine and returns the status of the answer.
// The port is 443, under the name of the certificate.
func (m *machine) status(path, user string, more ...string) string {
	m.t.Helper()
	args := []string{"curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", machineTrust, "--resolve", hostname + ":443:127.0.0.1"}
	if user != "" {
		args = append(args, "--user", user+":"+machinePasswords[user])
	}
	out, _ := m.try("", append(append(args, more...), "https://"+hostname+path)...)
	return out
}

// setup runs setup without questions, which has to succeed.
func (m *machine) setup(flags ...string) string {
	m.t.Helper()
	lines := ""
	for _, name := range []string{"admin", "ci"} {
		lines += name + ":" + machinePasswords[name] + "\n"
	}
	out, code := m.try(lines, append([]string{"packhouse", "setup", "--yes", "--password-stdin", "--hostname", hostname, "--user", "ci:writer"}, flags...)...)
	if code != 0 {
		m.t.Fatalf("setup %s: exit %d\n%s", strings.Join(flags, " "), code, out)
	}
	return out
}

// serves has to hold whenever the service is said to run.
func (m *machine) serves() {
	m.t.Helper()
	if state := m.show("ActiveState"); state != "active" {
		m.t.Fatalf("the service is %s", state)
	}
	if got := m.status("/health", ""); got != "200" {
		m.t.Fatalf("GET /health: %s", got)
	}
	if out, code := m.try("", "packhouse", "status"); code != 0 || !strings.Contains(out, "pid "+m.show("MainPID")) {
		m.t.Fatalf("packhouse status: exit %d\n%s", code, out)
	}
}

// TestSystemd lives through the life of a service on a machine that systemd
// runs: it is the default there, and everything that one does with an
// installation works on it.
func TestSystemd(t *testing.T) {
	m := bootMachine(t)
	need(t, "curl")
	steps := []struct {
		name string
		run  func(*machine)
	}{
		{"installed by default", (*machine).isInstalled},
		{"closed in", (*machine).isClosedIn},
		{"without a capability", (*machine).needsNoCapability},
		{"not for root to serve", (*machine).isNotForRoot},
		{"users and certificates", (*machine).takesChanges},
		{"reload", (*machine).reloads},
		{"killed", (*machine).comesBack},
		{"watched", (*machine).isWatched},
		{"stopped while pushing", (*machine).drains},
		{"looked after while stopped", (*machine).isLookedAfter},
		{"started with the machine", (*machine).startsWithMachine},
		{"content elsewhere", (*machine).moves},
		{"changed and rolled back", (*machine).rollsBack},
		{"a start that fails", (*machine).failsToStart},
		{"secrets", (*machine).keepsSecrets},
		{"uninstalled, and installed again", (*machine).leaves},
	}
	for _, step := range steps {
		// Nobody starts a service so often: systemd would refuse at some point.
		_, _ = m.try("", "systemctl", "reset-failed", "packhouse.service")
		if !t.Run(step.name, func(t *testing.T) { step.run(&machine{t: t, pid: m.pid}) }) {
			return // the next stand on it
		}
	}
}

func (m *machine) isInstalled() {
	out := m.setup()
	if !strings.Contains(out, "systemd has started the server") || !strings.Contains(out, "systemctl status packhouse.service") {
		m.t.Errorf("setup does not say that systemd runs the server:\n%s", out)
	}
	m.serves()
	for property, want := range map[string]string{"Type": "notify", "UnitFileState": "enabled", "NRestarts": "0", "User": "packhouse"} {
		if got := m.show(property); got != want {
			m.t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	for path, want := range map[string]string{
		"/etc/packhouse": "root:root 755", "/etc/packhouse/myconfig.yml": "root:root 644", "/etc/packhouse/auth": "root:packhouse 750", "/etc/packhouse/auth/htpasswd-basic": "packhouse:packhouse 600",
		"/etc/packhouse/certs": "root:packhouse 750", "/etc/packhouse/certs/tls.key": "packhouse:packhouse 600", "/etc/packhouse/certs/ca.key": "root:root 600",
		"/var/lib/packhouse": "packhouse:packhouse 750", "/run/packhouse": "packhouse:packhouse 700", "/etc/systemd/system/packhouse.service": "root:root 644",
	} {
		if got := strings.TrimSpace(m.run("stat", "--format", "%U:%G %a", path)); got != want {
			m.t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if out := m.run("packhouse", "status"); strings.Contains(out, "changed") {
		m.t.Errorf("setup made it otherwise than it noted:\n%s", out)
	}
	if again := m.setup("--dry-run"); !strings.Contains(again, "nothing to change") {
		m.t.Errorf("the same again changes something:\n%s", again)
	}
	if out, code := m.try("", "packhouse", "setup", "--yes", "--service", "systemd", "--serve"); code != 2 || !strings.Contains(out, "leave out one") {
		m.t.Errorf("systemd and --serve: exit %d\n%s", code, out)
	}
}

func (m *machine) isClosedIn() {
	process := m.run("cat", "/proc/"+m.show("MainPID")+"/status")
	for _, want := range []string{`CapEff:\t0{13}400\n`, `CapBnd:\t0{13}400\n`, `NoNewPrivs:\t1\n`, `Seccomp:\t2\n`} { // 0x400: CAP_NET_BIND_SERVICE
		if !regexp.MustCompile(want).MatchString(process) {
			m.t.Errorf("the process has no %s:\n%s", want, process)
		}
	}
	if regexp.MustCompile(`Uid:\t0`).MatchString(process) {
		m.t.Error("the server runs as root")
	}
	boot := strings.ReplaceAll(strings.TrimSpace(m.run("cat", "/proc/sys/kernel/random/boot_id")), "-", "")
	if environment := m.run("cat", "/proc/"+m.show("MainPID")+"/environ"); !strings.Contains(environment, "PACKHOUSE_BOOT_ID="+boot) {
		m.t.Errorf("the server does not know the boot ID %s: %q", boot, environment)
	}
	const unit = "/etc/systemd/system/packhouse.service"
	if out := m.run("systemd-analyze", "verify", "--man=no", unit); strings.Contains(out, "packhouse.service") {
		m.t.Errorf("systemd-analyze verify:\n%s", out)
	}
	out := m.run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
	found := regexp.MustCompile(`Overall exposure level for packhouse.service: (\S+)`).FindStringSubmatch(out)
	if found == nil {
		m.t.Fatalf("systemd-analyze security:\n%s", out)
	}
	if exposure, err := strconv.ParseFloat(found[1], 64); err != nil || exposure > 1.5 {
		m.t.Errorf("exposure %s, want at most 1.5", found[1])
	}
	m.t.Logf("systemd-analyze security: %s", found[1])
}

// needsNoCapability moves the server to a port above 1024 and back. There it runs with users of its
// own and without any capability.
func (m *machine) needsNoCapability() {
	m.setup("--addr", "127.0.0.1:5443")
	pid := m.show("MainPID")
	process := m.run("cat", "/proc/"+pid+"/status")
	for _, want := range []string{`CapEff:\t0{16}\n`, `CapBnd:\t0{16}\n`, `CapAmb:\t0{16}\n`} {
		if !regexp.MustCompile(want).MatchString(process) {
			m.t.Errorf("the process has no %s:\n%s", want, process)
		}
	}
	if own, first := m.run("readlink", "/proc/"+pid+"/ns/user"), m.run("readlink", "/proc/1/ns/user"); own == first {
		m.t.Error("the server has no users of its own")
	}
	if out := m.run("curl", "-sk", "https://127.0.0.1:5443/health"); !strings.Contains(out, `"UP"`) {
		m.t.Errorf("GET /health: %s", out)
	}
	if out, code := m.try("", "packhouse", "check", "--quick"); code != 0 {
		m.t.Errorf("packhouse check: exit %d\n%s", code, out)
	}
	m.setup("--addr", ":443")
	m.serves()
}

func (m *machine) isNotForRoot() {
	m.run("systemctl", "stop", "packhouse")
	if out, code := m.try("", "packhouse", "serve", "/etc/packhouse/myconfig.yml"); code != 1 || !strings.Contains(out, "systemctl start packhouse.service") {
		m.t.Errorf("serve as root: exit %d\n%s", code, out)
	}
	if out, code := m.try("", "packhouse", "status"); code != 4 || !strings.Contains(out, "start it: systemctl start packhouse.service") {
		m.t.Errorf("status of a stopped service: exit %d\n%s", code, out)
	}
	m.run("systemctl", "start", "packhouse")
	m.serves()
	if out, code := m.try("", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "packhouse", "status", "--dir", "/etc/packhouse"); code != 4 || strings.Contains(out, "not running") {
		m.t.Errorf("status for somebody who may not know: exit %d\n%s", code, out)
	}
}

func (m *machine) comesBack() {
	m.run("systemctl", "restart", "packhouse")
	m.serves()
	pid := m.show("MainPID")
	m.run("kill", "-9", pid)
	eventually(m.t, "the service comes back", patience, func() bool {
		return m.show("ActiveState") == "active" && m.show("MainPID") != pid && m.show("NRestarts") == "1"
	})
	m.serves()
}

func (m *machine) isWatched() {
	// Shorter than anybody's, and long enough for a server that is well on a machine that is busy.
	undo := m.sets("WatchdogSec=10")
	pid, last := m.show("MainPID"), ""
	for range 3 {
		eventually(m.t, "the server shows that it is well", patience, func() bool {
			at := m.show("WatchdogTimestampMonotonic")
			changed := at != last
			last = at
			return changed
		})
	}
	if now := m.show("MainPID"); now != pid {
		m.t.Errorf("systemd put %s in the place of a server that is well, %s", now, pid)
	}
	m.run("kill", "-STOP", pid)
	eventually(m.t, "a server that hangs is replaced", toolTimeout, func() bool { return m.show("MainPID") != pid && m.show("ActiveState") == "active" })
	m.serves()
	undo()
}

// sets restarts the service with one more line in its unit, until the returned
// function takes it back.
func (m *machine) sets(line string) (undo func()) {
	m.t.Helper()
	const dropIn = "/etc/systemd/system/packhouse.service.d/test.conf"
	m.run("mkdir", filepath.Dir(dropIn))
	m.run("bash", "-c", "printf '[Service]\\n"+line+"\\n' >"+dropIn)
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "packhouse")
	return func() {
		m.t.Helper()
		m.run("rm", "-r", filepath.Dir(dropIn))
		m.run("systemctl", "daemon-reload")
		m.run("systemctl", "restart", "packhouse")
	}
}

// drains holds that a push that has begun when the service is stopped comes to
// its end.
func (m *machine) drains() {
	undo := m.sets("Environment=REGISTRY_HTTP_DRAINTIMEOUT=5m") // whatever this machine is busy with
	blob := make([]byte, 1<<20)
	if _, err := rand.Read(blob); err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), toolTimeout)
	defer cancel()
	target := "https://" + hostname + "/v2/drained/blobs/uploads/?digest=" + digestOf(blob)
	cmd := m.command(ctx, "curl", "--silent", "--show-error", "--cacert", machineTrust, "--resolve", hostname+":443:127.0.0.1",
		"--user", "ci:"+machinePasswords["ci"], "--request", "POST", "--header", "Content-Type: application/octet-stream", "--header", "Expect:",
		"--write-out", "%{http_code}", "--http1.1", "--upload-file", "-", target)
	var answer bytes.Buffer
	cmd.Stdout, cmd.Stderr = &answer, &answer
	body, err := cmd.StdinPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	half := bytes.NewReader(blob[:len(blob)/2])
	if _, err := io.Copy(body, half); err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, "the push has begun", patience, func() bool {
		out, _ := m.try("", "find", "/var/lib/packhouse/packhouse/v1/uploads", "/var/lib/packhouse/packhouse/v1/stage", "-type", "f", "-size", "+100k")
		return out != ""
	})
	m.run("systemctl", "stop", "--no-block", "packhouse")
	eventually(m.t, "the server drains", patience, func() bool {
		return m.show("SubState") == "stop-sigterm" && strings.Contains(m.run("journalctl", "--unit", "packhouse", "--output", "cat", "--lines", "3"), "draining")
	})
	if _, err := body.Write(blob[len(blob)/2:]); err != nil {
		m.t.Fatal(err)
	}
	body.Close()
	if err := cmd.Wait(); err != nil || answer.String() != "201" {
		m.t.Errorf("a push while the service is stopped: %v, %s", err, answer.String())
	}
	eventually(m.t, "the service stops", patience, func() bool { return m.show("ActiveState") == "inactive" })
	if result := m.show("Result"); result != "success" {
		m.t.Errorf("the service ended with %s", result)
	}
	m.run("systemctl", "start", "packhouse")
	m.serves()
	if got := m.status("/v2/drained/blobs/"+digestOf(blob), "late", "--head"); got != "200" {
		m.t.Errorf("what was pushed meanwhile: %s", got)
	}
	undo()
}

func (m *machine) isLookedAfter() {
	m.run("systemctl", "stop", "packhouse")
	for _, line := range []string{"store scrub", "store gc", "store reindex", "store usage"} {
		m.run(append([]string{"packhouse"}, strings.Fields(line)...)...)
	}
	if _, code := m.try("", "packhouse", "check"); code != 4 {
		m.t.Errorf("packhouse check without a server: exit %d", code)
	}
	if alien := m.run("find", "/var/lib/packhouse", "!", "-user", "packhouse"); alien != "" {
		m.t.Errorf("root left in the store:\n%s", alien)
	}
	m.run("systemctl", "start", "packhouse")
	m.serves()
}

func (m *machine) startsWithMachine() {
	m.run("systemctl", "stop", "packhouse")
	m.run("systemctl", "start", "multi-user.target") // as a start of the machine does
	eventually(m.t, "the service is started with the machine", patience, func() bool { return m.show("ActiveState") == "active" })
	m.serves()
}

func (m *machine) keepsSecrets() {
	journal := m.run("journalctl", "--no-pager", "--output", "export")
	unit := m.run("systemctl", "show", "packhouse") + m.run("systemctl", "cat", "packhouse")
	if !strings.Contains(journal, "packhouse") {
		m.t.Fatal("the journal is empty")
	}
	for name, password := range machinePasswords {
		if strings.Contains(journal, password) || strings.Contains(unit, password) {
			m.t.Errorf("the password of %s is in the journal or in the unit", name)
		}
	}
	if strings.Contains(journal, "$2a$") || strings.Contains(journal, "PRIVATE KEY") {
		m.t.Error("a hash or a key is in the journal")
	}
}
