package config

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/spelling"
)

// decoder decodes values into a Config according to the schema. It collects all problems.
type decoder struct {
	origins  map[string]Origin
	meant    map[string]bool // keys that a misspelled one was probably meant to be; not reported as missing
	set      map[string]bool // paths of explicitly set keys, including sections
	problems Findings
	notices  Findings
}

func (d *decoder) fail(code string, o Origin, path, what, remedy string) {
	d.problems = append(d.problems, o.Finding(code, finding.Refused, path, what, remedy))
}

func (d *decoder) note(severity finding.Severity, o Origin, path, what, remedy string) {
	d.notices = append(d.notices, o.Finding(CodeMeaning, severity, path, what, remedy))
}

// section decodes the keys of one section into target.
func (d *decoder) section(k *key, path string, v *value, target any) {
	switch v.form {
	case null:
		return
	case scalar:
		if k.pick {
			d.choice(k, path, v)
			return
		}
		remedy := "it is a section: indent its keys on the lines below"
		if v.origin.Kind == FromVariable && len(k.keys) > 0 {
			remedy = fmt.Sprintf("it is a section: set its keys one by one, as in %s", VariableName(Join(path, k.keys[0].name)))
		}
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is a single value", path), remedy)
		return
	case sequence:
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is a list", path), "it is a section: write its keys without -")
		return
	}
	for _, f := range v.fields {
		c := k.child(f.name)
		if c == nil {
			d.unknown(k, path, f)
			continue
		}
		d.key(c, Join(path, f.name), f.value, target)
	}
}

// choice handles the bare name of a driver or a method.
func (d *decoder) choice(k *key, path string, v *value) {
	c := k.child(v.text)
	if c == nil || !c.option {
		d.fail(CodeValue, v.origin, path, fmt.Sprintf("%s names no known %s: %s", path, k.alternative(), Quote(v.text)),
			ChooseFrom(v.text, k.options()))
		return
	}
	d.key(c, Join(path, c.name), &value{origin: v.origin}, nil)
}

func (d *decoder) unknown(parent *key, path string, f field) {
	full := Join(path, f.name)
	remedy := ""
	const patience = 100 // unknown keys; a file with more is not a configuration
	right := ""
	if len(d.problems) < patience {
		right = meant(parent, path, f.name)
	}
	if right != "" {
		remedy = fmt.Sprintf("did you mean %s?", right)
		d.meant[right] = true
	} else if len(parent.keys) > 0 {
		names := make([]string, 0, len(parent.keys))
		for _, k := range parent.keys {
			names = append(names, k.name)
		}
		remedy = "known here: " + strings.Join(names, ", ")
	}
	d.fail(CodeUnknownKey, f.at, "", fmt.Sprintf("unknown key %s", strings.Trim(Quote(full), `"`)), remedy)
	d.problems[len(d.problems)-1].Meant = right
}

// key decodes a key of any kind.
func (d *decoder) key(k *key, path string, v *value, target any) {
	switch k.status {
	case refused:
		d.fail(CodeUnsupported, v.origin, path, fmt.Sprintf("%s is not supported", path), k.word)
		return
	case noted:
		d.note(finding.Note, v.origin, path, fmt.Sprintf("%s: %s", path, k.word), "")
	}
	d.set[path] = true
	d.origins[path] = v.origin
	if v.form == null && k.kind != section && k.kind != anything {
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s has no value", path), "give one, or remove the line")
		return
	}
	switch k.kind {
	case anything:
	case section:
		d.section(k, path, v, target)
	case entries:
		d.entries(k, path, v, target)
	case list:
		if texts, ok := d.list(k, path, v); ok {
			store(k, target, texts)
		}
	case table:
		d.table(k, path, v, target)
	case headers:
		d.headers(k, path, v, target)
	default:
		d.scalar(k, path, v, target)
	}
}

func (d *decoder) entries(k *key, path string, v *value, target any) {
	if v.form != sequence {
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is not a list", path),
			"start each of its entries with - on a line of its own")
		return
	}
	for i, item := range v.items {
		p := fmt.Sprintf("%s[%d]", path, i)
		all := k.elements(target, true)
		if item.form == null {
			d.fail(CodeType, item.origin, p, fmt.Sprintf("%s is empty", p), "give it keys, or remove it")
			continue
		}
		element := all[len(all)-1]
		fill(k, element)
		d.set[p] = true
		d.section(k, p, item, element)
	}
}

func (d *decoder) list(k *key, path string, v *value) ([]string, bool) {
	if v.form == scalar && k.scalar {
		v = &value{form: sequence, items: []*value{v}, origin: v.origin}
	}
	if v.form != sequence {
		remedy := "write [one, two], or each on a line of its own after -"
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is not a list", path), remedy)
		return nil, false
	}
	texts := make([]string, 0, len(v.items))
	for i, item := range v.items {
		p := fmt.Sprintf("%s[%d]", path, i)
		if item.form != scalar || item.text == "" {
			d.fail(CodeType, item.origin, path, fmt.Sprintf("%s is not a plain value", p), "write one text for each entry")
			return nil, false
		}
		if !d.printable(item, p) {
			return nil, false
		}
		d.origins[p] = item.origin
		texts = append(texts, item.text)
	}
	return texts, true
}

