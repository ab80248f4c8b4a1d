package server

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
)

// pngLogo is a logo.
var pngLogo = drawnLogo(8)

// drawnLogo returns a PNG image with sides of a number of pixels.
func drawnLogo(side int) string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// packFiles are those of a pack without faults.
func packFiles(name, version string) map[string]string {
	return map[string]string{
		"pack.json":        fmt.Sprintf(`{"name": %q, "displayName": "The Pack", "version": %q, "layer": "addon", "kubeManifests": ["manifests/a.yaml"]}`, name, version),
		"values.yaml":      "pack:\n  content:\n    images:\n      - image: example.com/a:1\n",
		"README.md":        "# The Pack\n\n<script>alert(1)</script>\n\n[values](values.yaml) ![far](https://elsewhere.example.com/x.png)\n",
		"logo.png":         pngLogo,
		"manifests/a.yaml": "kind: ConfigMap\n",
	}
}

// archiveOf packs files into a folder.
func archiveOf(t *testing.T, folder string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(&tar.Header{Name: folder + "/" + name, Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(archive, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packOf(t *testing.T, name, version string, change ...func(map[string]string)) []byte {
	t.Helper()
	files := packFiles(name, version)
	for _, c := range change {
		c(files)
	}
	return archiveOf(t, name+"-"+version, files)
}

// packSite is a server that listens, and who talks to it.
type packSite struct {
	*fixture
	client *http.Client
	base   string
}

func newPackSite(t *testing.T, settings ...setting) *packSite {
	t.Helper()
	f := newFixture(t, append([]setting{with(func(c *config.Config) { c.Storage.Delete.Enabled = true; c.Log.Level = "error" })}, settings...)...)
	return &packSite{f, f.client(), f.run()}
}

// do sends a request and wants a status.
func (s *packSite) do(user, method, path string, body []byte, want int) answer {
	s.Helper()
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	a := s.ask(s.client, method, s.base+path, user, content)
	if a.status != want {
		s.Fatalf("%s %s as %q: %d, want %d: %.600s", method, path, user, a.status, want, a.body)
	}
	return a
}

func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(a.body), &value); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return value
}

type packSeen struct {
	Name, Tag, Version, Group, Digest, Message, Problem, Logo, Replaced string
	ParentTags                                                          []string
	Archive                                                             json.RawMessage // its digest in the answer to a push, else more of it
	Files                                                               []struct{ Path, Digest, MediaType string }
	Images                                                              []struct{ Image string }
	Problems                                                            []struct{ Code string }
	Pack                                                                map[string]any
}

func TestPackIsPushedReadAndPulled(t *testing.T) {
	for _, place := range []setting{onDisk, func(*fixture, *config.Config) {}} {
		s := newPackSite(t, place)
		archive := packOf(t, "nginx", "1.24.3")
		a := s.do("ci", "PUT", "/v1/nginx/archives/1.24.3", archive, 201)
		put := decode[struct{ Digest, Archive, Tag string }](t, a)
		if put.Archive != digestOf(string(archive)) || put.Tag != "1.24.3" || a.header.Get("Location") != "/v1/nginx/manifests/"+put.Digest {
			t.Errorf("%+v %v", put, a.header)
		}
		if a := s.do("ci", "PUT", "/v1/nginx/archives/1.24.3", archive, 200); decode[packSeen](t, a).Digest != put.Digest {
			t.Error("the same again is another")
		}
		s.do("ci", "PUT", "/v1/nginx/archives/1.24.1", packOf(t, "nginx", "1.24.1"), 201)
		if got := s.do("spectro", "GET", "/v1/_catalog", nil, 200).body; got != `{"repositories":["nginx"]}` {
			t.Error(got)
		}
		list := decode[struct {
			Tags  []string
			Packs []packSeen
		}](t, s.do("spectro", "GET", "/v1/nginx/tags/list", nil, 200))
		if !slices.Equal(list.Tags, []string{"1.24.1", "1.24.3"}) || len(list.Packs[0].ParentTags) != 0 || !slices.Equal(list.Packs[1].ParentTags, []string{"1.x", "1.24.x"}) {
			t.Errorf("%+v", list)
		}
		a = s.do("spectro", "GET", "/v1/nginx/tags/list?n=1", nil, 200)
		if a.header.Get("Link") != `</v1/nginx/tags/list?last=1.24.1&n=1>; rel="next"` {
			t.Error(a.header)
		}
		for _, ref := range []string{"1.24.3", "1.24.x", "1.x", put.Digest} {
			seen := decode[packSeen](t, s.do("spectro", "GET", "/v1/nginx/manifests/"+ref, nil, 200))
			if seen.Digest != put.Digest || len(seen.Files) != 5 || !strings.Contains(string(seen.Archive), `"title":"nginx-1.24.3.tar.gz"`) || seen.Pack["name"] != "nginx" || seen.Logo != digestOf(pngLogo) || seen.Problem != "" {
				t.Errorf("%s: %+v", ref, seen)
			}
			if got := s.do("spectro", "GET", "/v1/nginx/archives/"+ref, nil, 200); got.body != string(archive) {
				t.Errorf("%s: %d bytes came", ref, len(got.body))
			}
		}
		// What /v1 stores is what /v2 serves.
		m := s.do("spectro", "GET", "/v2/spectro-packs/archive/nginx/manifests/1.24.3", nil, 200)
		if digestOf(m.body) != put.Digest || !strings.Contains(m.body, `"application/vnd.unknown.config.v1+json"`) || !strings.Contains(m.body, `"org.opencontainers.image.title":"nginx-1.24.3.tar.gz"`) {
			t.Error(m.body)
		}
		for name, content := range packFiles("nginx", "1.24.3") {
			got := s.do("spectro", "GET", "/v1/nginx/blobs/"+digestOf(content), nil, 200)
			if got.body != content || got.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%s: %q %v", name, got.body, got.header)
			}
		}
		s.do("spectro", "GET", "/v1/nginx/blobs/"+digestOf("other"), nil, 404)
		s.do("spectro", "GET", "/v1/nginx/manifests/2.x", nil, 404)
		s.do("spectro", "GET", "/v1/apache/tags/list", nil, 404)
		s.do("spectro", "GET", "/v1/nginx/tags/list?base=team", nil, 404)
		s.do("ci", "PUT", "/v1/nginx/archives/1.24.3?base=team", archive, 201)
		s.do("spectro", "GET", "/v2/team/spectro-packs/archive/nginx/manifests/1.24.3", nil, 200)
	}
}

func TestPackRefusedOnPut(t *testing.T) {
	s := newPackSite(t)
	set := func(name, content string) func(map[string]string) {
		return func(files map[string]string) { files[name] = content }
	}
	for name, tc := range map[string]struct {
		path    string
		archive []byte
		codes   []string
	}{
		"another name":    {"/v1/apache/archives/1.0.0", packOf(t, "nginx", "1.0.0"), []string{"pack-name"}},
		"another version": {"/v1/nginx/archives/1.0.1", packOf(t, "nginx", "1.0.0"), []string{"pack-version"}},
		"no values":       {"/v1/nginx/archives/1.0.0", packOf(t, "nginx", "1.0.0", func(f map[string]string) { delete(f, "values.yaml") }), []string{"pack-values-missing"}},
		"missing file":    {"/v1/nginx/archives/1.0.0", packOf(t, "nginx", "1.0.0", func(f map[string]string) { delete(f, "manifests/a.yaml") }), []string{"pack-file-missing"}},
		"comma":           {"/v1/nginx/archives/1.0.0", packOf(t, "nginx", "1.0.0", set("pack.json", `{"name": "nginx",}`)), []string{"pack-json-comma"}},
		"no archive":      {"/v1/nginx/archives/1.0.0", []byte("hello"), []string{"archive-format"}},
		"empty":           {"/v1/nginx/archives/1.0.0", []byte{}, []string{"archive-format"}},
		"slip":            {"/v1/nginx/archives/1.0.0", archiveOf(t, "..", packFiles("nginx", "1.0.0")), []string{"archive-slip"}},
		"cut":             {"/v1/nginx/archives/1.0.0", packOf(t, "nginx", "1.0.0")[:100], []string{"archive-format"}},
		"trailing data":   {"/v1/nginx/archives/1.0.0", append(packOf(t, "nginx", "1.0.0"), packOf(t, "nginx", "1.0.1")...), []string{"archive-trailing-data"}},
	} {
		a := s.do("admin", "PUT", tc.path, tc.archive, 422)
		for _, code := range tc.codes {
			if !strings.Contains(a.body, `"code":"`+code+`"`) || !strings.Contains(a.body, `"PACK_INVALID"`) {
				t.Errorf("%s: no %s in %s", name, code, a.body)
			}
		}
	}
	if got := s.do("admin", "GET", "/v1/_catalog", nil, 200).body; got != `{"repositories":[]}` {
		t.Errorf("something was kept: %s", got)
	}
}

func TestPackOverwriting(t *testing.T) {
	first, second := packOf(t, "a", "1.0"), packOf(t, "a", "1.0", func(f map[string]string) { f["values.yaml"] += "# more\n" })
	const path = "/v1/a/archives/1.0"
	for rule, want := range map[string]struct{ writer, admin, forced int }{
		"deny": {403, 403, 403}, "force": {403, 409, 201}, "allow": {403, 201, 200},
	} {
		s := newPackSite(t, with(func(c *config.Config) { c.Packs.Overwrite = rule }))
		old := decode[packSeen](t, s.do("ci", "PUT", path, first, 201))
		s.do("spectro", "PUT", path, second, 403)
		s.do("ci", "PUT", path, second, want.writer)
		s.do("ci", "PUT", path+"?force=true&message=m", second, want.writer)
		s.do("admin", "PUT", path+"?force=true", second, 400)
		s.do("admin", "PUT", path, second, want.admin)
		s.do("admin", "PUT", path+"?force=true&message=better+values", second, want.forced)
		s.do("spectro", "GET", "/v1/a/manifests/"+old.Digest, nil, 200)
		seen := decode[packSeen](t, s.do("spectro", "GET", "/v1/a/manifests/1.0", nil, 200))
		if replaced := rule != "deny"; (seen.Digest != old.Digest) != replaced || rule == "force" && seen.Message != "better values" {
			t.Errorf("%s: %+v", rule, seen)
		}
	}
}

// TestIdenticalContentIsAccepted pushes the same archive again: through /v1, as an OCI client with
// another manifest, and after everything was deleted.
func TestIdenticalContentIsAccepted(t *testing.T) {
	const path, repository = "/v1/a/archives/1.0", "spectro-packs/archive/a"
	archive := packOf(t, "a", "1.0")
	other := packOf(t, "a", "1.0", func(f map[string]string) { f["values.yaml"] += "# more\n" })
	for _, rule := range []string{"deny", "force", "allow"} {
		s := newPackSite(t, onDisk, with(func(c *config.Config) { c.Packs.Overwrite = rule }))
		first := decode[packSeen](t, s.do("ci", "PUT", path, archive, 201))
		seen := decode[struct{ Created time.Time }](t, s.do("ci", "GET", "/v1/a/manifests/1.0", nil, 200))
		if age := time.Since(seen.Created); age < -time.Hour || age > time.Hour {
			t.Errorf("created is %s, and not the time of the push", seen.Created)
		}
		s.do("admin", "DELETE", "/v2/"+repository+"/manifests/"+first.Digest, nil, 202)
		s.do("ci", "GET", "/v1/a/manifests/"+first.Digest, nil, 404)
		if again := decode[packSeen](t, s.do("ci", "PUT", path, archive, 201)); again.Digest != first.Digest {
			t.Errorf("after a deletion, the same content has the digest %s, want %s", again.Digest, first.Digest)
		}
		s.pushOCI(repository, "1.0", "a-1.0.tar.gz", archive)
		// With another title, Palette would no longer recognize the pack.
		s.do("ci", "PUT", "/v2/"+repository+"/manifests/1.0", ociManifest("b-1.0.tar.gz", archive), 403)
		s.do("ci", "POST", "/v2/"+repository+"/blobs/uploads/?digest="+digestOf(string(other)), other, 201)
		s.do("ci", "PUT", "/v2/"+repository+"/manifests/1.0", ociManifest("a-1.0.tar.gz", other), 403)
	}
}

func TestPackTags(t *testing.T) {
	s := newPackSite(t)
	s.do("ci", "PUT", "/v1/a/archives/22.04?group=LTS", packOf(t, "a", "22.04"), 201)
	second := decode[packSeen](t, s.do("ci", "PUT", "/v1/a/archives/24.04?group=LTS", packOf(t, "a", "24.04"), 201))
	s.do("ci", "PUT", "/v1/a/tags/stable", []byte(`{"target": "LTS__22.4.x"}`), 201)
	moved := decode[packSeen](t, s.do("ci", "PUT", "/v1/a/tags/stable", []byte(`{"target": "`+second.Digest+`"}`), 201))
	if moved.Digest != second.Digest || moved.Replaced == "" {
		t.Errorf("%+v", moved)
	}
	for _, tc := range []struct {
		user, method, path, body string
		status                   int
		code                     string
	}{
		{"ci", "PUT", "/v1/a/tags/LTS__22.04", `{"target": "stable"}`, 409, "VERSION_EXISTS"},
		{"ci", "PUT", "/v1/a/tags/22.x", `{"target": "stable"}`, 409, "PARENT_TAG"},
		{"ci", "PUT", "/v1/a/tags/x", `{"target": "none"}`, 404, "MANIFEST_UNKNOWN"},
		{"ci", "PUT", "/v1/a/tags/x", `{"target": "../x"}`, 400, "MANIFEST_INVALID"},
		{"ci", "PUT", "/v1/a/tags/x", `{`, 400, "MANIFEST_INVALID"},
		{"ci", "PUT", "/v1/a/tags/x", `{"Target": "stable"}`, 400, "MANIFEST_INVALID"},
		{"ci", "PUT", "/v1/a/tags/x", `{"target": "stable", "TARGET": "none"}`, 400, "MANIFEST_INVALID"},
		{"ci", "PUT", "/v1/a/tags/x", `{"target": "none", "target": "stable"}`, 400, "MANIFEST_INVALID"},
		{"ci", "PUT", "/v1/a/tags/x", `{"target": "stable"} {}`, 400, "MANIFEST_INVALID"},
		{"ci", "PUT", "/v1/a/tags/x", `{"target": "` + strings.Repeat("x", 5000) + `"}`, 413, "SIZE_INVALID"},
		{"spectro", "PUT", "/v1/a/tags/x", `{"target": "stable"}`, 403, "DENIED"},
		{"ci", "DELETE", "/v1/a/tags/stable", "", 403, "DENIED"},
		{"admin", "DELETE", "/v1/a/tags/LTS__22.x", "", 409, "PARENT_TAG"},
		{"admin", "DELETE", "/v1/a/tags/LTS__23.x", "", 404, "MANIFEST_UNKNOWN"},
	} {
		if a := s.do(tc.user, tc.method, tc.path, []byte(tc.body), tc.status); !strings.Contains(a.body, tc.code) {
			t.Errorf("%s %s: %s", tc.method, tc.path, a.body)
		}
	}
	s.do("admin", "DELETE", "/v1/a/tags/LTS__24.04", nil, 204)
	s.do("spectro", "GET", "/v1/a/manifests/LTS__24.x", nil, 404)
	s.do("spectro", "GET", "/v1/a/manifests/LTS__22.x", nil, 200)
}

// TestOnlyTheLogoIsOpen: of everything below /v1 nobody gets anything without credentials but the logo of a pack that is there.
func TestOnlyTheLogoIsOpen(t *testing.T) {
	s := newPackSite(t, onDisk, with(func(c *config.Config) { c.Auth.Htpasswd.Lockout.Attempts = 100 }))
	svg := `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	s.do("ci", "PUT", "/v1/a/archives/1.0", packOf(t, "a", "1.0", func(f map[string]string) { f["other.png"] = pngLogo + "2" }), 201)
	s.do("ci", "PUT", "/v1/b/archives/1.0", packOf(t, "b", "1.0", func(f map[string]string) { f["logo.png"] = svg }), 201)
	logo := "/v1/a/blobs/" + digestOf(pngLogo)
	for range 2 {
		a := s.do("", "GET", logo+"?type=image/png", nil, 200)
		if a.body != pngLogo || a.header.Get("Content-Type") != "image/png" || a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q %v", a.body, a.header)
		}
		// What was derived is deleted: it is made again.
		if err := os.RemoveAll(filepath.Join(s.path("data"), "packhouse/v1/packview")); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]int{
		logo: 401, logo + "?type=text/html": 400, logo + "?type=image/svg%2bxml": 400, "/v1/a/blobs/" + digestOf(pngLogo+"2") + "?type=image/png": 401,
		"/v1/b/blobs/" + digestOf(svg) + "?type=image/png": 401, "/v1/b/blobs/" + digestOf(pngLogo) + "?type=image/png": 401,
		logo + "?type=image/png&base=team": 401, "/v1/a/blobs/" + digestOf("x") + "?type=image/png": 401, "/packs": 401, "/packs/a": 401, "/assets/style.css": 401,
		"/v1/a/archives/1.0": 401, "/v1/a/manifests/1.0": 401, "/v1/_catalog": 401, "/v1/a/tags/list": 401,
	} {
		s.do("", "GET", path, nil, want)
	}
	s.do("admin", "DELETE", "/v2/spectro-packs/archive/a/manifests/"+decode[packSeen](t, s.do("admin", "GET", "/v1/a/manifests/1.0", nil, 200)).Digest, nil, 202)
	archive := packOf(t, "a", "1.0", func(f map[string]string) { f["other.png"] = pngLogo + "2" })
	s.do("admin", "DELETE", "/v2/spectro-packs/archive/a/blobs/"+digestOf(string(archive)), nil, 202)
	s.do("", "GET", logo+"?type=image/png", nil, 401)
}

// pushOCI pushes one layer as any OCI client would.
func (s *packSite) pushOCI(repository, tag, title string, layer []byte) {
	s.Helper()
	for _, blob := range [][]byte{layer, []byte("{}")} {
		s.do("ci", "POST", "/v2/"+repository+"/blobs/uploads/?digest="+digestOf(string(blob)), blob, 201)
	}
	s.do("ci", "PUT", "/v2/"+repository+"/manifests/"+tag, ociManifest(title, layer), 201)
}

// ociManifest returns a manifest with one layer.
func ociManifest(title string, layer []byte) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.unknown.config.v1+json","digest":%q,"size":2},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d,"annotations":{"org.opencontainers.image.title":%q}}]}`,
		digestOf("{}"), digestOf(string(layer)), len(layer), title)
}

