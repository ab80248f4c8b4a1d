package pages_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// pushManifest stores a manifest in JSON, below a tag or without one, and returns its descriptor.
func (s *site) pushManifest(repository, tag, content string) string {
	s.t.Helper()
	repo, err := reference.ParseRepository(repository)
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := manifest.Parse([]byte(content))
	if err != nil {
		s.t.Fatal(err)
	}
	put := storage.Put{
		Repository: repo, Digest: digest.FromString(content), Content: []byte(content), Manifest: m, Sparse: true,
	}
	if tag != "" {
		parsed, err := reference.ParseTag(tag)
		if err != nil {
			s.t.Fatal(err)
		}
		put.Tags = []reference.Tag{parsed}
	}
	if err := s.store.PutManifest(s.t.Context(), put); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf(`{"mediaType": %q, "digest": %q, "size": %d}`, m.MediaType, put.Digest, len(content))
}

// manifestOf returns a manifest with one layer of 4,096 bytes.
func manifestOf(config, more string) string {
	blob := func(mediaType string, size int) string {
		return fmt.Sprintf(`{"mediaType": %q, "digest": %q, "size": %d}`, mediaType, digest.FromString(mediaType), size)
	}
	return fmt.Sprintf(`{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		%s "config": %s, "layers": [%s]}`, more, blob(config, 1024), blob("application/octet-stream", 4096))
}

// TestRepositoryPages: each kind of artifact has its size and the line that pulls it.
func TestRepositoryPages(t *testing.T) {
	s := newSite(t, "")
	s.pushManifest("charts/web", "1.0.0_b1", manifestOf("application/vnd.cncf.helm.config.v1+json", ""))
	image := manifestOf("application/vnd.oci.image.config.v1+json", "")
	s.pushManifest("images/one", "1.0", image)
	child := s.pushManifest("images/many", "", image)
	s.pushManifest("images/many", "1.0",
		`{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [`+child+`]}`)
	s.pushManifest("other/thing", "1", manifestOf("application/x", ""))
	s.push("web", "1.0")
	for repository, want := range map[string]string{
		"charts/web":  "helm pull oci://packs.example.com/charts/web --version 1.0.0&#43;b1",
		"images/one":  "docker pull packs.example.com/images/one:1.0",
		"images/many": "docker pull packs.example.com/images/many:1.0",
		"other/thing": "oras pull packs.example.com/other/thing:1",
	} {
		body := s.get("/repositories/" + repository).Body.String()
		if !strings.Contains(body, "<code>"+want+"</code>") || !strings.Contains(body, `<td class="right">5.0 KiB</td>`) {
			t.Errorf("%s is without %q or its size:\n%s", repository, want, body)
		}
	}
	body := s.get("/repositories/spectro-packs/archive/web").Body.String()
	if !strings.Contains(body, `href="/packs/web"`) {
		t.Errorf("the repository of a pack does not link to it:\n%s", body)
	}
}

// TestAttachedArtifacts: a version lists what was attached to it, with its type.
func TestAttachedArtifacts(t *testing.T) {
	s := newSite(t, "")
	s.push("web", "1.0")
	r := s.get("/packs/web").Body.String()
	subject := regexp.MustCompile(`<dt>Digest</dt><dd><code class="digest">(sha256:[0-9a-f]+)`).FindStringSubmatch(r)[1]
	if strings.Contains(r, "attachments") {
		t.Error("attachments are listed where there are none")
	}
	repo, err := reference.ParseRepository("spectro-packs/archive/web")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := s.store.GetManifest(t.Context(), repo, digest.Digest(subject), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, artifactType := range []string{"application/spdx+json", "application/<b>"} {
		more := fmt.Sprintf(`"artifactType": %q, "subject": {"mediaType": %q, "digest": %q, "size": %d},`,
			artifactType, stored.MediaType, subject, len(stored.Content))
		s.pushManifest("spectro-packs/archive/web", "", manifestOf("application/x", more))
	}
	body := s.get("/packs/web").Body.String()
	for _, want := range []string{"Signatures and attachments", "SBOM (SPDX)", "application/&lt;b&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page is without %q:\n%s", want, body)
		}
	}
}

