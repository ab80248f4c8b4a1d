package lint

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
)

// images checks the list of images that the pack declares for mirroring.
func (l *linter) images() {
	document, err := packs.ParseYAML(withoutMacros(l.pack.Document(packs.ValuesFile)))
	if err != nil {
		return // reported
	}
	_, content := member(tree(document), "pack")
	_, content = member(content, "content")
	_, list := member(content, "images")
	if list == nil {
		return
	}
	if list.Kind != yaml.SequenceNode {
		if list.Tag != "!!null" {
			l.report(finding.Refused, packs.CodeImageList, packs.ValuesFile, list.Line, "write one item per image: - image: …",
				"pack.content.images is %s, and has to be a list", kindOf(list))
		}
		return
	}
	for _, item := range list.Content {
		l.imageItem(item)
	}
}

func (l *linter) imageItem(item *yaml.Node) {
	key, value := member(item, "image")
	switch {
	case item.Kind == yaml.ScalarNode:
		l.report(finding.Warning, packs.CodeImageList, packs.ValuesFile, item.Line, "write - image: "+item.Value,
			"the item %q is not a table with the key image", item.Value)
		value = item
	case key == nil:
		var names []string
		keys(item, func(key, _ *yaml.Node) { names = append(names, key.Value) })
		remedy := "write - image: …"
		if len(names) == 1 {
			remedy = "write image instead of " + names[0]
		}
		l.report(finding.Refused, packs.CodeImageList, packs.ValuesFile, item.Line, remedy,
			"the item has no key image: it has %s", strings.Join(names, ", "))
		return
	}
	reference := strings.TrimSpace(value.Value)
	if strings.Contains(reference, "macro") && macro().Match(l.pack.Document(packs.ValuesFile)) {
		return
	}
	name, digest, _ := strings.Cut(reference, "@")
	_, tag, hasTag := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	switch {
	case reference == "":
		l.report(finding.Refused, packs.CodeImageReference, packs.ValuesFile, item.Line, "name an image, or remove the item",
			"an image has no name")
	case !packs.ValidImage(reference):
		remedy := "write HOST/PATH:TAG"
		if lower := strings.ToLower(name); packs.ValidImage(lower) && name != lower {
			remedy = "names of images are lower case: " + strings.TrimSuffix(lower, strings.ToLower(tag)) + tag
		}
		l.report(finding.Refused, packs.CodeImageReference, packs.ValuesFile, value.Line, remedy,
			"%q is not the name of an image", reference)
	case tag == "latest" && digest == "":
		l.report(finding.Warning, packs.CodeImageLatest, packs.ValuesFile, value.Line, "name the version",
			"%s changes over time: clusters and mirrors may have different images", reference)
	case !hasTag && digest == "":
		l.report(finding.Warning, packs.CodeImageLatest, packs.ValuesFile, value.Line, "add the tag that the pack deploys",
			"%s has no tag, which means latest", reference)
	}
}

// isKnown reports whether a list contains a text.
func isKnown(known []string, text string) bool { return slices.Contains(known, text) }
