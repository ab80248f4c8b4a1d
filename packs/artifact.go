package packs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	specs "github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// In a registry, a pack is an OCI image manifest of image-spec v1.0, as ORAS 1.0 creates it: a
// config of this type with content {}, and one layer with a title, whose type is the ORAS default
// for files.
const (
	ConfigMediaType  = "application/vnd.unknown.config.v1+json"
	ArchiveMediaType = ocispec.MediaTypeImageLayer
)

// Manifest annotations.
const (
	AnnotationTitle   = ocispec.AnnotationTitle   // of the layer: the archive's file name
	AnnotationCreated = ocispec.AnnotationCreated // RFC 3339; the same for every push, see NewManifest
	AnnotationMessage = "packhouse.message"       // reason for overwriting a version
)

// ArchiveFolder is the path of packs below a base path.
const ArchiveFolder = "spectro-packs/archive"

// Repository returns the repository of a pack: [<base>/]spectro-packs/archive/<name>.
func Repository(base, name string) string { return path.Join(base, ArchiveFolder, name) }

// Artifact is a pack in a registry, according to its manifest.
type Artifact struct {
	Digest  string        // of the manifest: Palette stores it
	Archive digest.Digest // of the layer
	Size    int64         // of the layer, in bytes
	Title   string        // of the layer: <name>-<version>.tar.gz
	Created time.Time     // zero if missing
	Message string        // empty if missing

	newFormat bool // see isNewFormat
}

// Limits of a manifest. A pack's is smaller than a kilobyte.
const (
	maxPackManifest = 64 << 10
	maxTitle        = 512
	maxMessage      = 1000
)

// ParseArtifact parses the manifest of a pack. The error is an *Invalid that explains why Palette
// would not recognize a pack.
func ParseArtifact(manifest []byte) (*Artifact, error) {
	if len(manifest) > maxPackManifest {
		return nil, notAPack("its manifest is larger than %d KiB", maxPackManifest>>10)
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, notAPack("its manifest is not JSON")
	}
	switch mediaType := cmp.Or(m.MediaType, ocispec.MediaTypeImageManifest); {
	case mediaType == ocispec.MediaTypeImageIndex || strings.Contains(mediaType, "manifest.list"):
		return nil, notAPack("it is an index of several artifacts")
	case len(m.Layers) == 0 || len(m.Layers) == 1 && m.Layers[0].MediaType == ocispec.MediaTypeEmptyJSON:
		return nil, notAPack("it has no layer")
	case len(m.Layers) > 1:
		return nil, notAPack("it has %d layers, and a pack has one", len(m.Layers))
	}
	layer := m.Layers[0]
	title := layer.Annotations[AnnotationTitle]
	switch {
	case len(title) > maxTitle:
		return nil, notAPack("the title of its layer is longer than %d bytes", maxTitle)
	case title == "":
		return nil, notAPack("its layer has no title")
	case strings.ContainsAny(title, `/\`):
		return nil, notAPack("its layer is titled %s: push the archive from its own folder", quote(title))
	case !strings.HasSuffix(title, ".tar.gz"):
		return nil, notAPack("its layer is titled %s, and not NAME-VERSION.tar.gz", quote(title))
	case layer.Digest.Validate() != nil || layer.Size < 0:
		return nil, notAPack("its layer has no valid digest")
	}
	created, _ := time.Parse(time.RFC3339, m.Annotations[AnnotationCreated])
	if created.Unix() == 0 {
		created = time.Time{}
	}
	return &Artifact{
		Digest: digest.FromBytes(manifest).String(), Archive: layer.Digest, Size: layer.Size, Title: title,
		Created: created, Message: clip(Printable(m.Annotations[AnnotationMessage]), maxMessage),
		newFormat: isNewFormat(m),
	}, nil
}

func notAPack(format string, args ...any) error {
	return refusal(CodeArtifact, "", "push it with: packhouse pack push DIR",
		"not a pack: "+format, args...)
}

// Spec describes the manifest of a pack. Its fields determine every byte of the manifest.
type Spec struct {
	Archive digest.Digest // of the layer
	Size    int64         // of the layer, in bytes
	Title   string        // of the layer: <name>-<version>.tar.gz
	Message string        // reason for overwriting a version; empty: none
	Created time.Time     // zero: 1970-01-01T00:00:00Z
}

// NewManifest encodes the manifest of a pack as "oras push --image-spec v1.0" does. It contains no
// time of the push, so that pushing the same content always results in the same digest, which is
// what clusters remember.
func NewManifest(s Spec) ([]byte, ocispec.Descriptor, error) {
	layer := ocispec.Descriptor{
		MediaType: ArchiveMediaType, Digest: s.Archive, Size: s.Size,
		Annotations: map[string]string{AnnotationTitle: s.Title},
	}
	return encodeManifest([]ocispec.Descriptor{layer}, s.Message, s.Created)
}

// folderManifest encodes the manifest of the empty artifact above all packs.
func folderManifest() ([]byte, ocispec.Descriptor, error) {
	return encodeManifest([]ocispec.Descriptor{}, "", time.Time{}) // [] and not null: the specification requires a list
}

func encodeManifest(layers []ocispec.Descriptor, message string, created time.Time) (
	[]byte, ocispec.Descriptor, error,
) {
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	annotations := map[string]string{AnnotationCreated: created.UTC().Format(time.RFC3339)}
	if message != "" {
		annotations[AnnotationMessage] = message
	}
	content, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: ConfigDescriptor(), Layers: layers, Annotations: annotations,
	})
	if err != nil {
		return nil, ocispec.Descriptor{}, fmt.Errorf("write manifest: %w", err)
	}
	return content, describe(ocispec.MediaTypeImageManifest, content), nil
}

// ConfigDescriptor describes the config of every pack.
func ConfigDescriptor() ocispec.Descriptor { return describe(ConfigMediaType, EmptyConfig()) }

// EmptyConfig returns the content of the config of every pack.
func EmptyConfig() []byte { return []byte("{}") }

func describe(mediaType string, content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}
