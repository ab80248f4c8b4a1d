package packs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"packhouse/finding"
)

// Constraints are a pack's requirements on the cluster.
type Constraints struct {
	Dependencies []Dependency `json:"dependencies,omitempty"`
	Resources    []Resource   `json:"resources,omitempty"`
}

// Types of a dependency.
const (
	Required     = "required"
	Optional     = "optional"
	NotSupported = "notSupported"
	Upgrade      = "upgrade"
)

// Dependency is a requirement on another pack. Its bounds are inclusive; an empty bound is no
// bound, and a partial one such as 1.21 covers all of 1.21.
type Dependency struct {
	PackName   string `json:"packName"`
	Layer      string `json:"layer,omitempty"`
	MinVersion string `json:"minVersion,omitempty"`
	MaxVersion string `json:"maxVersion,omitempty"`
	Type       string `json:"type"`
}

// Resource is what each node of a type must have: cpu in thousandths, memory in Mi, diskSize in GB.
type Resource struct {
	Type       string      `json:"type"`
	MinLimit   json.Number `json:"minLimit,omitempty"`
	Components []Component `json:"components,omitempty"`
}

// Component computes a resource from parameters of values.yaml; it overrides MinLimit.
type Component struct {
	ScheduleType            string `json:"scheduleType"`
	ResourceRequestParamRef string `json:"resourceRequestParamRef,omitempty"`
	ReplicaCountParamRef    string `json:"replicaCountParamRef,omitempty"`
}

var (
	dependencyTypes = []string{Required, Optional, NotSupported, Upgrade}
	resourceTypes   = []string{"cpu", "memory", "diskSize"}
	scheduleTypes   = []string{"all", "master", "control-plane", "worker"}
)

// Neighbour is a pack of the same cluster profile.
type Neighbour struct {
	Name    string
	Layer   string // empty: unknown
	Version string
}

// Check returns the dependencies that a profile violates: a required pack that is missing or out of
// bounds, an optional one out of bounds, an unsupported one within bounds, and an upgrade from an
// excluded version. It does not check resources, which depend on values.
func (c Constraints) Check(profile []Neighbour) []finding.Finding {
	var problems []finding.Finding
	for _, d := range c.Dependencies {
		if what := d.unmet(profile); what != "" {
			problems = append(problems, About(finding.Refused, CodeConstraint, MetadataFile, what, ""))
		}
	}
	return problems
}

func (d Dependency) unmet(profile []Neighbour) string {
	i := slices.IndexFunc(profile, func(n Neighbour) bool {
		return n.Name == d.PackName && (d.Layer == "" || n.Layer == "" || n.Layer == d.Layer)
	})
	if i < 0 {
		if d.Type == Required {
			return strings.TrimSpace("requires pack "+d.PackName+" "+d.bounds()) + ", but it was not found"
		}
		return ""
	}
	inside := within(profile[i].Version, d.MinVersion, d.MaxVersion)
	switch {
	case d.Type == NotSupported && inside:
		return fmt.Sprintf("pack %s %s is not supported", d.PackName, profile[i].Version)
	case d.Type == Upgrade && !inside:
		return fmt.Sprintf("an upgrade from pack %s %s is not supported, only from %s",
			d.PackName, profile[i].Version, d.bounds())
	case (d.Type == Required || d.Type == Optional) && !inside:
		return fmt.Sprintf("pack %s: found %s, requires %s", d.PackName, profile[i].Version, d.bounds())
	}
	return ""
}

// bounds formats the bounds for display.
func (d Dependency) bounds() string {
	switch {
	case d.MinVersion != "" && d.MaxVersion != "":
		return fmt.Sprintf("%s to %s", d.MinVersion, d.MaxVersion)
	case d.MinVersion != "":
		return d.MinVersion + " or later"
	case d.MaxVersion != "":
		return d.MaxVersion + " or earlier"
	}
	return ""
}

