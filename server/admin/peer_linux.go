package admin

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

var errNoUnixSocket = errors.New("not a Unix socket")

// peerOf returns the process that conn connects to, as the kernel recorded
// it: the listener's for a client, the client's for a listener (SO_PEERCRED, unix(7)).
func peerOf(conn net.Conn) (peer, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return peer{}, errNoUnixSocket
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var credentials *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) //nolint:gosec // a descriptor
	}); err != nil {
		return peer{}, err
	}
	if failed != nil {
		return peer{}, failed
	}
	return peer{uid: int(credentials.Uid), pid: int(credentials.Pid)}, nil
}
