package admin

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

var errNoUnixSocket = errors.New("not a Unix socket")

// peerOf returns the effective user ID of the process that conn connects to (LOCAL_PEERCRED, unix(4)).
func peerOf(conn net.Conn) (uid int, err error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return -1, errNoUnixSocket
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return -1, err
	}
	var credentials *unix.Xucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	}); err != nil {
		return -1, err
	}
	if failed != nil {
		return -1, failed
	}
	return int(credentials.Uid), nil
}
