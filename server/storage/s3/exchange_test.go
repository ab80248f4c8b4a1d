package s3

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/config"
	"packhouse/server/manifest"
	"packhouse/server/storage/storagetest"
)

// beside returns a program that lies beside the engine's, or skips the test.
func beside(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(os.Getenv(engineVariable)), name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here: `test/e2e/tools.sh %s` builds it", path, name)
	}
	return path
}

// distribution is CNCF distribution on a bucket.
type distribution struct {
	t    *testing.T
	file string
	url  string
	addr string
	cmd  *exec.Cmd
	said bytes.Buffer

	finishing time.Duration // the last request of the last push in chunks
}

func newDistribution(t *testing.T, cfg config.S3Storage) *distribution {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &distribution{t: t, file: filepath.Join(t.TempDir(), "config.yml"), addr: l.Addr().String(), url: "http://" + l.Addr().String()}
	l.Close()
	text := fmt.Sprintf(`version: 0.1
log: {level: warn}
storage:
  s3: {region: %s, bucket: %s, rootdirectory: %q, accesskey: %s, secretkey: %s, regionendpoint: "http://%s", forcepathstyle: true, secure: false}
  redirect: {disable: true}
  delete: {enabled: true}
http: {addr: %s}
`, cfg.Region, cfg.Bucket, cfg.RootDirectory, cfg.AccessKey, cfg.SecretKey.Reveal(), cfg.RegionEndpoint, d.addr)
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *distribution) start() {
	d.t.Helper()
	d.cmd = exec.Command(beside(d.t, "registry"), "serve", d.file)
	d.cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	d.cmd.Stdout, d.cmd.Stderr = &d.said, &d.said
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(d.stop)
	answers(d.t, d.url+"/v2/", &d.said)
}

func (d *distribution) stop() {
	if d.cmd != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		d.cmd = nil
	}
}

func (d *distribution) call(method, path, contentType string, body []byte, want int) ([]byte, http.Header) {
	d.t.Helper()
	if path[0] == '/' {
		path = d.url + path
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", manifest.OCIManifest+", "+manifest.OCIIndex)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		d.t.Fatalf("distribution: %s %s: %s, %v\n%s\n%s", method, path, answer.Status, err, got, d.said.String())
	}
	return got, answer.Header
}

func (d *distribution) push(repo string, i *storagetest.Image, tag string) {
	d.t.Helper()
	for _, blob := range [][]byte{i.Config, i.Layer} {
		d.pushChunked(repo, blob)
	}
	d.call("PUT", "/v2/"+repo+"/manifests/"+tag, i.Manifest.MediaType, i.Content, 201)
}

func (d *distribution) check(repo string, i *storagetest.Image, tag string) {
	d.t.Helper()
	if got, _ := d.call("GET", "/v2/"+repo+"/manifests/"+tag, "", nil, 200); !bytes.Equal(got, i.Content) {
		d.t.Errorf("distribution: %s:%s is another manifest", repo, tag)
	}
	for _, blob := range [][]byte{i.Config, i.Layer} {
		if got, _ := d.call("GET", "/v2/"+repo+"/blobs/"+digest.FromBytes(blob).String(), "", nil, 200); !bytes.Equal(got, blob) {
			d.t.Errorf("distribution: a blob of %s:%s is another one", repo, tag)
		}
	}
}

func (d *distribution) list(path, field string) []string {
	d.t.Helper()
	body, _ := d.call("GET", path, "", nil, 200)
	var all map[string]json.RawMessage
	var names []string
	if err := json.Unmarshal(body, &all); err != nil {
		d.t.Fatal(err)
	}
	if err := json.Unmarshal(all[field], &names); err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// TestEngineExchange takes turns with CNCF distribution on one bucket, and lets its collection walk over what we wrote.
func TestEngineExchange(t *testing.T) {
	cfg := startEngine(t)
	theirs := newDistribution(t, cfg)
	beside(t, "registry")
	big := noise(9, 12<<20)

	ours := openEngine(t, cfg, nil)
	one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
	one.Push(t, ours, "team/app", "v1", "v2")
	one.Push(t, ours, "team-app", "v1")
	two.Push(t, ours, "team/app", "v2", "gone")
	signature := storagetest.NewImage(t, "signature", one)
	signature.Push(t, ours, "team/app")
	large := storagetest.PushBlob(t, ours, "team/app", big)
	if err := ours.DeleteTag(t.Context(), storagetest.Repo(t, "team/app"), storagetest.Tag(t, "gone")); err != nil {
		t.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}

	theirs.start()
	theirs.check("team/app", one, "v1")
	theirs.check("team/app", two, "v2")
	theirs.check("team-app", one, "v1")
	theirs.check("team/app", signature, signature.Digest.String())
	if got, _ := theirs.call("GET", "/v2/team/app/blobs/"+large.String(), "", nil, 200); !bytes.Equal(got, big) {
		t.Errorf("distribution: %d of the large blob came back", len(got))
	}
	if got := theirs.list("/v2/_catalog", "repositories"); !slices.Equal(got, []string{"team-app", "team/app"}) {
		t.Errorf("distribution: repositories %v", got)
	}
	if got := theirs.list("/v2/team/app/tags/list", "tags"); !slices.Equal(got, []string{"v1", "v2"}) {
		t.Errorf("distribution: tags %v", got)
	}
	three := storagetest.NewImage(t, "three", one)
	theirs.push("team/app", three, "v3")
	theirs.push("team/app", three, "v1") // moves a tag of ours
	theirs.push("theirs", two, "v1")
	theirs.stop()

	ours = openEngine(t, cfg, nil)
	if _, err := ours.Reindex(t.Context()); err != nil {
		t.Fatal(err)
	}
	three.Check(t, ours, "team/app", "v1", "v3")
	two.Check(t, ours, "theirs", "v1")
	if got := storagetest.Repositories(t, ours, 2); !slices.Equal(got, []string{"team-app", "team/app", "theirs"}) {
		t.Errorf("repositories %v", got)
	}
	if got := storagetest.Tags(t, ours, "team/app", 2); !slices.Equal(got, []string{"v1", "v2", "v3"}) {
		t.Errorf("tags %v", got)
	}
	if found, err := ours.Referrers(t.Context(), storagetest.Repo(t, "team/app"), one.Digest); err != nil || len(found) != 2 {
		t.Errorf("referrers %v, %v", found, err)
	}
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}

	out, err := exec.CommandContext(t.Context(), beside(t, "registry"), "garbage-collect", theirs.file).CombinedOutput()
	if err != nil {
		t.Fatalf("distribution's collection: %v\n%s", err, out)
	}
	ours = openEngine(t, cfg, nil)
	three.Check(t, ours, "team/app", "v1", "v3")
	two.Check(t, ours, "team/app", "v2")
	signature.Check(t, ours, "team/app")
}
