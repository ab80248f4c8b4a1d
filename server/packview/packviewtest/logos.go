package packviewtest

import (
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// logoIsServed verifies that the logo of a pack is served unchanged, with its media type and
// length.
func logoIsServed(t *testing.T, s *site) {
	logo := picture(8, 8)
	s.push("a", "1.0", logo)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		w := s.do(false, method, logoPath("a", logo), nil)
		if w.Code != http.StatusOK || w.Header().Get("Content-Length") != strconv.Itoa(len(logo)) || w.Header().Get("Content-Type") != "image/png" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
		if want := map[string]string{http.MethodGet: logo}[method]; w.Body.String() != want {
			t.Errorf("%s: %d bytes, want %d", method, w.Body.Len(), len(want))
		}
	}
	s.restart(true)
	if status, body := s.logo("a", logo); status != http.StatusOK || body != logo {
		t.Errorf("another process: %d, %d bytes", status, len(body))
	}
}

// logoIsOneImage verifies that a logo that is invalid, too large or not exactly one image is not
// served without credentials.
func logoIsOneImage(t *testing.T, s *site) {
	good := picture(8, 8)
	for name, logo := range map[string]string{
		"trailing": good + "<script>", "cut": good[:len(good)-4], "text": "hello", "wide": picture(5000, 1),
		"damaged": good[:40] + "x" + good[41:], "header": good[:33],
	} {
		s.push(name, "1.0", logo)
		if status, _ := s.logo(name, logo); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// logoEndsWithTag verifies that the logo of a pack without a tag is not served, even if its
// manifest still exists.
func logoEndsWithTag(t *testing.T, s *site) {
	logo := picture(8, 8)
	s.push("a", "1.0", logo)
	s.push("a", "2.0", logo)
	for _, step := range []struct {
		version string
		want    int
	}{{"2.0", http.StatusOK}, {"1.0", http.StatusUnauthorized}} {
		s.drop("a", step.version)
		if status, _ := s.logo("a", logo); status != step.want {
			t.Errorf("without %s: %d, want %d", step.version, status, step.want)
		}
	}
}

// logoEndsWithManifest verifies that a logo is not served after its manifest is deleted, even if
// its archive still exists.
func logoEndsWithManifest(t *testing.T, s *site) {
	logo := picture(8, 8)
	manifest := s.push("a", "1.0", logo)
	s.push("a", "2.0", picture(9, 9))
	if err := s.store.DeleteManifest(t.Context(), storagetest.Repo(t, repository("a")), manifest, false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if status, _ := s.logo("a", logo); status != http.StatusUnauthorized {
			t.Errorf("%d", status)
		}
		settle(t, s.records)
	}
}

// logoOfAnotherVersion verifies that after the noted manifest of a logo is deleted, another version
// with the same logo is found in the background.
func logoOfAnotherVersion(t *testing.T, s *site) {
	logo := picture(8, 8)
	s.push("a", "1.0", logo)
	manifest := s.push("a", "2.0", logo)
	if err := s.store.DeleteManifest(t.Context(), storagetest.Repo(t, repository("a")), manifest, false); err != nil {
		t.Fatal(err)
	}
	calls := s.store.during(func() {
		s.logo("a", logo)
		settle(t, s.records)
	})
	if status, _ := s.logo("a", logo); status != http.StatusOK || slices.Contains(calls, "OpenBlob") {
		t.Errorf("%d after %v", status, calls)
	}
}

// missingAndPrivate verifies that a missing pack, another logo and a file that is not a logo each
// cost the same single store operation.
func missingAndPrivate(t *testing.T, s *site) {
	s.push("private", "1.0", picture(8, 8))
	for _, pack := range []string{"missing", "private"} {
		for _, file := range []string{picture(9, 9), "a: b\n", "# P\n"} {
			calls := s.store.during(func() {
				if status, _ := s.logo(pack, file); status != http.StatusUnauthorized {
					t.Errorf("%s: %d", pack, status)
				}
				settle(t, s.records)
			})
			if !slices.Equal(calls, []string{"ReadDerived"}) {
				t.Errorf("%s: %v", pack, calls)
			}
		}
	}
}

// anonymousOpensNothing verifies that without records no logo is served, and that a request for it
// never opens an archive.
func anonymousOpensNothing(t *testing.T, s *site) {
	logo := picture(8, 8)
	s.restart(false)
	s.push("a", "1.0", logo)
	s.restart(true)
	calls := s.store.during(func() {
		for range 3 {
			if status, _ := s.logo("a", logo); status != http.StatusUnauthorized {
				t.Errorf("%d", status)
			}
		}
		settle(t, s.records)
	})
	if slices.Contains(calls, "OpenBlob") || slices.Contains(calls, "WriteDerived") {
		t.Errorf("%v", calls)
	}
}

// recordsAreRebuilt verifies that records lost in a restore are rebuilt once, and that logos are
// then served again.
func recordsAreRebuilt(t *testing.T, s *site) {
	logo := picture(8, 8)
	s.restart(false)
	s.push("a", "1.0", logo)
	s.push("b", "1.0", logo)
	s.restart(true)
	s.rebuild()
	for _, pack := range []string{"a", "b"} {
		if status, body := s.logo(pack, logo); status != http.StatusOK || body != logo {
			t.Errorf("%s: %d", pack, status)
		}
	}
	s.restart(true)
	if calls := s.store.during(s.rebuild); !slices.Equal(calls, []string{"ReadDerived"}) {
		t.Errorf("complete records are made again: %v", calls)
	}
}

// oldRecordsAreReplaced verifies that records of the previous extractor version are replaced.
func oldRecordsAreReplaced(t *testing.T, s *site) {
	logo := picture(8, 8)
	s.restart(false)
	s.push("a", "1.0", logo)
	s.restart(true)
	old := oldRecord(archive(t, "a", "1.0", logo))
	if err := s.store.WriteDerived(t.Context(), old, []byte(`{"extractor":1}`)); err != nil {
		t.Fatal(err)
	}
	s.rebuild()
	if status, _ := s.logo("a", logo); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	if _, err := s.store.ReadDerived(t.Context(), old, storage.MaxDerived); err == nil {
		t.Error("the old record is still there")
	}
}

// oldRecord returns the name of an archive's record by the first version of the extractor.
func oldRecord(content []byte) string {
	hex := digest.FromBytes(content).Encoded()
	return "1/sha256/" + hex[:2] + "/" + hex + ".json"
}
