package packs

import (
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Identity is what pack.json says a pack is.
type Identity struct{ Name, Version string }

// Disagreement returns why Palette does not install what a tag of a pack refers to, or "": the
// manifest has a format that Palette does not read, or the name of the pack, the tag, the title of the
// layer and pack.json disagree. tag is empty if the artifact was found by its digest. inside is nil if
// pack.json was not read.
//
// A tag without a number at its start, such as stable, is a label and no version.
func (a *Artifact) Disagreement(name, tag string, inside *Identity) string {
	label := ""
	if t, err := ParseTag(tag); err == nil && len(numbers(t.Label)) > 0 {
		label = t.Label
	}
	title := func(version string) string { return (&Metadata{Name: name, Version: version}).Title() }
	switch {
	case a.newFormat:
		return "not a pack for Palette: its manifest is that of ORAS 1.1 or later, " +
			"push it with oras push --image-spec v1.0"
	case inside == nil && label != "" && a.Title != title(label):
		return fmt.Sprintf("not a pack: its layer is titled %s, and its repository and tag make it %s",
			Printable(a.Title), title(label))
	case inside == nil:
		return ""
	case inside.Name != name:
		return fmt.Sprintf("not a pack: its pack.json calls it %s, and it is in the repository of %s",
			Printable(inside.Name), name)
	case a.Title != title(inside.Version):
		return fmt.Sprintf("not a pack: its layer is titled %s, and its pack.json makes it %s",
			Printable(a.Title), Printable(title(inside.Version)))
	case label != "" && inside.Version != label:
		return fmt.Sprintf("not a pack: its pack.json has the version %s, and its tag is %s",
			Printable(inside.Version), tag)
	}
	return ""
}

// isNewFormat reports whether a manifest is one of image-spec v1.1 with an artifact type, as ORAS 1.1
// and later create by default.
func isNewFormat(m ocispec.Manifest) bool {
	return m.ArtifactType != "" || m.Config.MediaType == ocispec.MediaTypeEmptyJSON
}