func (d *decoder) table(k *key, path string, v *value, target any) {
	if v.form != mapping {
		remedy := "write name: value on the lines below it"
		if v.origin.Kind == FromVariable {
			remedy = fmt.Sprintf("set its names one by one: %s_NAME=value", VariableName(path))
		}
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is not a map", path), remedy)
		return
	}
	texts := make(map[string]string, len(v.fields))
	for _, f := range v.fields {
		p := Join(path, f.name)
		if f.value.form != scalar {
			d.fail(CodeType, f.value.origin, p, fmt.Sprintf("%s is not a plain value", p), "write one text")
			continue
		}
		if !d.printable(f.value, p) {
			continue
		}
		d.set[p] = true
		d.origins[p] = f.value.origin
		texts[f.name] = f.value.text
	}
	store(k, target, texts)
}

func (d *decoder) headers(k *key, path string, v *value, target any) {
	if v.form != mapping {
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is not a map", path), "write Name: [value] on the lines below it")
		return
	}
	all := make(map[string][]string, len(v.fields))
	for _, f := range v.fields {
		name := textproto.CanonicalMIMEHeaderKey(f.name)
		p := Join(path, name)
		if !validHeaderName(f.name) {
			d.fail(CodeValue, f.at, path, fmt.Sprintf("%s holds a name that is not a header name: %s", path, Quote(f.name)),
				"use letters, digits and -")
			continue
		}
		if _, twice := all[name]; twice {
			d.fail(CodeDuplicate, f.at, p, fmt.Sprintf("duplicate header %s", name),
				"the case of letters does not matter; keep one")
			continue
		}
		if f.value.form != sequence {
			d.fail(CodeType, f.value.origin, p, fmt.Sprintf("%s is not a list", p), fmt.Sprintf("write %s: [value]", name))
			continue
		}
		values := make([]string, 0, len(f.value.items))
		for _, item := range f.value.items {
			if item.form != scalar {
				d.fail(CodeType, item.origin, p, fmt.Sprintf("%s holds something that is not a plain value", p),
					"put values that hold braces, brackets or commas into quotes")
				continue
			}
			if d.printable(item, p) {
				values = append(values, item.text)
			}
		}
		d.set[p] = true
		d.origins[p] = f.value.origin
		all[name] = values
	}
	store(k, target, all)
}

// scalar decodes a single value.
func (d *decoder) scalar(k *key, path string, v *value, target any) {
	if v.form != scalar {
		shape := map[form]string{sequence: "a list", mapping: "a section"}[v.form]
		d.fail(CodeType, v.origin, path, fmt.Sprintf("%s is %s", path, shape), "write one plain value: "+k.kind.example(k))
		return
	}
	got, what, remedy := parse(k, v)
	if what != "" {
		code := CodeType
		if k.kind == text || k.kind == secret {
			code = CodeValue
		}
		d.fail(code, v.origin, path, path+" "+what, remedy)
		return
	}
	store(k, target, got)
}

// printable rejects control characters, because values are used in headers, logs and paths.
func (d *decoder) printable(v *value, path string) bool {
	if i := strings.IndexFunc(v.text, isControl); i >= 0 {
		d.fail(CodeValue, v.origin, path, fmt.Sprintf("%s holds a control character", path),
			"remove it; a value is one line of text")
		return false
	}
	return true
}

// store stores a parsed value in the field bound to the key.
func store(k *key, target, got any) {
	if k.bind == nil || target == nil {
		return
	}
	switch p := k.bind(target).(type) {
	case *string:
		*p = got.(string)
	case *Secret:
		*p = Secret(got.(string))
	case *bool:
		*p = got.(bool)
	case *int:
		*p = int(got.(int64))
	case *int64:
		*p = got.(int64)
	case *time.Duration:
		*p = got.(time.Duration)
	case *[]string:
		*p = got.([]string)
	case *map[string]string:
		*p = got.(map[string]string)
	case *map[string][]string:
		*p = got.(map[string][]string)
	}
}

// fill sets the defaults of everything below a section, except for elements of lists of sections.
func fill(k *key, target any) {
	for _, c := range k.keys {
		switch {
		case c.kind == section:
			fill(c, target)
		case c.def == "" || c.kind == entries:
		case c.kind == list:
			v, _ := readFlow(c.def, Origin{})
			var texts []string
			for _, item := range v.items {
				texts = append(texts, item.text)
			}
			store(c, target, texts)
		default:
			got, _, _ := parse(c, &value{form: scalar, text: c.def, origin: Origin{Kind: FromVariable}})
			store(c, target, got)
		}
	}
}

// ChooseFrom returns a hint for a name that is not one of names: the nearest one, or
// all of them.
func ChooseFrom(name string, names []string) string {
	if n := spelling.Nearest(name, names); n != "" {
		return fmt.Sprintf("did you mean %s?", n)
	}
	if right, ok := slips[strings.ToLower(name)]; ok && slices.Contains(names, right) {
		return fmt.Sprintf("did you mean %s?", right)
	}
	return "write one of " + strings.Join(names, ", ")
}
