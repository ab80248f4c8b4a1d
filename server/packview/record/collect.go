package record

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
)

// Collect runs the garbage collection of a store and removes the records of removed archives. If a
// record cannot be removed, it returns the report and an error; the record then only occupies space.
func Collect(ctx context.Context, store storage.Store, o storage.CollectOptions, report func(storage.Verdict)) (storage.CollectReport, error) {
	derived, ok := store.(storage.Derived)
	if !ok || o.DryRun {
		return store.Collect(ctx, o, report)
	}
	// Listed before: most of what is removed has no record, so one look-up each would take long.
	recorded, lerr := archives(ctx, derived)
	var gone []kept
	sum, err := store.Collect(ctx, o, func(v storage.Verdict) {
		if v.Removed {
			for _, extractor := range recorded[v.Digest] {
				gone = append(gone, kept{extractor, v.Digest})
			}
		}
		if report != nil {
			report(v)
		}
	})
	err = errors.Join(err, lerr)
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

// archives returns the archives that have records, with the versions of their extractors.
func archives(ctx context.Context, derived storage.Derived) (map[digest.Digest][]int, error) {
	found := map[digest.Digest][]int{}
	for extractor := 1; extractor <= Extractor; extractor++ {
		err := derived.ListDerived(ctx, folder(extractor), func(name string) error {
			parts := strings.Split(name, "/")
			hex, ok := strings.CutSuffix(parts[len(parts)-1], ".json")
			if !ok || len(parts) != 4 {
				return nil
			}
			if d := digest.NewDigestFromEncoded(digest.Algorithm(parts[1]), hex); d.Validate() == nil {
				found[d] = append(found[d], extractor)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
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
