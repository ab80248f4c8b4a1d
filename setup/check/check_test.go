package check

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// registry is the least that the checks talk to, with one fault at a time. The real server is proven by the tests of the program; faults
// like these it does not have.
type registry struct {
	mu    sync.Mutex
	blobs map[string][]byte
	fault string

	writes    int      // requests that would change something
	passwords []string // users whose own password was sent
}

// probePassword is the password of every probe identity, whose name begins with probeName.
const (
	probeName     = "packhouse-probe-"
	probePassword = "one-minute"
)

const (
	adminPassword  = "correct-horse"
	readerPassword = "battery-staple"
)

func (g *registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set(InstanceHeader, "nonce-1")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		g.writes++
	}
	if r.URL.Path == "/health" {
		switch g.fault {
		case "down":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"status":"DOWN","codes":["storage-full"]}`)
		case "other program":
			fmt.Fprint(w, "<html>hello</html>")
		default:
			fmt.Fprint(w, `{"status":"UP"}`)
		}
		return
	}
	user, password, _ := r.BasicAuth()
	known := user == "admin" && password == adminPassword || user == "rita" && password == readerPassword
	if known {
		g.passwords = append(g.passwords, user)
	}
	role, probing := strings.CutPrefix(user, probeName)
	known = known || probing && password == probePassword
	if !known && g.fault != "open" && (g.fault != "any password" || user == "") {
		w.Header().Set("WWW-Authenticate", `Basic realm="basic-realm"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if g.fault == "locked out" && user == "admin" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if (user == "rita" || role == "reader") && r.Method != http.MethodGet && g.fault != "readers push" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	g.serve(w, r)
}

func (g *registry) serve(w http.ResponseWriter, r *http.Request) {
	_, rest, isUpload := strings.Cut(r.URL.Path, "/blobs/uploads/")
	switch {
	case isUpload && r.Method == http.MethodPost:
		location := r.URL.Path + "session"
		if g.fault == "foreign location" {
			location = "https://evil.example/v2/upload"
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusAccepted)
	case isUpload && r.Method == http.MethodPut && rest == "session":
		if g.fault == "full" {
			w.WriteHeader(http.StatusInsufficientStorage)
			fmt.Fprint(w, `{"errors":[{"code":"STORAGE_FULL","message":"no space"}]}`)
			return
		}
		body, _ := io.ReadAll(r.Body)
		g.blobs[r.URL.Query().Get("digest")] = body
		w.WriteHeader(http.StatusCreated)
	case isUpload:
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/v1/" || r.URL.Path == "/v2/":
		fmt.Fprint(w, "{}")
	default:
		g.content(w, r)
	}
}

func (g *registry) content(w http.ResponseWriter, r *http.Request) {
	digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch r.Method {
	case http.MethodPut:
		g.blobs[digest], _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		if g.fault == "no deletion" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if _, ok := g.blobs[digest]; !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		delete(g.blobs, digest)
		w.WriteHeader(http.StatusAccepted)
	default:
		body, ok := g.blobs[digest]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if g.fault == "other bytes" && strings.Contains(r.URL.Path, "/blobs/") {
			body = slices.Concat(body[:len(body)-1], []byte{body[len(body)-1] + 1})
		}
		_, _ = w.Write(body)
	}
}

