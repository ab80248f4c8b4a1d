package packs

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/auth"

	"packhouse/finding"
)

var update = flag.Bool("update", false, "write the golden files")

// webChart returns the packaged chart web with one image.
func webChart(t testing.TB, version string) []byte {
	t.Helper()
	tag, _, _ := strings.Cut(version, "+")
	return archiveOf(t,
		entry{name: "./Chart.yaml", text: "apiVersion: v2\nname: web\nversion: " + version + "\n"},
		entry{name: "./values.yaml", text: "image: registry.example.com/web:" + tag + "\n"})
}

// pushChart stores a chart as "helm push" does.
func (d *double) pushChart(repository, tag string, content []byte) digest.Digest {
	layer := describe(chartMediaType, content)
	config := describe("application/vnd.cncf.helm.config.v1+json", []byte("{}"))
	text, _ := json.Marshal(ocispec.Manifest{Config: config, Layers: []ocispec.Descriptor{layer}})
	sum := digest.FromBytes(text)
	if d.manifests[repository] == nil {
		d.manifests[repository], d.tags[repository] = map[string][]byte{}, map[string]string{}
	}
	d.blobs[layer.Digest.String()] = content
	d.manifests[repository][sum.String()], d.tags[repository][tag] = text, sum.String()
	return sum
}

