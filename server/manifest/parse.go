package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"packhouse/server/reference"
)

// Kinds of errors, to match with errors.Is; the text of an Error has the details.
var (
	ErrTooLarge    = errors.New("manifest too large")      // more than MaxSize bytes, or nested too deeply
	ErrSyntax      = errors.New("manifest is not JSON")    // not a JSON object, a repeated key, or trailing bytes
	ErrAmbiguous   = errors.New("manifest is ambiguous")   // an image and an index at once (CVE-2021-41190)
	ErrUnsupported = errors.New("manifest is unsupported") // schema 1 or an unsupported media type
	ErrDescriptor  = errors.New("descriptor is invalid")   // an invalid digest, size or field type
)

// Error reports why content is not a valid or supported manifest.
type Error struct {
	Kind error  // one of the above
	Text string // what is wrong and where, for people
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func refuse(kind error, format string, arguments ...any) error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, arguments...)}
}

// Schema 1 types are listed to report them clearly.
const (
	dockerSchema1       = "application/vnd.docker.distribution.manifest.v1+json"
	dockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// object is a JSON object with exact keys. encoding/json matches struct fields regardless of case,
// so two readers of the same bytes could see different manifests.
type object []member

// get returns the value of a key; nil if it is absent, or null, which all readers treat as absent.
func (o object) get(key string) []byte {
	for _, m := range o {
		if string(m.key) == key && string(m.value) != "null" {
			return m.value
		}
	}
	return nil
}

func (o object) has(key string) bool { return o.get(key) != nil }

// Parse parses and validates a manifest. It ignores unknown fields. The error is an *Error.
//
// The media type is that of the mediaType field. If that is missing, an object with manifests is an
// OCI index and one with config and layers an OCI image manifest, as in image-spec. Docker's types
// have no such default.
func Parse(content []byte) (*Manifest, error) {
	if len(content) > MaxSize {
		return nil, refuse(ErrTooLarge, "a manifest has at most %d bytes, this one has %d", MaxSize, len(content))
	}
	if err := checkSyntax(content); err != nil {
		return nil, err
	}
	top := object(members(content[blank(content, 0):]))
	if top.extras() > maxExtras {
		return nil, refuse(ErrTooLarge, "a manifest has at most %d annotations and URLs", maxExtras)
	}

	mediaType, err := top.mediaType()
	if err != nil {
		return nil, err
	}
	m := &Manifest{MediaType: mediaType}
	if err := top.field("artifactType", &m.ArtifactType); err != nil {
		return nil, err
	}
	if err := top.field("annotations", &m.Annotations); err != nil {
		return nil, err
	}
	if m.Subject, err = top.descriptor("subject"); err != nil {
		return nil, err
	}
	if m.IsIndex() {
		m.Manifests, err = top.descriptors("manifests")
		return m, err
	}
	if !top.has("config") {
		return nil, refuse(ErrDescriptor, "an image manifest needs a config; an artifact without one names the empty descriptor (application/vnd.oci.empty.v1+json)")
	}
	if m.Config, err = top.descriptor("config"); err != nil {
		return nil, err
	}
	if m.Layers, err = top.descriptors("layers"); err != nil {
		return nil, err
	}
	if m.ArtifactType == "" {
		m.ArtifactType = m.Config.MediaType
	}
	return m, nil
}

// mediaType reads or derives the media type, and rejects ambiguous content.
func (o object) mediaType() (string, error) {
	var mediaType string
	if err := o.field("mediaType", &mediaType); err != nil {
		return "", err
	}
	var version int
	if err := o.field("schemaVersion", &version); err != nil {
		return "", err
	}
	switch mediaType {
	case dockerSchema1, dockerSchema1Signed:
		return "", refuse(ErrUnsupported, "Docker image manifests of schema 1 are not served: push the image again with a current client")
	case "", OCIManifest, OCIIndex, DockerManifest, DockerList:
	default:
		return "", refuse(ErrUnsupported, "mediaType must be one of %[2]s, %[3]s, %[4]s, %[5]s, not %.200[1]q", mediaType, OCIManifest, OCIIndex, DockerManifest, DockerList)
	}
	if version == 1 && mediaType == "" {
		return "", refuse(ErrUnsupported, "Docker image manifests of schema 1 are not served: push the image again with a current client")
	}
	if version != 2 {
		return "", refuse(ErrUnsupported, "schemaVersion must be 2, not %d", version)
	}

	image, index := o.has("config") || o.has("layers") || o.has("fsLayers"), o.has("manifests")
	switch {
	case image && index:
		return "", refuse(ErrAmbiguous, "a manifest has either config and layers or manifests, never both")
	case (mediaType == OCIIndex || mediaType == DockerList) && image:
		return "", refuse(ErrAmbiguous, "mediaType is %s, but there is config or layers", mediaType)
	case (mediaType == OCIManifest || mediaType == DockerManifest) && index:
		return "", refuse(ErrAmbiguous, "mediaType is %s, but there is manifests", mediaType)
	case mediaType != "":
		return mediaType, nil
	case index:
		return OCIIndex, nil
	case image:
		return OCIManifest, nil
	}
	return "", refuse(ErrUnsupported, "the type is unknown: there is neither mediaType nor config, layers or manifests")
}

// field decodes a field into target, which is unchanged if the field is absent.
func (o object) field(key string, target any) error {
	raw := o.get(key)
	if raw == nil {
		return nil
	}
	switch t := target.(type) { // fast path for the most frequent types
	case *string:
		if raw[0] == '"' {
			*t = string(unquoted(raw))
			return nil
		}
	case *int64:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			*t = n
			return nil
		}
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return refuse(ErrDescriptor, "%s: %s", key, wrongType(err))
	}
	return nil
}

