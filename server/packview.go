package server

import (
	"context"

	"github.com/opencontainers/go-digest"

	"packhouse/server/packview"
	"packhouse/server/packview/pages"
	packrecord "packhouse/server/packview/record"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// openRecords returns what is known of packs' archives, kept beside the store where the engine keeps such things. It outlives reloads.
func (s *Server) openRecords() *packrecord.Records {
	derived, _ := s.store.(storage.Derived)
	return packrecord.New(packrecord.Options{Blobs: s.store, Derived: derived, Log: s.log, Now: s.now})
}

// Collect collects the garbage of a store, and with archives what the pack view derived of them.
func Collect(ctx context.Context, store storage.Store, o storage.CollectOptions, report func(storage.Verdict)) (storage.CollectReport, error) {
	return packrecord.Collect(ctx, store, o, report)
}

// addPackView makes what answers below /v1, and the pages.
func (s *Server) addPackView(st *state, base string, tell func(registry.Event)) error {
	c := st.config
	view := packview.New(packview.Options{
		Store: s.store, Records: s.records, Base: base, Overwrite: c.Packs.Overwrite, Now: s.now, OnEvent: fromPackView(tell),
	})
	made, err := pages.New(pages.Options{
		View: view, Store: s.store, Prefix: st.prefix, PublicURL: c.HTTP.Host, Packs: c.Packs.Base, Version: s.options.Version,
	})
	if err != nil {
		return err
	}
	st.packview, st.pages = view, made
	view.Rebuild(s.log)
	return nil
}

// fromPackView passes what was done to packs on to who hears of the registry: it is the same store.
func fromPackView(tell func(registry.Event)) func(packview.Event) {
	if tell == nil {
		return nil
	}
	return func(e packview.Event) {
		tell(registry.Event{
			Verb: registry.Verb(e.Verb), Repository: e.Grant.Request.Repository, Digest: e.Digest, MediaType: e.MediaType, Manifest: e.Manifest,
			Size: e.Size, Tags: e.Tags, Identity: e.Grant.Identity, Request: e.Request,
		})
	}
}

// tellPackView has archives looked into that were pushed as OCI artifacts, and passes events on.
func (s *Server) tellPackView(st *state, tell func(registry.Event)) func(registry.Event) {
	view, _ := st.packview.(*packview.View)
	return func(e registry.Event) {
		if e.Verb == registry.Push && e.Manifest != nil && view != nil {
			layers := make([]digest.Digest, 0, 2)
			for _, layer := range e.Manifest.Layers[:min(2, len(e.Manifest.Layers))] { // a pack has one
				layers = append(layers, layer.Digest)
			}
			view.Pushed(e.Repository, e.Digest, layers)
		}
		if tell != nil {
			tell(e)
		}
	}
}
