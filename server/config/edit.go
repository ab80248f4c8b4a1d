package config

import (
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/server/config/yamledit"
)

// Edit is a change of one key of a configuration file. Its value may also be a [Secret] or a
// time.Duration.
type Edit = yamledit.Edit

// EditError reports that a file cannot be edited without the risk of unintended changes.
type EditError = yamledit.Error

// Apply changes keys of a configuration file and leaves every other line unchanged byte for byte
// (see [yamledit.Apply]). It returns an [EditError] for a key that the schema does not have.
func Apply(data []byte, edits []Edit) ([]byte, error) {
	edits = slices.Clone(edits)
	for i := range edits {
		e := &edits[i]
		if !editable(strings.Split(e.Key, ".")) {
			return nil, &EditError{Key: e.Key, What: "unknown key"}
		}
		e.Value = yamlValue(e.Value)
	}
	if len(edits) > 0 {
		if problems := readable(data); problems != nil {
			return nil, &EditError{Key: edits[0].Key, Line: problems[0].Line, What: problems[0].What}
		}
	}
	return yamledit.Apply(data, edits, yamledit.Options{Stays: selectsDriver})
}

// yamlValue returns a value as files have it.
func yamlValue(v any) any {
	switch v := v.(type) {
	case Secret:
		return v.Reveal()
	case time.Duration:
		return short(v)
	}
	return v
}

// editable reports whether path is a key in the schema.
func editable(path []string) bool {
	k := root
	for _, name := range path {
		switch {
		case name == "":
			return false
		case k.kind == table || k.kind == headers || k.kind == anything:
			return true
		case k.kind != section:
			return false
		}
		if k = k.child(name); k == nil {
			return false
		}
	}
	return true
}

// selectsDriver reports whether a section selects a driver, which it does even when it is empty.
func selectsDriver(path []string) bool {
	k := root
	for _, name := range path {
		if k = k.child(name); k == nil {
			return false
		}
	}
	return k.option
}

// readable returns the findings that prevent editing a file.
func readable(data []byte) Findings {
	r := &reader{origin: Origin{Kind: FromFile}}
	node := r.parse(data)
	if node == nil {
		return r.problems
	}
	if v := r.convert(node, 0); v.form != mapping && v.form != null {
		return Findings{{What: "the file is not a list of keys", Subject: finding.Subject{Line: node.Line}}}
	}
	return r.problems
}
