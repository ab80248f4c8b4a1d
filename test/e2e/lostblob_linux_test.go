package e2e

import (
	"net/http"
	"testing"
)

// TestFailedWriteBackOfBlob lets the device refuse a block of a small blob after the push was
// acknowledged, once or for good, and evicts the pages: the file reads as zeros. The journal has the
// bytes, so the blob must not be lost, and other pushes must not fail meanwhile.
func TestFailedWriteBackOfBlob(t *testing.T) {
	for n, c := range []struct {
		name  string
		times int
		after func(t *testing.T, o *outage)
	}{
		{"once, then stopped", 1, func(_ *testing.T, o *outage) { o.server.stop() }},
		{"once, then killed", 1, func(_ *testing.T, o *outage) { o.server.kill() }},
		{"always, then killed", 0, func(t *testing.T, o *outage) {
			t.Helper()
			eventually(t, "health shows it", patience, func() bool { return o.health() == http.StatusServiceUnavailable })
			for i := range 20 {
				o.pushAndRead(t, "another", noise(uint64(1000+i), 5000))
			}
			o.server.kill()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := startOutage(t, "ext4")
			content := noise(uint64(200+n), 8<<10)
			o.fail(content, c.times)
			if _, err := pushBlob(o.installation, o.client, admin, outageRepository, content); err != nil {
				t.Fatal(err)
			}
			o.lose(t)
			if o.fault.Hits() == 0 {
				t.Fatal("the device refused no write")
			}
			o.mayRead(t, content)
			o.pushAndRead(t, "another", noise(uint64(300+n), 5000))
			c.after(t, o)
			o.volume.Image.LiftAll()
			o.remount(t)
			o.serve()
			o.mustRead(t, "after the restart", content)
		})
	}
}
