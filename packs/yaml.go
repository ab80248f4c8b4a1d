package packs

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// parseYAML parses a small file that has to be YAML and returns an error for duplicate keys. It finds them itself, because yaml.v3 compares
// each key with every other and formats a message for each pair. A node takes a hundred times its text, so the values are counted first.
func parseYAML(text []byte) (*yaml.Node, error) {
	if len(text) > maxParsed {
		return nil, fmt.Errorf("the file is larger than %d KiB", maxParsed>>10)
	}
	if countValues(text) > maxYAMLNodes {
		return nil, fmt.Errorf("the file holds more than %d values", maxYAMLNodes)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	return &document, uniqueKeys(&document)
}

// countValues returns how many values a YAML text may hold: each follows a line's end or one of the signs that begin or part values. Signs in
// texts and comments count too, unless they are inside a word.
func countValues(text []byte) int {
	values := 1
	for i, c := range text {
		switch c {
		case ',', '[', '{', '\n':
			values++
		case '-', ':', '?':
			if i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t' || text[i+1] == '\n' || text[i+1] == '\r' {
				values++
			}
		}
	}
	return values
}

// uniqueKeys validates the keys of every mapping in a document. The parser bounds the depth.
func uniqueKeys(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		lines := make(map[string]int, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				continue
			}
			if first, twice := lines[key.Value]; twice {
				return fmt.Errorf("line %d: mapping key %s already defined at line %d", key.Line, quote(key.Value), first)
			}
			lines[key.Value] = key.Line
		}
	}
	for _, child := range n.Content {
		if err := uniqueKeys(child); err != nil {
			return err
		}
	}
	return nil
}