// descriptor decodes a field that holds one descriptor; nil if it is absent.
func (o object) descriptor(key string) (*Descriptor, error) {
	raw := o.get(key)
	if raw == nil {
		return nil, nil
	}
	d, err := parseDescriptor(key, raw)
	if err != nil {
		return nil, err
	}
	return &d, nil
}

func (o object) descriptors(key string) ([]Descriptor, error) {
	if !o.has(key) {
		return nil, nil
	}
	raws, ok := elements(o.get(key))
	if !ok {
		return nil, refuse(ErrDescriptor, "%s: a list of descriptors belongs here", key)
	}
	if len(raws) == 0 {
		return nil, nil
	}
	all := make([]Descriptor, len(raws))
	for i, raw := range raws {
		d, err := parseDescriptor("", raw)
		if err != nil { // format the location only for errors
			_, err = parseDescriptor(fmt.Sprintf("%s[%d]", key, i), raw)
			return nil, err
		}
		all[i] = d
	}
	return all, nil
}

func parseDescriptor(where string, raw []byte) (Descriptor, error) {
	o := object(members(raw))
	if o == nil {
		return Descriptor{}, refuse(ErrDescriptor, "%s: a descriptor is a JSON object", where)
	}
	return o.toDescriptor(where)
}

// toDescriptor decodes a descriptor. Errors begin with where.
func (o object) toDescriptor(where string) (Descriptor, error) {
	var d Descriptor
	var name string
	size := int64(-1)
	for _, f := range []struct {
		key    string
		target any
	}{
		{"mediaType", &d.MediaType},
		{"digest", &name},
		{"size", &size},
		{"urls", &d.URLs},
		{"annotations", &d.Annotations},
		{"artifactType", &d.ArtifactType},
	} {
		if err := o.field(f.key, f.target); err != nil {
			return Descriptor{}, refuse(ErrDescriptor, "%s.%v", where, err)
		}
	}
	if !o.has("digest") {
		return Descriptor{}, refuse(ErrDescriptor, "%s: digest is missing", where)
	}
	parsed, err := reference.ParseDigest(name)
	if err != nil {
		return Descriptor{}, refuse(ErrDescriptor, "%s: %.300s", where, err)
	}
	d.Digest, d.Size = parsed, size
	switch {
	case !o.has("size"):
		return Descriptor{}, refuse(ErrDescriptor, "%s: size is missing", where)
	case size < 0:
		return Descriptor{}, refuse(ErrDescriptor, "%s: size is %d, it cannot be below zero", where, size)
	}
	return d, nil
}

// wrongType describes a decoding error without Go type names.
func wrongType(err error) string {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("a JSON %s does not belong here", wrong.Value)
}
