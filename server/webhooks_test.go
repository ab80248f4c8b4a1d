package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/notification"
)

// hook is a webhook that takes events unless it is down.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	down   bool
	events []notification.Event
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var envelope notification.Envelope
		if err := json.NewDecoder(r.Body).Decode(&envelope); err != nil || r.Header.Get("Content-Type") != notification.MediaType || r.Header.Get("X-Token") != "canary-hook" {
			t.Errorf("%v, %v", err, r.Header)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.events = append(h.events, envelope.Events...)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) setDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// told lists the events as words.
func (h *hook) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, e := range h.events {
		all = append(all, fmt.Sprintf("%s %s %s:%s by %s", e.Action, e.Target.MediaType, e.Target.Repository, e.Target.Tag, e.Actor.Name))
	}
	return all
}

func (h *hook) configured(f *fixture, c *config.Config) {
	onDisk(f, c)
	c.Notifications = config.Notifications{IncludeReferences: true, Endpoints: []config.Endpoint{{
		Name: "hook", URL: h.URL + "/?token=canary-hook", Headers: map[string][]string{"X-Token": {"canary-hook"}},
		Timeout: time.Minute, Threshold: 1, Backoff: 10 * time.Millisecond,
	}}}
}

const emptyJSON = "{}"

// pushImage pushes a config and a manifest with a tag.
func (f *fixture) pushImage(client *http.Client, base, repository, tag string) string {
	f.Helper()
	upload := base + "/v2/" + repository + "/blobs/uploads/?digest=" + digestOf(emptyJSON)
	if got := f.ask(client, http.MethodPost, upload, "admin", strings.NewReader(emptyJSON)); got.status != http.StatusCreated {
		f.Fatalf("blob: %d %s", got.status, got.body)
	}
	content := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[]}`, digestOf(emptyJSON))
	if got := f.ask(client, http.MethodPut, base+"/v2/"+repository+"/manifests/"+tag, "admin", strings.NewReader(content)); got.status != http.StatusCreated {
		f.Fatalf("manifest: %d %s", got.status, got.body)
	}
	return digestOf(content)
}

// TestWebhooks: what was done is told in distribution's words, a receiver that is down hears of it later, also from the next server on
// the same store, and until then the status says so.
func TestWebhooks(t *testing.T) {
	h := newHook(t)
	f := newFixture(t, h.configured)
	base, client := f.run(), f.client()
	digest := f.pushImage(client, base, "team/app", "v1")
	f.ask(client, http.MethodGet, base+"/v2/team/app/manifests/v1", "spectro", nil)
	f.ask(client, http.MethodGet, base+"/v2/team/app/manifests/nothing", "spectro", nil)
	f.ask(client, http.MethodDelete, base+"/v2/team/app/manifests/v1", "admin", nil)
	user, password, err := f.server.Probe("writer")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, base+"/v2/packhouse-probe/x/blobs/uploads/?digest="+digestOf(emptyJSON), strings.NewReader(emptyJSON))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(user, password)
	if a, err := client.Do(r); err != nil || a.StatusCode != http.StatusCreated {
		t.Fatalf("%v %v", a, err)
	}
	want := []string{
		"push application/octet-stream team/app: by admin", "push application/vnd.oci.image.manifest.v1+json team/app:v1 by admin",
		"pull application/vnd.oci.image.manifest.v1+json team/app:v1 by spectro", "delete  team/app:v1 by admin",
	}
	f.eventually("four events", func() bool { return len(h.told()) >= len(want) })
	if got := h.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	e := h.events[1]
	if e.ID == "" || e.Target.Digest.String() != digest || e.Target.URL != base+"/v2/team/app/manifests/"+digest || e.Target.Length == 0 ||
		len(e.Target.References) != 1 || e.Request.Method != http.MethodPut || e.Request.Addr != "127.0.0.1" || e.Source.InstanceID != f.server.Nonce() {
		t.Errorf("%+v", e)
	}

	h.setDown(true)
	f.pushImage(client, base, "team/app", "v2")
	f.eventually("a fault", func() bool { return len(f.server.Status().Faults) > 0 })
	if got := f.server.Status().Faults; len(got) != 1 || !strings.Contains(got[0], `webhook "hook" takes no events (status 503)`) {
		t.Errorf("faults %q", got)
	}
	if a := f.ask(client, http.MethodGet, base+"/health", "", nil); a.status != http.StatusOK {
		t.Errorf("health tells of it: %s", a.body)
	}
	f.cancel()
	if err := <-f.ran; err != nil {
		t.Fatal(err)
	}
	if strings.Contains(f.log.String(), "canary-hook") {
		t.Errorf("a secret in the log: %s", f.log)
	}
	h.setDown(false)
	again := newFixture(t, func(g *fixture, c *config.Config) {
		h.configured(g, c)
		c.Storage.Filesystem.RootDirectory = f.path("data")
	})
	again.run()
	again.eventually("events of before", func() bool { return len(h.told()) == len(want)+2 })
	if got := h.told()[len(want):]; !strings.HasSuffix(got[1], "team/app:v2 by admin") {
		t.Errorf("after the restart: %q", got)
	}
}

// TestWebhookURL verifies that only the headers of a trusted proxy change the URLs in events.
func TestWebhookURL(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) { c.HTTP.TrustedProxies = []string{"10.0.0.0/8"} }))
	for name, tc := range map[string]struct {
		peer, proto, host string
		http              config.HTTP
		want              string
	}{
		"a client": {peer: "192.0.2.1:1", want: "http://registry:5000"},
		"with TLS": {
			peer: "192.0.2.1:1", http: config.HTTP{TLS: config.TLS{Certificate: "c", Key: "k"}},
			want: "https://registry:5000",
		},
		"a trusted proxy":     {peer: "10.0.0.1:1", proto: "https", host: "hub.example.com", want: "https://hub.example.com"},
		"one that ends TLS":   {peer: "10.0.0.1:1", proto: "HTTPS", want: "https://registry:5000"},
		"one without headers": {peer: "10.0.0.1:1", want: "http://registry:5000"},
		"a forged beginning": {
			peer: "10.0.0.1:1", proto: "gopher, https", host: "evil.example.com, hub:443",
			want: "https://hub:443",
		},
		"nonsense":            {peer: "10.0.0.1:1", proto: "gopher", host: "user@evil/path", want: "http://registry:5000"},
		"a proxy that is not": {peer: "192.0.2.1:1", proto: "https", host: "evil.example.com", want: "http://registry:5000"},
		"http.host is set": {
			peer: "10.0.0.1:1", proto: "http", host: "a", http: config.HTTP{Host: "https://b/"}, want: "https://b",
		},
		"a prefix": {peer: "10.0.0.1:1", proto: "https", http: config.HTTP{Prefix: "/r/"}, want: "https://registry:5000/r"},
	} {
		r := httptest.NewRequest(http.MethodPut, "http://registry:5000/v2/", nil)
		r.RemoteAddr = tc.peer
		for key, value := range map[string]string{
			"X-Forwarded-Proto": tc.proto, "X-Forwarded-Host": tc.host, "X-Forwarded-For": "192.0.2.7",
		} {
			if value != "" {
				r.Header.Set(key, value)
			}
		}
		_, r = f.server.origin(f.server.current.Load(), r)
		if got := publicURL(tc.http, r); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
