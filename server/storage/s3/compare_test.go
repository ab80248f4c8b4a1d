package s3

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/registry"
	"packhouse/server/registry/registrytest"
	"packhouse/server/storage/storagetest"
)

// counter passes requests on to the engine and counts them by method; LIST is told from GET.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func startCounter(t *testing.T, engine string) (*counter, string) {
	t.Helper()
	c := &counter{n: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Method
		if q := r.URL.Query(); r.Method == http.MethodGet && (q.Has("list-type") || q.Has("prefix") || q.Has("uploads")) {
			kind = "LIST"
		}
		c.mu.Lock()
		c.n[kind]++
		c.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return c, strings.TrimPrefix(server.URL, "http://")
}

// during counts the requests of something; deletions are told, but not part of the total.
func (c *counter) during(do func()) (total int, text string) {
	c.mu.Lock()
	clear(c.n)
	c.mu.Unlock()
	do()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range slices.Sorted(maps.Keys(c.n)) {
		if kind != http.MethodDelete { // nobody pays for those
			total += c.n[kind]
		}
		text += fmt.Sprintf(" %d %s", c.n[kind], kind)
	}
	return total, text
}

// TestEngineBesideDistribution lets packhouse and CNCF distribution do the same on one engine, as docker does it, and counts what that takes.
func TestEngineBesideDistribution(t *testing.T) {
	cfg := startEngine(t)
	c, through := startCounter(t, cfg.RegionEndpoint)
	cfg.RegionEndpoint, cfg.ChunkSize = through, 0
	s := openEngine(t, cfg, func(o *Options) { o.Settle = time.Minute })
	ours := &distribution{t: t, url: registrytest.Serve(t, registry.Options{Store: s})}
	their := cfg
	their.RootDirectory = "/theirs"
	theirs := newDistribution(t, their)
	theirs.start()

	warm, image := storagetest.NewImage(t, "warm", nil), storagetest.NewImage(t, "image", nil)
	small, large := noise(1, 1<<20), noise(2, 100<<20)
	type figure struct {
		requests int
		took     time.Duration
	}
	results := map[string]map[string]figure{"packhouse": {}, "distribution": {}}
	for _, who := range []struct {
		name string
		d    *distribution
	}{{"packhouse", ours}, {"distribution", theirs}} {
		who.d.push("a", warm, "warm")
		step := func(what string, do func()) {
			begun := time.Now()
			n, text := c.during(do)
			took := time.Since(begun)
			results[who.name][what] = figure{n, took}
			t.Logf("%-12s %-32s %3d requests, %4d ms:%s", who.name, what, n, took.Milliseconds(), text)
			if who.d.finishing > 0 {
				t.Logf("%-12s %-32s of these %d ms to finish the last upload", who.name, "", who.d.finishing.Milliseconds())
				who.d.finishing = 0
			}
		}
		step("push of an image of two blobs", func() { who.d.push("a", image, "v1") })
		step("pull of it", func() { who.d.check("a", image, "v1") })
		step("pull of it again", func() { who.d.check("a", image, "v1") })
		for name, blob := range map[string][]byte{"1 MiB": small, "100 MiB": large} {
			step("push of a blob of "+name, func() { who.d.pushChunked("a", blob) })
			path := "/v2/a/blobs/" + digest.FromBytes(blob).String()
			step("pull of a blob of "+name, func() {
				if got, _ := who.d.call("GET", path, "", nil, 200); !bytes.Equal(got, blob) {
					t.Errorf("%s: %s came back differently", who.name, name)
				}
			})
		}
		step("catalogue", func() { who.d.list("/v2/_catalog", "repositories") })
		step("tags", func() { who.d.list("/v2/a/tags/list", "tags") })
	}
	for what, f := range results["packhouse"] {
		if peer := results["distribution"][what]; f.requests > peer.requests {
			t.Errorf("%s takes %d requests, distribution's %d", what, f.requests, peer.requests)
		}
	}
}

// pushChunked pushes a blob as docker does: a session, one PATCH, a PUT without a body.
func (d *distribution) pushChunked(repo string, blob []byte) {
	d.t.Helper()
	absolute := func(location string) string {
		if strings.HasPrefix(location, "/") {
			return d.url + location
		}
		return location
	}
	_, h := d.call("POST", "/v2/"+repo+"/blobs/uploads/", "", nil, 202)
	_, h = d.call("PATCH", absolute(h.Get("Location")), "application/octet-stream", blob, 202)
	location, err := url.Parse(absolute(h.Get("Location")))
	if err != nil {
		d.t.Fatal(err)
	}
	q := location.Query()
	q.Set("digest", digest.FromBytes(blob).String())
	location.RawQuery = q.Encode()
	begun := time.Now()
	defer func() { d.finishing = time.Since(begun) }()
	d.call("PUT", location.String(), "application/octet-stream", nil, 201)
}
