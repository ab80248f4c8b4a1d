package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/manifest"
	"packhouse/server/notification"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// notificationDir is the directory of webhook queues below the root of a file-system store.
const notificationDir = "packhouse/v1/notifications"

// openNotifier opens the queues of the configured webhooks. They are in memory if the store is
// read-only or neither on disk nor in a bucket.
func (s *Server) openNotifier(c *config.Config) (*notification.Notifier, error) {
	dir := ""
	if c.Storage.Driver == config.Filesystem && !c.Storage.Maintenance.ReadOnly.Enabled {
		dir = c.Storage.Filesystem.RootDirectory
	}
	o := notification.Options{Config: c.Notifications, Dir: dir, Below: notificationDir, Log: s.log}
	if shared, ok := s.store.(storage.Shared); ok && !c.Storage.Maintenance.ReadOnly.Enabled {
		o.Shared = shared
	}
	n, err := notification.Open(o)
	if err != nil {
		return nil, fmt.Errorf("open notifications: %w", err)
	}
	return n, nil
}

// tell returns a function that forwards repository events to the webhooks, except those of probes.
func (s *Server) tell(c *config.Config) func(registry.Event) {
	if !slices.ContainsFunc(c.Notifications.Endpoints, func(e config.Endpoint) bool { return !e.Disabled }) {
		return nil
	}
	source := notification.Source{Addr: sourceAddress(c.HTTP.Addr), InstanceID: s.nonce}
	return func(e registry.Event) {
		if e.Identity.Probe || strings.HasPrefix(e.Repository.String()+"/", auth.ProbeRepositories+"/") {
			return
		}
		base := s.notification(c, e)
		base.Source = source
		tags := e.Tags
		if len(tags) == 0 {
			tags = []reference.Tag{{}}
		}
		for _, tag := range tags {
			one := base
			one.ID, one.Target.Tag = notification.NewID(), tag.String()
			s.notifier.Notify(one)
		}
	}
}

// notification converts an event to the format of the endpoints.
func (s *Server) notification(c *config.Config, e registry.Event) notification.Event {
	r := e.Request
	if e.Size < 0 && e.Digest != "" && e.Verb != registry.Delete { // the size is unknown when an upload finishes
		if size, err := s.store.StatBlob(context.WithoutCancel(r.Context()), e.Repository, e.Digest, false); err == nil {
			e.Size = size
		}
	}
	n := notification.Event{
		Timestamp: s.now(), Action: string(e.Verb), Actor: notification.Actor{Name: e.Identity.User},
		Target: notification.Target{
			MediaType: e.MediaType, Digest: e.Digest, Size: max(0, e.Size), Length: max(0, e.Size), Repository: e.Repository.String(),
			FromRepository: e.From.String(),
		},
		Request: notification.Request{ID: notification.NewID(), Addr: auth.ClientOf(r).String(), Host: r.Host, Method: r.Method, UserAgent: r.UserAgent()},
	}
	if e.Digest == "" {
		return n
	}
	kind := "blobs"
	if e.MediaType == "" {
		n.Target.MediaType = "application/octet-stream"
	} else {
		kind = "manifests"
	}
	if e.Verb != registry.Delete {
		n.Target.URL = publicURL(c.HTTP, r) + "/v2/" + e.Repository.String() + "/" + kind + "/" + e.Digest.String()
	} else {
		n.Target.MediaType = e.MediaType
	}
	if c.Notifications.IncludeReferences && e.Manifest != nil {
		n.Target.References = references(e.Manifest)
	}
	return n
}

// references returns the descriptors that a manifest refers to.
func references(m *manifest.Manifest) []notification.Descriptor {
	all := append([]manifest.Descriptor{}, m.Manifests...)
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	all = append(all, m.Layers...)
	list := make([]notification.Descriptor, 0, len(all))
	for _, d := range all {
		list = append(list, notification.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
	}
	return list
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

// failingWebhooks describes the endpoints whose deliveries fail.
func (s *Server) failingWebhooks() []string {
	var failing []string
	for _, e := range s.notifier.Stats() {
		if e.Failing != "" {
			failing = append(failing, fmt.Sprintf("webhook %q takes no events (%s); %d wait", e.Endpoint, e.Failing, e.Pending))
		}
	}
	return failing
}
