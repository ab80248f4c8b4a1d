package server

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/observe"
)

// TestAudit: who did what, from where, with what outcome; nothing secret, and nothing of no interest.
func TestAudit(t *testing.T) {
	f := newFixture(t, onDisk, func(f *fixture, c *config.Config) {
		c.Log.Audit.Path = f.path("audit.log")
		c.Auth.Htpasswd.Lockout.Attempts = 2
		c.Auth.Htpasswd.Lockout.Delay, c.Auth.Htpasswd.Lockout.MaxDelay = time.Hour, time.Hour // longer than the machine takes between two guesses
	})
	base, client := f.run(), f.client()
	content := "pack"
	blob := base + "/v2/team/app/blobs/"
	f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil)
	f.ask(client, http.MethodPost, blob+"uploads/?digest="+digestOf(content), "ci", strings.NewReader(content))
	f.ask(client, http.MethodGet, blob+digestOf(content), "spectro", nil)
	f.ask(client, http.MethodDelete, blob+digestOf(content), "spectro", nil)
	f.ask(client, http.MethodDelete, blob+digestOf(content), "admin", nil)
	f.ask(client, http.MethodGet, base+"/v2/", "", nil)
	for _, password := range []string{"canary-guess-1", "canary-guess-1", "canary-guess-2", "canary-guess-3"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("spectro", password)
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
	}
	f.ask(client, http.MethodGet, base+"/v2/", "mallory", nil)
	if err := f.server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.admin().Probe(t.Context(), "admin"); err != nil {
		t.Fatal(err)
	}
	f.cancel()
	if err := <-f.ran; err != nil {
		t.Fatal(err)
	}

	data, err := os.ReadFile(f.path("audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(data)) {
		var l observe.AuditLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if l.Time.IsZero() || l.Event == "request" && (l.Remote != "127.0.0.1" || l.Status == 0 || l.Digest != digestOf(content)) {
			t.Errorf("%+v", l)
		}
		got = append(got, strings.Join([]string{l.Event, l.User, l.Action, l.Repository, l.Code, l.Outcome}, " "))
	}
	want := []string{
		"start     done",
		"request ci upload.start team/app  done",
		"request spectro blob.delete team/app DENIED refused",
		"request admin blob.delete team/app  done",
		"sign-in spectro ping  UNAUTHORIZED refused",
		"sign-in spectro ping  UNAUTHORIZED locked out",
		"sign-in  ping  UNAUTHORIZED refused",
		"reload     done",
		"admin  probe   done",
		"stop     done",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("written:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(string(data), "canary") || strings.Contains(string(data), "mallory") {
		t.Errorf("a secret is in it:\n%s", data)
	}
	info, err := os.Stat(f.path("audit.log"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestAuditSparesOtherFiles verifies that a file that is no audit log is not appended to, at the
// start and at a reload.
func TestAuditSparesOtherFiles(t *testing.T) {
	f := newFixture(t, func(f *fixture, c *config.Config) { c.Log.Audit.Path = f.path("audit.log") })
	const content = "root:x:0:0:root:/root:/bin/sh\n"
	if err := os.WriteFile(f.path("passwd"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c := *f.server.current.Load().config
	c.Log.Audit.Path = f.path("passwd")
	if _, err := New(t.Context(), Options{Config: &c, LogTo: f.log}); err == nil || !strings.Contains(err.Error(), "log.audit.path is not an audit log") {
		t.Errorf("a start with another file as audit log: %v, want an error", err)
	}
	if err := os.Rename(f.path("passwd"), f.path("audit.log")); err != nil {
		t.Fatal(err)
	}
	if err := f.server.audit.Reopen(); err == nil {
		t.Error("another file in the place of the audit log was opened")
	}
	if got, err := os.ReadFile(f.path("audit.log")); err != nil || string(got) != content {
		t.Errorf("the file has %q, %v", got, err)
	}
}

// TestAuditMoves: a file that was moved away is begun anew at a reload; one that cannot be begun refuses the reload, or the start.
func TestAuditMoves(t *testing.T) {
	f := newFixture(t, func(f *fixture, c *config.Config) { c.Log.Audit.Path = f.path("audit.log") })
	f.server.audit.Write(observe.AuditLine{Event: "first", Outcome: "done"})
	if err := os.Rename(f.path("audit.log"), f.path("audit.1")); err != nil {
		t.Fatal(err)
	}
	if err := f.server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"audit.1": "first", "audit.log": "reload"} {
		if data, err := os.ReadFile(f.path(name)); err != nil || strings.Count(string(data), "\n") != 1 || !strings.Contains(string(data), want) {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	c := *f.server.current.Load().config
	c.Log.Audit.Path = f.dir
	if _, err := New(t.Context(), Options{Config: &c, LogTo: f.log}); err == nil || !strings.Contains(err.Error(), "audit") {
		t.Errorf("a directory: %v", err)
	}
}
