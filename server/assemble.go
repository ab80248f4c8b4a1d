package server

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"packhouse/server/config"
	"packhouse/server/packview"
	"packhouse/server/registry"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
)

// openStore opens the engine that the configuration names.
func openStore(ctx context.Context, c *config.Config, log *slog.Logger, now func() time.Time) (storage.Store, error) {
	o := filesystem.Options{
		Root: c.Storage.Filesystem.RootDirectory, ReadOnly: c.Storage.Maintenance.ReadOnly.Enabled, Log: log, Now: now,
		Window: c.Storage.Maintenance.GC.Window, UploadsPerUser: c.HTTP.Limits.UploadsPerUser,
	}
	switch c.Storage.Driver {
	case config.Filesystem:
		return filesystem.Open(ctx, o)
	case config.InMemory:
		return inmemory.Open(ctx, o)
	}
	return nil, fmt.Errorf("storage driver %q is not one of %s, %s", c.Storage.Driver, config.Filesystem, config.InMemory)
}

// addHandlers makes what answers requests. Both are without a state of their own, so a reload simply makes them anew.
func (s *Server) addHandlers(st *state) {
	c := st.config
	base := st.prefix
	if !c.HTTP.RelativeURLs && c.HTTP.Host != "" {
		base = strings.TrimSuffix(c.HTTP.Host, "/") + st.prefix
	}
	st.registry = registry.New(registry.Options{
		Store: s.store, DeleteEnabled: c.Storage.Delete.Enabled, ReadOnly: c.Storage.Maintenance.ReadOnly.Enabled, Base: base,
	})
	st.packview = packview.New(packview.Options{Store: s.store, Packs: c.Packs.Base, Base: base})
}
