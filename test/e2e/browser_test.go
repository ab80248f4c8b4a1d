package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestBrowser does what a person does who looks for a pack: signs in, searches, opens one, reads about it. Along the way the browser tells
// every address that it asked, and every complaint about the page.
//
// With PACKHOUSE_PICTURES=DIR it leaves the pictures of the documentation there.
func TestBrowser(t *testing.T) {
	chromium := need(t, "chromium")
	in := install(t)
	in.serve()
	samplePacks(t, in)

	b := openBrowser(t, chromium, in)
	var title, shown string
	b.do("sign in and see the packs",
		chromedp.Navigate(b.url("/")), // without a challenge
		chromedp.Click(`a[href="/packs"]`),
		chromedp.WaitVisible(".cards"),
		loaded(),
		chromedp.Title(&title),
		chromedp.Text("main", &shown),
	)
	if title != "Packs · packhouse" || !strings.Contains(shown, "Harbour Cache") || !strings.Contains(shown, "Node Watch") {
		t.Fatalf("the page %q shows:\n%s", title, shown)
	}
	b.picture("pages-packs")

	b.do("search by keyboard",
		chromedp.Focus("#q"),
		chromedp.SendKeys("#q", "cni\r"),
		chromedp.WaitVisible(`#q[value="cni"]`), // the page that answers, and not the one that asked
		loaded(),
		chromedp.Text("main", &shown),
	)
	if strings.Contains(shown, "Node Watch") || !strings.Contains(shown, "Plain Overlay") {
		t.Fatalf("the search for cni finds:\n%s", shown)
	}

	var natural int
	var images []string
	b.do("open a pack",
		chromedp.Click(".card"),
		chromedp.WaitVisible(".head h1"),
		loaded(),
		chromedp.Text(".head", &shown),
		chromedp.Evaluate(`document.querySelector(".head img").naturalWidth`, &natural),
	)
	if !strings.Contains(shown, "Plain Overlay") || natural == 0 {
		t.Fatalf("%s; its logo is %d wide", shown, natural)
	}
	b.do("read about another",
		chromedp.Navigate(b.url("/packs/harbour-cache")),
		chromedp.WaitVisible(".readme"),
		loaded(),
		chromedp.Text(".readme", &shown),
		chromedp.Evaluate(`Array.from(document.querySelectorAll(".readme img"), i => i.getAttribute("src") + " " + i.naturalWidth)`, &images),
	)
	if !strings.Contains(shown, "keeps what was pulled") || strings.Contains(shown, "alert") || len(images) != 1 || strings.HasSuffix(images[0], " 0") {
		t.Errorf("the README shows %q with images %q", shown, images)
	}
	b.picture("pages-pack")
	for _, section := range []string{
		"values", "metadata", "files", "constraints", "images", "presets", "schema", "changes", "file?path=manifests/app.yaml",
	} {
		b.do("see its "+section,
			chromedp.Navigate(b.url("/packs/harbour-cache/1.4.x/"+section)),
			chromedp.WaitVisible(".section"),
			chromedp.Text(".section", &shown),
		)
		if len(strings.TrimSpace(shown)) < 20 {
			t.Errorf("section %s shows %q", section, shown)
		}
	}
	b.do("see what else is stored",
		chromedp.Navigate(b.url("/repositories")),
		chromedp.Click(".rows a"),
		chromedp.WaitVisible("table"),
		loaded(),
		chromedp.Text("main", &shown),
	)
	if !strings.Contains(shown, "tools/box") || !strings.Contains(shown, "1.0") {
		t.Errorf("the repository shows:\n%s", shown)
	}

	b.do("dark, and narrow",
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}),
		chromedp.Navigate(b.url("/packs/harbour-cache")),
		chromedp.WaitVisible(".readme"),
	)
	b.picture("pages-pack-dark")
	var overflow float64
	for _, path := range []string{
		"/", "/packs", "/packs?q=image:harbour-cache&versions=all", "/repositories/tools/box", "/packs/harbour-cache",
		"/packs/harbour-cache/1.4.2/values", "/packs/harbour-cache/1.4.2/files", "/packs/harbour-cache/1.4.2/changes",
		"/packs/harbour-cache/1.4.2/presets", "/packs/harbour-cache/1.4.2/schema",
		"/packs/harbour-cache/1.4.2/file?path=images/parts.png",
	} {
		b.do("narrow "+path,
			chromedp.EmulateViewport(360, 740),
			chromedp.Navigate(b.url(path)),
			chromedp.WaitVisible("main"),
			chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &overflow),
		)
		if overflow > 0 {
			t.Errorf("%s is %v pixels wider than a telephone", path, overflow)
		}
		if path == "/packs" {
			b.picture("pages-narrow")
		}
	}
	b.check()
	logoWithoutLogin(t, chromium, in, natural)
}

