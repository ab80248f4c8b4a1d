// Package yamledit changes single values of a YAML or JSON file and leaves every other line unchanged
// byte for byte: comments, blank lines, order and style.
package yamledit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// Edit is a change of one key in a file.
type Edit struct {
	Key string // its path: "http.tls.certificate"

	// Value is a string, a bool, a number, or a list or map of those. nil writes an empty section.
	Value any

	// Remove removes the key and the sections that become empty, including the comments inside
	// them.
	Remove bool
}

// Options configures Apply. The zero value is for files of any kind.
type Options struct {
	// Stays reports whether a section that becomes empty stays, because its name alone has a
	// meaning. Nil: no section does.
	Stays func(path []string) bool
}

func (o Options) stays(path []string) bool { return o.Stays != nil && o.Stays(path) }

// Error reports that a file cannot be edited without the risk of unintended changes.
type Error struct {
	Line int // from 1; 0: the whole file
	Key  string
	What string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("edit %s on line %d: %s", e.Key, e.Line, e.What)
	}
	return fmt.Sprintf("edit %s: %s", e.Key, e.What)
}

// Apply changes individual keys of a file. It adds a missing key at the end of its section, together
// with missing sections, and does not touch a key that already has the value. It edits a list item
// by item if the remaining items keep their order, and a JSON file stays JSON. It verifies the
// result by parsing it. An [Error] names the line that could not be edited safely. data is not
// modified.
func Apply(data []byte, edits []Edit, o Options) ([]byte, error) {
	for _, e := range edits {
		changed, err := apply(data, e, o)
		if err != nil {
			return nil, err
		}
		data = changed
	}
	return data, nil
}

func apply(data []byte, e Edit, o Options) ([]byte, error) {
	path := strings.Split(e.Key, ".")
	want, err := meaning(data)
	if err != nil {
		return nil, &Error{Key: e.Key, What: err.Error()}
	}
	var fresh *yaml.Node
	var changes bool
	if e.Remove {
		changes = drop(want, path, path, o)
	} else {
		if fresh, err = toNode(e.Value); err != nil {
			return nil, &Error{Key: e.Key, What: err.Error()}
		}
		var value any
		if err := fresh.Decode(&value); err != nil {
			return nil, &Error{Key: e.Key, What: err.Error()}
		}
		changes = put(want, path, value)
	}
	if !changes {
		return data, nil
	}
	s, err := newSplicer(data, e.Key)
	if err != nil {
		return nil, err
	}
	if e.Remove {
		err = s.remove(path, o)
	} else if err = s.set(path, fresh); err == nil && s.byItem && !s.means(want) {
		s.whole = true
		err = s.set(path, fresh)
	}
	if err != nil {
		return nil, err
	}
	if !s.means(want) {
		return nil, &Error{
			Key: e.Key, Line: s.line,
			What: "the way this line is written does not allow a safe change; edit it by hand",
		}
	}
	return s.out, nil
}

// means reports whether the edited file has the intended content. A JSON file must still be JSON.
func (s *splicer) means(want map[string]any) bool {
	got, err := meaning(s.out)
	return err == nil && same(got, want) && (!s.json || json.Valid(s.out))
}

var (
	errSyntax    = errors.New("not valid YAML")
	errDocuments = errors.New("a second document starts in the file; keep one, and remove the line ---")
	errNoKeys    = errors.New("the file is not a list of keys")
)

// parse returns the node of the single document. That of an empty file is null.
func parse(data []byte) (node *yaml.Node, err error) {
	defer func() {
		if recover() != nil { // a bug in the YAML parser
			node, err = nil, errSyntax
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, nil
	case err != nil:
		return nil, errSyntax
	case len(document.Content) == 0:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, nil
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, errDocuments
	case !errors.Is(err, io.EOF):
		return nil, errSyntax
	}
	return document.Content[0], nil
}

// meaning returns the content of a file, of which comments, order and style are no part.
func meaning(data []byte) (content map[string]any, err error) {
	node, err := parse(data)
	if err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil {
			content, err = nil, errSyntax
		}
	}()
	var all any
	if err := node.Decode(&all); err != nil {
		return nil, errSyntax
	}
	switch all := all.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return all, nil
	}
	return nil, errNoKeys
}

// put sets a value in a content and reports whether that changes it. An empty value or a plain text
// on the path becomes a section.
func put(content map[string]any, path []string, value any) bool {
	name := path[0]
	if len(path) == 1 {
		old, exists := content[name]
		content[name] = value
		return !exists || !same(old, value)
	}
	below, section := content[name].(map[string]any)
	if !section {
		below = map[string]any{}
		content[name] = below
	}
	return put(below, path[1:], value)
}

// drop removes the rest of a path from a content, and the sections that become empty. It reports
// whether that changes the content.
func drop(content map[string]any, rest, path []string, o Options) bool {
	name := rest[0]
	value, exists := content[name]
	if !exists {
		return false
	}
	if len(rest) > 1 {
		below, section := value.(map[string]any)
		if !section || !drop(below, rest[1:], path, o) {
			return false
		}
		if len(below) > 0 {
			return true
		}
		if o.stays(path[:len(path)-len(rest)+1]) {
			content[name] = nil
			return true
		}
	}
	delete(content, name)
	return true
}

// same reports whether two values are equal. An empty section equals null.
func same(a, b any) bool {
	if empty(a) && empty(b) {
		return true
	}
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, value := range a {
			other, exists := b[name]
			if !exists || !same(value, other) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func empty(v any) bool {
	section, ok := v.(map[string]any)
	return v == nil || ok && len(section) == 0
}

var errControl = errors.New("the value holds a control character")

// toNode converts a value to YAML. Lists and maps use flow style, on one line.
func toNode(v any) (*yaml.Node, error) {
	if v == nil {
		return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle}, nil
	}
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	return &n, inline(&n)
}

// inline sets flow style on a node and those below it. It returns an error if a text cannot be on
// one line.
func inline(n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		n.Style = yaml.FlowStyle
	default:
		control := func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
		if strings.ContainsFunc(n.Value, control) {
			return errControl
		}
	}
	for _, c := range n.Content {
		if err := inline(c); err != nil {
			return err
		}
	}
	return nil
}

// Render returns a value as YAML on one line, in quotes if it needs them. Lists and maps use flow
// style.
func Render(v any) (string, error) {
	n, err := toNode(v)
	if err != nil {
		return "", err
	}
	return write(n, false)
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
