package s3

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestEngineWithVersions keeps every version of every object, as a bucket with versioning does.
func TestEngineWithVersions(t *testing.T) {
	t.Setenv("VGW_VERSIONING_DIR", t.TempDir()) // versitygw keeps them there
	cfg := startEngine(t)
	c, err := newClient(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.api.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{
		Bucket: aws.String(cfg.Bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range Probe(t.Context(), cfg) {
		if !f.Passed && f.Check != RightConditions {
			t.Errorf("%+v", f)
		}
	}
	s := openEngine(t, cfg, func(o *Options) { o.Settle = 100 * time.Millisecond })
	gone, stays := storagetest.NewImage(t, "gone", nil), storagetest.NewImage(t, "stays", nil)
	gone.Push(t, s, "a", "v1")
	stays.Push(t, s, "a", "v1")
	if err := s.DeleteManifest(t.Context(), storagetest.Repo(t, "a"), gone.Digest, false); err != nil {
		t.Fatal(err)
	}
	if err := pushChunks(t.Context(), s, storage.Owner{Repository: storagetest.Repo(t, "b"), User: ann}, noise(50, smallestChunk+1)); err != nil {
		t.Fatal(err)
	}
	repositories := []string{"a", "b"}
	if s.traits.Collectable() {
		later := openEngine(t, cfg, func(o *Options) {
			o.Settle, o.Now = 100*time.Millisecond, func() time.Time { return time.Now().Add(3 * time.Hour) } // beyond the window
		})
		if r, err := later.Collect(t.Context(), storage.CollectOptions{}, nil); err != nil || r.BlobsRemoved < 2 {
			t.Errorf("%+v, %v", r, err)
		}
		repositories = repositories[:1]
	}
	if _, err := s.GetManifest(t.Context(), storagetest.Repo(t, "a"), gone.Digest, false); !errors.Is(err, storage.ErrManifestUnknown) {
		t.Errorf("deleted, and %v", err)
	}
	stays.Check(t, s, "a", "v1")
	if got := storagetest.Repositories(t, s, 3); !slices.Equal(got, repositories) {
		t.Errorf("repositories %v", got)
	}
	gone.Push(t, s, "a", "v2")
	gone.Check(t, s, "a", "v2")
	left(t, s, uploadsDir, multipartDir, runsDir, probeDir, markersDir)
}
