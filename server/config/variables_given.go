package config

import (
	"errors"
	"slices"
	"strings"
)

// errNotRead is the error of files that Variables does not read.
var errNotRead = errors.New("not read")

// Variables returns the sorted names of the variables in env that [Load] would apply or refuse. It
// excludes REGISTRY_CONFIGURATION_PATH, which Load does not read.
func Variables(env []string) []string {
	var names []string
	for _, line := range env {
		name, text, _ := strings.Cut(line, "=")
		o := &overlay{readFile: func(string) ([]byte, error) { return nil, errNotRead }}
		if _, sets := o.read(name, text); sets || len(o.problems) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
