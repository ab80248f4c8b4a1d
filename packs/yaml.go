package packs

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// parseYAML parses a small file that must be YAML and returns an error for duplicate keys. It
// checks those itself, because yaml.v3 compares each key with every other and formats a message for
// each pair.
func parseYAML(text []byte) (*yaml.Node, error) {
	if len(text) > maxParsed {
		return nil, fmt.Errorf("the file is larger than %d KiB", maxParsed>>10)
	}
	document, err := boundedYAML(text, maxYAMLNodes)
	if err != nil {
		return nil, err
	}
	return document, uniqueKeys(document)
}

// ParseYAML parses a YAML file of a pack for commands, which may use more memory than the server. It
// returns an error if the file holds more than 300,000 values or is nested more than 64 deep.
func ParseYAML(text []byte) (*yaml.Node, error) { return boundedYAML(text, maxLintNodes) }

// boundedYAML parses a text with at most most values. It counts them first, because a node needs a
// hundred times the memory of its text.
func boundedYAML(text []byte, most int) (*yaml.Node, error) {
	if countValues(text) > most {
		return nil, fmt.Errorf("the file holds more than %d values", most)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	if deeper(&document, maxDepth+1) { // the document is a level, too
		return nil, fmt.Errorf("tables and lists are nested more than %d deep", maxDepth)
	}
	return &document, nil
}

// deeper reports whether a value has more than most levels of tables and lists. Texts that contain
// the keys of all levels grow with the square of the depth.
func deeper(n *yaml.Node, most int) bool {
	if len(n.Content) > 0 && most == 0 {
		return true
	}
	for _, child := range n.Content {
		if deeper(child, most-1) {
			return true
		}
	}
	return false
}

// countValues returns an upper bound of the values in a YAML text: each follows a line end or a
// character that begins or separates values. Such characters in strings and comments count too,
// unless they are inside a word.
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

// uniqueKeys validates the keys of every mapping in a document.
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
