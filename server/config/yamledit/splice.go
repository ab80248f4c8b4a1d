package yamledit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// splicer edits the bytes of a file at positions of its YAML nodes. Nodes have only start
// positions, so ends are determined from the bytes.
type splicer struct {
	data   []byte
	lines  []int // offset of each line
	root   *yaml.Node
	indent int    // spaces per level
	key    string // for errors
	line   int    // last line examined, for errors
	eol    string
	out    []byte
	json   bool // the whole file is JSON and must stay so
	whole  bool // replace lists instead of editing items
	byItem bool // a list was edited item by item
}

func newSplicer(data []byte, key string) (*splicer, error) {
	s := &splicer{data: data, key: key, eol: "\n", lines: []int{0}, indent: 2, json: json.Valid(data)}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, s.refuse(1, "the file starts with a byte order mark; save it without")
	}
	for i, c := range data {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
		if c == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			return nil, s.refuse(len(s.lines), "a lone carriage return")
		}
	}
	if bytes.ContainsAny(data, "\u0085\u2028\u2029") {
		return nil, s.refuse(0, "the file holds unusual line separators")
	}
	if bytes.Contains(data, []byte("\r\n")) {
		s.eol = "\r\n"
	}
	var err error
	if s.root, err = parse(data); err != nil {
		return nil, s.refuse(0, err.Error())
	}
	if s.root.Kind == yaml.MappingNode {
		s.indent = s.step(s.root)
	}
	return s, nil
}

func (s *splicer) refuse(line int, what string) error {
	return &Error{Key: s.key, Line: line, What: what}
}

// step returns the indentation of the file.
func (s *splicer) step(n *yaml.Node) int {
	for i := 1; i < len(n.Content); i += 2 {
		name, v := n.Content[i-1], n.Content[i]
		block := v.Kind == yaml.MappingNode && v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0
		if block && v.Content[0].Column > name.Column {
			return v.Content[0].Column - name.Column
		}
	}
	return 2
}

// replace replaces a range of bytes.
func (s *splicer) replace(from, to int, text string) {
	s.out = append(append(append([]byte{}, s.data[:from]...), text...), s.data[to:]...)
}

// find returns the name and value nodes of a key in a mapping, and its index.
func find(m *yaml.Node, name string) (k, v *yaml.Node, at int) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name && m.Content[i].Kind == yaml.ScalarNode {
			return m.Content[i], m.Content[i+1], i
		}
	}
	return nil, nil, -1
}

func absent(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.ShortTag() == "!!null" && n.Style == 0 && n.Anchor == ""
}

// set writes a value at a path.
func (s *splicer) set(path []string, fresh *yaml.Node) error {
	m, inFlow := s.root, false
	if m.Kind != yaml.MappingNode { // an empty file, or only comments
		return s.append(path, fresh)
	}
	for i, name := range path {
		if err := s.mapping(m); err != nil {
			return err
		}
		inFlow = inFlow || m.Style&yaml.FlowStyle != 0
		k, v, _ := find(m, name)
		if k == nil {
			return s.insert(m, inFlow, path[i:], fresh)
		}
		s.line = k.Line
		if i == len(path)-1 {
			return s.overwrite(m, k, v, inFlow, fresh)
		}
		if v.Kind != yaml.MappingNode || len(v.Content) == 0 && v.Style&yaml.FlowStyle != 0 && !inFlow {
			return s.deepen(m, k, v, inFlow, path[i+1:], fresh)
		}
		m = v
	}
	return nil
}

// mapping returns an error unless m is a plain section.
func (s *splicer) mapping(m *yaml.Node) error {
	s.line = m.Line
	switch {
	case m.Kind == yaml.AliasNode:
		return s.refuse(m.Line, "the section is an alias (*name); write it out first")
	case m.Kind != yaml.MappingNode:
		return s.refuse(m.Line, "this is not a section")
	}
	return nil
}

// lone returns an error for a value with an anchor or a tag, which other values may refer to.
func (s *splicer) lone(v *yaml.Node) error {
	switch {
	case v.Anchor != "" || v.Kind == yaml.AliasNode:
		return s.refuse(v.Line, "the value has an anchor or is an alias; edit it by hand")
	case v.Style&yaml.TaggedStyle != 0:
		return s.refuse(v.Line, "the value has a tag; edit it by hand")
	case v.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return s.refuse(v.Line, "the value is a block of text; edit it by hand")
	}
	return nil
}

// overwrite replaces the value of an existing key.
func (s *splicer) overwrite(m, k, v *yaml.Node, inFlow bool, fresh *yaml.Node) error {
	if err := s.lone(v); err != nil {
		return err
	}
	if !s.whole && s.items(v, fresh, inFlow) {
		s.byItem = true
		return nil
	}
	text, err := s.write(fresh, inFlow)
	if err != nil {
		return s.refuse(k.Line, err.Error())
	}
	colon, ok := s.colon(k)
	if !ok {
		return s.refuse(k.Line, "no colon behind the key")
	}
	if absent(v) {
		s.replace(colon, colon, " "+text)
		return nil
	}
	end := s.end(v, m.Column-1)
	if (v.Kind == yaml.MappingNode || v.Kind == yaml.SequenceNode) && v.Style&yaml.FlowStyle == 0 {
		s.block(colon, end, " "+text)
		return nil
	}
	s.replace(s.start(v), end, text)
	return nil
}

