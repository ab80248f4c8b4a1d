package installation

import (
	"context"
)

// Running is a running server of an installation. The caller of setup starts it.
type Running interface {
	// Addr returns the listen address, with the actual port.
	Addr() string
	// Done is closed when the server has stopped.
	Done() <-chan struct{}
	// Shutdown waits for running requests and stops the server.
	Shutdown(ctx context.Context) error
}
