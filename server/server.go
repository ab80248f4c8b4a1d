package server

import (
	"context"
	"io"
	"log/slog"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// Options is what a server is made of. Only Config is needed.
type Options struct {
	Config     *config.Config
	ConfigPath string // of the file Config was read from, as people are told; empty: the built-in document
	Version    string // of the program

	// Load reads and verifies the configuration anew, for Reload. Nil: Reload only looks at the files that Config names.
	Load func(ctx context.Context) (*config.Config, error)

	Log   *slog.Logger // nil: made of Config.Log, on LogTo; a reload then changes level and fields too
	LogTo io.Writer    // nil: standard error

	// AdminSocket is where the admin socket is put: "" where admin.SocketPath says, "-" nowhere.
	AdminSocket string

	Store storage.Store    // nil: opened as Config says; a store that was given is not closed by the server
	Now   func() time.Time // nil: time.Now
}
