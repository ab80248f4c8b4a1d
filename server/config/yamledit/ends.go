package yamledit

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// offset returns the byte offset of a node position. Columns count characters.
func (s *splicer) offset(line, column int) int {
	if line < 1 || line > len(s.lines) {
		return len(s.data)
	}
	at := s.lines[line-1]
	for range column - 1 {
		_, n := utf8.DecodeRune(s.data[at:])
		at += n
	}
	return min(at, len(s.data))
}

func (s *splicer) start(n *yaml.Node) int { return s.offset(n.Line, n.Column) }

// lineEnd returns the offset after the line break of the line at an offset.
func (s *splicer) lineEnd(at int) int {
	if i := bytes.IndexByte(s.data[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(s.data)
}

// colon returns the offset after the colon of a key.
func (s *splicer) colon(k *yaml.Node) (int, bool) {
	at := s.scalarEnd(k, 0)
	for at < len(s.data) && s.data[at] == ' ' {
		at++
	}
	if at < len(s.data) && s.data[at] == ':' {
		return at + 1, true
	}
	return at, false
}

// last returns the offset after the last value of a mapping.
func (s *splicer) last(m *yaml.Node) int { return s.valueEnd(m, len(m.Content)-2) }

// valueEnd returns the offset after the value of the key at an index.
func (s *splicer) valueEnd(m *yaml.Node, at int) int {
	k, v := m.Content[at], m.Content[at+1]
	if absent(v) {
		colon, _ := s.colon(k)
		return colon
	}
	return s.end(v, m.Content[0].Column-1)
}

// end returns the offset after a value. indent is the indentation of its section: multi-line
// strings continue while lines are indented more.
func (s *splicer) end(n *yaml.Node, indent int) int {
	switch {
	case n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0:
		return s.last(n)
	case n.Kind == yaml.SequenceNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0:
		item := n.Content[len(n.Content)-1]
		return s.end(item, n.Column-1)
	case n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode:
		return s.bracketEnd(s.start(n))
	}
	return s.scalarEnd(n, indent)
}

// scalarEnd returns the offset after a scalar or an alias.
func (s *splicer) scalarEnd(n *yaml.Node, indent int) int {
	at := s.start(n)
	if n.Kind == yaml.AliasNode {
		return at + 1 + len(n.Value)
	}
	if n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 { // skip the anchor and the tag
		for at < len(s.data) && (s.data[at] == '&' || s.data[at] == '!') {
			for at < len(s.data) && !strings.ContainsRune(" \r\n", rune(s.data[at])) {
				at++
			}
			for at < len(s.data) && s.data[at] == ' ' {
				at++
			}
		}
	}
	switch {
	case n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		return s.quoteEnd(at)
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && bytes.HasPrefix(s.data[at:], []byte(n.Value)):
		return at + len(n.Value)
	}
	end := s.lineEnd(at)
	for next := end; next < len(s.data); {
		line := s.data[next:s.lineEnd(next)]
		text := bytes.TrimLeft(line, " ")
		blank := len(bytes.TrimSpace(text)) == 0
		if !blank && len(line)-len(text) <= indent {
			break
		}
		next += len(line)
		if !blank {
			end = next
		}
	}
	return max(at, end-1)
}

func (s *splicer) quoteEnd(at int) int {
	quote := s.data[at]
	for i := at + 1; i < len(s.data); i++ {
		switch {
		case s.data[i] == '\\' && quote == '"':
			i++
		case s.data[i] == quote && quote == '\'' && i+1 < len(s.data) && s.data[i+1] == quote:
			i++
		case s.data[i] == quote:
			return i + 1
		}
	}
	return len(s.data)
}

// bracketEnd returns the offset after the bracket or brace that closes the first one at or after an
// offset.
func (s *splicer) bracketEnd(at int) int {
	for at < len(s.data) && s.data[at] != '[' && s.data[at] != '{' { // skip an anchor or a tag
		at++
	}
	depth := 0
	for i := at; i < len(s.data); i++ {
		switch c := s.data[i]; c {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			if strings.ContainsRune(" \t\r\n,:[{", rune(s.data[i-1])) {
				i = s.quoteEnd(i) - 1
			}
		case '#':
			if s.data[i-1] == ' ' || s.data[i-1] == '\n' || s.data[i-1] == '\t' {
				i = s.lineEnd(i) - 1
			}
		}
	}
	return len(s.data)
}
