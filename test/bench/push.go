package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// blob is content with its digest: a head of its own and a tail that all blobs
// of its size share, so that a hundred of them fit into memory.
type blob struct {
	head   [16]byte
	tail   []byte
	digest string
}

func (b blob) size() int64 { return int64(len(b.head) + len(b.tail)) }
func (b blob) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(b.head[:]), bytes.NewReader(b.tail))
}

// filler is what tails are cut from: it need not be random, only not zero.
var filler = sync.OnceValue(func() []byte {
	content := make([]byte, 100*mib)
	for i := range content {
		content[i] = byte(i*7 + i>>8*13)
	}
	return content
})

func makeBlob(size int, name string, serial int) blob {
	b := blob{tail: filler()[:size-16]}
	hash := fnv.New64()
	_, _ = hash.Write([]byte(name))
	binary.BigEndian.PutUint64(b.head[:8], hash.Sum64())
	binary.BigEndian.PutUint64(b.head[8:], uint64(serial))
	sum := sha256.New()
	_, _ = io.Copy(sum, b.reader())
	b.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return b
}

// sharedBlob is the same for every peer and run.
func sharedBlob(size int) blob { return makeBlob(size, "shared", size) }

// configOf is a small blob that belongs to another one.
func configOf(layer blob) blob { return makeBlob(200, "config of "+layer.digest, 0) }

// newBlob was never pushed to this target before.
func (t *target) newBlob(size int) blob {
	t.serial++
	return makeBlob(size, t.name, t.serial)
}

func (t *target) newBlobs(count, size int) []blob {
	blobs := make([]blob, count)
	for i := range blobs {
		blobs[i] = t.newBlob(size)
	}
	return blobs
}

// startUpload opens an upload and returns where it goes on.
func (t *target) startUpload(ctx context.Context, repository string) (string, error) {
	started, err := t.do(ctx, request{method: "POST", path: "/v2/" + repository + "/blobs/uploads/", want: []int{http.StatusAccepted}})
	return started.header.Get("Location"), err
}

// finishing is the location of the request that ends an upload.
func finishing(location, digest string) string {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + "digest=" + url.QueryEscape(digest)
}

// pushBlob pushes by POST and one PUT, as oras and most libraries do.
func (t *target) pushBlob(ctx context.Context, repository string, b blob) error {
	location, err := t.startUpload(ctx, repository)
	if err != nil {
		return err
	}
	_, err = t.do(ctx, request{
		method: "PUT", path: finishing(location, b.digest), body: b.reader(), size: b.size(),
		contentType: "application/octet-stream", want: []int{http.StatusCreated},
	})
	return err
}

// pushBlobAsDocker asks for the blob first, and then pushes by POST, one PATCH
// and a PUT without a body.
func (t *target) pushBlobAsDocker(ctx context.Context, repository string, b blob) error {
	if _, err := t.do(ctx, request{method: "HEAD", path: "/v2/" + repository + "/blobs/" + b.digest, want: []int{http.StatusNotFound}}); err != nil {
		return err
	}
	location, err := t.startUpload(ctx, repository)
	if err != nil {
		return err
	}
	patched, err := t.do(ctx, request{
		method: "PATCH", path: location, body: b.reader(), size: b.size(), contentType: "application/octet-stream", want: []int{http.StatusAccepted},
	})
	if err != nil {
		return err
	}
	_, err = t.do(ctx, request{method: "PUT", path: finishing(patched.header.Get("Location"), b.digest), want: []int{http.StatusCreated}})
	return err
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// pushArtifact pushes a config, one layer and the manifest under a tag.
func (t *target) pushArtifact(ctx context.Context, repository, tag string, layer blob) error {
	config := configOf(layer)
	for _, b := range []blob{config, layer} {
		if err := t.pushBlob(ctx, repository, b); err != nil {
			return err
		}
	}
	return t.pushManifest(ctx, repository, tag, manifestOf(config, layer))
}

// manifestOf is the manifest of an image.
func manifestOf(config blob, layers ...blob) string {
	listed := make([]string, len(layers))
	for i, layer := range layers {
		listed[i] = fmt.Sprintf(`{"mediaType":"application/octet-stream","digest":%q,"size":%d}`, layer.digest, layer.size())
	}
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[%s]}`,
		manifestType, config.digest, config.size(), strings.Join(listed, ","))
}

func (t *target) pushManifest(ctx context.Context, repository, tag, manifest string) error {
	_, err := t.do(ctx, request{
		method: "PUT", path: "/v2/" + repository + "/manifests/" + tag, body: strings.NewReader(manifest), size: int64(len(manifest)),
		contentType: manifestType, want: []int{http.StatusCreated},
	})
	return err
}

// pullArtifact reads the manifest of a tag or digest, and its blobs.
func (t *target) pullArtifact(ctx context.Context, repository, reference string, blobs ...blob) error {
	if _, err := t.do(ctx, request{method: "GET", path: "/v2/" + repository + "/manifests/" + reference}); err != nil {
		return err
	}
	for _, b := range blobs {
		if err := t.pullBlob(ctx, repository, b); err != nil {
			return err
		}
	}
	return nil
}

func (t *target) pullBlob(ctx context.Context, repository string, b blob) error {
	got, err := t.do(ctx, request{method: "GET", path: "/v2/" + repository + "/blobs/" + b.digest})
	if err == nil && got.received != b.size() {
		err = fmt.Errorf("received %d bytes of %d", got.received, b.size())
	}
	return err
}

// digestOf is the digest of a manifest.
func digestOf(manifest string) string {
	sum := sha256.Sum256([]byte(manifest))
	return "sha256:" + hex.EncodeToString(sum[:])
}