// installation makes a certificate, a server with a fault, and the target that describes both.
func installation(t *testing.T, fault string) (Target, *registry) {
	t.Helper()
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := certgen.ParseNames([]string{"registry.example.com", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	g := &registry{blobs: map[string][]byte{}, fault: fault}
	server := httptest.NewUnstartedServer(g)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{leaf.TLS()}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	key := filepath.Join(dir, "tls.key")
	if err := os.WriteFile(key, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	users := htpasswd.File{}
	for user, password := range map[string]string{"admin": adminPassword, "rita": readerPassword, "kept": "unknown-here"} {
		hash, err := htpasswd.HashCost([]byte(password), htpasswd.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		if err := users.Set(user, string(hash)); err != nil {
			t.Fatal(err)
		}
	}
	c := &config.Config{Auth: config.Auth{Method: config.AuthHtpasswd}}
	c.Auth.Htpasswd.Path = filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(c.Auth.Htpasswd.Path, users.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Storage.Driver = config.Filesystem
	c.Storage.Filesystem.RootDirectory = dir
	c.Storage.Delete.Enabled = true
	return Target{
		ConfigPath: filepath.Join(dir, "myconfig.yml"),
		Config:     c,
		Files:      []File{{Path: key, Secret: true}},
		Chain:      leaf.Chain,
		Roots:      ca.Chain,
		Names:      names,
		URL:        "https://registry.example.com",
		Dial:       server.Listener.Addr().String(),
		Machine:    quietMachine(),
		patience:   patience,
		Users: []User{
			{Name: "admin", Role: "admin", Password: func() []byte { return []byte(adminPassword) }},
			{Name: "rita", Role: "reader", Password: func() []byte { return []byte(readerPassword) }},
			{Name: "kept", Role: "reader"},
		},
		UsersDigest: users.Digest(),
		Probe: func(_ context.Context, role string) (string, string, error) {
			return probeName + role, probePassword, nil
		},
		Packs: func(context.Context) (PackReport, error) { return PackReport{Complete: true}, nil },
	}, g
}

// patience is how long anything may take on a machine that is busy with other tests.
const patience = time.Minute

// quietMachine is one on which everything is as it should be. It asks nobody.
func quietMachine() *Machine {
	return &Machine{
		LookupHost: func(_ context.Context, name string) ([]netip.Addr, error) {
			if name != "registry.example.com" {
				return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.17"), netip.MustParseAddr("2001:db8::17")}, nil
		},
		Addresses: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.17"), netip.MustParseAddr("2001:db8::17")}, nil
		},
		Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("no way to %s", address)}
		},
		Run: func(_ context.Context, program string, _ ...string) ([]byte, error) {
			return nil, &exec.Error{Name: program, Err: exec.ErrNotFound}
		},
		ClockKept:  func() (bool, error) { return true, nil },
		OnRootDisk: func(string) bool { return false },
		CPUs:       2,
		Memory:     4 << 30,
	}
}

func TestRunProvesASoundInstallation(t *testing.T) {
	target, g := installation(t, "")
	var events []Event
	report := Run(t.Context(), target, func(e Event) { events = append(events, e) })
	for _, r := range report.Results {
		if r.Status != Passed {
			t.Errorf("%s: %s, want passed: %+v", r.ID, r.Status, r)
		}
	}
	if len(g.blobs) != 0 {
		t.Errorf("%d blobs are left behind", len(g.blobs))
	}
	users := find(t, report, "users")
	if want := "admin, rita can log in; not proven, no password known: kept"; users.Seen != want {
		t.Errorf("users: %q, want %q", users.Seen, want)
	}
	if last := events[len(events)-1]; last.Result == nil || last.Index != last.Total-1 {
		t.Errorf("last event is %+v, want a finished last check", last)
	}
	out, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.passwords) > 0 {
		t.Errorf("the passwords of %v were sent", g.passwords)
	}
	for _, secret := range []string{adminPassword, readerPassword} {
		if strings.Contains(string(out), secret) {
			t.Errorf("the report holds the password %q", secret)
		}
	}
}

func TestRunNamesTheCause(t *testing.T) {
	rows := []struct {
		name   string
		fault  string
		change func(t *testing.T, target *Target)
		id     string
		status Status
		code   string
		cause  string // part of it
	}{
		{name: "server says it is down", fault: "down", id: "health", status: Failed, code: "health-down", cause: "storage-full"},
		{name: "something else answers", fault: "other program", id: "health", status: Failed, code: "health-other", cause: "not a pack registry"},
		{name: "nobody is asked who they are", fault: "open", id: "anonymous", status: Failed, code: "auth-not-asked", cause: "does not ask"},
		{name: "any password does", fault: "any password", id: "wrong-password", status: Failed, code: "auth-wrong-password", cause: "accepted a wrong password"},
		{name: "a user has another password", change: otherPassword(false), id: "users", status: Failed, code: "user-refused", cause: "admin has another password"},
		{name: "a password was changed since it was generated", change: otherPassword(true), id: "users", status: Warning, code: "initial-passwords", cause: "is not the one in"},
		{name: "the server has not loaded the users", change: func(_ *testing.T, target *Target) {
			target.UsersDigest = "0123"
		}, id: "users", status: Failed, code: CodeUsersStale, cause: "has not loaded"},
		{name: "no server reports its users", change: func(_ *testing.T, target *Target) {
			target.UsersDigest = ""
		}, id: "users", status: NotProven},
		{name: "readers may push", fault: "readers push", id: "roles", status: Failed, code: "role-reader", cause: "expected 403"},
		{name: "other bytes come back", fault: "other bytes", id: "round-trip", status: Failed, code: "round-trip-content", cause: "differs"},
		{name: "storage runs full", fault: "full", id: "round-trip", status: Failed, code: "round-trip", cause: "STORAGE_FULL: no space"},
		{name: "credentials are lured away", fault: "foreign location", id: "round-trip", status: Failed, code: "port-unreachable", cause: "another origin"},
		{name: "nothing listens", change: func(t *testing.T, target *Target) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			target.Dial = listener.Addr().String()
			_ = listener.Close()
		}, id: "port", status: Failed, code: "port-refused", cause: "nothing listens"},
		{name: "plain HTTP is spoken", change: func(t *testing.T, target *Target) {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			target.Dial = server.Listener.Addr().String()
		}, id: "port", status: Failed, code: "port-plain-http", cause: "plain HTTP"},
		{name: "an old certificate is served", change: func(t *testing.T, target *Target) {
			other, _ := installation(t, "")
			target.Chain, target.Roots = other.Chain, other.Roots
		}, id: "port", status: Failed, code: "port-other-certificate", cause: "has not taken the new"},
		{name: "a name is missing in the certificate", change: func(_ *testing.T, target *Target) {
			target.Names.DNS = append(slices.Clone(target.Names.DNS), "other.example.com")
		}, id: "certificate", status: Failed, code: certgen.CodeName, cause: "other.example.com"},
		{name: "the certificate has run out", change: func(_ *testing.T, target *Target) {
			target.Now = func() time.Time { return target.Chain[0].NotAfter.Add(time.Hour) }
		}, id: "certificate", status: Failed, code: certgen.CodeExpired, cause: "certificate"},
		{name: "the certificate runs out soon", change: func(_ *testing.T, target *Target) {
			target.Now = func() time.Time { return target.Chain[0].NotAfter.Add(-48 * time.Hour) }
		}, id: "certificate", status: Warning, code: "cert-close-to-end", cause: "it ends on"},
		{name: "a file is gone", change: func(_ *testing.T, target *Target) {
			_ = os.Remove(target.Files[0].Path)
		}, id: "files", status: Failed, code: "file-missing", cause: "is not there"},
		{name: "a key can be read by all", change: func(_ *testing.T, target *Target) {
			_ = os.Chmod(target.Files[0].Path, 0o644) //nolint:gosec // the fault
		}, id: "files", status: Failed, code: "file-mode", cause: "others"},
		{name: "the configuration has warnings", change: func(_ *testing.T, target *Target) {
			target.Findings = []finding.Finding{{Code: config.CodeOpen, Severity: finding.Warning, What: "wide open"}}
		}, id: "configuration", status: Warning, code: config.CodeOpen, cause: "wide open"},
		{name: "the configuration does not load", change: func(_ *testing.T, target *Target) {
			target.Findings = []finding.Finding{{Code: config.CodeSyntax, Severity: finding.Refused, What: "not YAML"}}
			target.Config = nil
		}, id: "configuration", status: Failed, code: config.CodeSyntax, cause: "not YAML"},
		{name: "everything is in memory", change: func(_ *testing.T, target *Target) {
			target.Config.Storage.Driver = config.InMemory
		}, id: "storage", status: Warning, code: "storage-inmemory", cause: "lost"},
		{name: "the storage is not there", change: func(_ *testing.T, target *Target) {
			target.Config.Storage.Filesystem.RootDirectory += "/gone"
		}, id: "storage", status: Failed, code: "storage-missing", cause: "no such file"},
		{name: "the storage is a link to a file", change: func(t *testing.T, target *Target) {
			target.Config.Storage.Filesystem.RootDirectory = linkToFile(t, t.TempDir(), "data")
		}, id: "storage", status: Failed, code: "file-not-directory", cause: "data is a symbolic link to a file"},
		{name: "a directory of the store is a link to a file", change: func(t *testing.T, target *Target) {
			target.Config.Storage.Filesystem.RootDirectory = t.TempDir()
			linkToFile(t, target.Config.Storage.Filesystem.RootDirectory, "docker")
		}, id: "storage", status: Failed, code: "file-not-directory", cause: "docker is a symbolic link to a file"},
		{name: "no password is known", change: func(_ *testing.T, target *Target) {
			for i := range target.Users {
				target.Users[i].Password = nil
			}
		}, id: "users", status: NotProven},
		{name: "no role can be tried", change: func(_ *testing.T, target *Target) {
			target.Probe = nil
		}, id: "round-trip", status: NotProven},
		{name: "TLS is off", change: func(_ *testing.T, target *Target) {
			target.URL = "http://registry.example.com"
		}, id: "certificate", status: NotProven},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			target, _ := installation(t, row.fault)
			if row.change != nil {
				row.change(t, &target)
			}
			r := find(t, Run(t.Context(), target, nil), row.id)
			if r.Status != row.status || r.Finding.Code != row.code || !strings.Contains(r.Finding.What, row.cause) {
				t.Errorf("%+v\nwant %s %s %q", r, row.status, row.code, row.cause)
			}
			if (r.Status == Failed || r.Status == Warning) && (r.Finding.Remedy == "" || r.Seen == "") {
				t.Errorf("nothing was seen or there is no remedy: %+v", r)
			}
		})
	}
}

