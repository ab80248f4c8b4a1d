package s3

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// scale divides every size in a test of the limits of S3: a byte stands for a mebibyte.
const scale = 1 << 20

// scaled has a store and its bucket keep the limits of S3 divided by scale. The number of parts, of
// which S3 accepts 10,000, is not.
func scaled(s *Store, b *memoryBucket) {
	b.smallest, b.largest, b.whole = smallestChunk/scale, 5<<30/scale, 5<<40/scale
	s.smallest, s.copyPiece, s.opt.Config.ChunkSize = b.smallest, copyPiece/scale, smallestChunk/scale
	s.budget = newBudget(64<<10, s.opt.Config.ChunkSize)
}

// TestLimitsAreEnforced sees that the bucket of these tests refuses what S3 refuses.
func TestLimitsAreEnforced(t *testing.T) {
	b := newMemoryBucket()
	scaled(openMemory(t, b, nil), b)
	large := make([]byte, b.largest+1)
	if _, err := b.put(t.Context(), "x", large, condition{}); !errors.Is(err, errTooLarge) {
		t.Errorf("an object in one request: %v", err)
	}
	id, err := b.startMultipart(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.putPart(t.Context(), "x", id, 1, large); !errors.Is(err, errTooLarge) {
		t.Errorf("a large part: %v", err)
	}
	if _, err := b.putPart(t.Context(), "x", id, 10_001, large[:9]); err == nil {
		t.Error("10,001 parts")
	}
	b.set("from", large)
	if _, err := b.copyPart(t.Context(), "x", id, 1, "from", "", 0, b.largest+1); !errors.Is(err, errTooLarge) {
		t.Errorf("a large copy: %v", err)
	}
	var parts []part
	for i, size := range []int64{b.smallest - 1, 1} {
		p, err := b.putPart(t.Context(), "x", id, int32(i+1), large[:size])
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	if _, err := b.completeMultipart(t.Context(), "x", id, parts); err == nil {
		t.Error("a small part before the last")
	}
}

// TestLayersAtTheLimits pushes layers above 5 GiB, of thousands of parts, and of as many as S3
// accepts, all scaled, in each way that clients have, to a service that copies parts and to one that
// does not.
func TestLayersAtTheLimits(t *testing.T) {
	const gib, tib = 1 << 30 / scale, 1 << 40 / scale
	for _, size := range []int{5*gib - 1, 5 * gib, 5*gib + 1, 10*gib + 3, 71 * gib, tib} {
		for _, how := range []string{"one request", "one request of unknown size", "chunks", "a session and one request"} {
			t.Run(fmt.Sprintf("%d MiB by %s", size, how), func(t *testing.T) {
				t.Parallel()
				b := newMemoryBucket()
				s := openMemory(t, b, nil)
				scaled(s, b)
				content := noise(7, size)
				d := digest.FromBytes(content)
				pushBy(t, s, how, content, d)
				o := b.objects[blobKey(d)]
				if !bytes.Equal(o.body, content) {
					t.Errorf("%d bytes were stored", len(o.body))
				}
				left(t, s, uploadsDir, multipartDir)
			})
		}
	}
}

// pushBy pushes a blob in one of the ways that clients have.
func pushBy(t *testing.T, s *Store, how string, content []byte, d digest.Digest) {
	t.Helper()
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	size := int64(len(content))
	var err error
	switch how {
	case "one request":
		err = s.PutBlob(t.Context(), o, d, bytes.NewReader(content), size)
	case "one request of unknown size":
		err = s.PutBlob(t.Context(), o, d, bytes.NewReader(content), -1)
	default:
		chunks := [][]byte{content}
		if how == "chunks" {
			chunks = slices.Collect(slices.Chunk(content, len(content)/3+1))
		}
		var u storage.Upload
		if u, err = s.StartUpload(t.Context(), o, digest.SHA256); err != nil {
			break
		}
		for i, c := range chunks {
			if i == len(chunks)-1 {
				err = s.FinishUpload(t.Context(), o, u.ID, u.Offset, bytes.NewReader(c), int64(len(c)), d)
			} else {
				u, err = s.AppendUpload(t.Context(), o, u.ID, u.Offset, bytes.NewReader(c), int64(len(c)))
			}
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMostParts pushes a layer of 10,000 parts, and one that would need more.
func TestMostParts(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	scaled(s, b)
	most := int64(0)
	for n := range mostParts {
		most += partSize(s.opt.Config.ChunkSize, n)
	}
	content := noise(8, int(most)+1)
	for _, how := range []string{"one request", "a session and one request"} {
		d := digest.FromBytes(content[:most])
		pushBy(t, s, how, content[:most], d)
		if got := int64(len(b.objects[blobKey(d)].body)); got != most {
			t.Errorf("by %s: %d of %d bytes", how, got, most)
		}
		delete(b.objects, blobKey(d))
	}
	o := storage.Owner{Repository: storagetest.Repo(t, "a"), User: ann}
	err := s.PutBlob(t.Context(), o, digest.FromBytes(content), bytes.NewReader(content), most+1)
	if tooLong := (*storage.SizeError)(nil); err == nil || errors.As(err, &tooLong) {
		t.Errorf("a byte more: %v", err)
	}
	left(t, s, uploadsDir, multipartDir)
}

// TestDamagedLayerAboveTheLimitOfACopy sets a layer above 5 GiB aside: S3 copies it only in pieces.
func TestDamagedLayerAboveTheLimitOfACopy(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	scaled(s, b)
	content := noise(9, int(b.largest)*3)
	d := digest.FromBytes(content)
	pushBy(t, s, "one request", content, d)
	spoil(b, blobKey(d), len(content)-2)
	if err := s.copyObject(t.Context(), blobKey(d), b.objects[blobKey(d)].o, quarantineDir+"x"); err != nil {
		t.Fatal(err)
	}
	if got := b.objects[quarantineDir+"x"].body; len(got) != len(content) {
		t.Errorf("%d of %d bytes", len(got), len(content))
	}
}

// TestLimitsOverHTTP pushes a layer above 5 GiB, scaled, through the client: to a service with
// UploadPartCopy and to one without.
func TestLimitsOverHTTP(t *testing.T) {
	for _, copies := range []bool{true, false} {
		b := newMemoryBucket()
		f := startFake(t, b)
		if !copies {
			withoutCopies(f)
		}
		s, err := Open(t.Context(), Options{Config: f.config(), Log: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		scaled(s, b)
		s.opt.Config.ChunkSize *= 5 // fewer requests
		content := noise(10, int(b.largest)+77)
		d := digest.FromBytes(content)
		pushBy(t, s, "chunks", content, d)
		if !bytes.Equal(b.objects[blobKey(d)].body, content) {
			t.Errorf("copies %t: other bytes were stored", copies)
		}
	}
}
