package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/pattern"
)

// Limits for a file. Real ones have a hundred lines; the limits bound the cost of malicious ones.
const (
	MaxFile   = 1 << 20 // bytes
	maxDepth  = 24      // nested sections
	maxValues = 20_000  // values, including those repeated by aliases
)

// form is the shape of a parsed YAML value.
type form int

const (
	null form = iota
	scalar
	sequence
	mapping
)

// value is a node of the document with its origin. Variables are merged into the same tree.
type value struct {
	form   form
	text   string
	tag    string // YAML tag of a scalar: !!str, !!int, !!float, !!bool …
	quoted bool
	items  []*value
	fields []field
	origin Origin
}

// field is a named value.
type field struct {
	name  string
	at    Origin
	value *value
}

// get returns the value of a field, or nil.
func (v *value) get(name string) *value {
	for _, f := range v.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// at returns the value at a path, or nil.
func (v *value) at(path ...string) *value {
	for _, name := range path {
		if v = v.get(name); v == nil {
			return nil
		}
	}
	return v
}

// reader converts YAML to values.
type reader struct {
	origin   Origin // file or variable; line and column are set for a file
	problems Findings
	values   int
	over     bool // a limit was exceeded and reported
}

// readDocument parses a whole file. It returns a nil value if nothing is usable.
func readDocument(file string, data []byte) (*value, Findings) {
	r := &reader{origin: Origin{Kind: FromFile, File: file}}
	if len(data) > MaxFile {
		r.add(CodeLimit, r.origin, fmt.Sprintf("the file has %d bytes", len(data)), fmt.Sprintf("at most %d are read; is this the right file?", MaxFile))
		return nil, r.problems
	}
	node := r.parse(data)
	if node == nil {
		return nil, r.problems
	}
	v := r.convert(node, 0)
	if r.over {
		return nil, r.problems
	}
	if v.form == null {
		r.add(CodeMissing, r.origin, "the file is empty", "the least is version, storage and auth")
		return nil, r.problems
	}
	if v.form != mapping {
		r.add(CodeType, v.origin, "the file is not a list of keys", `write lines like "version: 0.1"`)
		return nil, r.problems
	}
	if p, lost := lostIndentation(data, v); lost {
		return nil, Findings{p}
	}
	return v, r.problems
}

// readFlow parses the YAML flow form in a variable: [a, b] or {a: b}.
func readFlow(text string, origin Origin) (*value, Findings) {
	r := &reader{origin: origin}
	node := r.parse([]byte(text))
	if node == nil {
		return nil, r.problems
	}
	v := r.convert(node, 0)
	return v, r.problems
}

func (r *reader) add(code string, o Origin, what, remedy string) {
	r.problems = append(r.problems, o.Finding(code, finding.Refused, "", what, remedy))
}

// parse returns the node of the single document, or nil after adding a problem.
func (r *reader) parse(data []byte) (node *yaml.Node) {
	defer func() {
		if recover() != nil { // a bug in the YAML parser
			node = nil
			r.add(CodeSyntax, r.origin, "not valid YAML", "see whether something else was pasted into it")
		}
	}()
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	case err != nil:
		r.syntax(err, data)
		return nil
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(err, data)
		return nil
	default:
		r.add(CodeSyntax, r.place(&second), "a second document starts here", "keep one, and remove the line ---")
		return nil
	}
	if len(document.Content) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	return document.Content[0]
}

func (r *reader) place(n *yaml.Node) Origin {
	o := r.origin
	if o.Kind == FromFile {
		o.Line, o.Column = n.Line, n.Column
	}
	return o
}

var yamlError = pattern.Lazy(`^yaml: (?:line (\d+): )?(.*)$`)

// remedies maps messages of the YAML parser to hints. Its own text is shown only if it cannot
// contain parts of the file.
var remedies = []struct{ says, what, remedy string }{
	{"unknown anchor", "a value starts with *", "put it into quotes"},
	{"mapping values are not allowed", "a colon where none can be", "look at the indentation of this line and the one before; put a value that holds \": \" into quotes"},
	{"could not find expected ':'", "a line without a colon", `write "key: value", with a blank after the colon`},
	{"found character that cannot start any token", "a character that no value can start with", "indent with blanks instead of tabs; put values that start with @, ` or % into quotes"},
	{"found a tab character", "a tab", "indent with blanks"},
	{"did not find expected key", "the indentation is not that of the lines above", "indent the keys of one section alike"},
	{"did not find expected '-' indicator", "the indentation is not that of the list above", "indent the entries of one list alike"},
	{"did not find expected ',' or ']'", "a list that starts with [ does not end", "add the ], or put values that hold brackets into quotes"},
	{"did not find expected ',' or '}'", "a section that starts with { does not end", "add the }, or put values that hold braces into quotes"},
	{"block sequence entries are not allowed", "a list entry where none can be", "put the list on lines of its own below its key"},
	{"found unexpected end of stream", "a quote that is opened does not close", "add the closing quote"},
	{"found unknown escape character", "an unknown escape in double quotes", "use single quotes, or double the backslash"},
	{"control characters are not allowed", "a control character", "see whether this is a text file"},
	{"invalid", "bytes that are not UTF-8 text", "save the file as UTF-8"},
	{"incomplete", "bytes that are not UTF-8 text", "save the file as UTF-8"},
	{"exceeded max depth", "too deeply nested", "a configuration is a few levels deep"},
}