// TestOCIClientsGiveNoParentTags pushes parent tags by /v2: packs refuse them as /v1 does, other repositories take them.
func TestOCIClientsGiveNoParentTags(t *testing.T) {
	s := newPackSite(t)
	s.do("ci", "PUT", "/v1/a/archives/1.2.0", packOf(t, "a", "1.2.0"), 201)
	content := s.do("ci", "GET", "/v2/spectro-packs/archive/a/manifests/1.2.0", nil, 200).body
	manifests := "/v2/spectro-packs/archive/a/manifests/"
	for _, path := range []string{"1.x", "1.2.x", "7.x", "LTS__1.x", digestOf(content) + "?tag=stable&tag=1.x"} {
		if a := s.do("ci", "PUT", manifests+path, []byte(content), 409); !strings.Contains(a.body, "PARENT_TAG") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	s.do("ci", "PUT", manifests+"1.2.3.x", []byte(content), 201)
	s.do("ci", "PUT", "/v2/team/app/manifests/1.x",
		[]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), 201)
}

// TestWhatIsNoPackIsMarked: an OCI push is taken as it is, and /v1 and the pages say why it is no pack.
func TestWhatIsNoPackIsMarked(t *testing.T) {
	s := newPackSite(t)
	s.pushOCI("spectro-packs/archive/good", "1.0", "good-1.0.tar.gz", packOf(t, "good", "1.0"))
	for name, tc := range map[string]struct {
		title string
		layer []byte
		why   string
	}{
		"text":    {"text-1.0.tar.gz", []byte("hello"), "archive"},
		"titled":  {"x.txt", packOf(t, "titled", "1.0"), "titled"},
		"other":   {"other-1.0.tar.gz", packOf(t, "another", "1.0"), "another"},
		"version": {"version-2.0.tar.gz", packOf(t, "version", "1.0"), "version-1.0.tar.gz"},
		"slip":    {"slip-1.0.tar.gz", archiveOf(t, "../up", packFiles("slip", "1.0")), "leads out"},
	} {
		s.pushOCI("spectro-packs/archive/"+name, "1.0", tc.title, tc.layer)
		seen := decode[packSeen](t, s.do("spectro", "GET", "/v1/"+name+"/manifests/1.0", nil, 200))
		if !strings.HasPrefix(seen.Problem, "not a pack: ") || !strings.Contains(seen.Problem, tc.why) {
			t.Errorf("%s: %q", name, seen.Problem)
		}
		if page := s.do("spectro", "GET", "/packs/"+name, nil, 200).body; !strings.Contains(page, "Palette will not install this.") {
			t.Errorf("%s: its page does not say so", name)
		}
	}
	if seen := decode[packSeen](t, s.do("spectro", "GET", "/v1/good/manifests/1.0", nil, 200)); seen.Problem != "" || len(seen.Files) != 5 {
		t.Errorf("%+v", seen)
	}
}

