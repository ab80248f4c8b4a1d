package setup

import "context"

// Running is a running server of an installation. The caller of setup starts it.
type Running interface {
	// Addr is the address it listens at, with the port it really has.
	Addr() string
	// Done is closed when it has ended.
	Done() <-chan struct{}
	// Shutdown lets running requests finish and ends it.
	Shutdown(ctx context.Context) error
}