// otherPassword gives admin another password than the one in the htpasswd file.
func otherPassword(initial bool) func(*testing.T, *Target) {
	return func(_ *testing.T, target *Target) {
		target.Users[0].Initial = initial
		target.Users[0].Password = func() []byte { return []byte("another") }
	}
}

// TestNoPasswordIsSent: whatever answers at the address of a local server gets no user's password, also if the port was taken over.
func TestNoPasswordIsSent(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Target)
	}{
		{"the server is known", func(*Target) {}},
		{"no server can be asked", func(target *Target) { target.Probe, target.UsersDigest, target.Instance = nil, "", "" }},
		{"plain HTTP", func(target *Target) {
			target.URL, target.Chain, target.Roots, target.Instance = "http://registry.example.com", nil, nil, "nonce-1"
		}},
		{"plain HTTP of an unknown server", func(target *Target) {
			target.URL, target.Chain, target.Roots = "http://registry.example.com", nil, nil
			target.Probe, target.UsersDigest = nil, ""
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target, g := installation(t, "")
			tc.change(&target)
			if strings.HasPrefix(target.URL, "http:") {
				plainly(g)(t, &target)
			}
			Run(t.Context(), target, nil)
			if len(g.passwords) > 0 {
				t.Errorf("the passwords of %v were sent", g.passwords)
			}
		})
	}
}

