package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/config"
)

// TestManifestURLs verifies over HTTP that validation.manifests.urls decides about every descriptor
// of a pushed manifest, and that without it every URL is accepted.
func TestManifestURLs(t *testing.T) {
	t.Parallel()
	deny := with(func(c *config.Config) { c.Validation.Deny = []string{`^https://evil\.example\.com/`} })
	allow := with(func(c *config.Config) { c.Validation.Allow = []string{`^https://mirror\.example\.com/`} })
	off := with(func(c *config.Config) { c.Validation.Disabled, c.Validation.Deny = true, []string{"."} })
	for _, test := range []struct {
		name     string
		settings []setting
		url      string
		want     int
	}{
		{"not configured", nil, "https://evil.example.com/layer", 201},
		{"denied", []setting{deny}, "https://evil.example.com/layer", 400},
		{"not denied", []setting{deny}, "https://mirror.example.com/layer", 201},
		{"allowed", []setting{allow}, "https://mirror.example.com/layer", 201},
		{"not allowed", []setting{allow}, "https://evil.example.com/layer", 400},
		{"disabled", []setting{off}, "https://evil.example.com/layer", 201},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, test.settings...)
			base := f.serve()
			config := digest.FromString("{}").String()
			if a := f.ask(f.client(), http.MethodPost, base+"/v2/app/blobs/uploads/?digest="+config, "admin", strings.NewReader("{}")); a.status != 201 {
				t.Fatalf("push the configuration: %d", a.status)
			}
			manifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
				"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + config + `","size":2},
				"layers":[{"mediaType":"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
				"digest":"` + digest.FromString("elsewhere").String() + `","size":9,"urls":["` + test.url + `"]}]}`
			a := f.ask(f.client(), http.MethodPut, base+"/v2/app/manifests/v1", "admin", strings.NewReader(manifest))
			if a.status != test.want || a.status == 400 && !strings.Contains(string(a.body), "MANIFEST_INVALID") {
				t.Errorf("%d %s, want %d", a.status, a.body, test.want)
			}
		})
	}
}

// TestSparseManifests verifies over HTTP that validation.manifests.sparse decides about manifests
// whose blobs are missing.
func TestSparseManifests(t *testing.T) {
	t.Parallel()
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		"config":{"mediaType":"application/vnd.oci.image.config.v1+json",
		"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
	for sparse, want := range map[string]int{"": 404, "refuse": 404, "allow": 201} {
		f := newFixture(t, with(func(c *config.Config) { c.Validation.Sparse = sparse }))
		base := f.serve()
		a := f.ask(f.client(), http.MethodPut, base+"/v2/app/manifests/v1", "admin", strings.NewReader(manifest))
		if a.status != want || want == 404 && !strings.Contains(string(a.body), "MANIFEST_BLOB_UNKNOWN") {
			t.Errorf("%q: %d %s, want %d", sparse, a.status, a.body, want)
		}
	}
}
