package e2e

import (
	"path/filepath"
	"testing"

	"packhouse/test/e2e/blockdevice"
)

// volumeSize is the size of a volume: xfs refuses less than 300 MiB.
const volumeSize = 320 << 20

// fileSystem returns a file system of the harness by its name.
func fileSystem(t *testing.T, name string) blockdevice.FileSystem {
	t.Helper()
	for _, f := range blockdevice.FileSystems {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no file system is called %s", name)
	return blockdevice.FileSystem{}
}

// createVolume creates and mounts a volume until the end of the test. A machine that cannot mount
// one skips the test; under CI=true as root it fails.
func createVolume(t *testing.T, f blockdevice.FileSystem) *blockdevice.Volume {
	t.Helper()
	v, err := blockdevice.Create(f, volumeSize)
	if blockdevice.CanSkip(err) {
		t.Skipf("create volume: %v", err)
	}
	if err != nil {
		t.Fatalf("create volume: %v", err)
	}
	closeVolume(t, v)
	return v
}

// closeVolume closes a volume at the end of the test, after the servers on it have ended.
func closeVolume(t *testing.T, v *blockdevice.Volume) {
	t.Helper()
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Errorf("close volume: %v", err)
		}
	})
}

// installOn returns an installation whose store is on a volume. Plain HTTP saves the time of TLS.
func installOn(t *testing.T, v *blockdevice.Volume) *installation {
	t.Helper()
	in := install(t, "--tls", "off")
	in.moveTo(v)
	return in
}

// moveTo points the installation at the store of another volume, from the next start on.
func (in *installation) moveTo(v *blockdevice.Volume) {
	in.env = []string{
		"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=" + filepath.Join(v.Directory(), storeOnVolume),
		"REGISTRY_HTTP_LIMITS_UPLOADSPERUSER=100000", // a cut leaves uploads open
	}
}

// storeOnVolume is the directory of the store on a volume. The root holds lost+found on ext4.
const storeOnVolume = "data"
