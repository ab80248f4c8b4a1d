package registry_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/registry"
	"packhouse/server/registry/registrytest"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
)

// bench serves an empty registry in memory over HTTP.
func bench(b *testing.B) func(method, target string, body io.Reader) {
	b.Helper()
	store, err := inmemory.Open(b.Context(), filesystem.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	server := httptest.NewServer(registrytest.Handler(registry.Options{Store: store}))
	b.Cleanup(server.Close)
	return func(method, target string, body io.Reader) {
		req, err := http.NewRequest(method, server.URL+target, body)
		if err != nil {
			b.Fatal(err)
		}
		resp, err := server.Client().Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode > 299 {
			b.Fatalf("%s %s: %s, %v", method, target, resp.Status, err)
		}
	}
}

func benchManifest(do func(method, target string, body io.Reader)) string {
	d := digest.FromString("{}")
	do("POST", "/v2/a/blobs/uploads/?digest="+d.String(), strings.NewReader("{}"))
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"x/y","digest":%q,"size":2},"layers":[]}`, manifest.OCIManifest, d)
}

func BenchmarkPush(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("blob of %d KiB", size>>10), func(b *testing.B) {
			do, content := bench(b), make([]byte, size)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				binary.BigEndian.PutUint64(content, uint64(i))
				do("POST", "/v2/a/blobs/uploads/?digest="+digest.FromBytes(content).String(), strings.NewReader(string(content)))
				do("DELETE", "/v2/a/blobs/"+digest.FromBytes(content).String(), nil)
			}
		})
	}
	b.Run("manifest by tag", func(b *testing.B) {
		do := bench(b)
		content := benchManifest(do)
		for b.Loop() {
			do("PUT", "/v2/a/manifests/v1", strings.NewReader(content))
		}
	})
}

func BenchmarkPull(b *testing.B) {
	do := bench(b)
	do("PUT", "/v2/a/manifests/v1", strings.NewReader(benchManifest(do)))
	large := strings.Repeat("x", 8<<20)
	d := digest.FromString(large)
	do("POST", "/v2/a/blobs/uploads/?digest="+d.String(), strings.NewReader(large))
	for name, target := range map[string]string{"manifest by tag": "/v2/a/manifests/v1", "small blob": "/v2/a/blobs/" + digest.FromString("{}").String(), "blob of 8 MiB": "/v2/a/blobs/" + d.String()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				do("GET", target, nil)
			}
		})
	}
}

// BenchmarkList answers listings without a network: what is counted is the registry and its store.
func BenchmarkList(b *testing.B) {
	const tags, repositories = 10_000, 1000
	store, err := inmemory.Open(b.Context(), filesystem.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	handler := registrytest.Handler(registry.Options{Store: store})
	do := func(method, target string, body io.Reader) {
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, httptest.NewRequest(method, target, body)); w.Code > 299 {
			b.Fatalf("%s %s: %d, %s", method, target, w.Code, w.Body)
		}
	}
	content := benchManifest(do)
	for first := 0; first < tags; first += 100 {
		var query strings.Builder
		for i := first; i < first+100; i++ {
			fmt.Fprintf(&query, "&tag=t%06d", i)
		}
		do("PUT", "/v2/a/manifests/"+digest.FromString(content).String()+"?"+query.String()[1:], strings.NewReader(content))
	}
	for i := range repositories {
		do("POST", fmt.Sprintf("/v2/catalogue/r%06d/blobs/uploads/?mount=%s&from=a", i, digest.FromString("{}")), nil)
	}
	for name, target := range map[string]string{
		"10,000 tags": "/v2/a/tags/list", "a page of 100 tags": "/v2/a/tags/list?n=100&last=t005000",
		"a page of 100 repositories": "/v2/_catalog?n=100&last=catalogue/r000500", "referrers": "/v2/a/referrers/" + digest.FromString(content).String(),
	} {
		b.Run(name, func(b *testing.B) {
			do("GET", target, nil) // the first one reads the disk
			r := httptest.NewRequest("GET", target, nil)
			b.ReportAllocs()
			for b.Loop() {
				w := &discard{header: http.Header{}}
				handler.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
