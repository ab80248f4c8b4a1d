package notification

import (
	"context"
	"net/http"
	"strings"
	"time"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// Registry converts the events of a registry to those of the endpoints.
type Registry struct {
	Notifier   *Notifier
	Blobs      storage.Blobs
	Now        func() time.Time
	Source     Source
	References bool                         // events of manifests list what the manifest refers to
	URL        func(r *http.Request) string // URL of the registry, as the client of a request addressed it
}

// Notify sends an event to all endpoints: one for each tag, or one if it has none.
func (g Registry) Notify(e registry.Event) {
	base := g.event(e)
	tags := e.Tags
	if len(tags) == 0 {
		tags = []reference.Tag{{}}
	}
	for _, tag := range tags {
		one := base
		one.ID, one.Target.Tag = NewID(), tag.String()
		g.Notifier.Notify(one)
	}
}

// mostHeader is the maximum number of bytes of a header in an event, so that clients cannot make
// events as large as all their headers.
const mostHeader = 256

// clip returns the first bytes of a header.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), mostHeader)], "")
}

// event converts an event. Its ID and tag are empty.
func (g Registry) event(e registry.Event) Event {
	r := e.Request
	if e.Size < 0 && e.Digest != "" && e.Verb != registry.Delete { // the size is unknown when an upload finishes
		ctx := context.WithoutCancel(r.Context())
		if size, err := g.Blobs.StatBlob(ctx, e.Repository, e.Digest, false); err == nil {
			e.Size = size
		}
	}
	n := Event{
		Timestamp: g.Now(), Action: string(e.Verb), Actor: Actor{Name: e.Identity.User}, Source: g.Source,
		Target: Target{
			MediaType: e.MediaType, Digest: e.Digest, Size: max(0, e.Size), Length: max(0, e.Size),
			Repository: e.Repository.String(), FromRepository: e.From.String(),
		},
		Request: Request{
			ID: NewID(), Addr: auth.ClientOf(r).String(), Host: clip(r.Host), Method: r.Method, UserAgent: clip(r.UserAgent()),
		},
	}
	if e.Digest == "" {
		return n
	}
	kind := "manifests"
	if e.MediaType == "" {
		kind, n.Target.MediaType = "blobs", "application/octet-stream"
	}
	if e.Verb == registry.Delete {
		n.Target.MediaType = e.MediaType
	} else {
		n.Target.URL = g.URL(r) + "/v2/" + e.Repository.String() + "/" + kind + "/" + e.Digest.String()
	}
	if g.References && e.Manifest != nil {
		n.Target.References = references(e.Manifest)
	}
	return n
}

// references returns the descriptors that a manifest refers to.
func references(m *manifest.Manifest) []Descriptor {
	all := append([]manifest.Descriptor{}, m.Manifests...)
	if m.Config != nil {
		all = append(all, *m.Config)
	}
	all = append(all, m.Layers...)
	list := make([]Descriptor, 0, len(all))
	for _, d := range all {
		list = append(list, Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
	}
	return list
}
