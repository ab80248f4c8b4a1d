package packs

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// maxParsed is the largest YAML file that is parsed, in bytes: a node takes a hundred times what it is written with.
const maxParsed = 512 << 10

// parseYAML parses a small file that has to be YAML, and refuses a key that stands twice. It looks for such keys itself, because yaml.v3
// compares each with each and words every pair: a file that packs to a few kilobytes fills the memory.
func parseYAML(text []byte) (*yaml.Node, error) {
	if len(text) > maxParsed {
		return nil, fmt.Errorf("the file is larger than %d KiB", maxParsed>>10)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	return &document, uniqueKeys(&document)
}

// uniqueKeys looks through a document. Nesting is bounded by the parser.
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
