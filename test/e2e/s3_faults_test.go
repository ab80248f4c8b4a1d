package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// faults is toxiproxy in front of an S3 engine.
type faults struct {
	t    *testing.T
	api  string
	addr string
}

func startFaults(t *testing.T, upstream string) *faults {
	t.Helper()
	program, api := need(t, "toxiproxy"), freeAddress(t)
	f := &faults{t: t, api: "http://" + api, addr: freeAddress(t)}
	host, port, err := net.SplitHostPort(api)
	if err != nil {
		t.Fatal(err)
	}
	launch(t, []string{"LOG_LEVEL=error"}, program, "-host", host, "-port", port)
	eventually(t, "response from toxiproxy", patience, func() bool {
		response, err := http.Get(f.api + "/version")
		if err == nil {
			_ = response.Body.Close()
		}
		return err == nil
	})
	f.post("/proxies", map[string]any{"name": "s3", "listen": f.addr, "upstream": upstream, "enabled": true})
	return f
}

func (f *faults) post(path string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		f.t.Error(err)
		return
	}
	response, err := http.Post(f.api+path, "application/json", bytes.NewReader(text))
	if err != nil {
		f.t.Error(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= 300 {
		words, _ := io.ReadAll(response.Body)
		f.t.Errorf("toxiproxy %s: %s: %s", path, response.Status, words)
	}
}

// once breaks connections in one way for a moment, of several ways.
func (f *faults) once() {
	toxic := func(kind, stream string, attributes map[string]any) {
		f.post("/proxies/s3/toxics", map[string]any{"name": kind, "type": kind, "stream": stream, "attributes": attributes})
	}
	switch rand.IntN(5) {
	case 0:
		toxic("reset_peer", "downstream", map[string]any{"timeout": rand.IntN(30)})
	case 1:
		toxic("limit_data", "downstream", map[string]any{"bytes": 200 + rand.IntN(40_000)})
	case 2:
		toxic("limit_data", "upstream", map[string]any{"bytes": 200 + rand.IntN(400_000)})
	case 3:
		toxic("latency", "downstream", map[string]any{"latency": 50, "jitter": 50})
	case 4:
		f.post("/proxies/s3", map[string]any{"enabled": false})
	}
	time.Sleep(time.Duration(50+rand.IntN(200)) * time.Millisecond) // how long the fault lasts
	f.post("/reset", nil)
}

// startSharing runs n processes on the bucket at an address, without a balancer,
// and returns each as an installation that is asked by itself.
func startSharing(t *testing.T, engine string, n int, change func(*installation), env ...string) (all []*installation, servers []*server) {
	t.Helper()
	in := install(t, "--tls", "off", "--insecure")
	useS3(t, in, engine)
	if change != nil {
		change(in)
	}
	for range n {
		one := *in
		one.addr = freeAddress(t)
		one.env = append(append([]string{"REGISTRY_HTTP_ADDR=" + one.addr, "RUNTIME_DIRECTORY=" + t.TempDir()}, env...), in.env...)
		all = append(all, &one)
		servers = append(servers, one.serve())
	}
	return all, servers
}

// TestPushesThroughABrokenEngine has three processes share a bucket behind a
// connection that is cut, delayed and reset, while clients push and all move one
// tag. What was acknowledged is there in the end, and the tag is one of those that
// were written.
func TestPushesThroughABrokenEngine(t *testing.T) { onS3Engines(t, testPushesThroughABrokenEngine) }

func testPushesThroughABrokenEngine(t *testing.T, engine string) {
	proxy := startFaults(t, startS3Engine(t, engine))
	all, _ := startSharing(t, proxy.addr, 3, nil, "REGISTRY_HTTP_LIMITS_UPLOADSPERUSER=100000")
	end := time.Now().Add(soak(t) / 2)
	var mu sync.Mutex
	var blobs []string
	var pushes []pushed
	moved := map[string]bool{} // manifests that the tag was moved to, or may have been: an answer may have been lost
	failed := 0
	proven := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(blobs) > 0 && len(pushes) > 0
	}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for w, in := range all {
		wait.Go(func() {
			client := in.client()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				content, layer := noise(uint64(1000*w+i+5000), 100_000+i%4*2_000_000), noise(uint64(1000*w+i+9000), 5000)
				target, err := manifestOf([]byte("{}"), layer)
				if err != nil {
					t.Error(err)
					return
				}
				digest, _, err := pushResumed(in, client, admin, "faults/app", content, 3)
				p := pushArtifact(in, client, admin, "faults/art", fmt.Sprintf("t%d-%d", w, i), layer)
				last := pushArtifact(in, client, admin, "faults/art", "moving", layer)
				mu.Lock()
				moved[digestOf(target)] = true
				if err == nil {
					blobs = append(blobs, digest)
				}
				if p.err == nil {
					pushes = append(pushes, p)
				}
				if err != nil || p.err != nil || last.err != nil {
					failed++
				}
				mu.Unlock()
			}
		})
	}
	// On a machine that is slow nothing may get through at this pace.
	for pause := 300 * time.Millisecond; time.Now().Before(end) || !proven() && time.Now().Before(end.Add(patience)); {
		time.Sleep(pause) // the load proceeds between two faults
		proxy.once()
		if time.Now().After(end) {
			pause *= 2
		}
	}
	close(stop)
	wait.Wait()
	t.Logf("%d blobs and %d artifacts acknowledged, %d rounds failed somewhere", len(blobs), len(pushes), failed)
	if len(blobs) == 0 || len(pushes) == 0 {
		t.Error("nothing was acknowledged: this tells nothing")
	}
	for i, in := range all {
		client := in.client()
		for n, digest := range blobs {
			if n%len(all) == i {
				if err := readBlob(in, client, admin, "faults/app", digest); err != nil {
					t.Error(err)
				}
			}
		}
		for n, p := range pushes {
			if n%len(all) == i {
				if err := p.readBack(in, client, admin); err != nil {
					t.Error(err)
				}
			}
		}
		got, err := in.request(client, admin, http.MethodHead, "/v2/faults/art/manifests/moving", nil, "Accept", ociManifest)
		if digest := got.header.Get("Docker-Content-Digest"); err != nil || got.status != http.StatusOK || !moved[digest] {
			t.Errorf("the tag that all move is %q: %d, %v", digest, got.status, err)
		}
	}
}

