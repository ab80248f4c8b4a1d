package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
	"packhouse/spelling"
)

// prefix is the prefix of every variable.
const prefix = "REGISTRY_"

// PathVariable is the variable with the path of the configuration file, if the command line has
// none.
const PathVariable = "REGISTRY_CONFIGURATION_PATH"

// step is one step of a path into a value.
type step struct {
	name  string
	index int // index in a list, if name is ""
}

// assignment is a variable and the path that it sets.
type assignment struct {
	origin Origin
	steps  []step
	key    *key
	text   string
}

// overlay applies variables to the values of the file.
type overlay struct {
	problems Findings
	notices  Findings
	readFile func(string) ([]byte, error)
}

func (o *overlay) fail(code string, at Origin, what, remedy string) {
	o.problems = append(o.problems, at.Finding(code, finding.Refused, "", what, remedy))
}

func (o *overlay) note(severity finding.Severity, at Origin, what, remedy string) {
	o.notices = append(o.notices, at.Finding(CodeVariable, severity, "", what, remedy))
}

// apply parses the environment, lines of the form NAME=value, and changes document accordingly.
func (o *overlay) apply(document *value, env []string) {
	given := map[string]string{}
	for _, line := range env {
		name, text, _ := strings.Cut(line, "=")
		given[name] = text
	}
	names := make([]string, 0, len(given))
	for name := range given {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []assignment
	taken := map[string]string{}
	for _, name := range names {
		a, ok := o.read(name, given[name])
		if !ok {
			continue
		}
		place := fmt.Sprint(a.steps)
		if other, twice := taken[place]; twice && a.key.kind != anything {
			o.fail(CodeConflict, a.origin, fmt.Sprintf("sets the same as %s", other), "keep one of them")
			continue
		}
		taken[place] = name
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(a, b assignment) int {
		return slices.CompareFunc(a.steps, b.steps, func(x, y step) int { // sections precede their keys
			return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.index, y.index))
		})
	})
	for _, a := range all {
		o.place(document, a)
	}
}

// read determines what a variable sets. It returns false if it is unrelated, or invalid, which it
// reports.
func (o *overlay) read(name, content string) (assignment, bool) {
	at := Origin{Kind: FromVariable, Variable: name}
	rest, ours := strings.CutPrefix(name, prefix)
	if !ours {
		if content != "" {
			o.misspelt(name, at)
		}
		return assignment{}, false
	}
	if name == PathVariable {
		return assignment{}, false
	}
	segments := strings.Split(rest, "_")
	steps, k := resolve(root, segments)
	if k == nil {
		if target, isFile := strings.CutSuffix(rest, "_FILE"); isFile && name != "REGISTRY_AUTH_FILE" {
			if steps, k = resolve(root, strings.Split(target, "_")); k != nil && (k.kind == text || k.kind == secret) {
				return o.secretFile(at, steps, k, content)
			}
		}
		if stranger(name, content) {
			o.note(finding.Note, at, "is not one of this server's variables and is left alone", "")
			return assignment{}, false
		}
		o.unknown(name, at)
		return assignment{}, false
	}
	if content == "" {
		o.note(finding.Note, at, "is empty and sets nothing", "")
		return assignment{}, false
	}
	return assignment{origin: at, steps: steps, key: k, text: content}, true
}

// secretFile reads the value from the file named by a variable ending in _FILE.
func (o *overlay) secretFile(at Origin, steps []step, k *key, path string) (assignment, bool) {
	if path == "" {
		o.note(finding.Note, at, "is empty and sets nothing", "")
		return assignment{}, false
	}
	data, err := o.readFile(path)
	if err != nil {
		o.fail(CodeRead, at, fmt.Sprintf("names a file that cannot be read: %s (%s)", QuotePath(path), Reason(err)), "mount it there, and let the server's user read it")
		return assignment{}, false
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		o.fail(CodeRead, at, fmt.Sprintf("names a file that is empty: %s", QuotePath(path)), "put the value into it")
		return assignment{}, false
	}
	return assignment{origin: at, steps: steps, key: k, text: text}, true
}

