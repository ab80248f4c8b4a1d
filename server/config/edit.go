package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
)

// Edit is a change of one key in a file.
type Edit struct {
	Key string // path of a key: "http.tls.certificate", "http.headers.X-Frame-Options"

	// Value is a string, a [Secret], a bool, a number, a time.Duration, or a list or map of those.
	// nil writes an empty section.
	Value any

	// Remove removes the key and the sections that become empty, including the comments inside
	// them.
	Remove bool
}

// EditError reports that a file cannot be edited without the risk of unintended changes.
type EditError struct {
	Line int // from 1; 0: the whole file
	Key  string
	What string
}

// Error implements error.
func (e *EditError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("edit %s on line %d: %s", e.Key, e.Line, e.What)
	}
	return fmt.Sprintf("edit %s: %s", e.Key, e.What)
}

// Apply changes individual keys of a file and leaves every other line unchanged byte for byte:
// comments, blank lines, order and style. It adds a missing key at the end of its section, together
// with missing sections, and does not touch a key that already has the value. It edits a list item
// by item if the remaining items keep their order, and a JSON file stays JSON. It verifies the
// result by parsing it. An [EditError] names the line that could not be edited safely. data is not
// modified.
func Apply(data []byte, edits []Edit) ([]byte, error) {
	for _, e := range edits {
		changed, err := applyEdit(data, e)
		if err != nil {
			return nil, err
		}
		data = changed
	}
	return data, nil
}

func applyEdit(data []byte, e Edit) ([]byte, error) {
	path := strings.Split(e.Key, ".")
	if !editable(path) {
		return nil, &EditError{Key: e.Key, What: "unknown key"}
	}
	want, problems := readPlain(data)
	if problems != nil {
		return nil, &EditError{Key: e.Key, Line: problems[0].Line, What: problems[0].What}
	}
	var fresh *yaml.Node
	if !e.Remove {
		var err error
		if fresh, err = toNode(e.Value); err != nil {
			return nil, &EditError{Key: e.Key, What: err.Error()}
		}
	}
	if !expect(want, path, fresh) {
		return data, nil
	}
	s, err := newSplicer(data, e.Key)
	if err != nil {
		return nil, err
	}
	if e.Remove {
		err = s.remove(path)
	} else if err = s.set(path, fresh); err == nil && s.byItem && !s.means(want) {
		s.whole = true
		err = s.set(path, fresh)
	}
	if err != nil {
		return nil, err
	}
	out := s.bytes()
	if !s.means(want) {
		return nil, &EditError{Key: e.Key, Line: s.line, What: "the way this line is written does not allow a safe change; edit it by hand"}
	}
	return out, nil
}

// means reports whether the edited file has the intended content. A JSON file must still be JSON.
func (s *splicer) means(want *value) bool {
	got, problems := readPlain(s.bytes())
	return problems == nil && same(got, want) && (!s.json || json.Valid(s.bytes()))
}

// editable reports whether path is a key in the schema.
func editable(path []string) bool {
	k := root
	for _, name := range path {
		switch {
		case name == "":
			return false
		case k.kind == table || k.kind == headers || k.kind == anything:
			return true
		case k.kind != section:
			return false
		}
		if k = k.child(name); k == nil {
			return false
		}
	}
	return true
}

// readPlain parses a file for comparison. An empty file is an empty section.
func readPlain(data []byte) (*value, Findings) {
	r := &reader{origin: Origin{Kind: FromFile}}
	node := r.parse(data)
	if node == nil {
		return nil, r.problems
	}
	v := r.convert(node, 0)
	if v.form == null {
		v = &value{form: mapping}
	}
	if v.form != mapping {
		return nil, Findings{{What: "the file is not a list of keys", Subject: finding.Subject{Line: node.Line}}}
	}
	return v, r.problems
}

// expect changes v to the content expected after the edit, and reports whether anything changes.
func expect(v *value, path []string, fresh *yaml.Node) bool {
	if fresh == nil {
		return v.drop(root, path)
	}
	r := &reader{origin: Origin{Kind: FromVariable}}
	wanted := r.convert(fresh, 0)
	k := root
	for i, name := range path {
		if i == len(path)-1 {
			if at := v.index(name); at >= 0 {
				changed := !same(v.fields[at].value, wanted)
				v.fields[at].value = wanted
				return changed
			}
			v.fields = append(v.fields, field{name: name, value: wanted})
			return true
		}
		if k != nil {
			k = k.child(name)
		}
		next := v.get(name)
		if next == nil {
			next = &value{form: mapping}
			v.fields = append(v.fields, field{name: name, value: next})
		}
		if next.form != mapping { // replace an empty value or a bare driver name by a section
			*next = value{form: mapping}
		}
		v = next
	}
	return false
}

// drop removes a path, and the sections that become empty, except for a selected driver, which is
// meaningful when empty.
func (v *value) drop(k *key, path []string) bool {
	at := v.index(path[0])
	if at < 0 {
		return false
	}
	child := v.fields[at].value
	if len(path) > 1 {
		c := k.child(path[0])
		if child.form != mapping || c == nil || !child.drop(c, path[1:]) {
			return false
		}
		if len(child.fields) > 0 || c.option {
			if c.option && len(child.fields) == 0 {
				child.form = null
			}
			return true
		}
	}
	v.fields = append(v.fields[:at:at], v.fields[at+1:]...)
	return true
}

// same reports whether two values are equal, ignoring origins, quotes and the order of keys. An
// empty section equals null.
func same(a, b *value) bool {
	if empty(a) && empty(b) {
		return true
	}
	if a.form != b.form || a.text != b.text || a.tag != b.tag || len(a.items) != len(b.items) || len(a.fields) != len(b.fields) {
		return false
	}
	for i := range a.items {
		if !same(a.items[i], b.items[i]) {
			return false
		}
	}
	for _, f := range a.fields {
		other := b.get(f.name)
		if other == nil || !same(f.value, other) {
			return false
		}
	}
	return true
}

func empty(v *value) bool { return v.form == null || v.form == mapping && len(v.fields) == 0 }

// toNode converts a value to YAML. Lists and maps use flow style, on one line.
func toNode(v any) (*yaml.Node, error) {
	switch x := v.(type) {
	case nil:
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}, nil
	case Secret:
		v = x.Reveal()
	case time.Duration:
		v = short(x)
	}
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	var check func(n *yaml.Node) error
	check = func(n *yaml.Node) error {
		switch n.Kind {
		case yaml.MappingNode, yaml.SequenceNode:
			n.Style = yaml.FlowStyle
		default:
			if strings.ContainsFunc(n.Value, isControl) {
				return fmt.Errorf("the value holds a control character")
			}
		}
		for _, c := range n.Content {
			if err := check(c); err != nil {
				return err
			}
		}
		return nil
	}
	return &n, check(&n)
}

// write renders a value. In flow style, more strings need quotes.
func write(n *yaml.Node, inFlow bool) (string, error) {
	whole := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{n}}
	if inFlow {
		whole.Style = yaml.FlowStyle
	}
	b, err := yaml.Marshal(whole)
	if err != nil {
		return "", fmt.Errorf("encode value: %w", err)
	}
	b = bytes.TrimRight(b, "\n")
	if inFlow {
		b = bytes.TrimSuffix(bytes.TrimPrefix(b, []byte("[")), []byte("]"))
	} else {
		b = bytes.TrimPrefix(b, []byte("- "))
	}
	if bytes.ContainsAny(b, "\n") {
		return "", fmt.Errorf("the value does not fit on one line")
	}
	return string(b), nil
}
