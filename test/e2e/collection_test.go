package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// window is the shortest that the server takes: what was touched within it is
// never collected.
const window = time.Minute

// wantedAfter is when a layer is wanted again, counted from when it was deleted:
// most are around the moment when it may go; one of sixteen is there for sure, and
// one is gone, however slow the machine.
func wantedAfter(i uint64) time.Duration {
	switch n := i % 16; n {
	case 0:
		return window / 2
	case 15:
		return window + 30*time.Second
	default:
		return window + time.Duration(n-1)*150*time.Millisecond
	}
}

// TestCollectionBesidePushesLosesNothing lets the server collect every second
// while clients push. Half of what they push is deleted at once; and each layer
// of it is wanted again at the very moment when its window has passed and the
// collector comes for it, by a client that believes a HEAD. Whatever manifest
// was acknowledged and not deleted stays whole (P3); and what was deleted and
// nobody wanted again does go, or nothing was proven.
//
// It takes SOAK plus the window and half a minute.
func TestCollectionBesidePushesLosesNothing(t *testing.T) {
	const workers = 6
	in := install(t)
	in.env = []string{
		"REGISTRY_STORAGE_MAINTENANCE_GC_INTERVAL=1s",
		"REGISTRY_STORAGE_MAINTENANCE_GC_WINDOW=" + window.String(),
	}
	s := in.serve()
	client := in.client()
	length := soak(t)
	book := &ledger{}

	// Deleted at the start and never wanted again: it has to go.
	garbage := noise(900, 10_000)
	in.pushAndDelete(client, book, "collect/doomed", "v1", garbage)

	pushing := time.Now().Add(length)
	var load sync.WaitGroup
	for worker := range workers {
		load.Go(func() {
			repository := fmt.Sprintf("collect/%c", 'a'+rune(worker%3))
			type wanted struct {
				layer []byte
				when  time.Time
			}
			var again []wanted
			for i := uint64(0); time.Now().Before(pushing); i++ {
				layer := noise(uint64(worker)*1_000_000+i, 20_000)
				if i%2 == 1 {
					result := pushArtifact(in, client, writer, repository, fmt.Sprintf("kept-%d-%d", worker, i), layer)
					if result.err != nil {
						book.complain(result.err)
						continue
					}
					book.enter(result)
				} else {
					in.pushAndDelete(client, book, repository, fmt.Sprintf("deleted-%d-%d", worker, i), layer)
					again = append(again, wanted{layer, time.Now().Add(wantedAfter(i / 2))})
				}
				time.Sleep(50 * time.Millisecond) // the pace of the load
			}
			slices.SortFunc(again, func(a, b wanted) int { return a.when.Compare(b.when) })
			for i, w := range again {
				time.Sleep(time.Until(w.when)) // until the server's GC window has passed
				in.wantAgain(client, book, repository, fmt.Sprintf("again-%d-%d", worker, i), w.layer)
			}
		})
	}
	load.Wait()

	// One more collection over all that was promised: what was deleted at the
	// start went long ago.
	hex := digestOf(garbage)[len("sha256:"):]
	data := filepath.Join(in.dir, "data", "docker", "registry", "v2", "blobs", "sha256", hex[:2], hex, "data")
	eventually(t, "what was deleted at the start goes", patience, func() bool {
		_, err := os.Stat(data)
		return os.IsNotExist(err)
	})
	time.Sleep(3 * time.Second) // nothing else may be removed meanwhile
	kept, _ := book.entries([2]int{})
	in.readAllBack(kept)
	for i, err := range book.odd {
		t.Errorf("while collecting: %v", err)
		if i == 9 {
			break
		}
	}
	s.stop()
	t.Logf("%d manifests kept; of %d layers wanted again %d were gone by then", len(kept), book.wanted, book.gone)
	if len(kept) < 20 || book.gone == 0 || book.gone == book.wanted {
		t.Error("too little happened, or all of it on one side of the race, to prove anything")
	}
}

// pushAndDelete leaves a layer that nothing refers to.
func (in *installation) pushAndDelete(client *http.Client, book *ledger, repository, tag string, layer []byte) {
	result := pushArtifact(in, client, admin, repository, tag, layer)
	if result.err != nil {
		book.complain(result.err)
		return
	}
	got, err := in.request(client, admin, "DELETE", "/v2/"+repository+"/manifests/"+result.manifest, nil)
	if err == nil && got.status != http.StatusAccepted {
		err = &refusedError{"delete manifest", got}
	}
	if err != nil {
		book.complain(err)
	}
}

// wantAgain pushes a manifest over a layer that may be going: what HEAD calls
// existing is not pushed again, as all clients do it.
func (in *installation) wantAgain(client *http.Client, book *ledger, repository, tag string, layer []byte) {
	config := []byte("{}")
	for _, blob := range [][]byte{layer, config} {
		present, err := in.request(client, writer, "HEAD", "/v2/"+repository+"/blobs/"+digestOf(blob), nil)
		if err == nil && present.status == http.StatusNotFound {
			_, err = pushBlob(in, client, writer, repository, blob)
		}
		if err != nil {
			book.complain(err)
			return
		}
		if &blob[0] == &layer[0] {
			book.count(present.status == http.StatusNotFound)
		}
	}
	// HEAD touched what it found, so the window begins again: a refusal here
	// would be a loss too.
	if result := putManifest(in, client, writer, repository, tag, config, layer); result.err != nil {
		book.complain(result.err)
	} else {
		book.enter(result)
	}
}
