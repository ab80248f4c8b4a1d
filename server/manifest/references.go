package manifest

import "strings"

// IsIndex reports whether the manifest is a list of manifests, not an image or artifact.
func (m *Manifest) IsIndex() bool { return m.MediaType == OCIIndex || m.MediaType == DockerList }

// Served reports whether mediaType is that of a supported manifest.
func Served(mediaType string) bool {
	switch mediaType {
	case OCIManifest, OCIIndex, DockerManifest, DockerList:
		return true
	}
	return false
}

// References returns the content that the manifest requires, in order and without duplicates:
// config, layers, and index entries.
//
// An index entry whose media type is not that of a manifest is a blob: build caches are indexes of
// layers.
func (m *Manifest) References() []Reference {
	all := make([]Reference, 0, 1+len(m.Layers)+len(m.Manifests))
	seen := make(map[Reference]int, cap(all))
	add := func(kind ReferenceKind, d Descriptor) {
		key := Reference{Kind: kind, Digest: d.Digest, Size: d.Size}
		foreign := kind == Blob && d.foreign()
		if i, ok := seen[key]; ok {
			all[i].Foreign = all[i].Foreign && foreign // required if any reference is not foreign
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

// foreign reports whether the content is stored elsewhere: a non-distributable layer (image-spec,
// "Non-Distributable Layers"; Docker's foreign layers), or one with urls.
func (d Descriptor) foreign() bool {
	return len(d.URLs) > 0 ||
		strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		strings.HasPrefix(d.MediaType, "application/vnd.docker.image.rootfs.foreign.")
}
