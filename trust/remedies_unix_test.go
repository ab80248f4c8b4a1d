//go:build unix

package trust

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMountWritable runs the command of the remedy, with programs that print their arguments.
func TestMountWritable(t *testing.T) {
	bin, dir := t.TempDir(), filepath.Join(t.TempDir(), "it's a; directory")
	for name, script := range map[string]string{"findmnt": `echo "mount point of $5"`, "mount": `printf '<%s>' "$@"`} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, command, found := strings.Cut(MountWritable(filepath.Join(dir, "not", "there")), " with ")
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if want := "<-o><remount,rw><mount point of " + dir + ">"; !found || err != nil || string(out) != want {
		t.Errorf("%s: %v, %s, want %s", command, err, out, want)
	}
}
