package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestCollectionBesidePushesLosesNothing lets the server collect all the time,
// with a window of a second, while clients push, delete, push again what was
// just deleted, and rely on blobs that a HEAD called existing. Whatever
// manifest was acknowledged and not deleted stays whole (P3); and what was
// deleted does go, or nothing was proven.
func TestCollectionBesidePushesLosesNothing(t *testing.T) {
	const workers = 6
	in := install(t)
	in.env = []string{
		"REGISTRY_STORAGE_MAINTENANCE_GC_INTERVAL=500ms",
		"REGISTRY_STORAGE_MAINTENANCE_GC_WINDOW=1s",
	}
	s := in.serve()
	client := in.client()
	length := soak(t)

	// Deleted once at the start and never pushed again: it has to go.
	garbage := noise(900, 10_000)
	doomed := pushArtifact(in, client, admin, "collect/doomed", "v1", garbage)
	if doomed.err != nil {
		t.Fatalf("push: %v", doomed.err)
	}
	if got, err := in.request(client, admin, "DELETE", "/v2/collect/doomed/manifests/"+doomed.manifest, nil); err != nil || got.status != http.StatusAccepted {
		t.Fatalf("delete: %v %d", err, got.status)
	}

	end := time.Now().Add(length)
	var book ledger
	var load sync.WaitGroup
	for worker := range workers {
		load.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				in.churn(client, &book, worker, i)
			}
		})
	}
	load.Wait()

	kept, _ := book.entries([2]int{})
	// Collections of what was deleted last, before everything is read.
	time.Sleep(3 * time.Second)
	in.readAllBack(kept)
	for i, err := range book.odd {
		t.Errorf("while collecting: %v", err)
		if i == 9 {
			break
		}
	}

	hex := digestOf(garbage)[len("sha256:"):]
	data := filepath.Join(in.dir, "data", "docker", "registry", "v2", "blobs", "sha256", hex[:2], hex, "data")
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := os.Stat(data); os.IsNotExist(err) {
			break
		}
		if time.Now().After(deadline) {
			t.Error("what was deleted at the start is still there: no collection took place")
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	t.Logf("%d manifests were to be kept through %v of collecting", len(kept), length)
	if len(kept) < 20 {
		t.Errorf("%d kept manifests prove little", len(kept))
	}
}

// churn pushes one artifact out of a small set of layers, which other workers
// push and delete too, and deletes every second one again.
func (in *installation) churn(client *http.Client, book *ledger, worker, i int) {
	repository := fmt.Sprintf("collect/%c", 'a'+rune(worker%3))
	layer := noise(uint64(1000+(worker+i)%12), 20_000)
	tag := fmt.Sprintf("w%d-%d", worker, i)

	present, err := in.request(client, writer, "HEAD", "/v2/"+repository+"/blobs/"+digestOf(layer), nil)
	if err != nil {
		book.complain(err)
		return
	}
	if present.status == http.StatusNotFound {
		if _, err := pushBlob(in, client, writer, repository, layer); err != nil {
			book.complain(err)
			return
		}
	}
	// A config of its own makes the manifest one that nobody else deletes.
	config := fmt.Appendf(nil, `{"pushed":%q}`, tag)
	if _, err := pushBlob(in, client, writer, repository, config); err != nil {
		book.complain(err)
		return
	}
	result := putManifest(in, client, writer, repository, tag, config, layer)
	if result.err != nil {
		// Where a second passed since the HEAD, the layer may be gone and the
		// manifest is rightly refused; nothing was promised.
		return
	}
	if i%2 == 0 {
		got, err := in.request(client, admin, "DELETE", "/v2/"+repository+"/manifests/"+result.manifest, nil)
		if err == nil && got.status != http.StatusAccepted {
			err = &refusedError{"delete manifest", got}
		}
		if err != nil {
			book.complain(err)
		}
		return
	}
	book.enter(result)
}
