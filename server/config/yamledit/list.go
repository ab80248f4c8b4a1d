package yamledit

import (
	"bytes"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// patch replaces a range of bytes.
type patch struct {
	from, to int
	text     string
}

// patch applies replacements, which must be sorted and not overlap.
func (s *splicer) patch(patches []patch) {
	var out []byte
	at := 0
	for _, p := range patches {
		out = append(append(out, s.data[at:p.from]...), p.text...)
		at = p.to
	}
	s.out = append(out, s.data[at:]...)
}

// items edits a list item by item, to keep the comments of remaining items. It returns false if
// that is impossible: no item remains, the order changes, or an item is not plain text.
func (s *splicer) items(v, fresh *yaml.Node, inFlow bool) bool {
	if v.Kind != yaml.SequenceNode || fresh.Kind != yaml.SequenceNode {
		return false
	}
	have, ok := plainItems(v)
	want, ok2 := plainItems(fresh)
	if !ok || !ok2 {
		return false
	}
	kept := slices.DeleteFunc(slices.Clone(have), func(name string) bool { return !slices.Contains(want, name) })
	if len(kept) == 0 || len(want) < len(kept) || !slices.Equal(want[:len(kept)], kept) {
		return false
	}
	var added []string
	inFlow = inFlow || v.Style&yaml.FlowStyle != 0
	for _, n := range fresh.Content[len(kept):] {
		text, err := s.write(n, inFlow)
		if err != nil {
			return false
		}
		added = append(added, text)
	}
	if inFlow {
		return s.flowItems(v, want, added)
	}
	return s.blockItems(v, want, added)
}

// plainItems returns the items of a list. ok reports whether all are plain text and unique.
func plainItems(n *yaml.Node) (items []string, ok bool) {
	for _, item := range n.Content {
		special := item.Style&(yaml.TaggedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		text := item.Kind == yaml.ScalarNode && item.ShortTag() == "!!str" && item.Anchor == ""
		if !text || special || slices.Contains(items, item.Value) {
			return nil, false
		}
		items = append(items, item.Value)
	}
	return items, true
}

// blockItems edits a list in block style.
func (s *splicer) blockItems(v *yaml.Node, want, added []string) bool {
	var patches []patch
	margin := ""
	for _, item := range v.Content {
		line := s.lines[item.Line-1]
		margin = string(s.data[line:s.start(item)])
		if strings.TrimSpace(margin) != "-" {
			return false
		}
		if !slices.Contains(want, item.Value) {
			patches = append(patches, patch{from: line, to: s.lineEnd(s.end(item, v.Column-1))})
		}
	}
	at := s.lineEnd(s.end(v.Content[len(v.Content)-1], v.Column-1))
	text := ""
	for _, name := range added {
		text += margin + name + s.eol
	}
	if text != "" && at > 0 && s.data[at-1] != '\n' {
		text = s.eol + text
	}
	s.patch(append(patches, patch{at, at, text}))
	return true
}

// flowItems edits a list in flow style.
func (s *splicer) flowItems(v *yaml.Node, want, added []string) bool {
	var patches []patch
	last := -1 // the last remaining item
	for i, item := range v.Content {
		if slices.Contains(want, item.Value) {
			last = i
		}
	}
	for i, item := range v.Content {
		from, to := s.start(item), s.end(item, 0)
		switch {
		case i == last:
			patches = append(patches, s.appendItems(v, i, added)...)
		case slices.Contains(want, item.Value):
		case i < last: // including the following comma and spaces
			next := s.start(v.Content[i+1])
			if line := bytes.IndexByte(s.data[to:next], '\n'); line >= 0 && s.blank(s.lines[item.Line-1], from) {
				from, next = s.lines[item.Line-1], to+line+1
			}
			patches = append(patches, patch{from: from, to: next})
		default: // including the preceding comma
			before := s.end(v.Content[i-1], 0)
			comma := bytes.IndexByte(s.data[before:from], ',')
			if comma < 0 {
				return false
			}
			if bytes.IndexByte(s.data[before:from], '\n') < 0 {
				patches = append(patches, patch{from: before, to: to})
				continue
			}
			patches = append(patches, patch{from: before + comma, to: before + comma + 1}, patch{from: from, to: to})
		}
	}
	slices.SortStableFunc(patches, func(a, b patch) int { return a.from - b.from })
	s.patch(patches)
	return true
}

// appendItems adds items after the one at an index of a flow list: on separate lines if that one
// is, after its comment.
func (s *splicer) appendItems(v *yaml.Node, at int, added []string) []patch {
	if len(added) == 0 {
		return nil
	}
	item := v.Content[at]
	line, to := s.lines[item.Line-1], s.end(item, 0)
	end := s.lineEnd(to)
	rest := bytes.TrimLeft(s.data[to:end], " ")
	last := at+1 == len(v.Content) || s.start(v.Content[at+1]) >= end // of its line
	alone := s.blank(line, s.start(item)) && !bytes.Contains(rest, []byte("]")) && last
	names := strings.Join(added, ", ")
	if !alone {
		return []patch{{to, to, ", " + names}}
	}
	text := string(s.data[line:s.start(item)]) + names
	if at+1 == len(v.Content) && bytes.HasPrefix(rest, []byte(",")) {
		return []patch{{end, end, text + "," + s.eol}}
	}
	return []patch{{to, to, ","}, {end, end, text + s.eol}}
}

// blank reports whether a range of bytes is only white space.
func (s *splicer) blank(from, to int) bool { return len(bytes.TrimSpace(s.data[from:to])) == 0 }
