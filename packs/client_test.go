package packs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"packhouse/finding"
)

func failureOf(t *testing.T, err error) *Failure {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("error is %T %v, want a *Failure", err, err)
	}
	if f.What == "" || f.Remedy == "" {
		t.Errorf("failure %s says %q and advises %q", f.Code, f.What, f.Remedy)
	}
	return f
}

func mustPush(t *testing.T, c *Client, o PushOptions) *Pushed {
	t.Helper()
	pushed, err := c.Push(t.Context(), o)
	if err != nil {
		t.Fatalf("push %s: %v", o.Dir, err)
	}
	return pushed
}

// TestPushIsWhatPaletteReads compares the artifact with the one of ORAS 1.0.
func TestPushIsWhatPaletteReads(t *testing.T) {
	d := newDouble(t)
	var sent int64
	c := d.client(func(o *ClientOptions) { o.Base = "/team/a/spectro-packs/" })
	pushed := mustPush(t, c, PushOptions{Dir: "testdata/hello-1.2.3", Progress: func(done, total int64) {
		if done > total || done < sent {
			t.Errorf("progress went from %d to %d of %d", sent, done, total)
		}
		sent = done
	}})
	if sent != pushed.Size || pushed.FolderErr != nil {
		t.Errorf("%d of %d bytes were told, folder: %v", sent, pushed.Size, pushed.FolderErr)
	}
	if want := "team/a/spectro-packs/archive/hello"; pushed.Repository != want || pushed.Tag != "1.2.3" {
		t.Errorf("pushed to %s:%s", pushed.Repository, pushed.Tag)
	}
	text := d.manifests[pushed.Repository][pushed.Digest]
	if d.tags[pushed.Repository]["1.2.3"] != pushed.Digest {
		t.Errorf("the tag is %s, want %s", d.tags[pushed.Repository]["1.2.3"], pushed.Digest)
	}
	want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.unknown.config.v1+json",` +
		`"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},` +
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"` + pushed.Archive + `","size":` + jsonNumber(pushed.Size) +
		`,"annotations":{"org.opencontainers.image.title":"hello-1.2.3.tar.gz"}}],"annotations":{"org.opencontainers.image.created":"1970-01-01T00:00:00Z"}}`
	if string(text) != want {
		t.Errorf("manifest is\n%s\nwant\n%s", text, want)
	}
	if folder := d.manifests["team/a/spectro-packs/archive"]; len(folder) != 1 || len(d.tags["team/a/spectro-packs/archive"]) != 0 {
		t.Errorf("the folder above has %d manifests and %d tags, want one without a tag", len(folder), len(d.tags["team/a/spectro-packs/archive"]))
	}
	for _, text := range d.manifests["team/a/spectro-packs/archive"] {
		if !strings.Contains(string(text), `"layers":[]`) {
			t.Errorf("the empty artifact is %s", text)
		}
	}
	artifact, err := ParseArtifact(text)
	if err != nil || artifact.Digest != pushed.Digest || !artifact.Created.IsZero() {
		t.Errorf("it reads as %+v, %v", artifact, err)
	}
}

func jsonNumber(n int64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

// copyPack copies a sample pack, so that a test may change it.
func copyPack(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPullGivesBackTheSameTree compares every byte and the mode.
func TestPullGivesBackTheSameTree(t *testing.T) {
	d := newDouble(t)
	c := d.client(nil)
	for _, sample := range samples(t) {
		pushed := mustPush(t, c, PushOptions{Dir: filepath.Join("testdata", sample)})
		out := t.TempDir()
		pulled, err := c.Pull(t.Context(), Reference{Name: pushed.Name}, out, nil)
		if err != nil {
			t.Fatalf("pull %s: %v", sample, err)
		}
		if pulled.Dir != filepath.Join(out, sample) {
			t.Errorf("pulled into %s", pulled.Dir)
		}
		if want, got := tree(t, filepath.Join("testdata", sample)), tree(t, pulled.Dir); !slices.Equal(want, got) {
			t.Errorf("%s came back as\n%s\nwant\n%s", sample, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if entries, _ := os.ReadDir(out); len(entries) != 1 {
			t.Errorf("%d entries are left in %s", len(entries), out)
		}
		if _, err := c.Pull(t.Context(), Reference{Name: pushed.Name}, out, nil); err == nil || !strings.Contains(err.Error(), "already exists") {
			t.Errorf("a second pull: %v", err)
		}
		inspected, err := c.Inspect(t.Context(), Reference{Name: pushed.Name})
		if err != nil || len(inspected.Contents.Files) != len(pulled.Contents.Files) {
			t.Errorf("inspect: %v", err)
		}
	}
}

func samples(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		_, err := os.Stat(filepath.Join("testdata", e.Name(), MetadataFile))
		if err == nil && strings.Contains(e.Name(), "-") { // testdata/build holds golden files
			names = append(names, e.Name())
		}
	}
	if len(names) < 4 {
		t.Fatalf("only %v are in testdata", names)
	}
	return names
}

// tree lists path, mode and content of every file.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		info, _ := entry.Info()
		lines = append(lines, path+" "+fileMode(info.Mode()).String()+" "+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestTagsInRegistry(t *testing.T) {
	d := newDouble(t)
	c := d.client(nil)
	dir := copyPack(t, "policies-1.0.0")
	text, _ := os.ReadFile(filepath.Join(dir, MetadataFile))
	for _, version := range []string{"1.9.0", "1.10.0", "2.0.0"} {
		write(t, filepath.Join(dir, MetadataFile), strings.Replace(string(text), "1.0.0", version, 1))
		mustPush(t, c, PushOptions{Dir: dir})
	}
	mustPush(t, c, PushOptions{Dir: dir, Group: "edge"})

	listed, err := c.List(t.Context())
	if err != nil || len(listed) != 1 || !slices.Equal(listed[0].Tags, []string{"1.9.0", "1.10.0", "2.0.0", "edge__2.0.0"}) {
		t.Errorf("listed %+v, %v", listed, err)
	}
	for ref, want := range map[string]string{"": "2.0.0", "1.x": "1.10.0", "1.9.x": "1.9.0", "edge__2.x": "edge__2.0.0"} {
		pulled, err := c.Inspect(t.Context(), Reference{Name: "policies", Tag: ref})
		if err != nil || pulled.Tag != want {
			t.Errorf("%q is %+v, %v; want %s", ref, pulled, err, want)
		}
	}
	now, before, err := c.AddTag(t.Context(), Reference{Name: "policies", Tag: "1.x"}, Tag{"prod", "stable"})
	if err != nil || before != "" || now != d.tags["spectro-packs/archive/policies"]["prod__stable"] || now != d.tags["spectro-packs/archive/policies"]["1.10.0"] {
		t.Errorf("add: %s, %s, %v", now, before, err)
	}
	if _, before, err = c.AddTag(t.Context(), Reference{Name: "policies", Tag: "2.0.0"}, Tag{"prod", "stable"}); err != nil || before != now {
		t.Errorf("move: from %s, %v", before, err)
	}
	_, _, err = c.AddTag(t.Context(), Reference{Name: "policies", Tag: "2.0.0"}, Tag{"", "3.x"})
	if f := failureOf(t, err); f.Code != CodeParentTag {
		t.Errorf("add a parent: %s", f.Code)
	}
	if f := failureOf(t, c.DeleteTag(t.Context(), Reference{Name: "policies", Tag: "1.x"})); f.Code != CodeParentTag {
		t.Errorf("delete a parent: %s", f.Code)
	}
	if f := failureOf(t, c.DeleteTag(t.Context(), Reference{Name: "policies", Tag: "9.9.9"})); f.Code != CodePackUnknown {
		t.Errorf("delete what is not there: %s", f.Code)
	}
	if err := c.DeleteTag(t.Context(), Reference{Name: "policies", Tag: "1.10.0"}); err != nil {
		t.Fatal(err)
	}
	if pulled, err := c.Inspect(t.Context(), Reference{Name: "policies", Tag: "1.x"}); err != nil || pulled.Tag != "1.9.0" {
		t.Errorf("after a deletion 1.x is %+v, %v", pulled, err)
	}
	_, err = c.Inspect(t.Context(), Reference{Name: "policies", Tag: "7.x"})
	if f := failureOf(t, err); f.Code != CodePackUnknown || !strings.Contains(f.Remedy, "1.9.0") {
		t.Errorf("a tag that is not there: %s (%s)", f.What, f.Remedy)
	}
	for _, err := range []error{
		second(c.Inspect(t.Context(), Reference{Name: "nothing"})), second(c.Versions(t.Context(), "nothing")), second(c.Inspect(t.Context(), Reference{Name: "nothing", Tag: "1"})),
	} {
		if f := failureOf(t, err); f.Code != CodePackUnknown || !strings.Contains(f.What, "nothing") {
			t.Errorf("a pack that is not there: %s: %s", f.Code, f.What)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestPullRefusesWhatIsNoPack covers what any client may have pushed.
func TestPullRefusesWhatIsNoPack(t *testing.T) {
	d := newDouble(t)
	c := d.client(nil)
	pushed := mustPush(t, c, PushOptions{Dir: "testdata/hello-1.2.3"})
	repository := pushed.Repository
	valid := d.manifests[repository][pushed.Digest]
	put := func(tag string, change func(*ocispec.Manifest)) {
		var m ocispec.Manifest
		if err := json.Unmarshal(valid, &m); err != nil {
			t.Fatal(err)
		}
		change(&m)
		text, _ := json.Marshal(m)
		d.manifests[repository][tag], d.tags[repository][tag] = text, tag
		sum := describe("", text).Digest.String()
		d.manifests[repository][sum], d.tags[repository][tag] = text, sum
	}
	put("two", func(m *ocispec.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) })
	put("none", func(m *ocispec.Manifest) { m.Layers = nil })
	put("untitled", func(m *ocispec.Manifest) { m.Layers[0].Annotations = nil })
	put("path", func(m *ocispec.Manifest) { m.Layers[0].Annotations[AnnotationTitle] = "../x.tar.gz" })
	put("index", func(m *ocispec.Manifest) { m.MediaType = ocispec.MediaTypeImageIndex })
	for tag, want := range map[string]string{"two": "2 layers", "none": "no layer", "untitled": "no title", "path": "titled", "index": "index"} {
		_, err := c.Inspect(t.Context(), Reference{Name: "hello", Tag: tag})
		var p *Invalid
		if !errors.As(err, &p) || p.Code != CodeArtifact || !strings.Contains(p.What, want) {
			t.Errorf("%s: %v", tag, err)
		}
	}
	versions, err := c.Versions(t.Context(), "hello")
	if err != nil || len(versions) != 6 {
		t.Fatalf("versions: %+v, %v", versions, err)
	}
	for _, v := range versions {
		if (v.Tag == "1.2.3") != (v.Problem == "") {
			t.Errorf("%s: problem %q", v.Tag, v.Problem)
		}
	}
	// Other bytes than the digest says are never taken, even where they are an archive all the same: the byte tells the operating system.
	d.blobs[pushed.Archive][9] ^= 1
	for _, err := range []error{
		second(c.Inspect(t.Context(), Reference{Name: "hello", Tag: "1.2.3"})), second(c.Pull(t.Context(), Reference{Name: "hello", Tag: "1.2.3"}, t.TempDir(), nil)),
	} {
		if f := failureOf(t, err); f.Code != CodeOtherContent {
			t.Errorf("damaged content: %s", f.Code)
		}
	}
}

// TestPullOfBadArchiveLeavesNothing pulls an archive that leads out of its folder.
func TestPullOfBadArchiveLeavesNothing(t *testing.T) {
	d := newDouble(t)
	c := d.client(nil)
	pushed := mustPush(t, c, PushOptions{Dir: "testdata/hello-1.2.3"})
	evil := archiveOf(t, entry{name: "hello-1.2.3/pack.json", text: `{}`}, entry{name: "../evil", text: "x"})
	sum := describe("", evil).Digest.String()
	d.blobs[sum] = evil
	text := strings.NewReplacer(pushed.Archive, sum, `"size":`+jsonNumber(pushed.Size), `"size":`+jsonNumber(int64(len(evil)))).Replace(string(d.manifests[pushed.Repository][pushed.Digest]))
	digest := describe("", []byte(text)).Digest.String()
	d.manifests[pushed.Repository][digest] = []byte(text)
	dir := t.TempDir()
	_, err := c.Pull(t.Context(), Reference{Name: "hello", Digest: digest}, dir, nil)
	var p *Invalid
	if !errors.As(err, &p) || p.Code != CodeArchiveSlip {
		t.Errorf("pulled: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%d entries are left", len(entries))
	}
}

// TestPushTriesAgain breaks the connection of the first upload.
func TestPushTriesAgain(t *testing.T) {
	d := newDouble(t)
	broken := false
	inner := d.Config.Handler
	d.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/hello/blobs/") && r.ContentLength > 100 && !broken {
			broken = true
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	})
	mustPush(t, d.client(nil), PushOptions{Dir: "testdata/hello-1.2.3"})
	if !broken {
		t.Error("no connection was broken")
	}
}

func TestPushRefusesBadPacks(t *testing.T) {
	d := newDouble(t)
	dir := copyPack(t, "hello-1.2.3")
	write(t, filepath.Join(dir, MetadataFile), `{"name": "hello",}`)
	var told []finding.Finding
	_, err := d.client(nil).Push(t.Context(), PushOptions{Dir: dir, Lint: func(p []finding.Finding) { told = p }})
	var refused *Refused
	if !errors.As(err, &refused) || len(told) == 0 || told[0].Code != CodeJSONComma {
		t.Errorf("push: %v, told %v", err, told)
	}
	if len(d.requests) != 0 {
		t.Errorf("requests were sent: %v", d.requests)
	}
	if _, err := d.client(nil).Push(t.Context(), PushOptions{Dir: filepath.Join(dir, "nowhere")}); err == nil {
		t.Error("a folder that is not there was pushed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.client(nil).Push(ctx, PushOptions{Dir: "testdata/hello-1.2.3"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a push that was called off: %v", err)
	}
}

// entry is one entry of an archive of a test.
type entry struct {
	name string
	text string
	kind byte
	link string
	size int64 // where it is not that of the text: zeros follow
}

func archiveOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var content bytes.Buffer
	packed := gzip.NewWriter(&content)
	archive := tar.NewWriter(packed)
	for _, e := range entries {
		size := max(e.size, int64(len(e.text)))
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Size: size, Mode: 0o644}
		if e.kind != 0 && e.kind != tar.TypeReg {
			header.Size = 0
		}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if header.Size > 0 {
			_, _ = archive.Write([]byte(e.text))
			_, _ = archive.Write(make([]byte, size-int64(len(e.text))))
		}
	}
	_ = archive.Close()
	_ = packed.Close()
	return content.Bytes()
}

// FuzzParseServer checks that a server that is taken is one, and that what is taken reads the same once more.
func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{"packs.example.com", "https://a:5000/", "http://[::1]:5000", "oci://a", "a/b", "user@a", " a ", "a\n", "https://https://a", "::", "a:99999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server, _, err := ParseServer(text)
		if err != nil {
			return
		}
		if again, plain, err := ParseServer(server); err != nil || again != server || plain || server == "" || strings.ContainsAny(server, "/@ \n\r\x00") {
			t.Fatalf("%q became %q, then %q, %v", text, server, again, err)
		}
	})
}

// FuzzParseBase checks that a base path that is taken is made of names.
func FuzzParseBase(f *testing.F) {
	for _, seed := range []string{"", "a/b", "/a/", "spectro-packs", "a/spectro-packs/archive", "..", "a//b", "A", "a\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		base, err := ParseBase(text)
		if err == nil && (strings.Contains(base, "..") || strings.ContainsAny(base, "\\\x00\r\n ?#%") || strings.HasPrefix(base, "/") || strings.HasSuffix(base, "/")) {
			t.Fatalf("%q became %q", text, base)
		}
	})
}

// FuzzParseReference checks that what is taken is written as it is read.
func FuzzParseReference(f *testing.F) {
	for _, seed := range []string{"a", "a:1.0", "a:LTS__1.x", "a@sha256:" + strings.Repeat("0", 64), "a:b@c", "a/b", "../a", "a:../b", "A", ":", "@", "a:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseReference(text)
		if err != nil {
			return
		}
		if again, err := ParseReference(ref.String()); err != nil || again != ref || ref.Name == "" || strings.ContainsAny(ref.Name+ref.Tag+ref.Digest, "/\\\x00\r\n ") {
			t.Fatalf("%q became %+v, then %+v, %v", text, ref, again, err)
		}
	})
}

// FuzzParseArtifact checks that what a registry answers with is a pack with a name that leads nowhere, or is refused in words.
func FuzzParseArtifact(f *testing.F) {
	layer := `{"mediaType":"application/gzip","digest":"sha256:` + strings.Repeat("0", 64) + `","size":1,"annotations":{"org.opencontainers.image.title":"a-1.0.tar.gz"}}`
	for _, seed := range []string{
		`{"layers":[` + layer + `]}`, `{"layers":[` + layer + `,` + layer + `]}`, `{"layers":[],"Layers":[` + layer + `]}`, `{"layers":null}`, `[]`, `null`, ``,
		`{"layers":[` + strings.Replace(layer, "a-1.0", "../a", 1) + `],"annotations":{"org.opencontainers.image.created":"x"}}`,
		`{"layers":[` + strings.Replace(layer, `"size":1`, `"size":-1`, 1) + `]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := ParseArtifact(content)
		if err != nil {
			var p *Invalid
			if !errors.As(err, &p) || p.Code != CodeArtifact || p.What == "" || strings.ContainsFunc(p.What, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%q is refused with %+v", content, err)
			}
			return
		}
		if a.Archive.Validate() != nil || a.Size < 0 || strings.ContainsAny(a.Title, `/\`) || !strings.HasSuffix(a.Title, ".tar.gz") || a.Message != Printable(a.Message) {
			t.Fatalf("%q became %+v", content, a)
		}
	})
}