// block replaces a block value, which ends at end, with text after the colon. It keeps a comment on
// the line of the key.
func (s *splicer) block(colon, end int, text string) {
	eol := s.lineEnd(colon)
	out := append([]byte{}, s.data[:colon]...)
	out = append(out, text...)
	out = append(out, s.data[colon:eol]...)
	s.out = append(out, s.data[max(eol, s.lineEnd(end)):]...)
}

// deepen replaces an empty value, or the bare name of a driver, by a section with the rest of the
// path.
func (s *splicer) deepen(m, k, v *yaml.Node, inFlow bool, rest []string, fresh *yaml.Node) error {
	if err := s.lone(v); err != nil {
		return err
	}
	if v.Kind == yaml.SequenceNode {
		return s.refuse(v.Line, "there is a list instead of a section")
	}
	colon, ok := s.colon(k)
	if !ok {
		return s.refuse(k.Line, "no colon behind the key")
	}
	if inFlow {
		return s.overwrite(m, k, v, true, nest(rest, fresh))
	}
	lines, err := s.below(rest, fresh, k.Column-1+s.indent)
	if err != nil {
		return s.refuse(k.Line, err.Error())
	}
	from, to := colon, colon
	if !absent(v) {
		to = s.end(v, m.Column-1)
	}
	eol := s.lineEnd(to)
	out := append([]byte{}, s.data[:from]...)
	out = append(out, s.data[to:eol]...)
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, s.eol...)
	}
	out = append(out, lines...)
	s.out = append(out, s.data[eol:]...)
	return nil
}

// nest wraps a value in the sections of a path.
func nest(path []string, n *yaml.Node) *yaml.Node {
	for _, part := range slices.Backward(path) {
		name := &yaml.Node{}
		name.SetString(part)
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Style: yaml.FlowStyle, Content: []*yaml.Node{name, n}}
	}
	return n
}

// below renders a path and its value in block style.
func (s *splicer) below(path []string, fresh *yaml.Node, indent int) (string, error) {
	var b strings.Builder
	for i, name := range path {
		n := &yaml.Node{}
		n.SetString(name)
		key, err := s.write(n, false)
		if err != nil {
			return "", err
		}
		b.WriteString(strings.Repeat(" ", indent+i*s.indent))
		b.WriteString(key)
		b.WriteString(":")
		if i == len(path)-1 {
			text, err := s.write(fresh, false)
			if err != nil {
				return "", err
			}
			b.WriteString(" " + text)
		}
		b.WriteString(s.eol)
	}
	return b.String(), nil
}

// insert adds a path at the end of a section.
func (s *splicer) insert(m *yaml.Node, inFlow bool, rest []string, fresh *yaml.Node) error {
	if inFlow {
		text, err := s.write(nest(rest, fresh), true)
		if err != nil {
			return s.refuse(m.Line, err.Error())
		}
		text = strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
		if len(m.Content) == 0 {
			at := s.start(m) + 1
			s.replace(at, at, text)
			return nil
		}
		at := s.last(m)
		s.replace(at, at, ", "+text)
		return nil
	}
	lines, err := s.below(rest, fresh, m.Content[0].Column-1)
	if err != nil {
		return s.refuse(m.Line, err.Error())
	}
	at := s.lineEnd(s.last(m))
	if at > 0 && s.data[at-1] != '\n' {
		lines = s.eol + lines
	}
	s.replace(at, at, lines)
	return nil
}

// append adds a path to a file without keys.
func (s *splicer) append(path []string, fresh *yaml.Node) error {
	if !absent(s.root) {
		return s.refuse(s.root.Line, "the file is not a list of keys")
	}
	lines, err := s.below(path, fresh, 0)
	if err != nil {
		return s.refuse(0, err.Error())
	}
	if n := len(s.data); n > 0 && s.data[n-1] != '\n' {
		lines = s.eol + lines
	}
	s.replace(len(s.data), len(s.data), lines)
	return nil
}

// remove removes a path and the sections that become empty and do not stay.
func (s *splicer) remove(path []string, o Options) error {
	type stage struct {
		m, k, v *yaml.Node
		at      int
		inFlow  bool
	}
	var stages []stage
	m, inFlow := s.root, false
	for _, name := range path {
		if err := s.mapping(m); err != nil {
			return err
		}
		inFlow = inFlow || m.Style&yaml.FlowStyle != 0
		k, v, at := find(m, name)
		if k == nil {
			return s.refuse(m.Line, "the key comes from elsewhere (<<); edit it by hand")
		}
		stages = append(stages, stage{m, k, v, at, inFlow})
		m = v
	}
	i := len(stages) - 1
	for i > 0 && len(stages[i].m.Content) == 2 && !o.stays(path[:i]) {
		i--
	}
	st := stages[i]
	s.line = st.k.Line
	if err := s.lone(st.v); err != nil && st.v.Kind != yaml.ScalarNode {
		return err
	}
	from := s.start(st.k)
	end := s.valueEnd(st.m, st.at)
	if !st.inFlow {
		if strings.TrimLeft(string(s.data[s.lines[st.k.Line-1]:from]), " ") != "" {
			return s.refuse(st.k.Line, "there is other text before the key; edit it by hand")
		}
		s.replace(s.lines[st.k.Line-1], s.lineEnd(end), "")
		return nil
	}
	switch {
	case st.at+2 < len(st.m.Content): // up to the next key
		s.replace(from, s.start(st.m.Content[st.at+2]), "")
	case st.at > 0: // from the end of the previous value
		s.replace(s.valueEnd(st.m, st.at-2), end, "")
	default:
		s.replace(from, end, "")
	}
	return nil
}