// TestWebhooksHearOfPacks: whatever door a pack comes in by, webhooks hear the same of it.
func TestWebhooksHearOfPacks(t *testing.T) {
	h := newHook(t)
	s := newPackSite(t, h.configured)
	s.do("ci", "PUT", "/v1/a/archives/1.0", packOf(t, "a", "1.0"), 201)
	s.do("ci", "PUT", "/v1/a/tags/stable", []byte(`{"target": "1.0"}`), 201)
	s.do("spectro", "GET", "/v1/a/archives/1.x", nil, 200)
	s.do("admin", "DELETE", "/v1/a/tags/stable", nil, 204)
	const manifest, repository = "push application/vnd.oci.image.manifest.v1+json ", "spectro-packs/archive/a"
	want := []string{
		manifest + repository + ":1.0 by ci", manifest + repository + ":stable by ci", "pull application/octet-stream " + repository + ": by spectro",
		"delete  " + repository + ":stable by admin",
	}
	s.eventually("four events", func() bool { return len(h.told()) >= len(want) })
	if got := h.told(); !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
}

// TestLogosOfRestrictedPacksAreNotPublic verifies that a logo has no public URL if rules keep some
// users from its pack: it gets the answer for a missing one.
func TestLogosOfRestrictedPacksAreNotPublic(t *testing.T) {
	const base = "spectro-packs/archive/"
	s := newPackSite(t, with(func(c *config.Config) {
		c.Auth.Htpasswd.Rules = []config.Rule{
			{Repositories: base + "open", Users: []string{"*"}, Role: "reader"},
			{Repositories: base + "one", Users: []string{"spectro"}, Role: "reader"},
		}
	}))
	for _, pack := range []string{"open", "one", "none"} {
		s.do("ci", "PUT", "/v1/"+pack+"/archives/1.0", packOf(t, pack, "1.0"), 201)
	}
	for pack, want := range map[string]map[string]int{
		"open":    {"": 200, "spectro": 200, "ci": 200},
		"one":     {"": 401, "spectro": 200, "ci": 200},
		"none":    {"": 401, "spectro": 403, "ci": 200},
		"missing": {"": 401, "spectro": 403, "ci": 404},
	} {
		for user, status := range want {
			s.do(user, "GET", "/v1/"+pack+"/blobs/"+digestOf(pngLogo)+"?type=image/png", nil, status)
		}
	}
}

