package yamledit

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"
)

// write renders a value in the style of the file: JSON if the whole file is JSON.
func (s *splicer) write(n *yaml.Node, inFlow bool) (string, error) {
	if !s.json {
		return write(n, inFlow)
	}
	var out bytes.Buffer
	if err := writeJSON(&out, n); err != nil {
		return "", err
	}
	return out.String(), nil
}

// writeJSON renders a value as JSON on one line.
func writeJSON(out *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		brackets, step := "[]", 1
		if n.Kind == yaml.MappingNode {
			brackets, step = "{}", 2
		}
		out.WriteByte(brackets[0])
		for i, c := range n.Content {
			switch {
			case i%step == 1:
				out.WriteString(": ")
			case i > 0:
				out.WriteString(", ")
			}
			if err := writeJSON(out, c); err != nil {
				return err
			}
		}
		out.WriteByte(brackets[1])
		return nil
	default:
		if n.ShortTag() != "!!str" && json.Valid([]byte(n.Value)) { // a number, true, false or null
			out.WriteString(n.Value)
			return nil
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(n.Value); err != nil {
			return fmt.Errorf("encode value: %w", err)
		}
		out.Truncate(out.Len() - 1) // the line break
		return nil
	}
}