func TestRunUsesProbeIdentities(t *testing.T) {
	target, _ := installation(t, "")
	target.Users = nil
	var asked []string
	target.Probe = func(_ context.Context, role string) (string, string, error) {
		asked = append(asked, role)
		if role == "reader" {
			return "rita", readerPassword, nil
		}
		return "admin", adminPassword, nil
	}
	report := Run(t.Context(), target, nil)
	for _, id := range []string{"roles", "round-trip"} {
		if r := find(t, report, id); r.Status != Passed {
			t.Errorf("%+v", r)
		}
	}
	if want := []string{"reader", "reader", "writer", "admin"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

func TestRunWithoutTLSTellsServersApartByTheirNonce(t *testing.T) {
	for nonce, want := range map[string]Status{"nonce-1": Passed, "nonce-2": Failed, "": NotProven} {
		server := httptest.NewServer(&registry{blobs: map[string][]byte{}})
		target := Target{URL: "http://registry.example.com", Dial: server.Listener.Addr().String(), Instance: nonce, patience: patience}
		if r := find(t, Run(t.Context(), target, nil), "port"); r.Status != want {
			t.Errorf("nonce %q: %+v, want %s", nonce, r, want)
		}
		server.Close()
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	target, _ := installation(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	report := Run(ctx, target, func(e Event) {
		if e.ID == "health" {
			cancel()
		}
	})
	for _, r := range report.Results {
		if r.Status == Failed {
			t.Errorf("%s failed though the run was stopped: %+v", r.ID, r)
		}
	}
	if r := find(t, report, "storage"); r.Status != NotProven {
		t.Errorf("%+v, want not proven", r)
	}
}

func TestWorst(t *testing.T) {
	for want, statuses := range map[Status][]Status{
		Passed: {Passed}, NotProven: {Passed, NotProven}, Warning: {NotProven, Warning, Passed}, Failed: {Failed, Warning},
	} {
		var r Report
		for _, s := range statuses {
			r.Results = append(r.Results, Result{Status: s})
		}
		if got := r.Worst(); got != want {
			t.Errorf("%v: %s, want %s", statuses, got, want)
		}
	}
}

func find(t *testing.T, r Report, id string) Result {
	t.Helper()
	for _, result := range r.Results {
		if result.ID == id {
			return result
		}
	}
	t.Fatalf("no check %q", id)
	return Result{}
}
