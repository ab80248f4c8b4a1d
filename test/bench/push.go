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
	"net/url"
	"strings"
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
var filler = func() []byte {
	content := make([]byte, 100*mib)
	for i := range content {
		content[i] = byte(i*7 + i>>8*13)
	}
	return content
}()

func makeBlob(size int, name string, serial int) blob {
	b := blob{tail: filler[:size-16]}
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

// pushBlob pushes by POST and one PUT, as most clients do.
func (t *target) pushBlob(ctx context.Context, repository string, b blob) error {
	header, _, err := t.do(ctx, 202, "POST", "/v2/"+repository+"/blobs/uploads/", nil, 0, "")
	if err != nil {
		return err
	}
	location := header.Get("Location")
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	_, _, err = t.do(ctx, 201, "PUT", location+separator+"digest="+url.QueryEscape(b.digest), b.reader(), b.size(), "application/octet-stream")
	return err
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// pushArtifact pushes a config, one layer and the manifest under a tag.
func (t *target) pushArtifact(ctx context.Context, repository, tag string, layer blob) error {
	config := makeBlob(200, "config of "+layer.digest, 0)
	for _, b := range []blob{config, layer} {
		if err := t.pushBlob(ctx, repository, b); err != nil {
			return err
		}
	}
	return t.pushManifest(ctx, repository, tag, config, layer)
}

func (t *target) pushManifest(ctx context.Context, repository, tag string, config, layer blob) error {
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/octet-stream","digest":%q,"size":%d}]}`,
		manifestType, config.digest, config.size(), layer.digest, layer.size())
	_, _, err := t.do(ctx, 201, "PUT", "/v2/"+repository+"/manifests/"+tag, strings.NewReader(manifest), int64(len(manifest)), manifestType)
	return err
}

// pushTags gives one artifact many tags, once.
func (t *target) pushTags(ctx context.Context, repository string, count int) error {
	if t.tagged {
		return nil
	}
	t.tagged = true
	layer := t.newBlob(kib)
	if err := t.pushArtifact(ctx, repository, tagName(0), layer); err != nil {
		return err
	}
	config := makeBlob(200, "config of "+layer.digest, 0)
	for i := 1; i < count; i++ {
		if err := t.pushManifest(ctx, repository, tagName(i), config, layer); err != nil {
			return err
		}
	}
	return nil
}

func tagName(number int) string { return fmt.Sprintf("t%06d", number) }
