package config

import "strings"

// kind is the type of a key.
type kind int

const (
	text     kind = iota // a string
	secret               // a string that is never shown
	boolean              // true or false
	integer              // a whole number
	size                 // bytes: a whole number, or with KiB, MiB, GiB
	duration             // 90s, 5m, 24h
	list                 // strings
	table                // custom names, each with a string
	headers              // header names, each with a list of strings
	section              // further keys
	entries              // a list of sections
	anything             // ignored, including everything below
)

// status is how an explicitly set key is handled.
type status int

const (
	honoured status = iota
	noted           // accepted; word explains its effect
	quiet           // accepted without effect, and without a notice
	refused         // an error; word explains why
)

// key is one row of the schema.
type key struct {
	name    string
	kind    kind
	about   string   // description, in one sentence
	def     string   // default as written in a file; "" if there is none
	choices []string // permitted values, case-insensitive
	status  status
	word    string // explanation for noted and refused
	ours    bool   // unknown to CNCF distribution
	min     int64  // minimum number or bytes

	scalar bool // a list that may also be a single value
	never  bool // a duration that may also be "never"
	pick   bool // a section that may also be the bare name of one of its options
	option bool // an alternative of a pick; exactly one is selected
	masked bool // headers or URLs that may contain credentials

	bind func(target any) any // returns a pointer to the field; nil: not stored
	keys []*key               // of a section, or of each entry

	// elements returns pointers to the elements of entries. If add is set, it first appends one.
	elements func(target any, add bool) []any
}

// child returns the key with that name in a section, or nil.
func (k *key) child(name string) *key {
	for _, c := range k.keys {
		if c.name == name {
			return c
		}
	}
	return nil
}

// options returns the names of the alternatives of a pick.
func (k *key) options() []string {
	var names []string
	for _, c := range k.keys {
		if c.option {
			names = append(names, c.name)
		}
	}
	return names
}

// alternative returns the noun for the options of a pick.
func (k *key) alternative() string {
	if k == storageKeys {
		return "driver"
	}
	return "method"
}

// at creates a binding from a function that returns a pointer to a field.
func at[T, V any](field func(*T) *V) func(any) any {
	return func(target any) any { return field(target.(*T)) }
}

// in creates a binding to a field of Config.
func in[V any](field func(*Config) *V) func(any) any { return at(field) }

// each creates a binding to a field that is a list of structs.
func each[E any](field func(*Config) *[]E) func(any, bool) []any {
	return func(target any, add bool) []any {
		s := field(target.(*Config))
		if add {
			*s = append(*s, *new(E))
		}
		all := make([]any, len(*s))
		for i := range *s {
			all[i] = &(*s)[i]
		}
		return all
	}
}

// walk visits every key below k, parents first. Paths of keys in entries have "[]" after the name
// of the list.
func walk(k *key, path string, visit func(path string, k *key)) {
	for _, c := range k.keys {
		p := Join(path, c.name)
		visit(p, c)
		if c.kind == entries {
			p += "[]"
		}
		walk(c, p, visit)
	}
}

// lookup returns the key at a path, or nil.
func lookup(path string) *key {
	k := root
	for name := range strings.SplitSeq(path, ".") {
		if k = k.child(name); k == nil {
			return nil
		}
	}
	return k
}

// Join returns the path of a key below parent.
func Join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
