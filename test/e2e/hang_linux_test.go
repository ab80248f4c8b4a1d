package e2e

import (
	"net/http"
	"testing"

	"packhouse/test/e2e/blockdevice"
)

// TestHungDeviceTurnsHealthDown hangs every write and flush of the device. /health must answer 503
// meanwhile, and 200 when the device resumes. What was acknowledged before must be there, and a push
// must not be acknowledged while the device hangs.
func TestHungDeviceTurnsHealthDown(t *testing.T) {
	o := startOutage(t, "ext4")
	content := noise(40, 5000)
	o.pushAndRead(t, "before the device hangs", content)
	o.volume.Image.Inject(&blockdevice.Fault{Action: blockdevice.Hang})
	during := noise(41, 5000)
	pushed := make(chan error, 1)
	go func() {
		_, err := pushBlob(o.installation, o.client, admin, outageRepository, during)
		pushed <- err
	}()
	eventually(t, "health is down while the device hangs", patience, func() bool {
		return o.health() == http.StatusServiceUnavailable
	})
	var err error
	select {
	case err = <-pushed:
		if err == nil {
			t.Error("a push was acknowledged while the device hung")
		}
		o.volume.Image.LiftAll()
	default:
		o.volume.Image.LiftAll()
		err = <-pushed
	}
	eventually(t, "health returns with the device", patience, func() bool { return o.health() == http.StatusOK })
	if err == nil {
		o.mustRead(t, "acknowledged after the device resumed", during)
	}
	o.mustRead(t, "after the device hung", content)
	o.pushAndRead(t, "after the device hung", noise(42, 5000))
	o.server.stop()
}
