package config

import (
	"fmt"
	"strings"
)

// place sets the value of one variable in the document.
func (o *overlay) place(document *value, a assignment) {
	v, ok := o.value(a)
	if !ok {
		return
	}
	at, k := document, root
	for i, s := range a.steps {
		last := i == len(a.steps)-1
		if s.name == "" {
			if !at.list(a.origin) {
				return // the file has another type there, which decoding reports
			}
			if s.index > len(at.items) {
				o.fail(CodeVariable, a.origin, fmt.Sprintf("leaves a gap: the list has %d entries", len(at.items)), fmt.Sprintf("the next number is _%d", len(at.items)))
				return
			}
			at.origin = a.origin
			if s.index == len(at.items) {
				at.items = append(at.items, &value{origin: a.origin})
			}
			if last {
				at.items[s.index] = v
				return
			}
			at = at.items[s.index]
			continue
		}
		if !at.section(k, a.origin) {
			return
		}
		if k.kind == section {
			k = k.child(s.name)
		}
		f := at.field(s.name, k, a.origin)
		if last {
			o.put(f, k, v)
			return
		}
		at = f.value
	}
}

// put stores the value of a variable. The bare name of a driver or method selects it and keeps the
// other settings.
func (o *overlay) put(f *field, k *key, v *value) {
	if k == nil || !k.pick || v.form != scalar {
		f.value = v
		f.at = v.origin
		return
	}
	chosen := k.child(v.text)
	if chosen == nil || !chosen.option {
		f.value = v // decoding reports it
		return
	}
	f.value.section(k, v.origin)
	var kept []field
	found := false
	for _, x := range f.value.fields {
		c := k.child(x.name)
		if c != nil && c.option && c != chosen {
			continue
		}
		found = found || c == chosen
		kept = append(kept, x)
	}
	if !found {
		kept = append(kept, field{name: chosen.name, at: v.origin, value: &value{origin: v.origin}})
	}
	f.value.fields = kept
}

// section converts v to a mapping if it is null or the bare name of a driver.
func (v *value) section(k *key, from Origin) bool {
	switch {
	case v.form == null:
		v.form, v.origin = mapping, from
	case v.form == scalar && k != nil && k.pick:
		*v = value{form: mapping, origin: v.origin, fields: []field{{name: v.text, at: v.origin, value: &value{origin: v.origin}}}}
	}
	return v.form == mapping
}

// list converts v to a list if it is null or a single value.
func (v *value) list(from Origin) bool {
	switch v.form {
	case null:
		v.form, v.origin = sequence, from
	case scalar:
		only := *v
		*v = value{form: sequence, origin: v.origin, items: []*value{&only}}
	}
	return v.form == sequence
}

// field returns the field with that name, adding it if necessary. Custom names are
// case-insensitive.
func (v *value) field(name string, k *key, from Origin) *field {
	for i := range v.fields {
		if v.fields[i].name == name || k != nil && (k.kind == table || k.kind == headers) && strings.EqualFold(v.fields[i].name, name) {
			return &v.fields[i]
		}
	}
	v.fields = append(v.fields, field{name: name, at: from, value: &value{origin: from}})
	return &v.fields[len(v.fields)-1]
}

// value converts the text of a variable to the type of its key. Lists may be separated by commas;
// lists and sections may be in YAML flow form.
func (o *overlay) value(a assignment) (*value, bool) {
	plain := &value{form: scalar, text: a.text, origin: a.origin}
	trimmed := strings.TrimSpace(a.text)
	switch a.key.kind {
	case list:
		if strings.HasPrefix(trimmed, "[") {
			return o.flow(trimmed, a.origin)
		}
		v := &value{form: sequence, origin: a.origin}
		if a.key.scalar && a.key.bind == nil { // a header value may contain commas
			v.items = []*value{plain}
			return v, true
		}
		for part := range strings.SplitSeq(a.text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				v.items = append(v.items, &value{form: scalar, text: part, origin: a.origin})
			}
		}
		return v, true
	case table, headers, section, entries:
		if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
			return o.flow(trimmed, a.origin)
		}
	}
	return plain, true
}

func (o *overlay) flow(text string, at Origin) (*value, bool) {
	v, problems := readFlow(text, at)
	o.problems = append(o.problems, problems...)
	return v, len(problems) == 0
}