// TestMissingAndPrivateLogosAreAnsweredAlike: without credentials, a pack that does not exist, one that is private and one whose logo ended with
// its last tag have the same answer.
func TestMissingAndPrivateLogosAreAnsweredAlike(t *testing.T) {
	s := newPackSite(t, onDisk, with(func(c *config.Config) { c.Auth.Htpasswd.Lockout.Attempts = 100 }))
	s.do("ci", "PUT", "/v1/bbbb/archives/1.0", packOf(t, "bbbb", "1.0"), 201)
	s.do("ci", "PUT", "/v1/cccc/archives/1.0", packOf(t, "cccc", "1.0"), 201)
	s.do("", "GET", "/v1/cccc/blobs/"+digestOf(pngLogo)+"?type=image/png", nil, 200)
	s.do("admin", "DELETE", "/v1/cccc/tags/1.0", nil, 204)
	plain := func(pack, file string) string {
		a := s.do("", "GET", "/v1/"+pack+"/blobs/"+digestOf(file)+"?type=image/png", nil, 401)
		a.header.Del("Date")
		names := strings.NewReplacer(pack, "PACK", digestOf(file), "DIGEST")
		return names.Replace(fmt.Sprint(a.header, a.body))
	}
	missing := plain("aaaa", pngLogo)
	for pack, file := range map[string]string{"bbbb": "no logo", "cccc": pngLogo, "aaaa": "no logo"} {
		if got := plain(pack, file); got != missing {
			t.Errorf("%s:\n%s\nwant\n%s", pack, got, missing)
		}
	}
}
