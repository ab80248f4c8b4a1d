package packs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tag is a tag of a pack: [group__]label. The label of a pushed pack is its version; others are
// added manually.
type Tag struct {
	Group string
	Label string
}

// groupEnd separates group and label.
const groupEnd = "__"

// ParseTag parses a tag. It refuses tags that registries do not accept (distribution-spec, "Pulling
// manifests").
func ParseTag(text string) (Tag, error) {
	if !tagLabel().MatchString(text) {
		return Tag{}, fmt.Errorf("%s cannot be a tag: use up to 128 letters, digits, . _ and -, not starting with . or -", quote(text))
	}
	if group, label, ok := strings.Cut(text, groupEnd); ok && group != "" && label != "" {
		return Tag{group, label}, nil
	}
	return Tag{Label: text}, nil
}

// String returns the tag as registries know it.
func (t Tag) String() string {
	if t.Group == "" {
		return t.Label
	}
	return t.Group + groupEnd + t.Label
}

// Parents returns the parent tags of a version: for 1.24.3 they are 1.x and 1.24.x, for 22.04 of
// the group LTS they are LTS__22.x and LTS__22.4.x. They are built from the numbers that the label
// starts with; a label without numbers has none. A parent tag itself has none.
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

// IsParent reports whether the tag has the form of a parent tag. Parent tags are computed, so they
// cannot be added or deleted.
func (t Tag) IsParent() bool { return isParent(t.Label) }

func isParent(label string) bool {
	label, ok := strings.CutSuffix(label, ".x")
	parts := strings.Split(strings.TrimPrefix(label, "v"), ".")
	return ok && len(parts) <= 2 && !slices.ContainsFunc(parts, func(p string) bool { return p == "" || strings.Trim(p, "0123456789") != "" })
}

// ParentTags computes the parent tags of a repository: each resolves to the tag of its highest
// version. They are not stored, so every push and deletion updates them, and they end with their
// last version. A real tag with a parent's name hides it.
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

// ParentsOf returns, for each wanted tag of a repository, the parent tags that resolve to it,
// lowest first. Its memory use depends on the wanted tags only.
func ParentsOf(all, wanted []string) map[string][]string {
	highest := map[string]string{} // by parent; empty until found
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

// ResolveTag returns the tag that a name resolves to: a tag to itself, a parent tag to its highest
// version. It returns false if there is none.
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

// Highest returns the tag of the highest version. It prefers tags without a group, and ignores
// labels without a number.
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
