package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
)

// endpoints replaces the webhooks of a configuration.
func endpoints(of ...config.Endpoint) func(*config.Config) {
	return func(c *config.Config) { c.Notifications = config.Notifications{IncludeReferences: true, Endpoints: of} }
}

// endpoint is the hook as a configuration names it.
func (h *hook) endpoint(name string) config.Endpoint {
	return config.Endpoint{
		Name: name, URL: h.URL, Headers: map[string][]string{"X-Token": {"canary-hook"}},
		Timeout: time.Minute, Threshold: 1, Backoff: time.Hour,
	}
}

// TestReloadWebhooks: the first webhook of a server, another address of it, and its end, each without a restart.
func TestReloadWebhooks(t *testing.T) {
	f := newFixture(t, onDisk)
	base, client := f.run(), f.client()
	f.pushImage(client, base, "team/app", "v0")
	down, up := newHook(t), newHook(t)
	down.setDown(true)
	take := func(of ...config.Endpoint) {
		t.Helper()
		if err := f.reloading(endpoints(of...)); err != nil {
			t.Fatal(err)
		}
		if got := f.server.Status().Reload.NeedsRestart; len(got) != 0 {
			t.Errorf("waits for a restart: %v", got)
		}
	}
	take(down.endpoint("hook"))
	f.pushImage(client, base, "team/app", "v1")
	f.eventually("a fault", func() bool { return len(f.server.Status().Faults) == 1 })
	if f.gauge("packhouse_webhook_pending") == 0 {
		t.Error("the metrics do not know the webhook")
	}
	take(up.endpoint("hook"))
	f.eventually("what waited, elsewhere", func() bool { return len(up.told()) == 2 })
	want := []string{
		"push application/octet-stream team/app: by admin", "push application/vnd.oci.image.manifest.v1+json team/app:v1 by admin",
	}
	if got := up.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	if got := f.server.Status().Faults; len(got) != 0 {
		t.Errorf("faults %q", got)
	}
	take()
	f.pushImage(client, base, "team/app", "v2")
	off := up.endpoint("hook")
	off.Disabled = true
	take(off)
	f.pushImage(client, base, "team/app", "v3")
	take(up.endpoint("hook"))
	f.pushImage(client, base, "team/app", "v4")
	f.eventually("the last push", func() bool { return len(up.told()) == 4 })
	if got := up.told()[3]; !strings.HasSuffix(got, "team/app:v4 by admin") {
		t.Errorf("told %q", up.told())
	}
	if strings.Contains(f.log.String(), "canary-hook") {
		t.Errorf("a secret in the log: %s", f.log)
	}
}

