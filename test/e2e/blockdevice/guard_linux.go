package blockdevice

import (
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// guard is a process that unmounts a volume if this process ends without doing so: after a panic,
// after a timeout of `go test`, or after a kill.
type guard struct {
	command *exec.Cmd
	pipe    io.Closer // the guard acts when its end is closed
}

// If this process closed the volume, nothing is left to do. Otherwise a server that it started may
// still have files of the volume open, which would keep the loop device attached.
const guardScript = `
cat >/dev/null
[ -d "$3" ] || exit 0
ls -l /proc/[0-9]*/fd 2>/dev/null |
	awk -v inside="-> $1/" '/^.proc.[0-9]/ { split($0, path, "/") } index($0, inside) { print path[3] }' |
	sort -u | xargs -r kill -9
umount -l "$1"; umount -l "$2"
rmdir "$1" "$2" "$3"
`

// startGuard starts the guard of a volume, its device, and the directory that contains both.
func startGuard(volume, device, directory string) (*guard, error) {
	command := exec.Command("sh", "-c", guardScript, "sh", volume, device, directory)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a signal to the group leaves it alive
	pipe, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	return &guard{command, pipe}, nil
}

// stop ends the guard after the volume is unmounted.
func (g *guard) stop() {
	_ = g.pipe.Close()
	_ = g.command.Wait()
}