func (r *reader) syntax(err error, data []byte) {
	o, what, remedy := r.origin, "not valid YAML", "packhouse config schema describes the whole file"
	m := yamlError().FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	if m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil && o.Kind == FromFile {
			o.Line = errorLine(data, line, m[2])
		}
		if name, found := strings.CutPrefix(m[2], "unknown anchor '"); found && o.Kind == FromFile {
			name, _, _ = strings.Cut(name, "'")
			if at := bytes.Index(data, []byte("*"+name)); at >= 0 {
				o.Line = 1 + bytes.Count(data[:at], []byte("\n"))
			}
		}
		for _, known := range remedies {
			if strings.Contains(m[2], known.says) {
				what, remedy = known.what, known.remedy
				break
			}
		}
	}
	if o.Line > 0 {
		lines := bytes.Split(data, []byte("\n"))
		if at := o.Line - 1; at < len(lines) && bytes.HasPrefix(bytes.TrimLeft(lines[at], " "), []byte("\t")) {
			what, remedy = "a tab", "indent with blanks"
		}
	}
	r.add(CodeSyntax, o, what, remedy)
}

// errorLine corrects the line number in an error of the YAML parser, which may count from 0 or, for
// wrong indentation, name the start of the section. It searches for the shortest prefix of the file
// that yields the same error.
func errorLine(data []byte, line int, says string) int {
	if !strings.HasPrefix(says, "did not find expected") {
		return line
	}
	line++
	if !strings.Contains(says, "expected key") && !strings.Contains(says, "indicator") {
		return line
	}
	const search = 200 // lines
	if len(data) > 32<<10 {
		return line // each attempt parses the file again
	}
	end := 0
	for n := 1; end < len(data) && n < line+search; n++ {
		if i := bytes.IndexByte(data[end:], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(data)
		}
		if n < line {
			continue
		}
		var node yaml.Node
		if err := yaml.Unmarshal(data[:end], &node); err != nil && strings.HasSuffix(err.Error(), says) {
			return n
		}
	}
	return line
}

// convert converts a node to a value. It follows aliases and counts the values that they repeat.
func (r *reader) convert(n *yaml.Node, depth int) *value {
	r.values++
	v := &value{origin: r.place(n)}
	switch {
	case r.over:
		return v
	case r.values > maxValues:
		r.over = true
		r.add(CodeLimit, r.origin, fmt.Sprintf("more than %d values, with those that aliases repeat", maxValues), "write the values out instead of using aliases (*name)")
		return v
	case depth > maxDepth:
		r.over = true
		r.add(CodeLimit, r.place(n), fmt.Sprintf("more than %d levels deep", maxDepth), "a configuration is a few levels deep")
		return v
	}
	switch n.Kind {
	case yaml.AliasNode:
		repeated := r.convert(n.Alias, depth+1)
		repeated.origin = v.origin
		return repeated
	case yaml.SequenceNode:
		v.form = sequence
		for _, c := range n.Content {
			v.items = append(v.items, r.convert(c, depth+1))
		}
	case yaml.MappingNode:
		v.form = mapping
		r.mapping(n, v, depth)
	default:
		v.tag = n.ShortTag()
		v.quoted = n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		if v.tag != "!!null" || v.quoted {
			v.form, v.text = scalar, n.Value
		}
	}
	return v
}

func (r *reader) mapping(n *yaml.Node, v *value, depth int) {
	var merged []field
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, content := n.Content[i], n.Content[i+1]
		if name.Kind == yaml.AliasNode {
			name = name.Alias
		}
		if name.Kind != yaml.ScalarNode {
			r.add(CodeType, r.place(name), "the name of a key is a list or a section", "put values that hold braces or brackets into quotes")
			continue
		}
		c := r.convert(content, depth+1)
		if name.ShortTag() == "!!merge" {
			for _, from := range append([]*value{c}, c.items...) {
				merged = append(merged, from.fields...)
			}
			continue
		}
		at := r.place(name)
		if first := v.index(name.Value); first >= 0 {
			r.add(CodeDuplicate, at, fmt.Sprintf("duplicate key %s", Quote(name.Value)), fmt.Sprintf("it is already on line %d; keep one", v.fields[first].at.Line))
			continue
		}
		v.fields = append(v.fields, field{name: name.Value, at: at, value: c})
	}
	for _, f := range merged { // the section's own keys take precedence
		if v.index(f.name) < 0 {
			v.fields = append(v.fields, f)
		}
	}
}

func (v *value) index(name string) int {
	for i, f := range v.fields {
		if f.name == name {
			return i
		}
	}
	return -1
}

// lostIndentation detects a file without any indentation, as after copying from a web page: its
// sections are empty, and their keys appear at the top level.
func lostIndentation(data []byte, v *value) (finding.Finding, bool) {
	for line := range bytes.Lines(data) {
		if len(bytes.TrimSpace(line)) > 0 && (line[0] == ' ' || line[0] == '\t') {
			return finding.Finding{}, false
		}
	}
	empty := ""
	for _, f := range v.fields {
		k := root.child(f.name)
		switch {
		case k != nil && k.kind == section && f.value.form == null:
			empty = f.name
		case k == nil && empty != "":
			if path := meant(root, "", f.name); path != "" {
				return f.at.Finding(CodeIndentation, finding.Refused, "", fmt.Sprintf("%s is at the left margin, beside %s", Quote(f.name), Quote(empty)),
					fmt.Sprintf("did the indentation get lost? %s has to be indented below its section", path)), true
			}
		}
	}
	return finding.Finding{}, false
}
