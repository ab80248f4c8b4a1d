package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// memoryOfReferrers lists 1,049 referrers with 400 annotations each, once and 32 times at once.
func memoryOfReferrers(t *testing.T, binary string) {
	m := startMeasured(t, binary, t.TempDir())
	if status, _ := m.do("POST", "/v2/a/blobs/uploads/?digest="+sum("{}"), []byte("{}"), true); status != http.StatusCreated {
		t.Fatalf("push blob: %d", status)
	}
	var annotations strings.Builder
	for i := range 400 {
		fmt.Fprintf(&annotations, `,"%d":"%s"`, i, strings.Repeat("a", 100))
	}
	subject := sum("subject")
	for i := range 1049 {
		content := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[],
"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":1},"annotations":{"n":"%d"%s}}`,
			sum("{}"), subject, i, annotations.String())
		if status, _ := m.do("PUT", "/v2/a/manifests/"+sum(content), []byte(content), true); status != http.StatusCreated {
			t.Fatalf("push manifest: %d", status)
		}
	}
	for n, most := range map[int]int64{1: mostOfOne, 32: mostOfAtOnce} {
		for _, query := range []string{"", "?artifactType=none"} {
			before := m.cpu()
			used := m.additional(func() {
				var all sync.WaitGroup
				for range n {
					all.Go(func() { m.want(http.StatusOK, "GET", "/v2/a/referrers/"+subject+query, nil, true) })
				}
				all.Wait()
			})
			t.Logf("%d × GET referrers%s: %d MiB, %v of CPU time", n, query, used/mib, m.cpu()-before)
			if used > most {
				t.Errorf("%d × GET referrers%s need %d MiB, want %d at most", n, query, used/mib, most/mib)
			}
		}
	}
}
