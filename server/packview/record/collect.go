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
	var gone []digest.Digest
	sum, err := store.Collect(ctx, o, func(v storage.Verdict) {
		if v.Removed {
			if _, err := derived.ReadDerived(ctx, name(v.Digest, ".json")); err == nil {
				gone = append(gone, v.Digest)
			}
		}
		if report != nil {
			report(v)
		}
	})
	// Not before: removing is a change of the store, and a collection is one until it ends.
	for _, archive := range gone {
		for _, end := range append([]string{".json"}, ends()...) {
			if rerr := derived.RemoveDerived(ctx, name(archive, end)); rerr != nil {
				err = errors.Join(err, fmt.Errorf("remove what was derived of %s: %w", archive, rerr))
			}
		}
	}
	return sum, err
}

// ends are those of the names of documents.
func ends() []string {
	all := make([]string, 0, len(documents))
	for _, end := range documents {
		all = append(all, end)
	}
	return all
}
