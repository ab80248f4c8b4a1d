package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"packhouse/test/e2e/blockdevice"
)

// TestFailedWriteBackOfJournaledBlob lets the device refuse the data of small blobs that are in the
// store's journal, and evicts their pages. The blobs must be served right (P1, P2): by the same
// server, by the next one, and after a power cut.
func TestFailedWriteBackOfJournaledBlob(t *testing.T) {
	for _, name := range []string{"ext4", "xfs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startOutage(t, name)
			cutter := o.volume.Image.Record()
			var all [][]byte
			for n := range 3 {
				content := noise(uint64(200+n), 20_000+n)
				o.fail(content[4096:], 1)
				o.pushAndRead(t, "a small blob", content)
				o.lose(t)
				o.mayRead(t, content)
				all = append(all, content)
				if o.fault.Hits() != 1 {
					t.Errorf("the device refused %d writes, want 1", o.fault.Hits())
				}
				// A later push and its checkpoint must not settle what was lost.
				o.pushAndRead(t, "another blob", noise(uint64(300+n), 10_000))
			}
			eventually(t, "every blob is served right after the checkpoint", patience, func() bool {
				for _, content := range all {
					if readBlob(o.installation, o.client, reader, outageRepository, digestOf(content)) != nil {
						return false
					}
				}
				return true
			})
			at := o.volume.Image.Position()
			o.server.kill()
			o.remount(t)
			o.serve()
			for _, content := range all {
				o.mustRead(t, "after a restart", content)
			}
			o.server.kill()
			o.serveAfterCut(t, cutter, blockdevice.Cut{At: at})
			for _, content := range all {
				o.mustRead(t, "after a power cut", content)
			}
		})
	}
}

// TestUnwritableBlockIsIsolated lets the device refuse the data of one acknowledged blob for as
// long as several checkpoints take. Other pushes must succeed, /health must show the failure, and
// both must end when the device accepts the block again.
func TestUnwritableBlockIsIsolated(t *testing.T) {
	o := startOutage(t, "ext4")
	content := noise(400, 20_000)
	o.fail(content[4096:], 0)
	o.pushAndRead(t, "a small blob", content)
	shown, pushes := false, 0
	deadline := time.Now().Add(patience)
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end) || o.fault.Hits() < 3 || !shown; pushes++ {
		tag, layer := fmt.Sprintf("v%d", pushes%5), noise(uint64(500+pushes), 3000)
		result := pushArtifact(o.installation, o.client, admin, "outage/other", tag, layer)
		if result.err != nil {
			t.Fatalf("push %d while a block is unwritable: %v", pushes, result.err)
		}
		if err := result.readBack(o.installation, o.client, reader); err != nil {
			t.Fatalf("while a block is unwritable: %v", err)
		}
		o.mayRead(t, content)
		shown = shown || o.health() == http.StatusServiceUnavailable
		if time.Now().After(deadline) {
			t.Fatalf("after %s: health showed it: %t; writes refused: %d", patience, shown, o.fault.Hits())
		}
		time.Sleep(pollEvery) // the pace of the load
	}
	o.fault.Lift()
	eventually(t, "health after the block is writable", patience, func() bool { return o.health() == http.StatusOK })
	o.mustRead(t, "after the block is writable", content)
	t.Logf("%d artifacts pushed while %d writes were refused", pushes, o.fault.Hits())
	o.server.stop()
	o.remount(t)
	o.serve()
	o.mustRead(t, "after a restart", content)
}

// TestClockStepKeepsLastTagMove moves a tag, leaves its files with times in the future as a clock
// does that is stepped back afterwards, moves the tag again, and cuts the power before anything
// but the journal is durable. The last acknowledged move must survive.
func TestClockStepKeepsLastTagMove(t *testing.T) {
	for _, name := range []string{"ext4", "xfs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startOutage(t, name)
			before := pushArtifact(o.installation, o.client, admin, outageRepository, "moving", noise(10, 1000))
			if before.err != nil {
				t.Fatalf("push: %v", before.err)
			}
			o.server.stop()
			setTimes(t, o.volume.Directory(), time.Now().Add(24*time.Hour))
			o.remount(t)
			o.serve()
			cutter := o.volume.Image.Record()
			var last pushed
			for n := range 3 {
				last = pushArtifact(o.installation, o.client, admin, outageRepository, "moving", noise(uint64(20+n), 1000))
				if last.err != nil {
					t.Fatalf("push: %v", last.err)
				}
			}
			at := o.volume.Image.Position()
			o.server.kill()
			for _, keep := range []float64{0, 0.5} {
				o.serveAfterCut(t, cutter, blockdevice.Cut{At: at, Keep: keep})
				if err := last.readBack(o.installation, o.client, reader); err != nil {
					t.Errorf("after the cut: %v", err)
				}
				o.server.kill()
			}
		})
	}
}
