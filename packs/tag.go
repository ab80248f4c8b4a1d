package packs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tag names a version of a pack in a registry: [group__]label. The label of a pushed pack is its version; others are given by hand.
type Tag struct {
	Group string
	Label string
}

// groupEnd stands between group and label.
const groupEnd = "__"

// ParseTag splits a tag. It refuses what registries do not take as one (distribution-spec, "Pulling manifests").
func ParseTag(text string) (Tag, error) {
	if !tagLabel.MatchString(text) {
		return Tag{}, fmt.Errorf("%s cannot be a tag: use up to 128 letters, digits, . _ and -, not starting with . or -", quote(text))
	}
	if group, label, ok := strings.Cut(text, groupEnd); ok && group != "" && label != "" {
		return Tag{group, label}, nil
	}
	return Tag{Label: text}, nil
}

// String is the tag as registries know it.
func (t Tag) String() string {
	if t.Group == "" {
		return t.Label
	}
	return t.Group + groupEnd + t.Label
}

// Parents are the tags above a version: for 1.24.3 they are 1.x and 1.24.x, for 22.04 of the group LTS they are LTS__22.x and LTS__22.4.x.
// They are built from the numbers that the label starts with; a label without any has none. A tag that is a parent itself has none.
func (t Tag) Parents() []string {
	parts := numbers(t.Label)
	if len(parts) == 0 || isParent(t.Label) {
		return nil
	}
	parents := []string{Tag{t.Group, parts[0] + ".x"}.String()}
	if len(parts) > 1 {
		parents = append(parents, Tag{t.Group, parts[0] + "." + parts[1] + ".x"}.String())
	}
	return parents
}

// IsParent tells whether the tag has the form of a parent tag, which is computed and so can be neither given nor deleted.
func (t Tag) IsParent() bool { return isParent(t.Label) }

func isParent(label string) bool {
	label, ok := strings.CutSuffix(label, ".x")
	parts := strings.Split(strings.TrimPrefix(label, "v"), ".")
	return ok && len(parts) <= 2 && !slices.ContainsFunc(parts, func(p string) bool { return p == "" || strings.Trim(p, "0123456789") != "" })
}

// ParentTags computes the parent tags of a repository: each with the tag of the highest version below it. They are never stored, so they
// follow every push and every deletion by themselves, and end with the last version below them. A tag of the repository that has a
// parent's name hides it.
func ParentTags(tags []string) map[string]string {
	parents := map[string]string{}
	for _, text := range tags {
		tag, err := ParseTag(text)
		if err != nil {
			continue
		}
		for _, parent := range tag.Parents() {
			if highest, ok := parents[parent]; !ok || CompareTags(highest, text) < 0 {
				parents[parent] = text
			}
		}
	}
	for _, text := range tags {
		delete(parents, text)
	}
	return parents
}

// ParentsOf returns, for each of the wanted tags of a repository, the parent tags that resolve to it, the lowest first. It needs memory for the
// wanted tags only.
func ParentsOf(all, wanted []string) map[string][]string {
	highest := map[string]string{} // by parent; empty until one is found
	for _, text := range wanted {
		if tag, err := ParseTag(text); err == nil {
			for _, parent := range tag.Parents() {
				highest[parent] = ""
			}
		}
	}
	for _, text := range all {
		tag, err := ParseTag(text)
		if err != nil {
			continue
		}
		for _, parent := range tag.Parents() {
			if best, asked := highest[parent]; asked && (best == "" || CompareTags(best, text) < 0) {
				highest[parent] = text
			}
		}
	}
	for _, text := range all {
		delete(highest, text)
	}
	parents := map[string][]string{}
	for _, parent := range slices.SortedFunc(maps.Keys(highest), CompareTags) {
		if tag := highest[parent]; slices.Contains(wanted, tag) {
			parents[tag] = append(parents[tag], parent)
		}
	}
	return parents
}

// ResolveTag returns the tag that a name resolves to: a tag to itself, a parent tag to its highest version. False if there is none.
func ResolveTag(tags []string, name string) (string, bool) {
	if slices.Contains(tags, name) {
		return name, true
	}
	if tag, err := ParseTag(name); err != nil || !tag.IsParent() {
		return "", false
	}
	highest, found := "", false
	for _, text := range tags {
		tag, err := ParseTag(text)
		if err != nil || !slices.Contains(tag.Parents(), name) {
			continue
		}
		if !found || CompareTags(highest, text) < 0 {
			highest, found = text, true
		}
	}
	return highest, found
}

// Highest returns the tag of the highest version: one without a group where there is any, and none that is a mere word.
func Highest(tags []string) (string, bool) {
	best, found := Tag{}, false
	for _, text := range tags {
		tag, err := ParseTag(text)
		if err != nil || len(numbers(tag.Label)) == 0 || tag.IsParent() {
			continue
		}
		better := tag.Group == "" && best.Group != "" ||
			(tag.Group == "") == (best.Group == "") && CompareTags(best.String(), text) < 0
		if !found || better {
			best, found = tag, true
		}
	}
	return best.String(), found
}

// CompareTags orders tags by group, and by version within it.
func CompareTags(a, b string) int {
	left, errLeft := ParseTag(a)
	right, errRight := ParseTag(b)
	if errLeft != nil || errRight != nil || left.Group != right.Group {
		return strings.Compare(a, b)
	}
	return CompareVersions(left.Label, right.Label)
}
