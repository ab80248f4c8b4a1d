package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/packview"
	"packhouse/server/packview/pages"
	packrecord "packhouse/server/packview/record"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// openRecords opens the pack records, stored beside the store's own data if the storage driver
// supports it. They survive reloads.
func openRecords(store storage.Store, log *slog.Logger, now func() time.Time) *packrecord.Records {
	derived, _ := store.(storage.Derived)
	return packrecord.New(packrecord.Options{Blobs: store, Derived: derived, Log: log, Now: now})
}

// Collect runs garbage collection on a store, including data that the pack view derived from
// archives.
func Collect(ctx context.Context, store storage.Store, o storage.CollectOptions, report func(storage.Verdict)) (storage.CollectReport, error) {
	return packrecord.Collect(ctx, store, o, report)
}

// addPackView creates the handlers of /v1 and the pages.
func addPackView(s *Server, st *state, base string, notify func(registry.Event)) error {
	c := st.config
	view := packview.New(packview.Options{
		Store: s.store, Records: s.records, Base: base, Overwrite: c.Packs.Overwrite, Now: s.now,
		OnEvent: fromPackView(notify),
	})
	made, err := pages.New(pages.Options{
		View: view, Store: s.store, Prefix: st.prefix, PublicURL: c.HTTP.Host, Packs: c.Packs.Base, Version: s.options.Version,
		PrivateCA: func(host string) bool { return s.certs != nil && s.certs.Anchored(host) },
	})
	if err != nil {
		return err
	}
	st.packview, st.pages = view, made
	view.Rebuild(s.log)
	return nil
}

// fromPackView forwards pack view events to notify as registry events, because both use the same
// store.
func fromPackView(notify func(registry.Event)) func(packview.Event) {
	if notify == nil {
		return nil
	}
	return func(e packview.Event) {
		notify(registry.Event{
			Verb: registry.Verb(e.Verb), Repository: e.Grant.Request.Repository, Digest: e.Digest, MediaType: e.MediaType, Manifest: e.Manifest,
			Size: e.Size, Tags: e.Tags, Identity: e.Grant.Identity, Request: e.Request,
		})
	}
}

// indexPushes indexes archives that were pushed as OCI artifacts, and forwards events.
func indexPushes(st *state, notify func(registry.Event)) func(registry.Event) {
	view, _ := st.packview.(*packview.View)
	return func(e registry.Event) {
		if e.Verb == registry.Push && e.Manifest != nil && view != nil {
			layers := make([]digest.Digest, 0, 2)
			for _, layer := range e.Manifest.Layers[:min(2, len(e.Manifest.Layers))] { // a pack has one layer
				layers = append(layers, layer.Digest)
			}
			view.Pushed(e.Repository, e.Digest, layers)
		}
		if notify != nil {
			notify(e)
		}
	}
}
