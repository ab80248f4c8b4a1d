package e2e

import (
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"packhouse/test/e2e/blockdevice"
)

// outage is a server whose device a test breaks.
type outage struct {
	*installation
	volume *blockdevice.Volume
	client *http.Client
	server *server
	fault  *blockdevice.Fault
}

const outageRepository = "outage/app"

// startOutage serves a store on a new volume. The store is complete and its first push durable.
func startOutage(t *testing.T, fileSystemName string) *outage {
	t.Helper()
	v := createVolume(t, fileSystem(t, fileSystemName))
	in := installOn(t, v)
	// Health follows what a test does to the device within seconds.
	in.env = append(in.env, "REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL=500ms", "REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD=1")
	o := &outage{installation: in, volume: v}
	t.Cleanup(v.Image.LiftAll) // before the server is stopped, which would wait for a hung device
	o.serve()
	if first := pushArtifact(in, o.client, admin, outageRepository, "first", noise(1, 100)); first.err != nil {
		t.Fatalf("push: %v", first.err)
	}
	if err := v.Sync(); err != nil {
		t.Fatal(err)
	}
	return o
}

// serve starts the server on the volume. A test that breaks the device lifts the fault before.
func (o *outage) serve() {
	o.client = o.installation.client()
	o.server = o.installation.serve()
	o.t.Cleanup(o.volume.Image.LiftAll)
}

// fail makes the device refuse the block that content begins with, up to limit times; 0 is always.
func (o *outage) fail(content []byte, limit int) {
	o.fault = &blockdevice.Fault{Match: blockdevice.WithBlock(content), Action: blockdevice.Fail, Limit: limit}
	o.volume.Image.Inject(o.fault)
}

// lose writes the dirty pages, one of which the device refuses, and then drops all pages. Whether
// Sync reports the failure depends on who asked before.
func (o *outage) lose(t *testing.T) {
	t.Helper()
	_ = o.volume.Sync()
	if err := o.volume.Evict(storeOnVolume); err != nil {
		t.Fatal(err)
	}
}

// remount unmounts the volume and mounts it again. Nothing may use it.
func (o *outage) remount(t *testing.T) {
	t.Helper()
	if err := o.volume.Unmount(); err != nil {
		t.Fatal(err)
	}
	if err := o.volume.Mount(); err != nil {
		t.Fatal(err)
	}
}

// pushAndRead pushes a blob, which has to succeed and to be served.
func (o *outage) pushAndRead(t *testing.T, what string, content []byte) {
	t.Helper()
	if _, err := pushBlob(o.installation, o.client, admin, outageRepository, content); err != nil {
		t.Errorf("push %s: %v", what, err)
		return
	}
	o.mustRead(t, what, content)
}

// mustRead demands that a blob is served.
func (o *outage) mustRead(t *testing.T, what string, content []byte) {
	t.Helper()
	if err := readBlob(o.installation, o.client, reader, outageRepository, digestOf(content)); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// mayRead demands that a blob is served right or not at all.
func (o *outage) mayRead(t *testing.T, content []byte) {
	t.Helper()
	digest := digestOf(content)
	got, err := o.request(o.client, reader, "GET", "/v2/"+outageRepository+"/blobs/"+digest, nil)
	if err == nil && got.status == http.StatusOK && digestOf(got.body) != digest {
		t.Errorf("blob %s is served with wrong bytes", digest)
	}
}

// health returns the status of /health.
func (o *outage) health() int {
	got, err := o.request(o.client, "", "GET", "/health", nil)
	if err != nil {
		return 0
	}
	return got.status
}

// serveAfterCut serves the store that a power cut leaves. It unmounts the volume of before.
func (o *outage) serveAfterCut(t *testing.T, cutter *blockdevice.Cutter, cut blockdevice.Cut) {
	t.Helper()
	if err := o.volume.Unmount(); err != nil {
		t.Fatal(err)
	}
	cut.Tear = o.volume.FileSystem.Tear
	after, err := blockdevice.Open(o.volume.FileSystem, cutter.State(cut, rand.New(rand.NewPCG(12, 2))))
	if err != nil {
		t.Fatalf("mount after %+v: %v", cut, err)
	}
	closeVolume(t, after)
	o.volume = after
	o.moveTo(after)
	o.serve()
}

// setTimes sets the modification times of everything below a directory, children before parents.
func setTimes(t *testing.T, directory string, to time.Time) {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(directory, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Backward(paths) {
		if err := os.Chtimes(path, to, to); err != nil {
			t.Fatal(err)
		}
	}
}
