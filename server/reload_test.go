package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
)

// reloading lets a fixture load what the test has changed.
func (f *fixture) reloading(change func(*config.Config)) error {
	f.server.options.Load = func(context.Context) (*config.Config, error) {
		c := *f.server.current.Load().config
		change(&c)
		return &c, nil
	}
	return f.server.Reload(f.Context())
}

// TestReload: roles, headers and log level change at once; what needs a restart stays and is named.
func TestReload(t *testing.T) {
	f := newFixture(t)
	base, client := f.run(), f.client()
	start := func() int {
		return f.ask(client, http.MethodPost, base+"/v2/a/blobs/uploads/", "spectro", nil).status
	}
	if got := start(); got != http.StatusForbidden {
		t.Fatalf("before: %d", got)
	}
	err := f.reloading(func(c *config.Config) {
		c.Auth.Htpasswd.Roles.Writer = []string{"spectro"}
		c.HTTP.Headers = map[string][]string{"X-New": {"1"}}
		c.HTTP.Limits.StallTimeout = 7 * time.Second
		c.Log.Level = "error"
		c.HTTP.Addr = "127.0.0.1:1"
		c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, "/nowhere"
		c.HTTP.TLS.Certificate, c.HTTP.TLS.Key = "/nowhere/crt", "/nowhere/key"
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := start(); got != http.StatusAccepted {
		t.Errorf("after: %d", got)
	}
	if a := f.ask(client, http.MethodGet, base+"/health", "", nil); a.header.Get("X-New") != "1" || a.header.Get("X-Frame-Options") != "" {
		t.Errorf("headers: %v", a.header)
	}
	if got := f.server.current.Load().stall; got != 7*time.Second {
		t.Errorf("stall timeout %s", got)
	}
	want := []string{"http.addr", "storage", "storage.filesystem", "http.tls"}
	if got := f.server.Status().Reload; !slices.Equal(got.NeedsRestart, want) || got.Error != "" {
		t.Errorf("waits for a restart: %v, want %v", got.NeedsRestart, want)
	}
	if c := f.server.current.Load().config; c.HTTP.TLS.Enabled() || c.Storage.Driver != config.InMemory {
		t.Errorf("taken although it cannot be: %+v", c.Storage)
	}
	before := len(f.log.String())
	f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil)
	if after := f.log.String()[before:]; strings.Contains(after, "level=INFO") {
		t.Errorf("the level did not change: %s", after)
	}
}

// TestBadReload: whatever is wrong, the last good state stays, and it is told until a reload succeeds.
func TestBadReload(t *testing.T) {
	f := newFixture(t)
	base, client := f.run(), f.client()
	for name, change := range map[string]func(*config.Config){
		"users file": func(c *config.Config) { c.Auth.Htpasswd.Path = f.path("none") },
		"rule":       func(c *config.Config) { c.Auth.Htpasswd.Rules = []config.Rule{{Repositories: "//", Role: "reader"}} },
		"proxy":      func(c *config.Config) { c.HTTP.TrustedProxies = []string{"everybody"} },
	} {
		err := f.reloading(func(c *config.Config) {
			c.Auth.Htpasswd.Roles.Writer = []string{"spectro"}
			change(c)
		})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		if got := f.ask(client, http.MethodPost, base+"/v2/a/blobs/uploads/", "spectro", nil).status; got != http.StatusForbidden {
			t.Errorf("%s: half of it was taken: %d", name, got)
		}
		if got := f.server.Status(); got.Reload.Error == "" || len(got.Faults) != 1 || f.gauge("packhouse_config_last_reload_successful") != 0 {
			t.Errorf("%s: not told: %+v", name, got)
		}
	}
	f.server.options.Load = func(context.Context) (*config.Config, error) { return nil, errors.New("line 3 is wrong") }
	if err := f.server.Reload(t.Context()); err == nil || !strings.Contains(f.server.Status().Reload.Error, "line 3 is wrong") {
		t.Errorf("%v, %+v", err, f.server.Status().Reload)
	}
	if a := f.ask(client, http.MethodGet, base+"/health", "", nil); a.status != 200 || a.body != `{"status":"UP"}` {
		t.Errorf("health tells of it: %s", a.body)
	}
	if err := f.reloading(func(*config.Config) {}); err != nil || len(f.server.Status().Faults) != 0 || f.gauge("packhouse_config_last_reload_successful") != 1 {
		t.Errorf("repaired: %v, %v", err, f.server.Status().Faults)
	}
}

// TestReloadUnderLoad: no request fails while the configuration is taken up over and over.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	base := f.run()
	done, failed := make(chan struct{}), make(chan string, 4)
	for range 4 {
		go func() {
			client := f.client()
			for {
				select {
				case <-done:
					failed <- ""
					return
				default:
				}
				if a := f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil); a.status != 200 {
					failed <- a.body
					return
				}
			}
		}()
	}
	for range 50 {
		if err := f.reloading(func(c *config.Config) { c.Log.Level = "warn" }); err != nil {
			t.Error(err)
		}
	}
	close(done)
	for range 4 {
		if body := <-failed; body != "" {
			t.Error(body)
		}
	}
	if hashes := f.server.auth.Stats().Hashes; hashes > 4 {
		t.Errorf("%d comparisons: a reload forgets who signed in", hashes)
	}
}

// TestFixedKeysExist: the list of what needs a restart points where it says.
func TestFixedKeysExist(t *testing.T) {
	for _, f := range fixed {
		c := new(config.Config)
		if f.part(c) == nil {
			t.Errorf("%s points nowhere", f.key)
		}
		if next, restart := keepUntilRestart(c, c); len(restart) != 0 || next == c {
			t.Errorf("no change needs a restart: %v", restart)
		}
	}
}

func TestRemovedUserIsOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	base, client := f.run(), f.client()
	if a := f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil); a.status != 200 {
		t.Fatalf("before: %d", a.status)
	}
	f.users("admin", "ci")
	began := time.Now()
	f.eventually("the end of spectro", func() bool { return f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil).status == 401 })
	t.Logf("out after %s", time.Since(began))
	if a := f.ask(client, http.MethodGet, base+"/v2/", "ci", nil); a.status != 200 {
		t.Errorf("others: %d", a.status)
	}
}
