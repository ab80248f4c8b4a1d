package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// Collect collects the garbage of a store, and with an archive what was derived of it. Where something of that cannot be removed the report stands
// beside the error; it costs room and nothing else.
func Collect(ctx context.Context, store storage.Store, o storage.CollectOptions, report func(storage.Verdict)) (storage.CollectReport, error) {
	derived, ok := store.(storage.Derived)
	if !ok || o.DryRun {
		return store.Collect(ctx, o, report)
	}
	var gone []kept
	sum, err := store.Collect(ctx, o, func(v storage.Verdict) {
		if v.Removed {
			for extractor := 1; extractor <= Extractor; extractor++ {
				if _, err := derived.ReadDerived(ctx, nameOf(extractor, v.Digest, ".json"), 0); err == nil || isTooBig(err) {
					gone = append(gone, kept{extractor, v.Digest})
				}
			}
		}
		if report != nil {
			report(v)
		}
	})
	// Not before: removing is a change of the store, and a collection is one until it ends.
	for _, archive := range gone {
		for _, end := range append([]string{".json"}, ends()...) {
			if rerr := derived.RemoveDerived(ctx, nameOf(archive.extractor, archive.archive, end)); rerr != nil {
				err = errors.Join(err, fmt.Errorf("remove what was derived of %s: %w", archive.archive, rerr))
			}
		}
	}
	return sum, err
}

// kept is a record of a version of the extractor.
type kept struct {
	extractor int
	archive   digest.Digest
}

// isTooBig reports whether a record is there and only too large to be read.
func isTooBig(err error) bool { return errors.Is(err, storage.ErrDerivedTooBig) }

// ends are those of the names of documents.
func ends() []string {
	all := make([]string, 0, len(documents))
	for _, end := range documents {
		all = append(all, end)
	}
	return all
}
