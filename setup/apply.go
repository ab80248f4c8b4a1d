package setup

import "time"

// ApplyOptions of [Apply].
type ApplyOptions struct {
	// Progress is told what happens, before it happens: "write", "certs/tls.crt".
	Progress func(verb, path string)
	// Hook is called before each operation on the file system, for tests. When it returns an error, Apply ends at once as if it had been
	// killed there, without tidying up.
	Hook func(operation string) error
}

// Applied is what [Apply] did.
type Applied struct {
	Changed []string  // paths that were created, updated or removed
	Backup  string    // directory with what was replaced; empty: nothing was
	At      time.Time // when
}
