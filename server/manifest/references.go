package manifest

import "strings"

// IsIndex tells whether the manifest is a list of manifests and not an image or artifact itself.
func (m *Manifest) IsIndex() bool { return m.MediaType == OCIIndex || m.MediaType == DockerList }

// Served tells whether mediaType is one of a manifest that is served.
func Served(mediaType string) bool {
	switch mediaType {
	case OCIManifest, OCIIndex, DockerManifest, DockerList:
		return true
	}
	return false
}

// References lists what the manifest cannot be served whole without, in its order, each once: config, layers, and the entries of an index.
//
// An entry of an index whose media type is none of a manifest is a blob: build caches are indexes of layers.
func (m *Manifest) References() []Reference {
	all := make([]Reference, 0, 1+len(m.Layers)+len(m.Manifests))
	seen := make(map[Reference]int, cap(all))
	add := func(kind ReferenceKind, d Descriptor) {
		key := Reference{Kind: kind, Digest: d.Digest, Size: d.Size}
		foreign := kind == Blob && d.foreign()
		if i, ok := seen[key]; ok {
			all[i].Foreign = all[i].Foreign && foreign // one honest use makes it needed
			return
		}
		seen[key] = len(all)
		all = append(all, Reference{Kind: kind, Digest: d.Digest, Size: d.Size, Foreign: foreign})
	}
	if m.Config != nil {
		add(Blob, *m.Config)
	}
	for _, d := range m.Layers {
		add(Blob, d)
	}
	for _, d := range m.Manifests {
		if d.MediaType == "" || Served(d.MediaType) {
			add(Child, d)
		} else {
			add(Blob, d)
		}
	}
	return all
}

// foreign tells whether the content lies elsewhere: a layer that may not be distributed (image-spec, "Non-Distributable Layers"; Docker's
// foreign layers), or one with urls to fetch it from.
func (d Descriptor) foreign() bool {
	return len(d.URLs) > 0 ||
		strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(d.MediaType, "application/vnd.docker.image.rootfs.foreign.")
}