// TestWebhooksOfABucket stops two processes while the receiver of their events is
// down. A third one delivers what they left.
func TestWebhooksOfABucket(t *testing.T) { onS3Engines(t, testWebhooksOfABucket) }

func testWebhooksOfABucket(t *testing.T, engine string) {
	h := newWebhook(t)
	h.goDown()
	addr := startS3Engine(t, engine)
	all, servers := startSharing(t, addr, 2, func(in *installation) { in.notifying(h) })
	for i, in := range all {
		in.pushSmall("team/app", fmt.Sprintf("v%d", i))
	}
	for _, s := range servers {
		s.stop()
	}
	h.comeBack(all[0])
	third := *all[0]
	third.addr = freeAddress(t)
	third.env = append(slices.Clone(all[0].env), "REGISTRY_HTTP_ADDR="+third.addr)
	s := third.serve()
	third.pushSmall("team/app", "v2")
	seen := map[any]bool{}
	var tags []string
	events, _ := h.take(6)
	for _, e := range events {
		if seen[e["id"]] {
			t.Errorf("told twice: %v", e)
		}
		seen[e["id"]] = true
		if tag, _ := e["target"].(map[string]any)["tag"].(string); tag != "" {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	if !slices.Equal(tags, []string{"v0", "v1", "v2"}) {
		t.Errorf("told of %v", tags)
	}
	if strings.Contains(s.log.String(), "s3cret") {
		t.Error("a secret in the log")
	}
}

// TestPullsFromTheEngine has clients sent to the bucket, and looks at what they are
// sent there for.
func TestPullsFromTheEngine(t *testing.T) { onS3Engines(t, testPullsFromTheEngine) }

func testPullsFromTheEngine(t *testing.T, engine string) {
	addr := startS3Engine(t, engine)
	all, _ := startSharing(t, addr, 2, nil, "REGISTRY_STORAGE_REDIRECT_DISABLE=false")
	in, client := all[0], all[0].client()
	content := noise(77, 300_000)
	digest, _, err := pushResumed(in, client, admin, "team/app", content, 2)
	if err != nil {
		t.Fatal(err)
	}
	path := "/v2/team/app/blobs/" + digest
	stay := *client
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	sent, err := in.request(&stay, admin, http.MethodGet, path, nil)
	to, perr := url.Parse(sent.header.Get("Location"))
	if err := errors.Join(err, perr); err != nil || sent.status != http.StatusTemporaryRedirect || to.Host != addr {
		t.Fatalf("%d to %q, %v", sent.status, sent.header.Get("Location"), err)
	}
	if strings.Contains(to.String(), s3Secret) {
		t.Error("the address holds the secret key")
	}
	if got, err := in.request(client, admin, http.MethodGet, path, nil); err != nil || got.status != http.StatusOK || !bytes.Equal(got.body, content) {
		t.Errorf("followed: %d, %d bytes, %v", got.status, len(got.body), err)
	}
	if got, err := in.request(client, admin, http.MethodGet, path, nil, "Range", "bytes=100-199"); err != nil || got.status != http.StatusPartialContent || !bytes.Equal(got.body, content[100:200]) {
		t.Errorf("a range: %d, %d bytes, %v", got.status, len(got.body), err)
	}
	if got, err := in.request(&stay, admin, http.MethodHead, path, nil); err != nil || got.status != http.StatusOK || got.header.Get("Content-Length") != "300000" {
		t.Errorf("HEAD: %d, %v", got.status, err)
	}
	// A process that has not seen the bytes sends them itself, the first time.
	if got, err := all[1].request(&stay, admin, http.MethodGet, path, nil); err != nil || got.status != http.StatusOK || !bytes.Equal(got.body, content) {
		t.Errorf("first read elsewhere: %d, %v", got.status, err)
	}
	if got, err := all[1].request(&stay, admin, http.MethodGet, path, nil); err != nil || got.status != http.StatusTemporaryRedirect {
		t.Errorf("second read elsewhere: %d, %v", got.status, err)
	}
}
