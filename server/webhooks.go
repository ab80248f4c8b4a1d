package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/notification"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// notificationDir is the directory of webhook queues below the root of a file-system store.
const notificationDir = "packhouse/v1/notifications"

// openNotifier opens the queues of the configured webhooks. They are in memory if the store is
// read-only or neither on disk nor in a bucket.
func openNotifier(c *config.Config, store storage.Store, log *slog.Logger) (*notification.Notifier, error) {
	dir := ""
	if c.Storage.Driver == config.Filesystem && !c.Storage.Maintenance.ReadOnly.Enabled {
		dir = c.Storage.Filesystem.RootDirectory
	}
	o := notification.Options{Config: c.Notifications, Dir: dir, Below: notificationDir, Log: log}
	if shared, ok := store.(storage.Shared); ok && !c.Storage.Maintenance.ReadOnly.Enabled {
		o.Shared = shared
	}
	n, err := notification.Open(o)
	if err != nil {
		return nil, fmt.Errorf("open notifications: %w", err)
	}
	return n, nil
}

// events returns a function that forwards the events of repositories to the webhooks, except those of
// probes. It returns nil if no webhook is enabled.
func events(s *Server, c *config.Config) func(registry.Event) {
	if !slices.ContainsFunc(c.Notifications.Endpoints, func(e config.Endpoint) bool { return !e.Disabled }) {
		return nil
	}
	from := notification.Registry{
		Notifier: s.notifier, Blobs: s.store, Now: s.now, References: c.Notifications.IncludeReferences,
		Source: notification.Source{Addr: sourceAddress(c.HTTP.Addr), InstanceID: s.nonce},
		URL:    func(r *http.Request) string { return publicURL(c.HTTP, r) },
	}
	return func(e registry.Event) {
		if e.Identity.Probe || strings.HasPrefix(e.Repository.String()+"/", auth.ProbeRepositories+"/") {
			return
		}
		from.Notify(e)
	}
}

// publicURL returns the server's URL: as configured, or as the client of a request addressed it.
func publicURL(h config.HTTP, r *http.Request) string {
	base := strings.TrimSuffix(h.Host, "/")
	if base == "" {
		scheme, host := addressedAs(r, h.TLS.Enabled())
		base = scheme + "://" + host
	}
	return base + strings.TrimSuffix(h.Prefix, "/")
}

// sourceAddress returns the host name of this machine and the configured port.
func sourceAddress(addr string) string {
	host, err := os.Hostname()
	if err != nil {
		return addr
	}
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		return host + addr[i:]
	}
	return host
}
