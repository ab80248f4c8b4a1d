package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// webhook keeps the events that were posted to it, while it is up.
type webhook struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	down   bool
	turn   string // refuses what comes with another one
	kind   string // Content-Type of the last request
	events []map[string]any
	tried  chan struct{}
}

func newWebhook(t *testing.T) *webhook {
	t.Helper()
	h := &webhook{t: t, turn: "first", tried: make(chan struct{}, 1)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var envelope struct{ Events []map[string]any }
		if err == nil {
			err = json.Unmarshal(body, &envelope)
		}
		if err != nil {
			t.Errorf("not an envelope: %v: %s", err, body)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.kind = r.Header.Get("Content-Type")
		if h.down || r.URL.Query().Get("turn") != h.turn {
			w.WriteHeader(http.StatusServiceUnavailable)
		} else {
			h.events = append(h.events, envelope.Events...)
		}
		select {
		case h.tried <- struct{}{}:
		default: // nobody has looked since
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// goDown refuses events until comeBack.
func (h *webhook) goDown() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = true
}

// comeBack accepts events of processes that are started with the installation
// from now on. What one that has ended sent may still be on its way: nobody
// there hears that it was accepted, so it is not.
func (h *webhook) comeBack(in *installation) {
	h.t.Helper()
	h.mu.Lock()
	h.down, h.turn = false, "second"
	h.mu.Unlock()
	text, err := os.ReadFile(in.configuration())
	if err == nil {
		err = os.WriteFile(in.configuration(), bytes.Replace(text, []byte("turn=first"), []byte("turn=second"), 1), 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// take waits for count events and returns them, with the kind of content that
// they came as.
func (h *webhook) take(count int) (events []map[string]any, kind string) {
	h.t.Helper()
	for {
		h.mu.Lock()
		if len(h.events) >= count {
			events, kind = h.events, h.kind
			h.events = nil
			h.mu.Unlock()
			return events, kind
		}
		h.mu.Unlock()
		select {
		case <-h.tried:
		case <-time.After(patience):
			h.t.Fatalf("%d events did not arrive: %v", count, h.events)
		}
	}
}

// notifying adds the webhook to the configuration.
func (in *installation) notifying(h *webhook) {
	in.t.Helper()
	file, err := os.OpenFile(in.configuration(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		in.t.Fatal(err)
	}
	defer file.Close()
	if _, err := fmt.Fprintf(file, "\nnotifications:\n  endpoints:\n    - {name: hook, url: %q, timeout: %s, threshold: 2, backoff: 50ms}\n", h.URL+"/?token=s3cret&turn=first", patience); err != nil {
		in.t.Fatal(err)
	}
}

// pushSmall pushes a config blob and a manifest with a tag.
func (in *installation) pushSmall(repository, tag string) {
	in.t.Helper()
	client := in.client()
	const config = "{}"
	const digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	started, err := in.request(client, admin, http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil || started.status != http.StatusAccepted {
		in.t.Fatalf("start upload: %v %d", err, started.status)
	}
	location := started.header.Get("Location")
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	if put, err := in.request(client, admin, http.MethodPut, location+separator+"digest="+digest, []byte(config), "Content-Type", "application/octet-stream"); err != nil || put.status != http.StatusCreated {
		in.t.Fatalf("finish upload: %v %d %s", err, put.status, put.body)
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":2},"layers":[]}`, digest)
	if put, err := in.request(client, admin, http.MethodPut, "/v2/"+repository+"/manifests/"+tag, []byte(manifest), "Content-Type", "application/vnd.oci.image.manifest.v1+json"); err != nil || put.status != http.StatusCreated {
		in.t.Fatalf("push manifest: %v %d %s", err, put.status, put.body)
	}
}

// TestWebhookLikeDistribution: a receiver cannot tell which of the two servers
// it hears from.
func TestWebhookLikeDistribution(t *testing.T) {
	need(t, "registry")
	h := newWebhook(t)
	in := install(t, "--tls", "off")
	in.notifying(h)

	told := map[string][]map[string]any{}
	kinds := map[string]string{}
	for name, start := range map[string]func() *server{"packhouse": in.serve, "distribution": in.serveDistribution} {
		s := start()
		in.pushSmall("team/"+name, "v1")
		if a, err := in.request(in.client(), admin, http.MethodGet, "/v2/team/"+name+"/manifests/v1", nil, "Accept", "application/vnd.oci.image.manifest.v1+json"); err != nil || a.status != http.StatusOK {
			t.Fatalf("%s: pull: %v %d", name, err, a.status)
		}
		told[name], kinds[name] = h.take(3)
		s.stop()
		if name == "packhouse" && strings.Contains(s.log.String(), "s3cret") { // distribution logs it
			t.Error("a secret in the log")
		}
	}
	if kinds["packhouse"] != kinds["distribution"] {
		t.Errorf("Content-Type: %v", kinds)
	}
	for i, theirs := range told["distribution"] {
		ours := told["packhouse"][i]
		if a, b := shape("", ours), shape("", theirs); !slices.Equal(a, b) {
			t.Errorf("event %d: ours has %v, theirs %v", i, a, b)
		}
		for _, field := range []string{"mediaType", "digest", "size", "length", "tag"} {
			if a, b := ours["target"].(map[string]any)[field], theirs["target"].(map[string]any)[field]; a != b {
				t.Errorf("event %d: %s is %v, theirs %v", i, field, a, b)
			}
		}
		if ours["action"] != theirs["action"] || ours["actor"].(map[string]any)["name"] != theirs["actor"].(map[string]any)["name"] {
			t.Errorf("event %d: %v, theirs %v", i, ours, theirs)
		}
		a, _ := ours["target"].(map[string]any)["url"].(string)
		b, _ := theirs["target"].(map[string]any)["url"].(string)
		if strings.ReplaceAll(a, "packhouse", "distribution") != b {
			t.Errorf("event %d: url %s, theirs %s", i, a, b)
		}
	}
}

// shape lists the names of all fields.
func shape(path string, v any) (names []string) {
	m, ok := v.(map[string]any)
	if !ok {
		return []string{path}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		names = append(names, shape(path+"/"+name, m[name])...)
	}
	return names
}

// TestWebhookSurvivesKill: what was pushed while the receiver was down is told
// by the next process, though the first was killed.
func TestWebhookSurvivesKill(t *testing.T) {
	h := newWebhook(t)
	in := install(t, "--tls", "off")
	in.notifying(h)
	h.goDown()
	s := in.serve()
	for i := range 20 {
		in.pushSmall("team/app", fmt.Sprintf("v%d", i))
	}
	s.kill()
	h.comeBack(in)
	s = in.serve()
	in.pushSmall("team/app", "last")
	var tags []string
	seen := map[any]bool{}
	events, _ := h.take(42)
	for _, e := range events {
		if seen[e["id"]] {
			t.Errorf("told twice: %v", e)
		}
		seen[e["id"]] = true
		if tag, _ := e["target"].(map[string]any)["tag"].(string); tag != "" {
			tags = append(tags, tag)
		}
	}
	if len(tags) != 21 || tags[0] != "v0" || tags[20] != "last" {
		t.Errorf("tags %v", tags)
	}
	s.stop()
}
