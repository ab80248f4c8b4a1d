package packs

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// DeclaredImage is an item of pack.content.images in values.yaml.
type DeclaredImage struct {
	Reference string
	Line      int // 1-based
}

// imagesPath is the path of the images that a pack declares for mirroring.
const imagesPath = "pack.content.images"

// declaredImages returns the images that values.yaml declares. It reads lines, and parses the file
// only if the list is written in flow style: [{image: …}].
func declaredImages(values []byte) (declared []DeclaredImage) {
	flow := false
	_ = skim(bytes.NewReader(values), func(window []line, at int) bool { // reading a buffer cannot fail
		l := window[at]
		if strings.HasPrefix(imagesPath, l.path) && l.value != "" && (l.value[0] == '[' || l.value[0] == '{') ||
			l.path == imagesPath && l.item && strings.HasPrefix(l.value, "{") {
			flow = true
		} else if l.value != "" && (l.path == imagesPath+".image" || l.path == imagesPath && l.item) {
			declared = append(declared, DeclaredImage{strings.Clone(l.value), l.number})
		}
		return len(declared) < maxImages
	})
	if !flow {
		return declared
	}
	document, _ := parseYAML(values) // one with duplicate keys is returned, too
	if document == nil {
		return declared
	}
	return DeclaredImages(document)
}

// DeclaredImages returns the images that a parsed values.yaml declares.
func DeclaredImages(document *yaml.Node) (declared []DeclaredImage) {
	list := document
	if list.Kind == yaml.DocumentNode && len(list.Content) > 0 {
		list = list.Content[0]
	}
	for key := range strings.SplitSeq(imagesPath, ".") {
		if list = child(list, key); list == nil {
			return nil
		}
	}
	for _, item := range list.Content {
		if item.Kind == yaml.MappingNode {
			item = child(item, "image")
		}
		if item != nil && item.Kind == yaml.ScalarNode && item.Value != "" {
			declared = append(declared, DeclaredImage{item.Value, item.Line})
		}
	}
	return declared
}

// child returns the value of a key in a mapping, or nil.
func child(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind == yaml.AliasNode {
		mapping = mapping.Alias
	}
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// declare marks the images that values.yaml declares.
func (s *imageScan) declare(values []byte) {
	for _, image := range declaredImages(values) {
		if s.append(image.Reference, ValuesFile, false) {
			s.found[len(s.found)-1].From = Declared
		}
	}
}

// listsImages reports whether values.yaml declares images for mirroring.
func listsImages(values []byte) bool { return len(declaredImages(values)) > 0 }
