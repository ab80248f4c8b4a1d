package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// byHand is a machine and what somebody saw at its console.
type byHand struct {
	*machine
	password    string // of admin
	pid         string // of the server, which is never restarted
	fingerprint string
}

// TestSystemdWizard installs a service with the full-screen wizard, and looks
// after it in the manager, as somebody does who has the console of a machine.
func TestSystemdWizard(t *testing.T) {
	m := bootMachine(t)
	need(t, "curl")
	need(t, "openssl")
	m.run("ip", "address", "add", "192.0.2.17/32", "dev", "lo")
	m.write("/etc/hosts", []byte("127.0.0.1 localhost\n192.0.2.17 "+hostname+"\n"))
	h := &byHand{machine: m}
	steps := []struct {
		name string
		run  func(*byHand)
	}{
		{"installed", (*byHand).installs},
		{"certificate renewed", (*byHand).renews},
		{"user added", (*byHand).addsUser},
		{"rolled back", (*byHand).goesBack},
		{"started again", (*byHand).starts},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { h.t = t; step.run(h) }) {
			return // the next stand on it
		}
	}
}

// installs answers each question with what it proposes.
func (h *byHand) installs() {
	c := h.console("packhouse")
	c.wants("Under which name")
	c.keys(strings.Repeat(backspace, 64) + hostname + enter)
	for _, question := range []string{
		"By which other names", "At which address", "Where does the server's certificate come from", "Who may use", "Where shall packs and images", "In which directory",
		"(•) systemd", "As which user",
	} {
		c.wants(question)
		c.keys(enter)
	}
	c.wants("These files will be written", "systemd runs the server as packhouse", "enter write")
	if _, code := h.try("", "test", "-e", "/etc/packhouse"); code == 0 {
		h.t.Error("something was written before the review was agreed to")
	}
	c.keys(enter)
	c.isProven()
	if got := h.show("ActiveState"); got != "active" {
		h.t.Fatalf("the service is %s", got)
	}
	c.keys(enter)
	c.wants("The registry works", "https://"+hostname, "show password")
	c.keys("p")
	c.wants("hide password")
	h.password = regexp.MustCompile(`(?:[a-z0-9]{4}-){6}[a-z0-9]{4}`).FindString(c.text())
	c.keys(enter)
	c.ends(0)
	if left := c.text(); !strings.Contains(left, "systemctl status packhouse.service") || h.password == "" || strings.Contains(left, h.password) {
		h.t.Errorf("left on the terminal:\n%s", left)
	}
	h.serves()
	if got := h.status("/v2/_catalog", "", "--user", "admin:"+h.password); got != "200" {
		h.t.Errorf("the password of the card: %s", got)
	}
	h.pid, h.fingerprint = h.show("MainPID"), h.machine.fingerprint()
}

// opens starts the program that everything is looked after with, and has it
// find the server that systemd runs.
func (h *byHand) opens() *console {
	h.t.Helper()
	c := h.console("packhouse")
	c.wants("This installation", "pid "+h.pid, "the certificate on disk", "as setup wrote them")
	return c
}

// chooses goes down to one of the things that can be done, and does it.
func (c *console) chooses(task string) {
	c.t.Helper()
	tasks := []string{"Renew the certificate", "Users", "Settings", "Repair", "Check", "Roll back"}
	c.keys("\x1b[H" + strings.Repeat(down, slices.Index(tasks, task))) // from the first task, whichever is selected
	c.wants("› " + task)
	c.keys(enter)
}

// isProven waits for the checks, of which none may have failed.
func (c *console) isProven() {
	c.t.Helper()
	c.wants("checks passed", "enter next")
	if text := c.text(); strings.Contains(text, "✗") {
		c.t.Errorf("a check failed:\n%s", text)
	}
}

// goesHome leaves what was done, and the program.
func (c *console) goesHome(words ...string) {
	c.t.Helper()
	c.keys(enter)
	if len(words) > 0 {
		c.wants(words...)
		c.keys(enter)
	}
	c.wants("This installation", "q leave")
	c.keys("q")
	c.ends(0)
}

// runsOn has to hold after each change that a server takes while it runs.
func (h *byHand) runsOn() {
	h.t.Helper()
	h.serves()
	if pid, restarts := h.show("MainPID"), h.show("NRestarts"); pid != h.pid || restarts != "0" {
		h.t.Errorf("the server was restarted: pid %s, was %s; %s restarts", pid, h.pid, restarts)
	}
}

func (h *byHand) renews() {
	c := h.opens()
	c.chooses("Renew the certificate")
	c.wants("These changes will be made", "certs/tls.crt", "w write")
	c.keys("w")
	c.isProven()
	c.goesHome("The registry works", "as it was before")
	now := h.machine.fingerprint()
	if now == h.fingerprint {
		h.t.Error("the certificate is the one before")
	}
	h.fingerprint = now
	h.runsOn()
}

func (h *byHand) addsUser() {
	c := h.opens()
	c.chooses("Users")
	c.wants("Who may use", "+ add a user")
	c.keys("a")
	c.wants("Name", "(•) generate one")
	c.keys("late" + tab + tab + down)
	c.wants("(•) type one", "New password")
	for range 2 {
		c.keys(tab + machinePasswords["late"])
	}
	c.keys(enter)
	c.wants("late   reader  password typed")
	c.keys(enter)
	c.wants("These changes will be made", "user late added as reader", "w write")
	c.keys("w")
	c.isProven()
	c.goesHome("The registry works")
	if strings.Contains(c.text(), machinePasswords["late"]) {
		h.t.Error("a password that was typed is on the screen")
	}
	if got := h.status("/v2/_catalog", "late"); got != "200" {
		h.t.Errorf("the new user: %s", got)
	}
	h.runsOn()
}

func (h *byHand) goesBack() {
	c := h.opens()
	c.chooses("Roll back")
	c.wants("These changes will be made", "auth/htpasswd-basic", "w write")
	c.keys("w")
	c.isProven()
	c.goesHome()
	if got := h.status("/v2/_catalog", "late"); got != "401" {
		h.t.Errorf("the user of before the rollback: %s", got)
	}
	if got := h.status("/v2/_catalog", "", "--user", "admin:"+h.password); got != "200" {
		h.t.Errorf("the password of the card: %s", got)
	}
	if h.machine.fingerprint() != h.fingerprint {
		h.t.Error("the rollback took more back than the last change")
	}
	h.runsOn()
}

// starts finds the service stopped, and has the manager start it.
func (h *byHand) starts() {
	h.run("systemctl", "stop", "packhouse")
	c := h.console("packhouse")
	c.wants("This installation", "not running", "start the server, and prove that everything works")
	c.chooses("Check")
	c.isProven()
	c.goesHome("The registry works")
	h.serves()
	if h.show("MainPID") == h.pid {
		h.t.Error("the service was not stopped")
	}
}
