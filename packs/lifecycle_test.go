package packs

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
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

// TestListHasStatesOfLatest verifies that a listing describes the highest version of each pack with one
// small request, and stops asking a registry without /v1.
func TestListHasStatesOfLatest(t *testing.T) {
	d := newDouble(t)
	client := d.client(nil)
	hello := mustPush(t, client, PushOptions{Dir: "testdata/hello-1.2.3"})
	mustPush(t, client, PushOptions{Dir: "testdata/policies-1.0.0"})
	for _, tag := range []string{"1.1.0", "1.10.0", "1.9.0", "LTS__2.0.0"} {
		if _, _, err := client.AddTag(t.Context(), Reference{Name: "hello", Tag: hello.Tag}, Tag{Label: tag}); err != nil {
			t.Fatal(err)
		}
	}
	var asked []string
	described := true
	d.extra = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			return false
		}
		asked = append(asked, r.URL.Path+"?"+r.URL.RawQuery)
		if described {
			_, _ = fmt.Fprint(w, `{"packs": [
				{"tag": "1.10.0", "state": "deprecated", "eol": "2030-01-01", "problem": "not a pack: a"}]}`)
		}
		return described
	}
	listed, err := client.List(t.Context())
	if err != nil || len(listed) != 2 {
		t.Fatalf("%+v, %v", listed, err)
	}
	l := listed[0]
	if l.Latest != "1.10.0" || l.State != Deprecated || l.EOL != "2030-01-01" || l.Problem != "not a pack: a" {
		t.Errorf("%+v", l)
	}
	if l := listed[1]; l.Latest != "1.0.0" || l.State != "" || l.EOL != "" || l.Problem != "" {
		t.Errorf("%+v", l)
	}
	if want := "/v1/hello/tags/list?base=&last=1.1.0&n=1"; len(asked) != 2 || !slices.Contains(asked, want) {
		t.Errorf("asked %q, want %s", asked, want)
	}
	described, asked = false, nil
	if listed, err = client.List(t.Context()); err != nil || listed[0].Latest != "1.10.0" || listed[0].State != "" {
		t.Errorf("%+v, %v", listed, err)
	}
}
