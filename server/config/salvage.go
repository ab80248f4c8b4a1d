package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Salvage reads the plain values of a file that need not be YAML any more. It goes line by line and finds each key in
// the schema, so that lost indentation and lines that cannot be read do no harm. Lists and sections in one line are left
// out. A value may be wrong: validate what comes of it.
func Salvage(data []byte) []Edit {
	var (
		edits []Edit
		path  []string
	)
	for line := range strings.Lines(string(data)) {
		name, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || name == "" || strings.ContainsAny(name, " \t\"'{}[],#-") {
			continue
		}
		within := path
		for lookupIn(within, name) == nil && len(within) > 0 {
			within = within[:len(within)-1]
		}
		k := lookupIn(within, name)
		if k == nil {
			continue
		}
		at := append(slices.Clip(within), name)
		path = within
		if k.kind == section {
			path = at
			continue
		}
		var value any
		if yaml.Unmarshal([]byte(rest), &value) != nil {
			continue
		}
		switch v := value.(type) {
		case string, bool, int:
			edits = append(edits, Edit{Key: strings.Join(at, "."), Value: v})
		}
	}
	return edits
}

// lookupIn finds a key by the path of its section and its name, and returns nil if there is none.
func lookupIn(section []string, name string) *key {
	return lookup(strings.Join(append(slices.Clip(section), name), "."))
}