// logoWithoutLogin shows a page of somebody else that links to the logo, to somebody who never signed in.
func logoWithoutLogin(t *testing.T, chromium string, in *installation, width int) {
	b := openBrowser(t, chromium, in)
	b.anonymous = true
	a, err := in.request(in.client(), reader, "GET", "/v1/plain-overlay/manifests/0.9.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(a.body), `"logo":"`)
	digest, _, _ := strings.Cut(rest, `"`)
	logo := b.url("/v1/plain-overlay/blobs/" + digest + "?type=image/png")
	elsewhere := httpServer(t, `<!doctype html><img src="`+logo+`">`)
	var natural int
	b.do("load the logo in a page of somebody else",
		chromedp.Navigate(elsewhere),
		chromedp.WaitVisible("img"),
		loaded(),
		chromedp.Evaluate(`document.querySelector("img").naturalWidth`, &natural),
	)
	if natural != width || width == 0 {
		t.Errorf("the logo is %d wide, want %d", natural, width)
	}
	if b.asked != 0 {
		t.Error("a password was asked for")
	}
}

// browser is a Chromium with a fresh profile.
type browser struct {
	t         *testing.T
	in        *installation
	ctx       context.Context
	anonymous bool // does not know a password

	mu       sync.Mutex
	asked    int // how often a password was asked for
	requests []string
	said     []string // complaints
}

func openBrowser(t *testing.T, chromium string, in *installation) *browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium), chromedp.WSURLReadTimeout(patience), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("host-resolver-rules", "MAP "+hostname+" 127.0.0.1"),
		chromedp.Flag("force-device-scale-factor", "1"), chromedp.Flag("hide-scrollbars", true), chromedp.WindowSize(1200, 820),
	)
	allocated, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(allocated)
	t.Cleanup(cancelTab)
	ctx, cancelTime := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancelTime)
	b := &browser{t: t, in: in, ctx: ctx}
	chromedp.ListenTarget(ctx, b.hear)
	b.do("start", network.Enable(), page.Enable(), fetch.Enable().WithHandleAuthRequests(true))
	return b
}

// hear notes what the browser tells, and answers when it asks for a password.
func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && e.Response.Status != http.StatusUnauthorized {
			b.said = append(b.said, fmt.Sprintf("%d for %s", e.Response.Status, e.Response.URL))
		}
	case *network.EventLoadingFailed:
		if !e.Canceled {
			b.said = append(b.said, e.ErrorText+" "+string(e.BlockedReason))
		}
	case *fetch.EventRequestPaused:
		go b.command(fetch.ContinueRequest(e.RequestID))
	case *fetch.EventAuthRequired:
		b.asked++
		answer := &fetch.AuthChallengeResponse{
			Response: fetch.AuthChallengeResponseResponseProvideCredentials, Username: reader, Password: b.in.passwords[reader],
		}
		if b.anonymous {
			answer = &fetch.AuthChallengeResponse{Response: fetch.AuthChallengeResponseResponseCancelAuth}
		}
		go b.command(fetch.ContinueWithAuth(e.RequestID, answer))
	}
}

// command is sent while another waits.
func (b *browser) command(action chromedp.Action) {
	_ = chromedp.Run(b.ctx, action) // the page may be gone by now
}

// loaded waits until the page that is open has come to its end, with all of
// its pictures. A click returns before the page that it leads to has.
func loaded() chromedp.Action {
	return chromedp.Poll(`document.readyState === "complete" && Array.from(document.images).every(i => i.complete)`, nil, chromedp.WithPollingTimeout(patience))
}

func (b *browser) do(what string, actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.t.Fatalf("%s: %v\nasked for: %s\nsaid: %s", what, err, strings.Join(b.requests, "\n"), strings.Join(b.said, "\n"))
	}
}

func (b *browser) url(path string) string {
	return b.in.scheme + "://" + hostname + ":" + b.in.port() + path
}

// check compares what was asked for with what may be.
func (b *browser) check() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.asked == 0 {
		b.t.Error("nobody was asked for a password")
	}
	own := b.url("/")
	for _, request := range b.requests {
		if !strings.HasPrefix(request, own) {
			b.t.Errorf("the pages loaded %s", request)
		}
	}
	for _, complaint := range b.said {
		b.t.Errorf("the browser says: %s", complaint)
	}
}

// picture leaves a picture where the environment asks for it.
func (b *browser) picture(name string) {
	dir := os.Getenv("PACKHOUSE_PICTURES")
	if dir == "" {
		return
	}
	var content []byte
	b.do("take a picture", chromedp.CaptureScreenshot(&content))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), content, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// httpServer serves one page from another origin.
func httpServer(t *testing.T, content string) string {
	t.Helper()
	listener, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, content)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	return "http://" + listener.Addr().String() + "/"
}