// TestBadReloadOfWebhooks: a queue that cannot be had, and whatever else is wrong beside webhooks and health that are not, change nothing.
func TestBadReloadOfWebhooks(t *testing.T) {
	h, other := newHook(t), newHook(t)
	f := newFixture(t, onDisk, with(endpoints(h.endpoint("hook"))))
	base, client := f.run(), f.client()
	queues := filepath.Join(f.path("data"), filepath.FromSlash(notificationDir))
	before := listed(t, queues)
	changed := func(c *config.Config) {
		endpoints(other.endpoint("hook"), other.endpoint("second"))(c)
		c.Health.File = []config.FileHealth{{File: f.path("htpasswd"), Interval: time.Hour}}
	}
	for name, wrong := range map[string]func(*config.Config){
		"users": func(c *config.Config) { c.Auth.Htpasswd.Path = f.path("none") },
		"proxy": func(c *config.Config) { c.HTTP.TrustedProxies = []string{"everybody"} },
		"queue": func(*config.Config) {
			if err := os.Rename(queues, queues+".aside"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(queues, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		err := f.reloading(func(c *config.Config) {
			c.Auth.Htpasswd.Roles.Writer = []string{"spectro"}
			changed(c)
			wrong(c)
		})
		if err == nil || f.server.Status().Reload.Error == "" {
			t.Errorf("%s: taken", name)
		}
		if name == "queue" {
			if err := errors.Join(os.Remove(queues), os.Rename(queues+".aside", queues)); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.ask(client, http.MethodPost, base+"/v2/a/blobs/uploads/", "spectro", nil).status; got != http.StatusForbidden {
			t.Errorf("%s: half of it was taken: %d", name, got)
		}
		if got := listed(t, queues); !slices.Equal(got, before) {
			t.Errorf("%s: queues on disk: %v", name, got)
		}
		if a := f.ask(client, http.MethodGet, base+"/health", "", nil); a.body != `{"status":"UP"}` {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	f.pushImage(client, base, "library/app", "v1")
	f.eventually("the events", func() bool { return len(h.told()) == 2 })
	if got := other.told(); len(got) != 0 {
		t.Errorf("told to who was never configured: %q", got)
	}
}

func listed(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// TestReloadHealth: conditions come and go without a restart, and none is left over.
func TestReloadHealth(t *testing.T) {
	f := newFixture(t)
	base, client := f.run(), f.client()
	health := func(want string) {
		t.Helper()
		f.eventually(want, func() bool { return f.ask(client, http.MethodGet, base+"/health", "", nil).body == want })
	}
	take := func(change func(*config.Health)) {
		t.Helper()
		err := f.reloading(func(c *config.Config) {
			c.Health = config.Health{StorageDriver: c.Health.StorageDriver}
			change(&c.Health)
		})
		if err != nil || len(f.server.Status().Reload.NeedsRestart) != 0 {
			t.Fatalf("%v, %+v", err, f.server.Status().Reload)
		}
	}
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	cycle := func() {
		take(func(h *config.Health) { h.File = []config.FileHealth{{File: f.path("htpasswd"), Interval: time.Hour}} })
		health(`{"status":"DOWN","codes":["file"]}`)
		take(func(h *config.Health) {
			h.HTTP = []config.HTTPHealth{{URI: page.URL, Interval: time.Hour, Threshold: 1, Timeout: time.Minute}}
		})
		health(`{"status":"DOWN","codes":["http"]}`)
		take(func(h *config.Health) {
			h.HTTP = []config.HTTPHealth{{URI: page.URL, Interval: time.Hour, Threshold: 1, Timeout: time.Minute, StatusCode: 404}}
			h.TCP = []config.TCPHealth{{Addr: "127.0.0.1:1", Interval: time.Hour, Threshold: 2, Timeout: time.Minute}}
		})
		health(`{"status":"UP"}`)
		take(func(h *config.Health) { h.StorageDriver.Enabled = false })
		take(func(*config.Health) {})
	}
	cycle()
	page.CloseClientConnections()
	before := runtime.NumGoroutine()
	for range 10 {
		cycle()
	}
	page.CloseClientConnections()
	f.eventually("the end of all that was begun", func() bool { return runtime.NumGoroutine() <= before+3 })
}

// TestLogOfHealthTellsNoSecret: the address of a page may hold a password, and what goes wrong with it too.
func TestLogOfHealthTellsNoSecret(t *testing.T) {
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	address := strings.Replace(page.URL, "http://", "http://user:canary-password@", 1) + "/ready?token=canary-token"
	f := newFixture(t, with(func(c *config.Config) {
		c.Health.HTTP = []config.HTTPHealth{
			{URI: address, Interval: time.Hour, Threshold: 1, Timeout: time.Minute},
			{URI: "http://user:canary-password@127.0.0.1:1/?token=canary-token", Interval: time.Hour, Threshold: 1, Timeout: time.Minute},
			{URI: "http://user:canary-password@[::1/%zz?token=canary-token", Interval: time.Hour, Threshold: 1, Timeout: time.Minute},
		}
	}))
	f.run()
	f.eventually("three words", func() bool { return strings.Count(f.log.String(), "a health check fails") == 3 })
	if said := f.log.String(); strings.Contains(said, "canary") || !strings.Contains(said, "/ready") {
		t.Errorf("said %s", said)
	}
}
