package admin

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

var errNoUnixSocket = errors.New("not a Unix socket")

// peerOf returns the effective user ID of the process that conn connects to, as the kernel recorded
// it: the listener's for a client, the client's for a listener (SO_PEERCRED, unix(7)).
func peerOf(conn net.Conn) (uid int, err error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return -1, errNoUnixSocket
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, err
	}
	var credentials *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) //nolint:gosec // a descriptor
	}); err != nil {
		return -1, err
	}
	if failed != nil {
		return -1, failed
	}
	return int(credentials.Uid), nil
}
