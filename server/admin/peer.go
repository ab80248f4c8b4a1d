package admin

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"packhouse/trust"
)

// ErrUntrusted reports that the socket, a directory above it, or the process behind it belongs to a
// user that the client does not accept as its server. Nothing was sent to it.
var ErrUntrusted = errors.New("the admin socket is not trusted")

// accounts are the user IDs that a client accepts as its server's: root, the client's own effective
// user, and those that the caller of Find or Dial names.
type accounts []int

func trusting(named []int) accounts { return append(accounts{0, os.Geteuid()}, named...) }

func (a accounts) includes(uid int) bool { return slices.Contains(a, uid) }

// peer is the process at the other end of a connection.
type peer struct {
	uid int // effective user ID
	pid int // as this process sees it; 0: in another PID namespace, or unknown
}

// untrusted returns an ErrUntrusted that names the cause.
func untrusted(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUntrusted, fmt.Errorf(format, args...))
}

// verifyPeer returns an ErrUntrusted unless the process at the other end of conn belongs to one of
// a.
func (a accounts) verifyPeer(conn net.Conn, path string) error {
	other, err := peerOf(conn)
	if err != nil {
		return untrusted("identify the process that listens on %s: %w", path, err)
	}
	if !a.includes(other.uid) {
		return untrusted("a process of %s listens on %s, and nothing names that user as the server's",
			trust.UserName(other.uid), path)
	}
	return nil
}
