package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"packhouse/test/e2e/blockdevice"
)

// TestReadOnlyFileSystemStillServes lets the device refuse every write until ext4 makes itself
// read-only. Every role must still read, and pushes must get 503.
func TestReadOnlyFileSystemStillServes(t *testing.T) {
	o := startOutage(t, "ext4")
	content := noise(30, 200_000)
	stored := pushArtifact(o.installation, o.client, admin, outageRepository, "kept", content)
	if stored.err != nil {
		t.Fatalf("push: %v", stored.err)
	}
	// A read by a client that may push refreshes the time of an old link.
	repositories := filepath.Join(o.volume.Directory(), storeOnVolume, "docker/registry/v2/repositories")
	setTimes(t, repositories, time.Now().Add(-365*24*time.Hour))
	if err := o.volume.Sync(); err != nil {
		t.Fatal(err)
	}
	o.volume.Image.Inject(&blockdevice.Fault{Match: blockdevice.Writes, Action: blockdevice.Fail})
	probe := filepath.Join(o.volume.Directory(), "probe")
	eventually(t, "ext4 is read-only", patience, func() bool {
		_ = os.WriteFile(probe, []byte("x"), 0o600)
		_ = o.volume.Sync()
		return errors.Is(os.WriteFile(probe, []byte("y"), 0o600), syscall.EROFS)
	})
	o.volume.Image.LiftAll() // the device is well again; the file system stays read-only

	for _, user := range []string{reader, writer, admin} {
		o.mustServe(t, user, "blobs/"+digestOf(content), digestOf(content))
		o.mustServe(t, user, "manifests/kept", stored.manifest)
		o.mustServe(t, user, "manifests/"+stored.manifest, stored.manifest)
	}
	manifest, err := manifestOf([]byte("{}"), content)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{writer, admin} {
		o.mustAnswer503(t, user, "POST", "blobs/uploads/", []byte{})
		o.mustAnswer503(t, user, "PUT", "manifests/again", manifest)
	}
	eventually(t, "health shows it", patience, func() bool { return o.health() == http.StatusServiceUnavailable })
	o.server.kill()
}

// mustServe demands that GET and HEAD of a path succeed for a user, with the content of a digest.
func (o *outage) mustServe(t *testing.T, user, path, digest string) {
	t.Helper()
	for _, method := range []string{"HEAD", "GET"} {
		got, err := o.request(o.client, user, method, "/v2/"+outageRepository+"/"+path, nil, "Accept", ociManifest)
		switch {
		case err != nil || got.status != http.StatusOK:
			t.Errorf("%s: %s %s: %d %v %s", user, method, path, got.status, err, got.body)
		case method == "GET" && digestOf(got.body) != digest:
			t.Errorf("%s: %s %s: wrong bytes", user, method, path)
		}
	}
}

// mustAnswer503 demands that a request which writes is refused for now.
func (o *outage) mustAnswer503(t *testing.T, user, method, path string, body []byte) {
	t.Helper()
	got, err := o.request(o.client, user, method, "/v2/"+outageRepository+"/"+path, body, "Content-Type", ociManifest)
	if err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("%s: %s %s: %d %v %s, want 503", user, method, path, got.status, err, got.body)
	}
}
