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
)

// maxSocketPath is how long the path of a Unix socket may be on any system, in bytes.
const maxSocketPath = 100

// dialTimeout is how long a server that hangs is waited for.
const dialTimeout = 2 * time.Second

func dial(ctx context.Context, path string) (conn net.Conn, err error) {
	err = withShortPath(path, func(short string) error {
		d := net.Dialer{Timeout: dialTimeout}
		conn, err = d.DialContext(ctx, "unix", short)
		return err
	})
	return conn, err
}

// ErrInUse says that another process listens on a socket.
var ErrInUse = errors.New("another server listens there")

// Listen makes the admin socket at path, with mode 0600 in a directory that it makes with 0700. A socket that nobody listens on any more is
// replaced; ErrInUse where somebody does. A directory that others may write to is refused: they could put a socket of their own there.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make directory of the admin socket: %w", err)
	}
	if err := ours(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if conn, err := dial(context.Background(), path); err == nil {
		_ = conn.Close() // it was only to see whether somebody listens
		return nil, fmt.Errorf("listen on %s: %w", path, ErrInUse)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove stale admin socket: %w", err)
		}
	}
	// Made in a directory of its own and moved into place with its mode set, so that nobody gets in between.
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
		_ = l.Close() // what failed is told
		return nil, fmt.Errorf("make admin socket: %w", err)
	}
	return &listener{l, path}, nil
}

// listener removes the socket when it is closed.
type listener struct {
	net.Listener
	path string
}

func (l *listener) Close() error {
	err := l.Listener.Close()
	os.Remove(l.path)
	return err
}

// withShortPath calls do with a path of the same socket that is short enough for the system: stores lie deep sometimes.
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

// absent tells that nobody listens, and not that one may not connect.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR)
}
