package check

import (
	"context"
	"errors"
	"os/exec"
	"testing"
)

func TestProveFirewall(t *testing.T) {
	const head = "Status: active\nDefault: deny (incoming), allow (outgoing), disabled (routed)\n\n"
	rows := []struct {
		name    string
		listens string
		ufw     any
		status  Status
		code    string
		seen    string
		cause   string
		remedy  string
	}{
		{name: "none is installed", status: Passed, seen: "none is installed; security groups of a cloud are beyond"},
		{name: "lets it through", ufw: head + "5000/tcp   ALLOW IN   Anywhere\n", status: Passed, seen: "ufw lets port 5000 through; security groups"},
		{name: "refuses it", ufw: head, status: Warning, code: "firewall-closed", seen: "ufw does not let port 5000 through", cause: "get no answer", remedy: "ufw allow 5000/tcp"},
		{name: "lets some through", ufw: head + "5000/tcp   ALLOW IN   10.0.0.0/8\n", status: NotProven, code: "firewall-limited", seen: "for some", cause: "names senders", remedy: "ufw allow 5000/tcp"},
		{name: "cannot be told", ufw: "Status: active\n", status: NotProven, code: "firewall-unsure", seen: "ufw is active", cause: "cannot be decided", remedy: "ufw allow 5000/tcp"},
		{name: "only root may ask", ufw: errors.New(`ufw says "ERROR: You need to be root to run this script"`), status: NotProven, code: "firewall-not-asked", seen: "ufw was not asked", cause: "need to be root", remedy: "run the check as root"},
		{name: "nobody comes from outside", listens: "127.0.0.1:5000", ufw: head, status: Passed, seen: "for this machine only"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			target, _ := installation(t, "")
			target.Dial = ""
			target.Config.HTTP.Addr = ":5000"
			if row.listens != "" {
				target.Config.HTTP.Addr = row.listens
			}
			target.Machine.Run = func(_ context.Context, program string, _ ...string) ([]byte, error) {
				if program != "ufw" || row.ufw == nil {
					return nil, exec.ErrNotFound
				}
				if err, ok := row.ufw.(error); ok {
					return nil, err
				}
				return []byte(row.ufw.(string)), nil
			}
			r := newSession(target).prove(t.Context(), proof{id: "firewall", prove: proveFirewall})
			told(t, r, row.status, row.code, row.seen, row.cause, row.remedy)
		})
	}
}

// TestRunProgram: what a program complains of is the error; one that hangs is left behind.
func TestRunProgram(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	out, err := runProgram(t.Context(), "sh", "-c", "echo $LC_ALL")
	if err != nil || string(out) != "C\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := runProgram(t.Context(), "sh", "-c", "echo 'only root may' >&2; exit 4"); err == nil || err.Error() != `sh says "only root may"` {
		t.Errorf("%v", err)
	}
	if _, err := runProgram(t.Context(), "no-such-program-here"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v, want not found", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runProgram(ctx, "sh", "-c", "sleep 100"); err == nil {
		t.Error("a program that was given up has answered")
	}
}