// TestCatalogSearch finds packs by what is in their pack.json, and by their images.
func TestCatalogSearch(t *testing.T) {
	s := newSite(t, "")
	describe := func(name, more string) string {
		text, err := json.Marshal(map[string]string{"name": name, "displayName": name, "version": "1.0", "layer": "addon"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(string(text), "}") + more + "}"
	}
	s.push("apache", "1.0", "pack.json",
		describe("apache", `, "cloudTypes": ["aws", "azure"], "annotations": {"system_state": "deprecated"}`))
	s.push("caddy", "1.0", "pack.json", describe("caddy", `, "cloudTypes": ["all"], "eol": "2026-07-31"`))
	s.push("nginx", "1.0", "pack.json",
		describe("nginx", `, "annotations": {"system_state": "deleted", "description": "A quick server"}`),
		"values.yaml", "pack:\n  content:\n    images:\n      - image: registry.example.com/nginx/nginx:1.27\n")
	for query, want := range map[string]string{
		"cloud=aws": "apache caddy", "cloud=gcp": "caddy", "q=cloud:azure": "apache caddy", "q=layer:addon+quick": "nginx",
		"q=image:nginx:1.27": "nginx", "q=example.com/nginx": "nginx", "q=image:apache": "", "q=state:end": "caddy",
		"q=state:deprecated": "apache", "q=hidden": "nginx", "q=layer:cni": "",
	} {
		body := s.get("/packs?" + query).Body.String()
		var found []string
		for _, m := range regexp.MustCompile(`<span class="name">([^<]*)`).FindAllStringSubmatch(body, -1) {
			found = append(found, m[1])
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%s finds %q, want %q", query, got, want)
		}
	}
	for _, version := range []string{"0.9", "0.8"} {
		s.push("nginx", version,
			"values.yaml", "pack:\n  content:\n    images:\n      - image: registry.example.com/old:1\n")
	}
	if body := s.get("/packs?q=image:old").Body.String(); !strings.Contains(body, "Nothing found") {
		t.Errorf("a search in the highest versions finds older ones:\n%s", body)
	}
	body := s.get("/packs?q=image:old&versions=all").Body.String()
	for _, want := range []string{
		`href="/packs/nginx/0.9"`, "2 of 3 tags", "1 pack for", `value="all" checked`, `&amp;versions=all"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("a search in older versions is without %s:\n%s", want, body)
		}
	}
	s.pages.LimitSearch(4) // apache, caddy and nginx have five versions
	body = s.get("/packs?q=zzz&versions=all").Body.String()
	if !strings.Contains(body, "A search covers 4 versions of each") {
		t.Errorf("a search that is cut does not say so:\n%s", body)
	}
	for name, state := range map[string]string{"apache": "deprecated", "caddy": "end of life", "nginx": "hidden"} {
		if body := s.get("/packs/" + name).Body.String(); !strings.Contains(body, `<span class="badge state">`+state) {
			t.Errorf("the page of %s is without its state", name)
		}
	}
	body = s.get("/packs/nginx/1.0/images").Body.String()
	if !strings.Contains(body, "/packs?q=image%3Aregistry.example.com%2Fnginx%2Fnginx%3A1.27") {
		t.Errorf("images do not link to the packs that use them:\n%s", body)
	}
}

// TestBasesAreLinked: pages link to the base paths that the user may read.
func TestBasesAreLinked(t *testing.T) {
	s := newSite(t, "")
	s.push("web", "1.0")
	s.pushManifest("team/a/spectro-packs/archive/web", "1.0", manifestOf("application/x", ""))
	if body := s.get("/packs").Body.String(); !strings.Contains(body, `href="/packs?base=team%2Fa"`) {
		t.Errorf("team/a is not linked:\n%s", body)
	}
	if body := s.get("/packs?base=team/a").Body.String(); !strings.Contains(body, `<a href="/packs">without a path</a>`) {
		t.Errorf("the default is not linked:\n%s", body)
	}
	s.hide = "team/a/spectro-packs/archive/web"
	if body := s.get("/packs").Body.String(); strings.Contains(body, "team") {
		t.Error("a base path is shown that the user may not read")
	}
}

// TestFilesAreShown: texts and images are shown, others are not, and missing ones are not found.
func TestFilesAreShown(t *testing.T) {
	s := newSite(t, "")
	s.push("web", "1.0", "a/<b>.txt", "some <i>text</i>", "a.png", drawnLogo(2), "c.bin", "a\x00b", "empty.txt", "",
		"long.txt", strings.Repeat("x", 300<<10))
	for path, want := range map[string]string{
		"a/%3Cb%3E.txt": "some &lt;i&gt;text&lt;/i&gt;", "a.png": `<img class="shown" src="/v1/web/blobs/`,
		"c.bin":     "not text",
		"empty.txt": "is empty", "long.txt": "This is the start of the file", "./values.yaml": "a: &#34;&lt;b&gt;&#34;",
		"none.txt": "the pack has no file", "": "the pack has no file", "../x": "the pack has no file",
	} {
		body := s.get("/packs/web/1.0/file?path=" + path).Body.String()
		if !strings.Contains(body, want) || strings.Contains(body, "<i>") {
			t.Errorf("%q is without %q:\n%.2000s", path, want, body)
		}
	}
	body := s.get("/packs/web/1.0/files").Body.String()
	if !strings.Contains(body, "/packs/web/1.0/file?path=a%2F%3Cb%3E.txt") {
		t.Errorf("files are not linked:\n%s", body)
	}
}

func TestChangesAreShown(t *testing.T) {
	s := newSite(t, "")
	s.push("web", "1.0", "values.yaml", "a: 1\nb: <x>\n")
	s.push("web", "1.1", "values.yaml", "a: 2\nb: <x>\n")
	s.push("web", "1.2", "values.yaml", "a: 3\n")
	for path, want := range map[string]string{
		"1.2/changes":            "&lt;x&gt;",
		"1.2/changes?from=1.0":   "<td><code>a</code></td><td><code>1</code></td><td><code>3</code></td>",
		"1.0/changes?from=1.x":   "<td><code>a</code></td><td><code>3</code></td><td><code>1</code></td>",
		"1.0/changes":            "There is no lower version",
		"1.1/changes?from=1.1":   "is the same",
		"1.1/changes?from=none":  "Not here",
		"1.1/changes?base=other": "Not here",
	} {
		if body := s.get("/packs/web/" + path).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s is without %q:\n%s", path, want, body)
		}
	}
}
