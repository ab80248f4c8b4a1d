package packs

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	now := time.Date(2027, 12, 31, 23, 59, 0, 0, time.UTC)
	for text, want := range map[string]string{
		`{}`:                    "",
		`{"eol": "2027-12-31"}`: "",
		`{"eol": "2027-12-30"}`: EndOfLife,
		`{"eol": "soon"}`:       "",
		`{"annotations": {"system_state": "Deprecated "}}`:                     Deprecated,
		`{"annotations": {"system_state": "deprecated"}, "eol": "2027-01-01"}`: EndOfLife,
		`{"annotations": {"system_state": "deleted"}, "eol": "2027-01-01"}`:    Hidden,
		`{"annotations": {"system_state": "disabled"}}`:                        Hidden,
	} {
		m, _ := ParseMetadata([]byte(text))
		if got := m.Lifecycle().State(now); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

// TestVersionsHaveStates: a packhouse server reports them, other registries do not know /v1.
func TestVersionsHaveStates(t *testing.T) {
	d := newDouble(t)
	pushed := mustPush(t, d.client(nil), PushOptions{Dir: "testdata/hello-1.2.3"})
	versions, err := d.client(nil).Versions(t.Context(), "hello")
	if err != nil || len(versions) != 1 || versions[0].State != "" {
		t.Fatalf("%+v, %v", versions, err)
	}
	for digest, want := range map[string]string{pushed.Digest: Deprecated, "sha256:other": ""} {
		d.extra = func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = fmt.Fprintf(w, `{"packs": [{"tag": "1.2.3", "digest": %q, "state": "deprecated"}]}`, digest)
			return r.URL.Path == "/v1/hello/tags/list"
		}
		versions, err := d.client(nil).Versions(t.Context(), "hello")
		if err != nil || len(versions) != 1 || versions[0].State != want {
			t.Errorf("%+v, %v; want %q", versions, err, want)
		}
	}
}
