// Package storagetest is the test suite of the contract of storage.Store, which every driver runs.
//
//	func TestContract(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storage.Store { … })
//	}
//
// It also provides small images to push and read back, for tests of packages that use a store.
package storagetest

import (
	"testing"

	"packhouse/server/storage"
)

// Run runs every case against a store of its own, without a limit on the uploads of a user, by the
// real clock.
func Run(t *testing.T, open func(t *testing.T) storage.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, storage.Store)
	}{
		{"BlobComesBack", blobComesBack},
		{"BlobIsItsRepositorysAlone", blobIsItsRepositorysAlone},
		{"BlobRefused", blobRefused},
		{"BlobDeleted", blobDeleted},
		{"DataDiscarded", dataDiscarded},
		{"BlobMounted", blobMounted},
		{"BlobPushedByManyAtOnce", blobPushedByManyAtOnce},
		{"UploadInChunks", uploadInChunks},
		{"UploadOutOfOrder", uploadOutOfOrder},
		{"UploadBroken", uploadBroken},
		{"UploadBrokenAtItsEnd", uploadBrokenAtItsEnd},
		{"UploadTooLong", uploadTooLong},
		{"UploadIsItsOwnersAlone", uploadIsItsOwnersAlone},
		{"UploadsOfOneUserAtOnce", uploadsOfOneUserAtOnce},
		{"UploadOfAnotherAlgorithm", uploadOfAnotherAlgorithm},
		{"UploadWithWrongDigest", uploadWithWrongDigest},
		{"ManifestComesBack", manifestComesBack},
		{"ManifestNeedsItsBlobs", manifestNeedsItsBlobs},
		{"IndexMayBeSparse", indexMayBeSparse},
		{"ManifestMayBeSparse", manifestMayBeSparse},
		{"ExpectedTag", expectedTag},
		{"ExpectedTagOfManyPushesAtOnce", expectedTagOfManyPushesAtOnce},
		{"ManifestOfSHA512", manifestOfSHA512},
		{"ManifestDeleted", manifestDeleted},
		{"TaggedContentKept", taggedContentKept},
		{"PartsOfATaggedIndexKept", partsOfATaggedIndexKept},
		{"UntaggedContentDeleted", untaggedContentDeleted},
		{"TaggedContentDeletedByForce", taggedContentDeletedByForce},
		{"TagMoved", tagMoved},
		{"TagKept", tagKept},
		{"TagDeleted", tagDeleted},
		{"TagsOfManyPushesAtOnce", tagsOfManyPushesAtOnce},
		{"Referrers", referrers},
		{"RepositoriesListed", repositoriesListed},
		{"TagsListed", tagsListed},
		{"ListingsFollowWhatHappens", listingsFollowWhatHappens},
		{"DerivedRecords", derivedRecords},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.run(t, s)
		})
	}
}
