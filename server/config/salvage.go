package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Salvage extracts the plain values of a file that may not be valid YAML. It works line by line and
// looks up each key in the schema, so lost indentation and invalid lines do not matter. It skips
// lists and inline sections. Values may be wrong, so validate the result.
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

// lookupIn returns the key with that name in a section, or nil.
func lookupIn(section []string, name string) *key {
	return lookup(strings.Join(append(slices.Clip(section), name), "."))
}
