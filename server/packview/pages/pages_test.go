package pages_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"packhouse/server/auth"
	"packhouse/server/packview"
	"packhouse/server/packview/pages"
	"packhouse/server/problem"
	"packhouse/server/reference"
	"packhouse/server/route"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
)

var update = flag.Bool("update", false, "write the golden files")

// site is a store with the pages over it.
type site struct {
	t     testing.TB
	pages *pages.Pages
	view  *packview.View
	store storage.Store
	paths route.Paths
	hide  string // a repository that the user may not read
}

func newSite(t testing.TB, prefix string) *site {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC) }
	store, err := inmemory.Open(t.Context(), filesystem.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	view := packview.New(packview.Options{Store: store, Now: now, Base: prefix})
	t.Cleanup(view.Records().Close)
	made, err := pages.New(pages.Options{View: view, Store: store, Prefix: prefix, PublicURL: "https://packs.example.com", Version: "1.0"})
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, pages: made, view: view, store: store, paths: route.Paths{Prefix: prefix}}
}

// drawnLogo returns a PNG image with sides of a number of pixels.
func drawnLogo(side int) string {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// push puts a pack into the store; files are added to, or replace, those of a small pack.
func (s *site) push(name, version string, files ...string) {
	s.t.Helper()
	all := append([]string{
		"pack.json", `{"name": "` + name + `", "displayName": "Pack <` + name + `>", "version": "` + version + `", "layer": "cni", "addonType": "x & y"}`,
		"values.yaml", "a: \"<b>\"\n", "logo.png", drawnLogo(1),
	}, files...)
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	for i := 0; i < len(all); i += 2 {
		if later := all[i+2:]; slices.Contains(later, all[i]) {
			continue
		}
		err := archive.WriteHeader(&tar.Header{Name: name + "-" + version + "/" + all[i], Mode: 0o644, Size: int64(len(all[i+1]))})
		if _, failed := io.WriteString(archive, all[i+1]); err != nil || failed != nil {
			s.t.Fatal(err, failed)
		}
	}
	if err := errors.Join(archive.Close(), packed.Close()); err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest("PUT", s.paths.Prefix+"/v1/"+name+"/archives/"+version, &b)
	w := httptest.NewRecorder()
	if err := s.view.Serve(w, r, s.grant(r)); err != nil || w.Code != 201 {
		s.t.Fatalf("%d, %v", w.Code, err)
	}
}

// grant parses a request, and grants it to a reader who may push.
func (s *site) grant(r *http.Request) auth.Grant {
	s.t.Helper()
	req, err := s.paths.Parse(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return auth.Grant{
		Request: req, Identity: auth.Identity{User: "rita"}, Role: auth.Admin,
		Visible: func(repo reference.Repository) bool { return s.hide == "" || repo.String() != s.hide },
	}
}

func (s *site) get(path string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest("GET", "http://other.example.com"+s.paths.Prefix+path, http.NoBody)
	w := httptest.NewRecorder()
	if err := s.pages.Serve(w, r, s.grant(r)); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return w
}

// stamps are what differs from one version of a compressor or of an asset to the next.
var stamps = regexp.MustCompile(`[0-9a-f]{64}|v=[0-9a-f]{12}|Download [0-9]+ B`)

// TestPagesLookAsTheyDid compares whole pages with those of testdata.
func TestPagesLookAsTheyDid(t *testing.T) {
	s := newSite(t, "")
	s.push("nginx", "1.24.3", "README.md", "# Nginx\n\nSee [values](values.yaml), ![parts](img/a%20b.png) and ![far](https://elsewhere.example.com/x.png).\n", "img/a b.png", drawnLogo(2))
	s.push("nginx", "1.24.1", "presets.yaml", "presets: []\n", "schema.yaml", "a.b:\n  schema: '{{ required }}'\n")
	for name, path := range map[string]string{
		"packs": "/packs", "pack": "/packs/nginx", "changes": "/packs/nginx/1.24.3/changes",
		"presets": "/packs/nginx/1.24.1/presets", "schema": "/packs/nginx/1.24.1/schema",
		"file": "/packs/nginx/1.24.3/file?path=README.md", "values": "/packs/nginx/1.24.1/values",
		"files": "/packs/nginx/1.24.x/files", "nothing": "/packs?q=zzz", "error": "/packs/apache",
	} {
		got := stamps.ReplaceAllString(s.get(path).Body.String(), "…")
		golden := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not %s any more; -update writes it anew. It is:\n%s", path, golden, got)
		}
	}
}

func TestPagesHoldTheBrowserToIt(t *testing.T) {
	s := newSite(t, "")
	s.push("nginx", "1.0")
	for path, status := range map[string]int{"/": 200, "/packs": 200, "/packs/nginx": 200, "/packs/none": 404, "/repositories": 200, "/repositories/none": 404, "/assets/style.css": 200} {
		w := s.get(path)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != status || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(w.Header().Get("Cache-Control"), "private") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		for _, forbidden := range []string{"<script", "style=", "onload=", "http:", "//elsewhere"} {
			if path != "/assets/style.css" && strings.Contains(w.Body.String(), forbidden) {
				t.Errorf("%s holds %s", path, forbidden)
			}
		}
	}
	r := httptest.NewRequest("GET", "/assets/none.css", http.NoBody)
	if err := s.pages.Serve(httptest.NewRecorder(), r, s.grant(r)); problem.From(err).Status != 404 {
		t.Error(err)
	}
}

func TestSearch(t *testing.T) {
	s := newSite(t, "")
	for _, name := range []string{"nginx", "apache", "secret"} {
		s.push(name, "1.0")
	}
	s.hide = "spectro-packs/archive/secret"
	for query, want := range map[string]string{
		"": "apache nginx", "?q=NGI": "nginx", "?q=pack+apache": "apache", "?q=cni+nginx": "nginx", "?q=secret": "", "?layer=os": "", "?layer=cni&q=1.0": "apache nginx",
		"?last=apache": "nginx", "?base=team": "", "?q=%3Cscript%3E": "",
	} {
		body := s.get("/packs" + query).Body.String()
		var found []string
		for _, m := range regexp.MustCompile(`<span class="name">([^<]*)`).FindAllStringSubmatch(body, -1) {
			found = append(found, m[1])
		}
		if got := strings.Join(found, " "); got != want || strings.Contains(body, "<script>") {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
}

func TestBelowAPrefix(t *testing.T) {
	s := newSite(t, "/deep")
	s.push("nginx", "1.0", "README.md", "![a](a.png) [v](values.yaml)", "a.png", drawnLogo(2))
	for _, path := range []string{"/packs", "/packs/nginx", "/packs/nginx/1.0/files", "/repositories"} {
		for _, m := range regexp.MustCompile(`(?:href|src)="([^"#][^"]*)"`).FindAllStringSubmatch(s.get(path).Body.String(), -1) {
			if !strings.HasPrefix(m[1], "/deep/") {
				t.Errorf("%s leads to %s", path, m[1])
			}
		}
	}
}

// TestReadmeCannotAct: whatever an author writes, the page runs nothing and asks nobody else.
func TestReadmeCannotAct(t *testing.T) {
	for _, text := range readmes {
		s := newSite(t, "")
		s.push("a", "1.0", "README.md", text)
		harmless(t, s.get("/packs/a").Body.String())
	}
}

var readmes = []string{
	"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<img src='https://elsewhere.example.com/x'>", "[a](javascript:alert(1))",
	"![a](https://elsewhere.example.com/x.png)", "![a](//elsewhere.example.com/x.png)", "<a href='java\nscript:alert(1)'>x</a>", "<svg onload=alert(1)>",
	"<iframe src='https://elsewhere.example.com'></iframe>", "<form action='https://elsewhere.example.com'><input></form>", "<style>body{background:url(//x)}</style>",
	"<div style='background:url(//elsewhere.example.com)'>x</div>", "<base href='//elsewhere.example.com/'>", "<meta http-equiv=refresh content=0>",
	"<link rel=stylesheet href=//elsewhere.example.com>", "[a]: data:text/html,<script>x</script>\n[a]", "![a][b]\n\n[b]: <data:image/svg+xml,x>", "<img src='/v1/a/blobs/../../x'>",
	"</article></section><h1>fake</h1>", "<object data=x></object><embed src=x><video src=x></video><audio src=x></audio>", "\x00\xff<scr\x00ipt>",
}

// harmless looks at the part of a page that its README makes, as a browser would.
func harmless(t testing.TB, body string) {
	t.Helper()
	_, readme, _ := strings.Cut(body, `<article class="readme">`)
	readme, _, _ = strings.Cut(readme, "<aside>")
	for tokens := html.NewTokenizer(strings.NewReader(readme)); tokens.Next() != html.ErrorToken; {
		token := tokens.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		if strings.Contains(" script iframe svg math object embed form input style base meta link video audio ", " "+token.Data+" ") {
			t.Errorf("<%s> came through in %s", token.Data, readme)
		}
		for _, a := range token.Attr {
			scheme, _, _ := strings.Cut(strings.ToLower(a.Val), ":")
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcset",
				a.Key == "src" && !strings.HasPrefix(a.Val, "/v1/a/blobs/sha256:"),
				a.Key == "href" && (scheme == "javascript" || scheme == "data" || scheme == "vbscript"):
				t.Errorf("%s=%q came through in %s", a.Key, a.Val, readme)
			}
		}
	}
}

func FuzzReadme(f *testing.F) {
	for _, text := range readmes {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := newSite(t, "")
		s.push("a", "1.0", "README.md", text)
		harmless(t, s.get("/packs/a").Body.String())
	})
}
