// Package manifest parses manifests: OCI image manifests and indexes (image-spec 1.1) and Docker
// schema 2 manifests and lists.
//
// It determines a manifest's type and references. It never rewrites the bytes, because the digest
// depends on them.
package manifest

import "github.com/opencontainers/go-digest"

// MaxSize is the maximum size of a manifest in bytes (distribution-spec, "Pushing manifests": at
// least 4 MiB).
const MaxSize = 4 << 20

// Accepted media types.
const (
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Descriptor is the part of a content descriptor that packhouse uses (image-spec, "OCI Content
// Descriptors").
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       digest.Digest     `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

// Manifest is a parsed manifest.
type Manifest struct {
	MediaType    string // derived from the bytes; one of the four above
	ArtifactType string // as shown in the referrers listing: artifactType, otherwise the config's media type
	Config       *Descriptor
	Layers       []Descriptor
	Manifests    []Descriptor // children of an index
	Subject      *Descriptor
	Annotations  map[string]string
}

// ReferenceKind is the kind of content that a manifest refers to.
type ReferenceKind uint8

// Kinds of references.
const (
	Blob  ReferenceKind = iota // config or layer: must be linked in the repository, unless Foreign
	Child                      // manifest of an index
)

// Reference is content that a manifest requires. It excludes the subject, which may be missing.
type Reference struct {
	Kind    ReferenceKind
	Digest  digest.Digest
	Size    int64
	Foreign bool // a non-distributable layer or one with urls; need not be stored here
}