// samplePacks fills a registry as curl would.
func samplePacks(t *testing.T, in *installation) {
	t.Helper()
	client := in.client()
	put := func(path string, content []byte, want int) {
		t.Helper()
		a, err := in.request(client, writer, "PUT", path, content)
		if err != nil || a.status != want {
			t.Fatalf("PUT %s: %d, %v: %s", path, a.status, err, a.body)
		}
	}
	for i, p := range []struct{ name, display, layer, kind, versions string }{
		{"harbour-cache", "Harbour Cache", "addon", "registry", "1.3.0 1.4.0 1.4.2"},
		{"plain-overlay", "Plain Overlay", "cni", "", "0.9.0"},
		{"steady-volumes", "Steady Volumes", "csi", "", "2.0.2-up.3 2.1.0"},
		{"node-watch", "Node Watch", "addon", "monitoring", "7.12.1"},
		{"edge-linux", "Edge Linux", "os", "", "22.04 24.04"},
		{"gatekeeper-policies", "Gatekeeper Policies", "addon", "security", "1.0.0"},
	} {
		for version := range strings.FieldsSeq(p.versions) {
			put("/v1/"+p.name+"/archives/"+url.PathEscape(version), packArchive(t, p.name, p.display, version, p.layer, p.kind, i), 201)
		}
	}
	put("/v1/harbour-cache/tags/stable", []byte(`{"target": "1.4.0"}`), 201)

	// And something that is no pack.
	put("/v2/tools/box/manifests/1.0", []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), 201)
}

// packArchive makes a pack of our own.
func packArchive(t *testing.T, name, display, version, layer, kind string, colour int) []byte {
	t.Helper()
	var b bytes.Buffer
	packed := gzip.NewWriter(&b)
	archive := tar.NewWriter(packed)
	add := func(path string, content []byte) {
		header := &tar.Header{Name: name + "-" + version + "/" + path, Mode: 0o644, Size: int64(len(content))}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	add("pack.json", fmt.Appendf(nil, `{
  "name": %q,
  "displayName": %q,
  "version": %q,
  "layer": %q,
  "addonType": %q,
  "cloudTypes": ["all"],
  "kubeManifests": ["manifests/app.yaml"],
  "constraints": {
    "dependencies": [{"packName": "kubernetes", "layer": "k8s", "minVersion": "1.28", "maxVersion": "1.34", "type": "required"}],
    "resources": [{"type": "memory", "minLimit": 512, "components": [{"scheduleType": "worker"}]}]
  }
}
`, name, display, version, layer, kind))
	add("values.yaml", fmt.Appendf(nil, `pack:
  namespace: %[1]s
  content:
    images:
      - image: registry.example.com/%[1]s/server:%[2]s
      - image: registry.example.com/%[1]s/exporter:0.9.1

manifests:
  app:
    # How many of them
    replicas: 2
    storage:
      size: 20Gi
`, name, version))
	add("presets.yaml", []byte(`presets:
  - name: one-replica
    displayName: One replica
    group: replicas
    add: |
      manifests:
        app:
          replicas: 1
`))
	add("schema.yaml", []byte("manifests.app.replicas:\n  schema: '{{ required | format \"${number:[1,9]}\" }}'\n"))
	add("manifests/app.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\n"))
	add("logo.png", logo(t, colour))
	add("images/parts.png", picture(t, 420, 90, func(x, y int) color.Color {
		if x%140 < 110 && y > 15 && y < 75 {
			return color.NRGBA{0x3f, 0x8f, 0x7f, uint8(255 - 60*(x/140))}
		}
		return color.Transparent
	}))
	add("README.md", []byte(strings.ReplaceAll(`# {{name}}

{{name}} keeps what was pulled close to the nodes that need it, and answers when
the uplink does not.

![its three parts](images/parts.png)

## Parameters

| parameter | meaning | default |
|---|---|---|
| `+"`manifests.app.replicas`"+` | how many of them | 2 |
| `+"`manifests.app.storage.size`"+` | how much each may keep | 20Gi |

## Upgrades

1. Read the [values](values.yaml) of the new version.
2. Push the profile, and watch the nodes come back one by one.

`+"```yaml\nmanifests:\n  app:\n    replicas: 3\n```"+`

<script>alert("a README runs nothing")</script>
<img src="https://elsewhere.example.com/pixel.png" onerror="alert(1)">
![badge](https://elsewhere.example.com/badge.svg)
`, "{{name}}", display)))
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// logo draws one of a few rings.
func logo(t *testing.T, n int) []byte {
	t.Helper()
	colours := []color.NRGBA{{0x2f, 0x6f, 0x62, 255}, {0x3b, 0x6e, 0xb5, 255}, {0xb8, 0x6b, 0x2d, 255}, {0xa8, 0x3e, 0x58, 255}, {0xc9, 0x8a, 0x1b, 255}, {0x6c, 0x55, 0x85, 255}}
	own := colours[n%len(colours)]
	return picture(t, 96, 96, func(x, y int) color.Color {
		dx, dy := float64(x)-47.5, float64(y)-47.5
		distance, angle := math.Hypot(dx, dy), math.Atan2(dy, dx)
		if distance < 46 && distance > 24 && math.Mod(angle+math.Pi+float64(n), math.Pi*2/float64(n%3+2)) > .35 || distance < 14 {
			return own
		}
		return color.Transparent
	})
}

func picture(t *testing.T, width, height int, at func(x, y int) color.Color) []byte {
	t.Helper()
	canvas := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			canvas.Set(x, y, at(x, y))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, canvas); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
