package packs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Origin is where an image comes from, as a set: one may be declared and rendered.
type Origin uint8

// Origins of images.
const (
	Declared  Origin = 1 << iota // listed in pack.content.images of values.yaml
	Rendered                     // deployed by a chart or manifest, with the values of the pack or of a preset
	Annotated                    // listed in the annotation artifacthub.io/images of a chart
	Guessed                      // found by reading texts: it may be unused, or assembled wrongly
)

var originNames = []string{"declared", "rendered", "annotation", "guessed"}

// Names returns the names of the origins in a set.
func (o Origin) Names() []string {
	names := []string{}
	for i, name := range originNames {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names of the origins in a set.
func (o Origin) String() string { return strings.Join(o.Names(), ", ") }

// MarshalJSON encodes a set as a list of names.
func (o Origin) MarshalJSON() ([]byte, error) { return json.Marshal(o.Names()) }

// UnmarshalJSON decodes a list of names.
func (o *Origin) UnmarshalJSON(text []byte) error {
	var names []string
	if err := json.Unmarshal(text, &names); err != nil {
		return err
	}
	*o = 0
	for _, name := range names {
		i := slices.Index(originNames, name)
		if i < 0 {
			return fmt.Errorf("there is no origin %q", name)
		}
		*o |= 1 << i
	}
	return nil
}

// ValidImage reports whether a text is a reference to an image.
func ValidImage(reference string) bool {
	return len(reference) <= 512 && imageReference().MatchString(reference) && !slices.Contains(imageWords, reference)
}
