package packs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"packhouse/finding"
)

// maxDepth is the maximum nesting depth of a pack.json.
const maxDepth = 64

// node is a JSON value with its position.
type node struct {
	offset  int // of its first byte
	value   any // nil, bool, json.Number, string, []*node or *object
	content []byte
}

// object keeps the order and the positions of its members.
type object struct{ members []member }

type member struct {
	key    string
	offset int // of the key
	value  *node
}

// get returns the last member with a name, as JSON parsers do.
func (o *object) get(key string) *node {
	for _, m := range slices.Backward(o.members) {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// kind returns the type of a value, for display.
func (n *node) kind() string {
	switch n.value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a text"
	case []*node:
		return "a list"
	}
	return "an object"
}

// document is a JSON file with its findings.
type document struct {
	path     string
	text     []byte
	findings findings
}

// report adds a finding at an offset. Computing the position costs a pass over the text, so there
// are at most maxFindings of each severity.
func (d *document) report(severity finding.Severity, code string, offset int, remedy, format string, args ...any) {
	if d.findings.full(severity) {
		return
	}
	line, column := position(d.text, offset)
	f := About(severity, code, d.path, fmt.Sprintf(format, args...), remedy)
	f.Line, f.Column = line, column
	d.findings.add(f)
}

// position converts an offset to a line and column, both 1-based; columns count characters.
func position(text []byte, offset int) (line, column int) {
	offset = min(max(offset, 0), len(text))
	before := text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// parseDocument parses JSON. It reports trailing commas and duplicate keys and continues, and it
// ignores a byte order mark. The node is nil if the text cannot be parsed. It checks the size and
// number of values first, because a node needs a hundred times the memory of its text.
func parseDocument(path string, text []byte) (*node, *document) {
	d := &document{path: path, text: text}
	if len(text) > maxMetadata {
		d.report(finding.Refused, CodeJSONSize, 0, "take out what packs do not need", "the file is larger than %d KiB",
			maxMetadata>>10)
		return nil, d
	}
	readable, values := d.withoutTrailingCommas(text)
	if values > maxNodes {
		d.report(finding.Refused, CodeJSONSize, 0, "take out what packs do not need", "the file holds more than %d values",
			maxNodes)
		return nil, d
	}
	if bytes.HasPrefix(readable, []byte("\xef\xbb\xbf")) {
		readable = append([]byte("   "), readable[3:]...)
	}
	switch {
	case len(bytes.TrimSpace(readable)) == 0:
		d.report(finding.Refused, CodeJSONSyntax, 0, "write an object: {…}", "the file is empty")
		return nil, d
	case !utf8.Valid(readable):
		d.report(finding.Refused, CodeJSONSyntax, invalidUTF8(readable), "save the file as UTF-8", "the text is not UTF-8")
		return nil, d
	}
	var all json.RawMessage
	if err := json.Unmarshal(readable, &all); err != nil {
		d.syntaxError(readable, err)
		return nil, d
	}
	decoder := json.NewDecoder(bytes.NewReader(readable))
	decoder.UseNumber()
	root, err := d.read(decoder, readable, 0)
	if err != nil {
		d.syntaxError(readable, err)
		return nil, d
	}
	return root, d
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// withoutTrailingCommas reports trailing commas. It returns the text with spaces in their place,
// and an upper bound of the number of values: each follows a comma or the beginning of a list or an
// object.
func (d *document) withoutTrailingCommas(text []byte) (cleaned []byte, values int) {
	cleaned = bytes.Clone(text)
	inString, escaped, comma := false, false, -1
	for i, c := range text {
		switch {
		case inString:
			inString = escaped || c != '"'
			escaped = !escaped && c == '\\'
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case c == ',':
			comma = i
			values++
		default:
			if c == '[' || c == '{' {
				values++
			}
			if comma >= 0 && (c == '}' || c == ']') {
				d.report(finding.Refused, CodeJSONComma, comma, "remove the comma",
					"a comma before %q: JSON knows no trailing commas", string(c))
				cleaned[comma] = ' '
			}
			comma = -1
			inString = c == '"'
		}
	}
	return cleaned, values
}

func (d *document) syntaxError(text []byte, err error) {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, errTooDeep):
		d.report(finding.Refused, CodeJSONSyntax, 0, "", "objects and lists are nested more than %d deep", maxDepth)
	case !errors.As(err, &syntax):
		d.report(finding.Refused, CodeJSONSyntax, 0, "", "the text is not JSON: %v", err)
	case strings.Contains(err.Error(), "unexpected end"):
		d.report(finding.Refused, CodeJSONSyntax, len(text), "close what is open: \" } ]", "the text ends too early")
	default:
		d.report(finding.Refused, CodeJSONSyntax, int(syntax.Offset)-1, hintFor(text, int(syntax.Offset)-1), "%v", err)
	}
}

// hintFor guesses the cause of a syntax error from the text at its position.
func hintFor(text []byte, at int) string {
	if at < 0 || at >= len(text) {
		return ""
	}
	switch text[at] {
	case '"', '{', '[':
		return "is a comma missing before it?"
	case '\'':
		return "texts stand in double quotes"
	case '/', '#':
		return "JSON knows no comments"
	case '\n', '\t', '\r':
		return "inside a text, write \\n or \\t"
	}
	return ""
}

var errTooDeep = errors.New("nested too deep")

func (d *document) read(decoder *json.Decoder, text []byte, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	offset := nextValue(text, int(decoder.InputOffset()))
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	n := &node{offset: offset, value: token}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
	case delim == '[':
		n.value, err = d.readList(decoder, text, depth)
	default:
		n.value, err = d.readObject(decoder, text, depth)
	}
	n.content = text[offset:decoder.InputOffset()]
	return n, err
}

func (d *document) readList(decoder *json.Decoder, text []byte, depth int) ([]*node, error) {
	items := []*node{}
	for decoder.More() {
		item, err := d.read(decoder, text, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	_, err := decoder.Token()
	return items, err
}

func (d *document) readObject(decoder *json.Decoder, text []byte, depth int) (*object, error) {
	o := &object{}
	seen := map[string]bool{}
	for decoder.More() {
		offset := nextValue(text, int(decoder.InputOffset()))
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, ok := token.(string)
		if !ok {
			return nil, io.ErrUnexpectedEOF // cannot happen: the text is valid
		}
		if seen[key] {
			d.report(finding.Refused, CodeJSONDuplicate, offset, "keep one of them", "the key %s occurs twice", quote(key))
		}
		seen[key] = true
		value, err := d.read(decoder, text, depth+1)
		if err != nil {
			return nil, err
		}
		o.members = append(o.members, member{key, offset, value})
	}
	_, err := decoder.Token()
	return o, err
}

// nextValue skips separators between two tokens.
func nextValue(text []byte, offset int) int {
	for offset < len(text) && strings.IndexByte(" \t\r\n,:", text[offset]) >= 0 {
		offset++
	}
	return offset
}
