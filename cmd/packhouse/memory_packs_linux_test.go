package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const mib = 1 << 20

// packOfFiles packs files into the archive of a pack.
func packOfFiles(t *testing.T, folder string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	packed, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the race detector makes compression slow
	archive := tar.NewWriter(packed)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(&tar.Header{Name: path.Join(folder, name), Mode: 0o644, Size: int64(len(files[name]))}); err != nil {
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

// packJSON is the pack.json of a pack, with more members.
func packJSON(name, more string) string {
	return fmt.Sprintf(`{"name": %q, "displayName": "The Pack", "version": "1.0.0", "layer": "addon"%s}`, name, more)
}

// logoOf draws a logo with sides of a number of pixels.
func logoOf(t *testing.T, side int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func sum(content string) string {
	hash := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(hash[:])
}

// hostilePacks are small archives that hold much.
func hostilePacks(t *testing.T) map[string]map[string]string {
	t.Helper()
	const name = "p"
	ones := strings.Repeat(`"a",`, 990_000)
	list := "[" + ones[:len(ones)-1] + "]"
	with := func(more ...string) map[string]string {
		files := map[string]string{
			"pack.json": packJSON(name, ""), "values.yaml": "a: b\n", "README.md": "# P\n", "logo.png": logoOf(t, 64),
		}
		for i := 0; i+1 < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return files
	}
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	long, wide := with(), with()
	for i := range 19_000 {
		long[fmt.Sprintf("%s/%s/%s/%s/%d\"", strings.Repeat("a", 250), strings.Repeat("b", 250), strings.Repeat("c", 250), strings.Repeat("d", 250), i)] = ""
		wide[fmt.Sprintf("%06d<\"%06d", i, i)] = ""
	}
	deep := with()
	for i := range 15_000 {
		deep[fmt.Sprintf("%d/%s", i, strings.Repeat("a/", 30))] = ""
	}
	return map[string]map[string]string{
		"list of 990,000":         with("pack.json", packJSON(name, `, "more": `+list)),
		"charts":                  with("pack.json", packJSON(name, `, "charts": `+list)),
		"charts and many files":   merged(wide, map[string]string{"pack.json": packJSON(name, `, "charts": [`+strings.TrimSuffix(numbered(9_000, `"x%d",`), ",")+`]`)}),
		"annotations":             with("pack.json", packJSON(name, `, "annotations": {`+strings.TrimSuffix(numbered(300_000, `"%d":1,`), ",")+`}`)),
		"dependencies":            with("pack.json", packJSON(name, `, "constraints": {"dependencies": [`+strings.TrimSuffix(strings.Repeat("{},", 1_300_000), ",")+`]}`)),
		"resources":               with("pack.json", packJSON(name, `, "constraints": {"resources": [{"components": [`+strings.TrimSuffix(strings.Repeat("{},", 1_300_000), ",")+`]}]}`)),
		"duplicate keys":          with("pack.json", packJSON(name, strings.Repeat(`,"a":1`, 600_000))),
		"trailing commas":         with("pack.json", packJSON(name, `, "more": [`+strings.Repeat(`[1,],`, 700_000)+`1]`)),
		"deepest list":            with("pack.json", nested(name, 60, 9_000)),
		"nested lists":            with("pack.json", nested(name, 9_000, 20_000)),
		"nested lists alone":      with("pack.json", nested(name, 1_500_000, 1)),
		"a long number":           with("pack.json", packJSON(name, `, "charts": [`+strings.Repeat("1", 4_000_000)+`]`)),
		"a long name":             with("pack.json", `{"name": "`+strings.Repeat("a", 4_000_000)+`"}`),
		"long display name":       with("pack.json", strings.Replace(packJSON(name, ""), "The Pack", strings.Repeat("<", 4_000_000), 1)),
		"long paths":              long,
		"20,000 files":            wide,
		"deep folders":            deep,
		"values of one line each": with("values.yaml", strings.Repeat("a:\n", 1_390_000)),
		"values with long keys":   with("values.yaml", strings.Repeat(strings.Repeat("k", 199)+":\n ", 1)+numbered(300_000, "  k%d: v\n")),
		"images":                  with("manifests/a.yaml", numbered(19_000, "image: example.com/"+strings.Repeat("a", 400)+":%d\n")),
		"values images":           with("values.yaml", "pack:\n  content:\n    images:\n"+numbered(100_000, "    - image: example.com/a:%d\n")),
		"namespaces":              with("values.yaml", "pack:\n"+strings.Repeat("  namespace: A_B\n", 240_000)),
		"schema list":             with("schema.yaml", "a: ["+strings.Repeat("a,", 250_000)+"]"),
		"schema aliases":          with("schema.yaml", "a: &a [x]\nb: ["+strings.Repeat("*a,", 170_000)+"]"),
		"schema depth":            with("schema.yaml", strings.Repeat("[", 9_000)),
		"readme emphasis":         with("README.md", strings.Repeat("*a* ", 131_000)),
		"readme list":             with("README.md", strings.Repeat("- a\n", 131_000)),
		"readme table":            with("README.md", "|a|b|\n|-|-|\n"+strings.Repeat("|a|\n", 131_000)),
		"readme markup":           with("README.md", strings.Repeat("<b>", 170_000)),
		"readme quotes":           with("README.md", strings.Repeat("\"'", 2_000_000)),
		"many readmes":            merged(with(), documentsOf(12)),
		"chart of charts":         with("charts/a.tgz", string(chartOf(t, numbered(200_000, "image: example.com/a:%d\n")))),
	}
}

// refusedPacks are those of hostilePacks that PUT /v1/<pack>/archives refuses. All can be pushed by /v2.
var refusedPacks = []string{
	"a long name", "a long number", "annotations", "charts", "charts and many files", "deep folders", "dependencies", "duplicate keys",
	"list of 990,000", "long display name", "long paths", "many readmes", "namespaces", "nested lists",
	"nested lists alone", "resources", "trailing commas",
}

// nested is a pack.json with items in the innermost of many lists.
func nested(name string, depth, items int) string {
	return packJSON(name, `, "more": `+
		strings.Repeat("[", depth)+strings.Repeat("1,", items)+"1"+strings.Repeat("]", depth))
}

func merged(all ...map[string]string) map[string]string {
	files := map[string]string{}
	for _, some := range all {
		maps.Copy(files, some)
	}
	return files
}

// documentsOf are files in many folders that each could be the documents of a pack.
func documentsOf(folders int) map[string]string {
	files := map[string]string{}
	for i := range folders {
		files[fmt.Sprintf("f%d/README.md", i)] = strings.Repeat("a", 4*mib)
	}
	return files
}

func chartOf(t *testing.T, values string) []byte {
	t.Helper()
	return packOfFiles(t, "a", map[string]string{
		"Chart.yaml": "name: a\nversion: 1.0.0\n" + strings.Repeat("a:\n", 1_000_000), "values.yaml": values, "crds/a.yaml": strings.Repeat("a: b\n", 1_600_000),
	})
}

// TestMemory measures the memory of servers without the race detector: what one request needs beyond
// what the server has, what 32 at once need, and the peak after many ordinary packs.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel() // each server is a process of its own
	if hasRaceDetector() {
		runPlain(t) // the detector would make the clients slow, and it sees no other process
		return
	}
	binary, err := exec.LookPath("packhouse")
	if err != nil {
		t.Fatal(err)
	}
	hostile := hostilePacks(t)
	for kind, files := range hostile {
		t.Run("one/"+kind, func(t *testing.T) { memoryOfOne(t, binary, kind, files) })
	}
	for _, kind := range []string{"20,000 files", "charts", "values images", "readme table", "many readmes"} {
		t.Run("32 at once/"+kind, func(t *testing.T) { memoryOfManyAtOnce(t, binary, kind, hostile[kind]) })
	}
	t.Run("anonymous logos", func(t *testing.T) { costOfAnonymousLogos(t, binary) })
	t.Run("referrers", func(t *testing.T) { memoryOfReferrers(t, binary) })
	t.Run("streams", func(t *testing.T) { memoryOfStreams(t, binary) })
	t.Run("220 ordinary packs", func(t *testing.T) { memoryOfOrdinaryPacks(t, binary) })
}

// Bounds of memory, in bytes, and of answers.
const (
	mostOfOne      = 32 * mib
	mostOfAtOnce   = 256 * mib
	mostOfOrdinary = 48 * mib
	mostAnswered   = 4 * mib
)

// memoryOfOne pushes a pack by both ways and reads it in every way.
func memoryOfOne(t *testing.T, binary, kind string, files map[string]string) {
	pushed, refused := http.StatusCreated, slices.Contains(refusedPacks, kind)
	if refused {
		pushed = http.StatusUnprocessableEntity
	}
	archive := packOfFiles(t, "p-1.0.0", files)
	m := startMeasured(t, binary, t.TempDir())
	m.want(http.StatusOK, "GET", "/v2/", nil, true)
	check := func(what string, do func()) {
		t.Helper()
		before := m.cpu()
		used := m.additional(do)
		t.Logf("%s: %d MiB, %v of CPU time", what, used/mib, m.cpu()-before)
		if used > mostOfOne {
			t.Errorf("%s needs %d MiB, want %d at most", what, used/mib, mostOfOne/mib)
		}
	}
	check(fmt.Sprintf("PUT /v1 of %d bytes", len(archive)), func() { m.want(pushed, "PUT", "/v1/p/archives/1.0.0", archive, true) })
	check("push by /v2", func() { m.pushOCI(t, "p", archive) })
	check("anonymous logo", func() {
		status, _ := m.do("GET", "/v1/p/blobs/"+sum(files["logo.png"])+"?type=image/png", nil, false)
		if status != http.StatusOK && !refused { // of a refused pack, it is found once its record was created
			t.Errorf("the logo is answered with %d", status)
		}
	})
	paths := []string{"/v1/p/manifests/1.0.0", "/v1/p/tags/list", "/", "/packs/p"}
	for _, section := range []string{"values", "metadata", "files", "images", "constraints", "problems"} {
		paths = append(paths, "/packs/p/1.0.0/"+section)
	}
	for _, at := range paths {
		var size int64
		check("GET "+at, func() { size = m.want(http.StatusOK, "GET", at, nil, true) })
		if size > mostAnswered {
			t.Errorf("GET %s answers %d MiB, want %d at most", at, size/mib, mostAnswered/mib)
		}
	}
}

// memoryOfManyAtOnce does so 32 times at once, each with an archive of its own.
func memoryOfManyAtOnce(t *testing.T, binary, kind string, files map[string]string) {
	archive, archives := packOfFiles(t, "p-1.0.0", files), make([][]byte, 32)
	for i := range archives {
		archives[i] = append(slices.Clone(archive), emptyMember(t, strconv.Itoa(i))...)
	}
	m := startMeasured(t, binary, t.TempDir())
	m.want(http.StatusOK, "GET", "/v2/", nil, true)
	check := func(what string, do func(int)) {
		used := m.additional(func() {
			var all sync.WaitGroup
			for i := range archives {
				all.Go(func() { do(i) })
			}
			all.Wait()
		})
		t.Logf("32 × %s: %d MiB", what, used/mib)
		if used > mostOfAtOnce {
			t.Errorf("32 × %s need %d MiB, want %d at most", what, used/mib, mostOfAtOnce/mib)
		}
	}
	statuses := make([]int, len(archives))
	check("PUT /v1", func(i int) { statuses[i], _ = m.do("PUT", "/v1/p/archives/1.0.0", archives[i], true) })
	slices.Sort(statuses)
	want := append([]int{http.StatusCreated}, slices.Repeat([]int{http.StatusConflict}, len(archives)-1)...) // of one version
	if slices.Contains(refusedPacks, kind) {
		want = slices.Repeat([]int{http.StatusUnprocessableEntity}, len(archives))
	}
	if !slices.Equal(statuses, want) {
		t.Errorf("32 × PUT /v1: %v, want %v", statuses, want)
	}
	check("push by /v2", func(i int) { m.pushOCI(t, fmt.Sprintf("p%d", i), archives[i]) })
	for _, at := range []string{"/v1/p%d/manifests/1.0.0", "/packs/p%d", "/packs/p%d/1.0.0/files"} {
		check("GET "+at, func(i int) { m.want(http.StatusOK, "GET", fmt.Sprintf(at, i), nil, true) })
	}
}

// emptyMember is a gzip member without content. Behind an archive it makes another archive with the same files.
func emptyMember(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	member := gzip.NewWriter(&b)
	member.Name = name
	if err := member.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// memoryOfOrdinaryPacks pushes 220 packs of ordinary sizes, one after another.
func memoryOfOrdinaryPacks(t *testing.T, binary string) {
	m := startMeasured(t, binary, t.TempDir())
	for i := range 220 {
		name := fmt.Sprintf("pack%d", i)
		if status, _ := m.do("PUT", "/v1/"+name+"/archives/1.0.0", ordinaryPack(t, name, i), true); status != http.StatusCreated {
			t.Fatalf("push %s: %d", name, status)
		}
	}
	peak := m.status("VmHWM")
	t.Logf("the peak is %.1f MiB", float64(peak)/mib)
	if peak > mostOfOrdinary {
		t.Errorf("the peak is %d MiB, want %d at most", peak/mib, mostOfOrdinary/mib)
	}
}

// costOfAnonymousLogos reports the CPU time of a request without credentials, for a logo of the largest size and for ones that do not exist.
func costOfAnonymousLogos(t *testing.T, binary string) {
	noise := image.NewNRGBA(image.Rect(0, 0, 500, 500))
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // no secret
	for i := range noise.Pix {
		noise.Pix[i] = byte(random.Uint32())
	}
	var large bytes.Buffer
	if err := png.Encode(&large, noise); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"pack.json": packJSON("p", ""), "values.yaml": "a: b\n", "README.md": "# P\n", "logo.png": large.String()}
	m := startMeasured(t, binary, t.TempDir())
	m.want(http.StatusCreated, "PUT", "/v1/p/archives/1.0.0", packOfFiles(t, "p-1.0.0", files), true)
	for _, logo := range []struct {
		what, path string
		want       int
	}{
		{"a logo", "/v1/p/blobs/" + sum(large.String()), http.StatusOK},
		{"another file", "/v1/p/blobs/" + sum("x"), http.StatusUnauthorized},
		{"a missing pack", "/v1/q/blobs/" + sum("x"), http.StatusUnauthorized},
	} {
		const requests = 200
		before := m.cpu()
		for range requests {
			m.want(logo.want, "GET", logo.path+"?type=image/png", nil, false)
		}
		t.Logf("%s: %v of CPU time for each request", logo.what, (m.cpu()-before)/requests)
	}
}

// pushOCI pushes an archive as any OCI client would.
func (m *measured) pushOCI(t *testing.T, name string, archive []byte) {
	t.Helper()
	repository := "/v2/spectro-packs/archive/" + name
	for _, blob := range []string{string(archive), "{}"} {
		if status, _ := m.do("POST", repository+"/blobs/uploads/?digest="+sum(blob), []byte(blob), true); status != http.StatusCreated {
			t.Errorf("push blob: %d", status)
		}
	}
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.unknown.config.v1+json","digest":%q,"size":2},
"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d,"annotations":{"org.opencontainers.image.title":%q}}]}`,
		sum("{}"), sum(string(archive)), len(archive), name+"-1.0.0.tar.gz")
	if status, _ := m.do("PUT", repository+"/manifests/1.0.0", manifest, true); status != http.StatusCreated {
		t.Errorf("push manifest: %d", status)
	}
}

// ordinaryPack is a pack of the size that packs have: a chart, its values, a README and a logo.
func ordinaryPack(t *testing.T, name string, number int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(number), 1)) //nolint:gosec // no secret
	text := func(size int) string {
		var b strings.Builder
		for b.Len() < size {
			fmt.Fprintf(&b, "key%d: value%d # a comment about it\n", random.IntN(1000), random.IntN(1_000_000))
		}
		return b.String()
	}
	noise := make([]byte, 20_000+random.IntN(200_000))
	stream := rand.NewChaCha8([32]byte{byte(number)})
	_, _ = stream.Read(noise) // never fails
	chart := packOfFiles(t, "a", map[string]string{
		"Chart.yaml": "name: a\nversion: 1.0.0\nappVersion: 1.2.3\n", "values.yaml": text(30_000 + random.IntN(60_000)), "templates/a.yaml": text(60_000), "noise": string(noise),
	})
	logo := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	_, _ = stream.Read(logo.Pix)
	var encoded bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&encoded, logo); err != nil {
		t.Fatal(err)
	}
	return packOfFiles(t, name+"-1.0.0", map[string]string{
		"pack.json": packJSON(name, `, "charts": ["charts/a.tgz"]`), "values.yaml": "pack:\n  content:\n    images:\n      - image: example.com/a:1\n" + text(20_000+random.IntN(60_000)),
		"README.md": "# " + name + "\n\n" + strings.Repeat("Some text about it, and `code`. ", 300), "logo.png": encoded.String(), "charts/a.tgz": string(chart),
	})
}
