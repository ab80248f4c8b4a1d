package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server"
	"packhouse/server/config"
	"packhouse/trust"
)

// Running is a server in the background. It implements installation.Running.
type Running struct {
	*server.Server
	done chan struct{}

	// Read these only after done is closed.
	err  error // of Run
	left error // of handOverFiles
}

// Start serves path in the background and logs to w. It returns once connections are accepted.
func Start(ctx context.Context, a *cli.App, path string, w io.Writer) (*Running, error) {
	began := time.Now().Add(-time.Second) // file systems have a coarse clock
	s, err := NewServer(ctx, a, config.Found{Path: path}, w)
	if err == nil {
		if err = s.Listen(); err != nil {
			err = errors.Join(err, s.Shutdown(ctx))
		}
	}
	if err != nil {
		return nil, errors.Join(err, handOverFiles(a, path, began))
	}
	r := &Running{Server: s, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(context.WithoutCancel(ctx))
		r.left = handOverFiles(a, path, began)
	}()
	return r, nil
}

// Addr returns the address that the server listens on.
func (r *Running) Addr() string { return r.Server.Addr().String() }

// Done returns a channel that is closed when the server has stopped.
func (r *Running) Done() <-chan struct{} { return r.done }

// Shutdown implements installation.Running.
func (r *Running) Shutdown(ctx context.Context) error {
	if err := r.Server.Shutdown(ctx); err != nil {
		return err
	}
	<-r.done
	return r.left
}

// handOverFiles changes the owner of files that a server of root wrote since a time to the owner of
// their directory: the server of that user could not read them otherwise.
func handOverFiles(a *cli.App, path string, since time.Time) error {
	if os.Geteuid() != 0 {
		return nil
	}
	loaded, err := a.LoadConfig(path)
	if err != nil {
		return nil //nolint:nilerr // no server ran on it
	}
	dirs := []string{loaded.Config.CertificateDirectory()}
	if loaded.Config.Storage.Driver == config.Filesystem {
		dirs = append(dirs, loaded.Config.Storage.Filesystem.RootDirectory)
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		root, err := trust.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = root.HandOver(since)
			_ = root.Close()
		}
		if err != nil {
			return fmt.Errorf("give the files of the server to the owner of %s: %w", dir, err)
		}
	}
	return nil
}
