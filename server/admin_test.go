package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/server/health"
	"packhouse/server/storage"
)

// admin connects to the fixture's admin socket.
func (f *fixture) admin() *admin.Client {
	f.Helper()
	var client *admin.Client
	f.eventually("the admin socket", func() (ok bool) {
		var err error
		client, err = admin.Dial(f.path("admin.sock"))
		return err == nil
	})
	f.Cleanup(client.Close)
	return client
}

// accepting tells of the first time that somebody waits for connections.
type accepting struct {
	net.Listener
	first func()
}

func (l *accepting) Accept() (net.Conn, error) {
	if l.first != nil {
		l.first()
		l.first = nil
	}
	return l.Listener.Accept()
}

// TestAdminBeforeAnswers: who has seen the registry answer may at once have it reload.
func TestAdminBeforeAnswers(t *testing.T) {
	f := newFixture(t)
	if err := f.server.Listen(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	f.server.life.listener = &accepting{f.server.life.listener, func() {
		client, err := admin.Dial(f.path("admin.sock"))
		if err == nil {
			client.Close()
		}
		asked <- err
	}}
	f.run()
	if err := <-asked; err != nil {
		t.Error("connections are accepted before the admin socket is:", err)
	}
}

func TestAdminStatus(t *testing.T) {
	f := newFixture(t, withTLS, onDisk)
	base := f.run()
	s, err := f.admin().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Version != "test" || s.PID != os.Getpid() || s.Config != f.path("myconfig.yml") || s.Nonce != f.server.Nonce() || s.Fingerprint != f.served() ||
		s.Address != f.server.Addr().String() || s.Users != 3 || len(s.Health) != 0 || len(s.Faults) != 0 || s.Reload != nil || s.CertificateEnds.IsZero() {
		t.Errorf("%+v", s)
	}
	if a := f.ask(f.client(), http.MethodGet, base+"/health", "", nil); a.header.Get(health.InstanceHeader) != s.Nonce {
		t.Errorf("the port shows %q, the socket %q", a.header.Get(health.InstanceHeader), s.Nonce)
	}
	info, err := os.Stat(f.path("admin.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAdminReload(t *testing.T) {
	f := newFixture(t)
	f.run()
	client := f.admin()
	if r, err := client.Reload(t.Context()); err != nil || r.Error != "" || r.At.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	if err := f.reloading(func(c *config.Config) { c.Auth.Htpasswd.Path = f.path("none") }); err == nil {
		t.Fatal("taken")
	}
	if r, err := client.Reload(t.Context()); err != nil || !strings.Contains(r.Error, "htpasswd") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestAdminProbe: identities of every role do what the role may, in repositories of probes and nowhere else, and are seen in no listing.
func TestAdminProbe(t *testing.T) {
	f := newFixture(t, timeless)
	base, client := f.run(), f.client()
	users, probes := map[string]string{}, map[string]string{}
	for _, role := range []string{"reader", "writer", "admin"} {
		var err error
		if users[role], probes[role], err = f.admin().Probe(t.Context(), role); err != nil {
			t.Fatal(err)
		}
	}
	const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for _, tc := range []struct {
		role, method, path string
		status             int
	}{
		{"reader", "GET", "/v2/", 200},
		{"reader", "POST", "/v2/packhouse-probe/x/blobs/uploads/?digest=" + empty, 403},
		{"writer", "POST", "/v2/packhouse-probe/x/blobs/uploads/?digest=" + empty, 201},
		{"writer", "POST", "/v2/packhouse-probes/x/blobs/uploads/?digest=" + empty, 403},
		{"reader", "GET", "/v2/packhouse-probe/x/blobs/" + empty, 200},
		{"reader", "GET", "/v2/team/app/tags/list", 403},
		{"writer", "DELETE", "/v2/packhouse-probe/x/blobs/" + empty, 403},
		{"admin", "GET", "/v2/_catalog", 200},
		{"admin", "DELETE", "/v2/packhouse-probe/x/blobs/" + empty, 202},
		{"admin", "DELETE", "/v2/team/app/blobs/" + empty, 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tc.method, base+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(users[tc.role], probes[tc.role])
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(a.Body)
		a.Body.Close()
		if a.StatusCode != tc.status || strings.Contains(body.String(), "packhouse-probe/x\"]") {
			t.Errorf("%s %s %s: %d %s", tc.role, tc.method, tc.path, a.StatusCode, &body)
		}
	}
	if _, _, err := f.admin().Probe(t.Context(), "owner"); err == nil || !strings.Contains(err.Error(), "owner") {
		t.Errorf("an invented role: %v", err)
	}
	for role, password := range probes {
		if strings.Contains(f.log.String(), password) {
			t.Errorf("the password of the probing %s is in the log", role)
		}
	}
}

// TestProbeRepositoriesAreReserved: an admin stores nothing where no listing shows it, over no API.
func TestProbeRepositoriesAreReserved(t *testing.T) {
	f := newFixture(t)
	base, client := f.run(), f.client()
	const empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	f.pushImage(client, base, "team/app", "v1")
	for _, tc := range []struct{ method, path, body string }{
		{"POST", "/v2/packhouse-probe/x/blobs/uploads/?digest=" + empty, ""},
		{"POST", "/v2/packhouse-probe/x/blobs/uploads/?mount=" + digestOf(emptyJSON) + "&from=team/app", ""},
		{"POST", "/v2/packhouse-probe/blobs/uploads/", ""},
		{"PUT", "/v2/packhouse-probe/x/manifests/v1", "{}"},
		{"GET", "/v2/packhouse-probe/x/tags/list", ""},
		{"DELETE", "/v2/packhouse-probe/x/manifests/v1", ""},
		{"PUT", "/v1/nginx/archives/1.0.0?base=packhouse-probe", "archive"},
		{"GET", "/v1/nginx/tags/list?base=packhouse-probe", ""},
		{"PUT", "/v1/nginx/tags/stable?base=packhouse-probe", `{"target":"1.0.0"}`},
	} {
		if a := f.ask(client, tc.method, base+tc.path, "admin", strings.NewReader(tc.body)); a.status != http.StatusForbidden {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, a.status, a.body)
		}
	}
	// What is there already does not stay hidden from the operator.
	user, password, err := f.server.Probe("writer")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v2/packhouse-probe/x/blobs/uploads/?digest="+digestOf(emptyJSON), strings.NewReader(emptyJSON))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	a, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	usage, err := f.admin().Usage(t.Context())
	if err != nil || !slices.ContainsFunc(usage.Repositories, func(u storage.RepositoryUsage) bool { return u.Name == "packhouse-probe/x" }) {
		t.Errorf("usage does not list it: %+v, %v", usage, err)
	}
	if a := f.ask(client, "GET", base+"/v1/nginx/blobs/"+empty+"?type=image/png&base=packhouse-probe", "", nil); a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
		t.Errorf("a logo there: %d %s", a.status, a.body)
	}
}

// TestAdminUpkeep: what takes long reports as it goes and sums up at the end.
func TestAdminUpkeep(t *testing.T) {
	f := newFixture(t, onDisk)
	base, web := f.run(), f.client()
	for i := range 20 {
		content := fmt.Sprint("blob ", i)
		if a := f.ask(web, http.MethodPost, base+"/v2/a/blobs/uploads/?digest="+digestOf(content), "ci", strings.NewReader(content)); a.status != http.StatusCreated {
			t.Fatalf("push: %d %s", a.status, a.body)
		}
	}
	client := f.admin()
	verdicts := 0
	report, err := client.Collect(t.Context(), admin.CollectRequest{DryRun: true}, func(storage.Verdict) { verdicts++ })
	if err != nil || !report.DryRun || report.BlobsKept+report.BlobsRemoved != 20 || verdicts != 20 {
		t.Errorf("collection: %+v, %d verdicts, %v", report, verdicts, err)
	}
	scrub, err := client.Scrub(t.Context(), admin.ScrubRequest{}, nil)
	if err != nil || scrub.Blobs != 20 || len(scrub.Damaged) != 0 {
		t.Errorf("scrub: %+v, %v", scrub, err)
	}
	usage, err := client.Usage(t.Context())
	if err != nil || usage.Blobs != 20 {
		t.Errorf("usage: %+v, %v", usage, err)
	}
	if _, err := client.Reindex(t.Context()); err != nil {
		t.Errorf("reindex: %v", err)
	}
	if _, err := client.PurgeUploads(t.Context(), admin.PurgeRequest{DryRun: true}); err != nil {
		t.Errorf("purge: %v", err)
	}
}

// TestAdminSocketGoes: it is there while the server runs, and not afterwards.
func TestAdminSocketGoes(t *testing.T) {
	f := newFixture(t)
	f.run()
	f.admin()
	f.cancel()
	if err := <-f.ran; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(f.path("admin.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := admin.Dial(f.path("admin.sock")); !errors.Is(err, admin.ErrNotRunning) {
		t.Errorf("dial: %v", err)
	}
}

// TestWithoutAdminSocket: a server that cannot make one serves all the same.
func TestWithoutAdminSocket(t *testing.T) {
	f := newFixture(t)
	f.write("file", nil)
	f.server.options.AdminSocket = f.path("file/admin.sock")
	base := f.run()
	if a := f.ask(f.client(), http.MethodGet, base+"/health", "", nil); a.status != 200 {
		t.Errorf("%d", a.status)
	}
	f.eventually("a word about it", func() bool { return strings.Contains(f.log.String(), "there is no admin socket") })
}

// TestAdminRefuses: what it does not know it says so.
func TestAdminRefuses(t *testing.T) {
	f := newFixture(t)
	f.run()
	f.admin()
	for _, said := range []string{
		"POST /gc HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{\"wind\": \"1\"}",
		"POST /probe HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n[1]",
		"GET /gc HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /halt HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	} {
		c, err := net.Dial("unix", f.path("admin.sock"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, said)
		buf := make([]byte, 64)
		n, _ := c.Read(buf)
		if !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 40") {
			t.Errorf("%q is answered %q", said, buf[:n])
		}
		c.Close()
	}
}

// TestHeartbeat verifies that a streamed response never is silent for longer than admin.Heartbeat.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		out := newLines(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, admin.PathScrub, nil))
		time.Sleep(3*admin.Heartbeat + time.Second)
		out.end(storage.ScrubReport{}, nil)
		if got := w.Body.String(); !strings.HasPrefix(got, "\n\n\n{\"done\":") || !w.Flushed {
			t.Errorf("%q, flushed %v", got, w.Flushed)
		}
	})
}
