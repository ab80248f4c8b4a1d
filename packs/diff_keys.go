package packs

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/pattern"
)

// maxKeyBytes limits the total size of the keys and values of one document that are compared. A key
// contains those above it, so that a small document can have large ones.
const maxKeyBytes = 4 << 20

// keyValues are values of a document by key.
type keyValues struct {
	values map[string]string
	size   int
	cut    bool // some are missing
}

// set sets a value, unless that would exceed maxKeyBytes.
func (k *keyValues) set(key, value string) {
	const overhead = 64 // of an entry
	size := len(key) + len(value) + overhead
	if old, ok := k.values[key]; ok {
		size = len(value) - len(old)
	}
	if k.size+size > maxKeyBytes {
		k.cut = true
		return
	}
	k.size += size
	k.values[key] = value
}

// metadataKeys returns the values of a pack.json by key.
func metadataKeys(text []byte) keyValues {
	keys := keyValues{values: map[string]string{}}
	if root, _ := parseDocument(MetadataFile, text); root != nil {
		keys.flatten("", root.yaml())
	}
	return keys
}

// yaml returns a JSON value as YAML.
func (n *node) yaml() *yaml.Node {
	switch value := n.value.(type) {
	case []*node:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range value {
			list.Content = append(list.Content, item.yaml())
		}
		return list
	case *object:
		mapping := &yaml.Node{Kind: yaml.MappingNode}
		for _, m := range value.members {
			mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: m.key}, m.value.yaml())
		}
		return mapping
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(n.value)}
}

// valueKeys returns the values of a values.yaml by key. One with macros is not YAML, and is read line
// by line.
func valueKeys(text []byte) keyValues {
	keys := keyValues{values: map[string]string{}}
	if n, err := parseYAML(text); err == nil {
		keys.flatten("", n)
	} else {
		_ = skim(bytes.NewReader(text), func(window []line, at int) bool { // reading a buffer cannot fail
			l := window[at]
			before, twice := keys.values[l.path]
			if l.value == "" || len(before) > maxTextValue {
				return true
			}
			if twice {
				l.value = before + ", " + l.value
			}
			keys.set(l.path, strings.Clone(clip(l.value, maxTextValue)))
			return !keys.cut
		})
	}
	maps.DeleteFunc(keys.values, func(key, _ string) bool { return strings.HasPrefix(key, "pack.content.images") })
	return keys
}

// plainSegment matches keys that are written without quotes in a path.
var plainSegment = pattern.Lazy(`^[A-Za-z0-9_/-]+$`)

// flatten adds the scalars of a document by path. Lists of scalars are one value.
func (k *keyValues) flatten(at string, n *yaml.Node) {
	if len(at) > maxPath || k.cut {
		return // deep nesting would add up to gigabytes of paths
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, child := range n.Content {
			k.flatten(at, child)
		}
	case yaml.MappingNode:
		if len(n.Content) == 0 {
			k.set(at, "{}")
		}
		for i := 0; i+1 < len(n.Content) && !k.cut; i += 2 {
			key := n.Content[i].Value
			if !plainSegment().MatchString(key) {
				key = fmt.Sprintf("[%q]", key)
			} else if at != "" {
				key = "." + key
			}
			k.flatten(at+key, n.Content[i+1])
		}
	case yaml.SequenceNode:
		if items, ok := scalars(n); ok {
			k.set(at, "["+strings.Join(items, ", ")+"]")
			return
		}
		for i, child := range n.Content {
			if k.cut {
				return
			}
			k.flatten(fmt.Sprintf("%s[%d]", at, i), child)
		}
	case yaml.AliasNode:
		k.set(at, "*"+n.Value)
	default:
		k.set(at, n.Value)
	}
}

// scalars returns the items of a list, if all are scalars.
func scalars(n *yaml.Node) ([]string, bool) {
	items := make([]string, len(n.Content))
	for i, child := range n.Content {
		if child.Kind != yaml.ScalarNode {
			return nil, false
		}
		items[i] = child.Value
	}
	return items, true
}
