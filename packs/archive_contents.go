package packs

import (
	"bytes"
	"strings"

	"packhouse/finding"
)

// contents assembles the contents from what was read.
func (a *archiveReader) contents() *Contents {
	root := a.root()
	r := newPackReader()
	r.images = a.images
	r.pack.Folder = root
	outside := 0
	for _, f := range a.files {
		inside, ok := below(f.Path, root)
		if !ok {
			if outside++; outside == 1 {
				r.report(About(finding.Warning, CodeArchiveOutside, f.Path,
					"lies outside of the pack's folder "+quote(root)+" and is not part of it", "leave it out"))
			}
			continue
		}
		if text, ok := a.documents[f.Path]; ok {
			if name := documentName(inside); name != "" {
				r.pack.documents[name] = text
			} else {
				_ = r.images.add(File{Path: f.Path}, bytes.NewReader(text)) // cannot fail
			}
		}
		f.Path = inside
		r.pack.Files = append(r.pack.Files, f)
	}
	var images []Image
	for _, image := range r.images.found {
		if inside, ok := below(image.Source, root); ok {
			image.Source = inside
			images = append(images, image)
		}
	}
	r.images.found = images
	return &Contents{Pack: r.finish(), Root: root, Size: a.size, Weight: a.weight()}
}

// root returns the folder that contains the pack: the one with pack.json, at the top or one level
// below, else the only top-level folder.
func (a *archiveReader) root() string {
	if _, ok := a.documents[MetadataFile]; ok {
		return ""
	}
	tops := map[string]bool{}
	for _, f := range a.files {
		top, rest, _ := strings.Cut(f.Path, "/")
		if rest == MetadataFile {
			return top
		}
		if rest == "" {
			top = ""
		}
		tops[top] = true
	}
	if len(tops) == 1 {
		for top := range tops {
			return top
		}
	}
	return ""
}

// below returns a path relative to a folder, and whether it is inside.
func below(name, folder string) (string, bool) {
	if folder == "" {
		return name, true
	}
	return strings.CutPrefix(name, folder+"/")
}