func TestPullChart(t *testing.T) {
	d := newDouble(t)
	server := strings.TrimPrefix(d.URL, "https://")
	var sum digest.Digest
	for _, version := range []string{"1.9.0", "1.10.0", "2.0.0-rc.1", "1.10.0+b1"} {
		sum = d.pushChart("charts/web", strings.ReplaceAll(version, "+", "_"), webChart(t, version))
	}
	for text, want := range map[string]string{
		"charts/web": "web-1.10.0_b1.tgz", "charts/web:1.9.0": "web-1.9.0.tgz",
		"charts/web:1.10.0+b1": "web-1.10.0_b1.tgz", "charts/web@" + sum.String(): "web-" + sum.Encoded()[:12] + ".tgz",
	} {
		ref, err := ParseChartRef("oci://"+server+"/"+text, "")
		if err != nil {
			t.Fatal(err)
		}
		chart, err := d.client(nil).FetchChart(t.Context(), ref)
		if err != nil || chart.File != want || chart.Repo != "oci://"+server+"/charts" {
			t.Errorf("%s is %s of %s, %v; want %s", text, chart.File, chart.Repo, err, want)
		}
	}
	for text, want := range map[string]string{"charts/web:3.0.0": CodePackUnknown, "charts/none": CodePackUnknown} {
		ref, _ := ParseChartRef("oci://"+server+"/"+text, "")
		if _, err := d.client(nil).FetchChart(t.Context(), ref); failureOf(t, err).Code != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	for sum := range d.blobs {
		d.blobs[sum] = append([]byte{1}, d.blobs[sum][1:]...)
	}
	ref, _ := ParseChartRef("oci://"+server+"/charts/web", "")
	if _, err := d.client(nil).FetchChart(t.Context(), ref); failureOf(t, err).Code != CodeOtherContent {
		t.Errorf("other bytes: %v", err)
	}
	mustPush(t, d.client(nil), PushOptions{Dir: "testdata/hello-1.2.3"})
	ref, _ = ParseChartRef("oci://"+server+"/spectro-packs/archive/hello:1.2.3", "")
	if _, err := d.client(nil).FetchChart(t.Context(), ref); failureOf(t, err).Code != CodeArchiveFormat {
		t.Errorf("a pack as a chart: %v", err)
	}
}

// chartSite is a chart repository.
func chartSite(t *testing.T, files map[string]string) (*httptest.Server, *Client) {
	t.Helper()
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok && user+":"+password != "ci:secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		text, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(site.Close)
	host := strings.TrimPrefix(site.URL, "https://")
	c, err := NewClient(ClientOptions{
		Server: site.URL, Insecure: true,
		Credential: auth.StaticCredential(host, auth.Credential{Username: "ci", Password: "secret"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return site, c
}

func TestFindChart(t *testing.T) {
	web := string(webChart(t, "1.10.0"))
	sum := digest.FromString(web).Encoded()
	index := `apiVersion: v1
entries:
  other:
  - name: other
    version: 9.9.9
    urls: [other.tgz]
  web:
  - apiVersion: v2
    description: |-
      # a heading
      - an item
    name: web
    version: 1.10.0
    digest: ` + sum + `
    urls:
    - charts/web-1.10.0.tgz
  - name: web
    version: 2.0.0-rc.1
    urls: [charts/web-2.0.0-rc.1.tgz]
  - name: web
    version: v1.9.0
    digest: ` + strings.Repeat("0", 64) + `
    urls: [charts/web-1.10.0.tgz]
  - name: web
    version: 1.8.0
    urls: ["oci://registry.example.com/charts/web:1.8.0"]
  - name: web
    version: 1.7.0
    urls: ["http://elsewhere.example.com/web.tgz"]
  - name: web
    version: 1.6.0
    digest: x
    urls: [web.tgz]
  - name: web
    version: 1.5.0
  wide:
    - {name: wide, version: 1.0.0, urls: [wide.tgz]}
generated: "2026-01-01T00:00:00Z"
`
	parsed := map[string]any{"apiVersion": "v1", "entries": map[string]any{
		"other": []any{}, "web": []any{map[string]any{
			"version": "1.10.0", "urls": []string{"charts/web-1.10.0.tgz"}, "digest": "sha256:" + sum,
		}},
	}}
	inJSON, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	site, c := chartSite(t, map[string]string{
		"/stable/index.yaml": index, "/json/index.yaml": string(inJSON), "/bad/index.yaml": "<html>",
		"/empty/index.yaml": "", "/none/index.yaml": "apiVersion: v1\nentries: {}\n", "/stable/charts/web-1.10.0.tgz": web, "/json/charts/web-1.10.0.tgz": web,
	})
	fetch := func(repo, name string) (Chart, error) {
		ref, err := ParseChartRef(name, site.URL+repo)
		if err != nil {
			return Chart{}, err
		}
		found, err := c.FindChart(t.Context(), ref)
		if err != nil {
			return Chart{}, err
		}
		if found.OCI != "" {
			return Chart{File: "oci " + found.Server + " " + found.OCI + ":" + found.Tag, Repo: found.Listed}, nil
		}
		return c.FetchChart(t.Context(), found)
	}
	for _, tt := range []struct{ repo, name, want string }{
		{"/stable/", "web", "web-1.10.0.tgz"},
		{"/stable", "web:1.10.0", "web-1.10.0.tgz"},
		{"/json", "web", "web-1.10.0.tgz"},
		{"/stable", "web:1.8.0", "oci registry.example.com charts/web:1.8.0"},
	} {
		chart, err := fetch(tt.repo, tt.name)
		if err != nil || chart.File != tt.want || chart.Repo != strings.TrimSuffix(site.URL+tt.repo, "/") {
			t.Errorf("%s of %s is %s of %s, %v; want %s", tt.name, tt.repo, chart.File, chart.Repo, err, tt.want)
		}
	}
	for _, tt := range []struct{ repo, name, code, want string }{
		{"/stable", "web:1.9.0", CodeOtherContent, "is not what the index"},
		{"/stable", "web:1.7.0", CodeNotRegistry, "it is not encrypted"},
		{"/stable", "web:1.6.0", CodeNotRegistry, "its digest is no sha256"},
		{"/stable", "web:1.5.0", CodeNotRegistry, "it lists none"},
		{"/stable", "web:3.0.0", CodePackUnknown, "of version 3.0.0"},
		{"/stable", "wide", CodePackUnknown, "wide.tgz"},
		{"/stable", "none", CodePackUnknown, "there is no chart none"},
		{"/json", "none", CodePackUnknown, "there is no chart none"},
		{"/none", "web", CodePackUnknown, "there is no chart web"},
		{"/bad", "web", CodeNotRegistry, "cannot be read"},
		{"/empty", "web", CodeNotRegistry, "it is empty"},
		{"/elsewhere", "web", CodePackUnknown, "index.yaml"},
	} {
		_, err := fetch(tt.repo, tt.name)
		if f := failureOf(t, err); f.Code != tt.code || !strings.Contains(f.What, tt.want) {
			t.Errorf("%s of %s: %s %q, want %s %q", tt.name, tt.repo, f.Code, f.What, tt.code, tt.want)
		}
	}
}

func TestParseChartRef(t *testing.T) {
	for _, tt := range []struct{ text, repo, want string }{
		{"a.tgz", "", "path a.tgz"},
		{"https://x.example.com/a.tgz", "", "url https://x.example.com/a.tgz"},
		{"oci://docker.io/charts/a:1.0.0+b", "", "oci registry-1.docker.io charts/a 1.0.0_b"},
		{"a:1.0", "https://x.example.com/charts/", "repo https://x.example.com/charts a 1.0"},
		{"https://ci:secret@x.example.com/a.tgz", "", "leave it out, and log in"},
		{"ftp://x.example.com/a.tgz", "", "write https://"},
		{"oci://x.example.com", "", "write oci://"},
		{"oci://x.example.com/a@sha256:0", "", "write oci://"},
		{"oci://x.example.com/a:..", "", "write oci://"},
		{"a", "oci://x.example.com/charts", "leave out --repo: --chart oci://x.example.com/charts/a"},
		{"a b", "https://x.example.com", "write NAME"},
		{"./a.tgz", "https://x.example.com", "path ./a.tgz"},
	} {
		ref, err := ParseChartRef(tt.text, tt.repo)
		got := ""
		switch {
		case err != nil:
			got = failureOf(t, err).Remedy
		case ref.Path != "":
			got = "path " + ref.Path
		case ref.URL != "":
			got = "url " + ref.URL
		case ref.OCI != "":
			got = strings.TrimSpace("oci " + ref.Server + " " + ref.OCI + " " + ref.Tag)
		default:
			got = "repo " + ref.Repo + " " + ref.Name + " " + ref.Tag
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s in %q is %q, want %q", tt.text, tt.repo, got, tt.want)
		}
		if strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestBuildFromSeveral compares a pack of two charts and a manifest with the golden files.
func TestBuildFromSeveral(t *testing.T) {
	manifests := t.TempDir()
	write(t, filepath.Join(manifests, "agent.yaml"),
		"kind: Pod\nmetadata: {namespace: '{{ .Values.namespace }}'}\nspec:\n  containers:\n"+
			"    - image: registry.example.com/agent:{{ .Values.image.tag }}\n")
	write(t, filepath.Join(manifests, "plain.yml"), "kind: Namespace\n")
	o := BuildOptions{
		Name: "two", Dir: t.TempDir(), Manifests: manifests, AddonType: "monitoring", CloudTypes: []string{"aws", "azure"},
		Charts: []Chart{
			{File: "web-1.2.3+b.tgz", Content: webChart(t, "1.2.3+b"), Repo: "oci://registry.example.com/charts"},
			{File: "true-2.0.0.tgz", Content: archiveOf(t, entry{
				name: "true/Chart.yaml", text: "name: \"true\"\nversion: 2.0.0\ndescription: Says yes\n",
			})},
		},
	}
	folder, err := Build(t.Context(), o)
	if err != nil || filepath.Base(folder) != "two-1.2.3-b" {
		t.Fatal(folder, err)
	}
	for _, name := range []string{MetadataFile, ValuesFile, ReadmeFile} {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "build", name)
		if *update {
			_ = os.MkdirAll(filepath.Dir(golden), 0o750)
			if err := os.WriteFile(golden, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(golden); err != nil || string(got) != string(want) {
			t.Errorf("%s is\n%s\nwant\n%s\n%v", name, got, want, err)
		}
	}
	o.Charts = append(o.Charts, o.Charts[0])
	if _, err := Build(t.Context(), o); failureOf(t, err).Code != CodeArchiveFormat {
		t.Errorf("a chart twice: %v", err)
	}
}

// TestBuildWritesWhereItIsTold: DIR may be the pack's folder itself.
func TestBuildWritesWhereItIsTold(t *testing.T) {
	dir := t.TempDir()
	for _, where := range []string{dir, filepath.Join(dir, "deep", "web-1.0.0") + "/"} {
		o := BuildOptions{Name: "web", Dir: where, Charts: []Chart{{File: "web-1.0.0.tgz", Content: webChart(t, "1.0.0")}}}
		folder, err := Build(t.Context(), o)
		want := filepath.Join(dir, "web-1.0.0")
		if where != dir {
			want = filepath.Clean(where)
		}
		if err != nil || folder != want {
			t.Errorf("in %s: %s, %v; want %s", where, folder, err, want)
		}
		if _, err := os.Stat(filepath.Join(want, MetadataFile)); err != nil {
			t.Error(err)
		}
	}
}

// TestBuildAsksForImages: values.yaml lists what the caller finds in the written pack.
func TestBuildAsksForImages(t *testing.T) {
	o := BuildOptions{Name: "web", Dir: t.TempDir()}
	o.Charts = []Chart{{File: "web-1.0.0.tgz", Content: webChart(t, "1.0.0")}}
	o.Images = func(_ context.Context, dir string) ([]Image, error) {
		pack, err := OpenDir(dir)
		if err != nil || !pack.Has("charts/web-1.0.0.tgz") || len(declaredImages(pack.Document(ValuesFile))) > 0 {
			t.Errorf("the pack to look at has %v, %v", pack.Files, err)
		}
		return []Image{{Reference: "registry.example.com/deployed:2"}}, nil
	}
	folder, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	values, err := os.ReadFile(filepath.Join(folder, ValuesFile))
	declared := declaredImages(values)
	if err != nil || len(declared) != 1 || declared[0].Reference != "registry.example.com/deployed:2" {
		t.Errorf("it lists %v, %v", declared, err)
	}
}

func TestBuildValidates(t *testing.T) {
	for name, tc := range map[string]struct {
		o    BuildOptions
		code string
	}{
		"layer":      {BuildOptions{Name: "a", Layer: "addons"}, CodeLayer},
		"version":    {BuildOptions{Name: "a", Version: "1.x"}, CodeVersion},
		"cloud type": {BuildOptions{Name: "a", CloudTypes: []string{"amazon"}}, CodeCloudType},
		"add-on":     {BuildOptions{Name: "a", Layer: "cni", AddonType: "ingress"}, CodeLayer},
	} {
		if err := tc.o.Validate(); failureOf(t, err).Code != tc.code {
			t.Errorf("%s: %v", name, err)
		}
		tc.o.Dir, tc.o.Charts = t.TempDir(), []Chart{{File: "web-1.0.0.tgz", Content: webChart(t, "1.0.0")}}
		if _, err := Build(t.Context(), tc.o); failureOf(t, err).Code != tc.code {
			t.Errorf("%s: %v", name, err)
		}
		if entries, _ := os.ReadDir(tc.o.Dir); len(entries) != 0 {
			t.Errorf("%s: %d entries are left", name, len(entries))
		}
	}
	_, err := Build(t.Context(), BuildOptions{
		Name: "a", Dir: t.TempDir(), Namespace: "A_b", Charts: []Chart{{File: "web.tgz", Content: webChart(t, "1.0.0")}},
	})
	refused, ok := err.(*Refused) //nolint:errorlint // returned bare
	if !ok || !slices.ContainsFunc(refused.Problems, func(p finding.Finding) bool { return p.Code == CodeNamespace }) {
		t.Errorf("namespace: %v", err)
	}
}

// FuzzReadIndex checks that an index is read within limits, or refused.
func FuzzReadIndex(f *testing.F) {
	f.Add("entries:\n  web:\n  - version: 1.0.0\n    urls: [a]\n", "web")
	f.Add(`{"entries":{"web":[{"version":"1"}]}}`, "web")
	f.Add("entries:\n web:\n - a\n - - b\n", "web")
	f.Fuzz(func(t *testing.T, index, name string) {
		entries, err := readIndex(strings.NewReader(index), name)
		if err != nil {
			return
		}
		if len(entries) > maxVersions {
			t.Fatal(len(entries))
		}
		for _, e := range entries {
			_, _ = ChartRef{Repo: "https://x.example.com", Name: name}.locate(e)
		}
	})
}
