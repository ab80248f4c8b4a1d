package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Edit is one change of a file.
type Edit struct {
	Key string // path of a key: "http.tls.certificate", "http.headers.X-Frame-Options"

	// Value is a string, a [Secret], a bool, a number, a time.Duration, a list or a map of such. nil writes an empty section.
	Value any

	// Remove takes the key away, and with it the sections that become empty, together with the comments inside them.
	Remove bool
}

// EditError says that a file cannot be edited without the risk of changing more than was asked for.
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

// Apply changes single keys of a file and leaves every other line as it is to the byte: comments, blank lines, order and style. A
// key that is missing is added at the end of its section, together with the sections that are missing too; what is there already with
// that value is left alone. A list is edited item by item if the items that stay keep their order, and a file that is JSON stays JSON. The result is read back and compared with what was asked for, and an [EditError] names the line that could
// not be edited safely; data itself is never changed.
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

// means reports whether the edited file means what was asked for. A file that was JSON must be JSON again.
func (s *splicer) means(want *value) bool {
	got, problems := readPlain(s.bytes())
	return problems == nil && same(got, want) && (!s.json || json.Valid(s.bytes()))
}

// editable tells whether the path leads to a key of the table.
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

// readPlain reads a file for comparison. An empty one is an empty section.
func readPlain(data []byte) (*value, Problems) {
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
		return nil, Problems{{What: "the file is not a list of keys", Line: node.Line}}
	}
	return v, r.problems
}

// expect changes v to what the file should mean after the edit, and tells whether that is a change at all.
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
		if next.form != mapping { // nothing, or a bare driver name, makes way for a section
			*next = value{form: mapping}
		}
		v = next
	}
	return false
}

// drop removes a path, and sections that become empty by it, but for a chosen driver: that one means something when empty.
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

// same compares what two values mean; places and quotes do not count, and neither does the order of keys. An empty section is the same as
// nothing.
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

// toNode turns a value into YAML. Lists and maps are written in flow style, on one line.
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

// write renders a value the way it has to stand: inside braces more has to be quoted.
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
