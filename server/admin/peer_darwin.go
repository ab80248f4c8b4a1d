package admin

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

var errNoUnixSocket = errors.New("not a Unix socket")

// peerOf returns the process that conn connects to (LOCAL_PEERCRED and LOCAL_PEERPID, unix(4)).
func peerOf(conn net.Conn) (peer, error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return peer{}, errNoUnixSocket
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var credentials *unix.Xucred
	var pid int
	var failed error
	if err := raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
		pid, _ = unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID) // 0: unknown
	}); err != nil {
		return peer{}, err
	}
	if failed != nil {
		return peer{}, failed
	}
	return peer{uid: int(credentials.Uid), pid: pid}, nil
}
