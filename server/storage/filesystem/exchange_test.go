package filesystem_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// TestExchangeWithDistribution lets CNCF distribution, whose binary REGISTRY_BINARY names, serve and collect what we wrote, and us what it wrote.
func TestExchangeWithDistribution(t *testing.T) {
	binary := os.Getenv("REGISTRY_BINARY")
	if binary == "" {
		t.Skip("REGISTRY_BINARY names no binary of CNCF distribution")
	}
	root, now := t.TempDir(), newClock()
	s := open(t, filesystem.Options{Root: root, Now: now.now})
	image, gone, moved := storagetest.NewImage(t, "ours", nil), storagetest.NewImage(t, "gone", nil), storagetest.NewImage(t, "moved", nil)
	index := storagetest.NewIndex(t, image)
	signature := storagetest.NewImage(t, "signature", image)
	gone.Push(t, s, "team/a", "v0", "old")
	image.Push(t, s, "team/a", "v1", "latest")
	moved.Push(t, s, "team/a", "latest")
	index.Push(t, s, "team/a", "all")
	signature.Push(t, s, "team/a")
	storagetest.PushBlob(t, s, "team/a", []byte("garbage"))
	if err := s.DeleteTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, "old")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteManifest(context.Background(), storagetest.Repo(t, "team/a"), gone.Digest, false); err != nil {
		t.Fatal(err)
	}
	closing(t, s)

	d := startDistribution(t, binary, root)
	for _, ref := range []string{"v1", "latest", "all", string(signature.Digest)} {
		if code, _ := d.get(t, "/v2/team/a/manifests/"+ref); code != http.StatusOK {
			t.Errorf("distribution serves %s with %d", ref, code)
		}
	}
	if code, body := d.get(t, "/v2/team/a/blobs/"+string(digest.FromBytes(image.Layer))); code != http.StatusOK || !bytes.Equal(body, image.Layer) {
		t.Errorf("distribution serves the layer with %d", code)
	}
	if _, body := d.get(t, "/v2/team/a/tags/list"); !strings.Contains(string(body), `"tags":["all","latest","v1"]`) {
		t.Errorf("distribution lists %s", body)
	}
	theirs := storagetest.NewImage(t, "theirs", image)
	d.push(t, "team/a", theirs, "v1")
	d.push(t, "other", storagetest.NewImage(t, "other", nil), "v1")
	d.stop(t)
	d.collect(t)

	s = open(t, filesystem.Options{Root: root, Now: now.now})
	defer closing(t, s)
	theirs.Check(t, s, "team/a", "v1")
	moved.Check(t, s, "team/a", "latest")
	image.Check(t, s, "team/a")
	index.Check(t, s, "team/a", "all")
	if got, err := s.Referrers(context.Background(), storagetest.Repo(t, "team/a"), image.Digest); err != nil || len(got) != 2 {
		t.Errorf("referrers, one ours and one theirs: %v, %v", got, err)
	}
	eventually(t, "the other server's repository is listed", func() bool { // found in the background
		return slices.Equal(storagetest.Repositories(t, s, 10), []string{"other", "team/a"})
	})
	now.pass(3 * time.Hour)
	report, err := s.Collect(context.Background(), storage.CollectOptions{}, nil)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("collect: %+v, %v", report, err)
	}
	scrub, err := s.Scrub(context.Background(), storage.ScrubOptions{}, nil)
	if err != nil || slices.ContainsFunc(scrub.Damaged, func(d storage.Damage) bool { return d.Kind != "link" }) {
		t.Errorf("scrub: %+v, %v", scrub, err)
	}
	theirs.Check(t, s, "team/a", "v1")
	index.Check(t, s, "team/a", "all")
}

type distribution struct {
	binary, config, url string
	cmd                 *exec.Cmd
	said                *bytes.Buffer
}

func startDistribution(t *testing.T, binary, root string) *distribution {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	d := &distribution{binary: binary, config: filepath.Join(t.TempDir(), "config.yml"), url: "http://" + addr, said: &bytes.Buffer{}}
	write(t, d.config, fmt.Appendf(nil, "version: 0.1\nlog: {level: warn}\nstorage:\n  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\nhttp: {addr: %s}\n", root, addr))
	d.cmd = exec.Command(binary, "serve", d.config)
	d.cmd.Stdout, d.cmd.Stderr = d.said, d.said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	eventually(t, "response from distribution", func() bool {
		r, err := http.Get(d.url + "/v2/")
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	})
	return d
}

// eventually waits until a condition outside of this process or in the background is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) { // polling
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

func (d *distribution) get(t *testing.T, path string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, d.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Add("Accept", "application/vnd.oci.image.manifest.v1+json")
	req.Header.Add("Accept", "application/vnd.oci.image.index.v1+json")
	return d.do(t, req)
}

func (d *distribution) do(t *testing.T, req *http.Request) (int, []byte) {
	t.Helper()
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, body
}

func (d *distribution) push(t *testing.T, repo string, i *storagetest.Image, tag string) {
	t.Helper()
	for _, b := range [][]byte{i.Config, i.Layer} {
		r, err := http.Post(d.url+"/v2/"+repo+"/blobs/uploads/", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		at := r.Header.Get("Location")
		if strings.HasPrefix(at, "/") {
			at = d.url + at
		}
		req, err := http.NewRequest(http.MethodPut, at+"&digest="+string(digest.FromBytes(b)), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if code, body := d.do(t, req); code != http.StatusCreated {
			t.Fatalf("push a blob: %d %s", code, body)
		}
	}
	req, err := http.NewRequest(http.MethodPut, d.url+"/v2/"+repo+"/manifests/"+tag, bytes.NewReader(i.Content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", i.Manifest.MediaType)
	if code, body := d.do(t, req); code != http.StatusCreated {
		t.Fatalf("push a manifest: %d %s", code, body)
	}
}

func (d *distribution) stop(t *testing.T) {
	t.Helper()
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait()
}

// collect runs distribution's collection, which stumbles over anything it does not know.
func (d *distribution) collect(t *testing.T) {
	t.Helper()
	out, err := exec.Command(d.binary, "garbage-collect", d.config).CombinedOutput()
	if err != nil {
		t.Errorf("distribution's collection: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "4 blobs and 0 manifests eligible for deletion") {
		t.Errorf("distribution's collection says %s", out)
	}
}
