package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"packhouse/server/config"
)

// TestProbeContentIsDiscarded: what names the probe identity leaves the store with its deletion, even where deletion is off for everybody
// else; anything else a probe deletes waits for garbage collection, because others may have it.
func TestProbeContentIsDiscarded(t *testing.T) {
	off := with(func(c *config.Config) { c.Storage.Delete.Enabled = false })
	for name, settings := range map[string][]setting{"inmemory": {timeless, off}, "filesystem": {timeless, onDisk}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, settings...)
			base, client := f.run(), f.client()
			user, password, err := f.admin().Probe(t.Context(), "admin")
			if err != nil {
				t.Fatal(err)
			}
			send := func(method, path, body string, status int) {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), method, base+"/v2/packhouse-probe/x/"+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				r.SetBasicAuth(user, password)
				a, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				a.Body.Close()
				if a.StatusCode != status {
					t.Fatalf("%s %s: %d, want %d", method, path, a.StatusCode, status)
				}
			}
			blobs := func() int {
				t.Helper()
				u, err := f.admin().Usage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return u.Blobs
			}
			named, other := `{"of":"`+user+`"}`, `{"of":"nobody"}`
			manifest := func(of string) string {
				return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b",`+
					`"config":{"mediaType":"a/b","digest":%q,"size":%d},"layers":[],"annotations":{"a":%q}}`, digestOf(named), len(named), of)
			}
			for content, left := range map[string]int{named: 0, other: 1} {
				before := blobs()
				send("POST", "blobs/uploads/?digest="+digestOf(content), content, http.StatusCreated)
				send("DELETE", "blobs/"+digestOf(content), "", http.StatusAccepted)
				send("GET", "blobs/"+digestOf(content), "", http.StatusNotFound)
				if n := blobs() - before; n != left {
					t.Errorf("%s: %d blobs are left, want %d", content, n, left)
				}
			}
			for of, left := range map[string]int{user: 0, "nobody": 1} {
				before := blobs()
				m := manifest(of)
				send("POST", "blobs/uploads/?digest="+digestOf(named), named, http.StatusCreated)
				send("PUT", "manifests/"+digestOf(m), m, http.StatusCreated)
				send("DELETE", "manifests/"+digestOf(m), "", http.StatusAccepted)
				send("DELETE", "blobs/"+digestOf(named), "", http.StatusAccepted)
				if n := blobs() - before; n != left {
					t.Errorf("manifest of %s: %d blobs are left, want %d", of, n, left)
				}
			}
		})
	}
}
