package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

const (
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
	ociIndex    = "application/vnd.oci.image.index.v1+json"
	ociConfig   = "application/vnd.oci.image.config.v1+json"
	ociLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
	ociEmpty    = "application/vnd.oci.empty.v1+json"
)

// descriptor is a content descriptor of the image specification.
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	Platform     *platform         `json:"platform,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

// manifestDocument is a manifest or an index.
type manifestDocument struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType,omitempty"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
	Subject       *descriptor  `json:"subject,omitempty"`
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func toJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("encode JSON: %v", err)
	}
	return text
}

func fromJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decode JSON: %v in %q", err, text)
	}
	return value
}

// noise is content that does not compress and is the same for the same seed.
func noise(seed uint64, size int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), byte(seed >> 32)})
	content := make([]byte, size)
	_, _ = source.Read(content)
	return content
}

// archive packs files into a .tar.gz, named and filled by pairs.
func archive(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	tarred := tar.NewWriter(zipped)
	for i := 0; i+1 < len(pairs); i += 2 {
		header := &tar.Header{Name: pairs[i], Mode: 0o644, Size: int64(len(pairs[i+1]))}
		if err := tarred.WriteHeader(header); err != nil {
			t.Fatalf("write tar: %v", err)
		}
		if _, err := tarred.Write([]byte(pairs[i+1])); err != nil {
			t.Fatalf("write tar: %v", err)
		}
	}
	if err := tarred.Close(); err != nil {
		t.Fatalf("close tar: %v", err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatalf("close gzip: %v", err)
	}
	return packed.Bytes()
}

// layout is an image for two platforms in an OCI image layout directory, where
// it is called by its tag.
type layout struct {
	dir    string
	tag    string
	index  string            // digest
	images map[string]string // architecture → digest of its manifest
	blobs  map[string][]byte // by digest, manifests too
}

// makeLayout writes an image for linux/amd64 and linux/arm64 with two layers
// each, one of them shared.
func makeLayout(t *testing.T, tag string, seed uint64) layout {
	t.Helper()
	l := layout{dir: t.TempDir(), tag: tag, images: map[string]string{}, blobs: map[string][]byte{}}
	put := func(mediaType string, content []byte) descriptor {
		digest := digestOf(content)
		l.blobs[digest] = content
		path := filepath.Join(l.dir, "blobs", "sha256", digest[len("sha256:"):])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatalf("make directory: %v", err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatalf("write blob: %v", err)
		}
		return descriptor{MediaType: mediaType, Digest: digest, Size: len(content)}
	}

	sharedText := string(noise(seed, 100_000))
	index := manifestDocument{SchemaVersion: 2, MediaType: ociIndex}
	for _, architecture := range []string{"amd64", "arm64"} {
		ownText := fmt.Sprintf("made for %s, %d\n", architecture, seed)
		var layers []descriptor
		var diffs []string
		for _, file := range [][2]string{{"shared", sharedText}, {"own", ownText}} {
			packed := archive(t, file[0], file[1])
			layers = append(layers, put(ociLayer, packed))
			diffs = append(diffs, digestOf(unzip(t, packed)))
		}
		config := put(ociConfig, toJSON(t, map[string]any{
			"architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
			"config": map[string]any{"Cmd": []string{"/own"}},
			"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
		}))
		image := put(ociManifest, toJSON(t, manifestDocument{SchemaVersion: 2, MediaType: ociManifest, Config: &config, Layers: layers}))
		image.Platform = &platform{"linux", architecture}
		l.images[architecture] = image.Digest
		index.Manifests = append(index.Manifests, image)
	}
	root := put(ociIndex, toJSON(t, index))
	l.index = root.Digest
	root.Annotations = map[string]string{"org.opencontainers.image.ref.name": tag}

	top := toJSON(t, manifestDocument{SchemaVersion: 2, MediaType: ociIndex, Manifests: []descriptor{root}})
	for name, content := range map[string][]byte{"index.json": top, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(l.dir, name), content, 0o644); err != nil {
			t.Fatalf("write layout: %v", err)
		}
	}
	return l
}

func unzip(t *testing.T, packed []byte) []byte {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("open gzip: %v", err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(reader); err != nil {
		t.Fatalf("read gzip: %v", err)
	}
	return plain.Bytes()
}

// assertLayout demands that a layout directory which a client wrote holds
// every blob of this one, byte for byte.
func (l layout) assertLayout(t *testing.T, dir string) {
	t.Helper()
	for digest, want := range l.blobs {
		got, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", digest[len("sha256:"):]))
		if err != nil {
			t.Errorf("pulled layout: %v", err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("pulled layout: %s differs", digest)
		}
	}
}