// constraints parses the constraints object.
func (r *metadataReader) constraints() Constraints {
	n := r.top.get("constraints")
	if n == nil || n.value == nil {
		return Constraints{}
	}
	o, ok := n.value.(*object)
	if !ok {
		r.report(finding.Refused, CodeJSONType, n.offset, "write an object: {…}", "\"constraints\" is %s, and has to be an object", n.kind())
		return Constraints{}
	}
	var c Constraints
	for _, item := range r.objects(o, "dependencies") {
		c.Dependencies = append(c.Dependencies, item.dependency())
	}
	for _, item := range r.objects(o, "resources") {
		c.Resources = append(c.Resources, item.resource())
	}
	return c
}

// objects returns a reader for each object of a list.
func (r *metadataReader) objects(o *object, key string) []*metadataReader {
	n := o.get(key)
	if n == nil || n.value == nil {
		return nil
	}
	items, ok := n.value.([]*node)
	if !ok {
		r.report(finding.Refused, CodeJSONType, n.offset, "write a list: [{…}]", "%q is %s, and has to be a list", key, n.kind())
		return nil
	}
	var readers []*metadataReader
	for _, item := range r.atMost(items, n, key) {
		if inner, ok := item.value.(*object); ok {
			readers = append(readers, &metadataReader{document: r.document, top: inner})
			continue
		}
		r.report(finding.Refused, CodeJSONType, item.offset, "write an object: {…}", "an item of %q is %s, and has to be an object", key, item.kind())
	}
	return readers
}

func (r *metadataReader) dependency() Dependency {
	d := Dependency{
		PackName: r.text("packName"), Layer: r.text("layer"), MinVersion: r.text("minVersion"), MaxVersion: r.text("maxVersion"), Type: r.text("type"),
	}
	if d.PackName == "" {
		r.report(finding.Refused, CodeConstraint, r.place("packName"), "name the pack: \"packName\"", "a dependency names no pack")
	}
	r.oneOf("type", d.Type, dependencyTypes)
	if d.Layer != "" {
		r.oneOf("layer", d.Layer, Layers)
	}
	if d.MinVersion != "" && d.MaxVersion != "" && !within(d.MinVersion, "", d.MaxVersion) {
		r.report(finding.Refused, CodeConstraint, r.place("minVersion"), "swap them",
			"no version of %s can be met: minVersion %s is above maxVersion %s",
			quote(d.PackName), quote(d.MinVersion), quote(d.MaxVersion))
	}
	return d
}

func (r *metadataReader) resource() Resource {
	resource := Resource{Type: r.text("type")}
	r.oneOf("type", resource.Type, resourceTypes)
	if n := r.top.get("minLimit"); n != nil {
		switch value := n.value.(type) {
		case json.Number:
			resource.MinLimit = value
		case nil:
		default:
			r.report(finding.Refused, CodeConstraint, n.offset, "write a number, such as 2000", "\"minLimit\" is %s, and has to be a number", n.kind())
		}
	}
	for _, item := range r.objects(r.top, "components") {
		component := Component{
			ScheduleType: item.text("scheduleType"), ResourceRequestParamRef: item.text("resourceRequestParamRef"),
			ReplicaCountParamRef: item.text("replicaCountParamRef"),
		}
		item.oneOf("scheduleType", component.ScheduleType, scheduleTypes)
		resource.Components = append(resource.Components, component)
	}
	return resource
}

func (r *metadataReader) oneOf(key, value string, choices []string) {
	if !slices.Contains(choices, value) {
		r.report(finding.Refused, CodeConstraint, r.place(key), "use one of "+strings.Join(choices, ", "), "%q of a constraint cannot be %s", key, quote(value))
	}
}

// place returns the offset of a key's value, or of the object if the key is missing.
func (r *metadataReader) place(key string) int {
	if n := r.top.get(key); n != nil {
		return n.offset
	}
	if len(r.top.members) > 0 {
		return r.top.members[0].offset
	}
	return 0
}
