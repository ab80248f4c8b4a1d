package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// Collect runs the garbage collection of a store and removes the records of removed archives. If a
// record cannot be removed, it returns the report and an error; such a record only occupies space.
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
	// Only now: the store is locked until the garbage collection ends.
	for _, archive := range gone {
		for _, end := range append([]string{".json"}, ends()...) {
			if rerr := derived.RemoveDerived(ctx, nameOf(archive.extractor, archive.archive, end)); rerr != nil {
				err = errors.Join(err, fmt.Errorf("remove record of %s: %w", archive.archive, rerr))
			}
		}
	}
	return sum, err
}

// kept identifies a record and the version of its extractor.
type kept struct {
	extractor int
	archive   digest.Digest
}

// isTooBig reports whether a record exists but is larger than the caller reads.
func isTooBig(err error) bool { return errors.Is(err, storage.ErrDerivedTooBig) }

// ends returns the suffixes of documents' names.
func ends() []string {
	all := make([]string, 0, len(documents))
	for _, end := range documents {
		all = append(all, end)
	}
	return all
}
