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
	table                // names of one's own, each with a string
	headers              // header names, each with a list of strings
	section              // further keys
	entries              // a list of sections
	anything             // of no effect here, whatever is below
)

// status tells what becomes of a key that somebody sets.
type status int

const (
	honoured status = iota
	noted           // accepted; word says what it means here
	quiet           // accepted and without effect, in a way that needs no word
	refused         // an error; word says why
)

// key is one row of the table that everything is derived from.
type key struct {
	name    string
	kind    kind
	about   string   // meaning, in a sentence
	def     string   // default, as one would write it; "" has none
	choices []string // permitted values, compared without regard to case
	status  status
	word    string // of noted and refused
	ours    bool   // unknown to CNCF distribution
	min     int64  // least permitted number or bytes

	scalar bool // a list that may also be one plain value
	never  bool // a duration that may also be "never"
	pick   bool // a section which may be the bare name of one of its options
	option bool // one of the alternatives of a pick: exactly one is chosen
	masked bool // headers or addresses that may hold credentials

	bind func(target any) any // pointer to the field; nil: nowhere to go
	keys []*key               // of a section, or of each of the entries

	// elements returns pointers to the elements of entries, after appending one where add says so.
	elements func(target any, add bool) []any
}

// child returns the key of that name in a section, or nil.
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

// alternative is the word for what a pick chooses from.
func (k *key) alternative() string {
	if k == storageKeys {
		return "driver"
	}
	return "method"
}

// at makes a binding out of a function that points at a field.
func at[T, V any](field func(*T) *V) func(any) any {
	return func(target any) any { return field(target.(*T)) }
}

// in binds a field of the configuration itself.
func in[V any](field func(*Config) *V) func(any) any { return at(field) }

// each binds a field that is a list of structures.
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

// walk visits every key below k, parents first. The path of the keys of entries has "[]" behind the name of the list.
func walk(k *key, path string, visit func(path string, k *key)) {
	for _, c := range k.keys {
		p := join(path, c.name)
		visit(p, c)
		if c.kind == entries {
			p += "[]"
		}
		walk(c, p, visit)
	}
}

// lookup finds a key by its path, and returns nil when there is none.
func lookup(path string) *key {
	k := root
	for name := range strings.SplitSeq(path, ".") {
		if k = k.child(name); k == nil {
			return nil
		}
	}
	return k
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}
