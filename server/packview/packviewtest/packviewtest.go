// Package packviewtest tests the contract of the pack view over a store. Every storage driver runs
// the same tests.
//
//	packviewtest.Run(t, func(t *testing.T) storage.Store { … })
//
// The store must implement storage.Derived. Cost is compared by counting store operations, not by
// time.
package packviewtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/packview/record"
	"packhouse/server/reference"
	"packhouse/server/storage"
)

// Run runs every case with a new store.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *site)
	}{
		{"LogoIsServedWithoutCredentials", logoIsServed},
		{"LogoIsExactlyOneImage", logoIsOneImage},
		{"LogoEndsWithItsLastTag", logoEndsWithTag},
		{"LogoEndsWithItsManifest", logoEndsWithManifest},
		{"LogoOfAnotherVersionReturns", logoOfAnotherVersion},
		{"MissingAndPrivateCostTheSame", missingAndPrivate},
		{"AnonymousRequestsOpenNoArchive", anonymousOpensNothing},
		{"RecordsAreRebuilt", recordsAreRebuilt},
		{"MissingFileCostsOneListing", missingFile},
		{"FileIsFoundAfterEachChange", fileAfterChange},
		{"RecordsOfOldVersionsAreReplaced", oldRecordsAreReplaced},
		{"ExamineVisitsEachVersion", examined},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.run(t, newSite(t, s))
		})
	}
}

// counted is a store that records the operations on it.
type counted struct {
	storage.Store
	derived storage.Derived

	mu    sync.Mutex
	calls []string
}

func (c *counted) note(operation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, operation)
}

// during returns the store operations of do.
func (c *counted) during(do func()) []string {
	c.mu.Lock()
	c.calls = nil
	c.mu.Unlock()
	do()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

func (c *counted) StatBlob(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (int64, error) {
	c.note("StatBlob")
	return c.Store.StatBlob(ctx, repo, d, touch)
}

func (c *counted) OpenBlob(ctx context.Context, repo reference.Repository, d digest.Digest) (storage.Blob, error) {
	c.note("OpenBlob")
	return c.Store.OpenBlob(ctx, repo, d)
}

func (c *counted) GetManifest(ctx context.Context, repo reference.Repository, d digest.Digest, touch bool) (storage.Stored, error) {
	c.note("GetManifest")
	return c.Store.GetManifest(ctx, repo, d, touch)
}

func (c *counted) ResolveTag(ctx context.Context, repo reference.Repository, tag reference.Tag) (digest.Digest, error) {
	c.note("ResolveTag")
	return c.Store.ResolveTag(ctx, repo, tag)
}

func (c *counted) Tags(ctx context.Context, repo reference.Repository, last string, n int) ([]string, bool, error) {
	c.note("Tags")
	return c.Store.Tags(ctx, repo, last, n)
}

func (c *counted) Repositories(ctx context.Context, last string, n int, visible func(reference.Repository) bool) ([]string, bool, error) {
	c.note("Repositories")
	return c.Store.Repositories(ctx, last, n, visible)
}

func (c *counted) ReadDerived(ctx context.Context, name string, most int64) ([]byte, error) {
	c.note("ReadDerived")
	return c.derived.ReadDerived(ctx, name, most)
}

func (c *counted) WriteDerived(ctx context.Context, name string, content []byte) error {
	c.note("WriteDerived")
	return c.derived.WriteDerived(ctx, name, content)
}

func (c *counted) RemoveDerived(ctx context.Context, name string) error {
	c.note("RemoveDerived")
	return c.derived.RemoveDerived(ctx, name)
}

func (c *counted) ListDerived(ctx context.Context, folder string, visit func(string) error) error {
	c.note("ListDerived")
	return c.derived.ListDerived(ctx, folder, visit)
}

// settle waits for all background jobs that are waiting now.
func settle(t *testing.T, records *record.Records) {
	t.Helper()
	done := make(chan struct{})
	name := fmt.Sprintf("settle %p", done) // the name of an earlier call may still be taken
	if !records.Run(name, func(context.Context) { close(done) }) {
		t.Fatal("no job is taken")
	}
	<-done
}