// resolve resolves the segments of a variable's name in the schema. It returns a nil key if there
// is none.
func resolve(k *key, segments []string) ([]step, *key) {
	if len(segments) == 0 {
		return nil, k
	}
	switch k.kind {
	case section:
		for _, c := range k.keys {
			if strings.ToUpper(c.name) == segments[0] {
				if steps, found := resolve(c, segments[1:]); found != nil {
					return append([]step{{name: c.name}}, steps...), found
				}
			}
		}
	case entries:
		if i, ok := position(segments[0]); ok {
			element := &key{name: k.name, kind: section, keys: k.keys}
			if steps, found := resolve(element, segments[1:]); found != nil {
				return append([]step{{index: i}}, steps...), found
			}
		}
	case list:
		if i, ok := position(segments[0]); ok && len(segments) == 1 {
			return []step{{index: i}}, &key{name: k.name, kind: text}
		}
	case table:
		return []step{{name: strings.ToLower(strings.Join(segments, "_"))}}, &key{name: k.name, kind: text}
	case headers:
		last := len(segments) - 1
		if i, ok := position(segments[last]); ok && last > 0 {
			return []step{{name: headerName(segments[:last])}, {index: i}}, &key{name: k.name, kind: text}
		}
		return []step{{name: headerName(segments)}}, &key{name: k.name, kind: list, scalar: true}
	case anything:
		return nil, k
	}
	return nil, nil
}

func headerName(segments []string) string {
	return textproto.CanonicalMIMEHeaderKey(strings.Join(segments, "-"))
}

func position(s string) (int, bool) {
	if len(s) > 4 {
		return 0, false
	}
	i, err := strconv.ParseUint(s, 10, 16)
	return int(i), err == nil
}

// unknown reports a variable that has the prefix but matches no key.
func (o *overlay) unknown(name string, at Origin) {
	remedy := "variables are REGISTRY_ and the path of a key in capitals, as in REGISTRY_LOG_LEVEL"
	right := spelling.Nearest(name, variableNames())
	for _, choice := range []string{VariableName("storage"), VariableName("auth")} {
		if right == "" && spelling.Distance(name, choice) <= 2 {
			right = choice
		}
	}
	if right != "" {
		remedy = fmt.Sprintf("did you mean %s?", right)
	}
	o.fail(CodeVariable, at, "sets no known key", remedy)
}

// misspelt reports a variable with a misspelled prefix and a valid key:
// REGSITRY_AUTH_HTPASSWD_REALM.
func (o *overlay) misspelt(name string, at Origin) {
	first, rest, found := strings.Cut(name, "_")
	if !found || rest == "" || first == "" || spelling.Distance(first, strings.TrimSuffix(prefix, "_")) > 2 {
		return
	}
	if _, k := resolve(root, strings.Split(rest, "_")); k == nil || k.kind == anything {
		return
	}
	o.fail(CodeVariable, at, fmt.Sprintf("starts with %s_", first), fmt.Sprintf("did you mean %s%s?", prefix, rest))
}

// variableNames returns every variable except those of whole sections, in schema order; the first
// entry of a list stands for all.
func variableNames() []string {
	var names []string
	walk(root, "", func(path string, k *key) {
		if k.kind != section {
			names = append(names, VariableName(path))
		}
	})
	return names
}

// VariableName returns the name of the variable that sets the key at path.
func VariableName(path string) string {
	path = strings.NewReplacer("[]", "_0", "[", "_", "]", "", ".", "_").Replace(path)
	return prefix + strings.ToUpper(path)
}

var serviceVariable = pattern.Lazy(`^REGISTRY_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// stranger reports whether a variable belongs to other software: podman, or Kubernetes for a
// service whose name starts with registry.
func stranger(name, text string) bool {
	switch {
	case name == "REGISTRY_AUTH_FILE", serviceVariable().MatchString(name):
		return true
	case strings.HasSuffix(name, "_PORT"):
		return strings.HasPrefix(text, "tcp://") || strings.HasPrefix(text, "udp://")
	}
	return false
}

// Reason describes in two words why a file cannot be read.
func Reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not found"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return err.Error()
}
