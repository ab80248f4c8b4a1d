package setup

import "context"

// Running is a server that was started.
type Running interface {
	// Addr is the address it listens at, with the port it really has.
	Addr() string
	// Done is closed when it has ended.
	Done() <-chan struct{}
	// Shutdown lets running requests finish and ends it.
	Shutdown(ctx context.Context) error
}

// StartServer starts a server on a configuration file and returns once it accepts connections. The caller of setup hands it in.
type StartServer func(ctx context.Context, configPath string) (Running, error)
