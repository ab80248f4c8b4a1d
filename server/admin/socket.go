package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"packhouse/trust"
)

// maxSocketPath is the longest path of a Unix socket that every system accepts, in bytes.
const maxSocketPath = 100

// dialTimeout bounds connecting to a server that hangs.
const dialTimeout = 2 * time.Second

// connect opens a connection to the socket at path, without verifying it.
func connect(ctx context.Context, path string) (conn net.Conn, err error) {
	err = withShortPath(path, func(short string) error {
		d := net.Dialer{Timeout: dialTimeout}
		conn, err = d.DialContext(ctx, "unix", short)
		return err
	})
	return conn, err
}

// dial connects to the socket at path after verifying who owns it, and verifies the process behind
// it. Nothing has been sent when it returns.
func (a accounts) dial(ctx context.Context, path string) (net.Conn, error) {
	if err := a.verifyOwners(path); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := a.verifyPeer(conn, path); err != nil {
		_ = conn.Close() // nothing was sent
		return nil, err
	}
	return conn, nil
}

// ErrInUse reports that another process listens on a socket.
var ErrInUse = errors.New("another server listens there")

// Listen creates the admin socket at path, with mode 0600 in a directory that it creates with mode
// 0700. It replaces a socket that no process listens on any more, returns ErrInUse if one does, and
// refuses a directory that another user owns or can write to: that user could replace the socket.
//
// Accept returns only connections of root and of the server's own user. refused, which may be nil,
// is called with the reason for every other one, after it was closed.
func Listen(path string, refused func(error)) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of the admin socket: %w", err)
	}
	if err := verifyDirectory(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if conn, err := connect(context.Background(), path); err == nil {
		_ = conn.Close() // it only showed that a process listens
		return nil, fmt.Errorf("listen on %s: %w", path, ErrInUse)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove stale admin socket: %w", err)
		}
	}
	removeDead(filepath.Dir(path))
	// The socket gets its mode in a private directory and is then renamed, so that no other user
	// can connect in between.
	staged, err := os.MkdirTemp(filepath.Dir(path), ".admin-")
	if err != nil {
		return nil, fmt.Errorf("make admin socket: %w", err)
	}
	defer os.RemoveAll(staged)
	made := filepath.Join(staged, "s")
	var l net.Listener
	err = withShortPath(made, func(short string) error {
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "unix", short)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make admin socket: %w", err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	if err = os.Chmod(made, 0o600); err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		_ = l.Close() // the first failure is reported
		return nil, fmt.Errorf("make admin socket: %w", err)
	}
	return &listener{Listener: l, path: path, clients: trusting(nil), refused: refused}, nil
}

// removeDead removes sockets of servers that were killed, also of other stores. A socket in use is
// left alone: it listens before it gets its name.
func removeDead(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the caller reports what is wrong with the directory
	}
	for _, e := range entries {
		if e.Type() != fs.ModeSocket || filepath.Ext(e.Name()) != ".sock" {
			continue
		}
		path := filepath.Join(dir, e.Name())
		conn, err := connect(context.Background(), path)
		switch {
		case err == nil:
			_ = conn.Close()
		case errors.Is(err, syscall.ECONNREFUSED):
			_ = os.Remove(path) // the next start tries again
		}
	}
}

// listener accepts only its own clients and removes the socket when it is closed.
type listener struct {
	net.Listener
	path    string
	clients accounts
	refused func(error)
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		other, err := peerOf(conn)
		if err == nil && l.clients.includes(other.uid) {
			return conn, nil
		}
		_ = conn.Close() // the client is not served
		if err == nil {
			err = fmt.Errorf("%s may not use the admin socket", trust.UserName(other.uid))
		}
		if l.refused != nil {
			l.refused(err)
		}
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	err := l.Listener.Close()
	os.Remove(l.path)
	return err
}

// withShortPath calls do with a path of the same socket that is short enough for the system.
func withShortPath(path string, do func(short string) error) error {
	if len(path) <= maxSocketPath || runtime.GOOS != "linux" {
		return do(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// absent reports whether err means that no process listens, rather than that the client may not
// connect.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR)
}
