package packviewtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/problem"
	"packhouse/server/route"
)

// file returns the status of a request for a file without ?archive.
func (s *site) file(pack, content string) int {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "/v1/"+pack+"/blobs/"+digest.FromString(content).String(), http.NoBody)
	req, err := route.Paths{}.Parse(r)
	if err != nil {
		s.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := s.view.Serve(w, r, auth.Grant{Request: req, Role: auth.Reader}); err != nil {
		return problem.From(err).Status
	}
	return w.Code
}

// metadata returns the pack.json of an archive.
func metadata(pack, version string) string {
	return fmt.Sprintf(`{"name": %q, "displayName": "P", "version": %q, "layer": "os"}`, pack, version)
}

// missingFile verifies that repeated requests for a file in no version do not read all versions
// each time.
func missingFile(t *testing.T, s *site) {
	const versions = 20
	for i := range versions {
		s.push("a", fmt.Sprintf("1.0.%d", i), picture(4, 4))
	}
	settle(t, s.records)
	for i := range 5 {
		calls := s.store.during(func() {
			if status := s.file("a", fmt.Sprint("missing", i)); status != http.StatusNotFound {
				t.Errorf("status %d, want 404", status)
			}
		})
		if i > 0 && len(calls) > 1 {
			t.Fatalf("request %d needs %d operations for %d versions: %q", i, len(calls), versions, calls)
		}
	}
	for i := range versions {
		calls := s.store.during(func() {
			if status := s.file("a", metadata("a", fmt.Sprintf("1.0.%d", i))); status != http.StatusOK {
				t.Errorf("version %d: status %d, want 200", i, status)
			}
		})
		if len(calls) > 6 {
			t.Errorf("a file of version %d needs %q", i, calls)
		}
	}
}

// fileAfterChange verifies that pushes, moves and deletions of versions take effect on file
// requests immediately.
func fileAfterChange(t *testing.T, s *site) {
	expect := func(what, content string, want int) {
		t.Helper()
		if got := s.file("a", content); got != want {
			t.Errorf("%s: status %d, want %d", what, got, want)
		}
	}
	first, second := picture(3, 3), picture(5, 5)
	expect("before the first push", first, http.StatusNotFound)
	one := s.push("a", "1.0", first)
	expect("after the first push", first, http.StatusOK)
	expect("before the second push", second, http.StatusNotFound)
	two := s.push("a", "1.1", second)
	expect("after the second push", second, http.StatusOK)

	s.tag("a", "1.1", one)
	s.view.Pushed(s.repo("a"), one, nil)
	expect("after its tag was moved through /v2", second, http.StatusNotFound)
	s.tag("a", "1.1", two)
	s.now = s.now.Add(2 * time.Minute)
	expect("after its tag was moved by another process", second, http.StatusOK)

	s.drop("a", "1.1")
	expect("after its tag was deleted", second, http.StatusNotFound)
	expect("a file of the other version", first, http.StatusOK)
	s.drop("a", "1.0")
	expect("without any tag", first, http.StatusNotFound)
}
