package render

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/packs"
	"packhouse/pattern"
)

// collector collects the images of Kubernetes objects.
type collector struct {
	found map[string]packs.Image
}

func newCollector() *collector { return &collector{found: map[string]packs.Image{}} }

// add adds an image. Its first source remains.
func (c *collector) add(reference, source string, from packs.Origin) {
	if strings.Contains(reference, macroPlaceholder) || !packs.ValidImage(reference) {
		return
	}
	image, known := c.found[reference]
	if !known {
		image = packs.Image{Reference: reference, Source: source}
	}
	image.From |= from
	c.found[reference] = image
}

var separator = pattern.Lazy(`(?m)^---[ \t]*(?:#.*)?$`)

// objects adds the images of a stream of objects. Documents that are not YAML are read by lines.
func (c *collector) objects(text, source string) {
	for _, document := range separator().Split(text, -1) {
		if strings.TrimSpace(document) == "" {
			continue
		}
		var root yaml.Node
		err := yaml.NewDecoder(bytes.NewReader([]byte(document))).Decode(&root)
		switch {
		case errors.Is(err, io.EOF):
		case err != nil:
			c.lines(document, source)
		case len(root.Content) > 0 && valueOf(root.Content[0], "kind") != "CustomResourceDefinition":
			c.node(root.Content[0], source, 0)
		}
	}
}

var imageLine = pattern.Lazy(`(?m)^[ \t-]*image:[ \t]*["']?([^\s"'#]+)["']?[ \t]*(?:#.*)?$`)

func (c *collector) lines(text, source string) {
	for _, match := range imageLine().FindAllStringSubmatch(text, -1) {
		c.add(match[1], source, packs.Rendered)
	}
}

// maxDepth limits the depth of objects; aliases may refer to themselves.
const maxDepth = 100

// node adds the images below a value: of containers and of similar fields of custom resources, and
// those that containers get as arguments or variables.
func (c *collector) node(n *yaml.Node, source string, depth int) {
	if depth > maxDepth {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		c.node(n.Alias, source, depth+1)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			c.node(item, source, depth+1)
		}
	case yaml.MappingNode:
		c.parts(n, source)
		for i := 0; i+1 < len(n.Content); i += 2 {
			c.field(n.Content[i].Value, n.Content[i+1], n, source, depth)
		}
	case yaml.DocumentNode, yaml.ScalarNode:
	}
}

func (c *collector) field(key string, value, object *yaml.Node, source string, depth int) {
	if value.Kind != yaml.ScalarNode {
		switch key {
		case "args", "command":
			c.arguments(value, source)
		case "properties", "openAPIV3Schema": // of a schema: no values
			return
		}
		c.node(value, source, depth+1)
		return
	}
	switch text := strings.TrimSpace(value.Value); {
	case value.Tag != "!!str":
	case key == "image":
		if valueOf(object, "version") == "" || valueOf(object, "repository") == "" { // else assembled by parts
			c.add(text, source, packs.Rendered)
		}
	case strings.HasSuffix(key, "Image") || key == "value" && namesImage(object):
		c.explicit(text, source)
	case strings.Contains(value.Value, "\n") && strings.Contains(text, "image:"):
		c.embedded(text, source)
	}
}

// namesImage reports whether a variable of a container is about an image.
func namesImage(variable *yaml.Node) bool {
	return strings.Contains(strings.ToUpper(valueOf(variable, "name")), "IMAGE")
}

// parts adds an image that a custom resource has in parts.
func (c *collector) parts(object *yaml.Node, source string) {
	repository := valueOf(object, "repository")
	if repository == "" {
		return
	}
	if registry := valueOf(object, "registry"); registry != "" {
		repository = strings.TrimSuffix(registry, "/") + "/" + repository
	}
	for _, key := range []string{"image", "name"} { // of NVIDIA's operators
		if name := valueOf(object, key); name != "" && repository[strings.LastIndexByte(repository, '/')+1:] != name {
			repository += "/" + name
			break
		}
	}
	for _, key := range []string{"tag", "version"} {
		if tag := valueOf(object, key); tag != "" {
			separator := ":"
			if strings.HasPrefix(tag, "sha256:") {
				separator = "@"
			}
			c.explicit(repository+separator+tag, source)
			return
		}
	}
}

var argument = pattern.Lazy(
	`^-{0,2}[A-Za-z0-9._-]*[iI]mage[A-Za-z0-9._-]*=(.+)$` + `|^([a-z0-9.-]+\.[a-z]{2,}/[^\s=]+:[^\s=]+)$`)

// arguments adds images that a container gets as arguments, such as --reloader-image=….
func (c *collector) arguments(list *yaml.Node, source string) {
	for _, item := range list.Content {
		if match := argument().FindStringSubmatch(item.Value); match != nil {
			c.explicit(strings.Trim(match[1]+match[2], `"'`), source)
		}
	}
}

var explicitImage = pattern.Lazy(`^[A-Za-z0-9.-]+(?::[0-9]+)?/.+(?::[^/:@]+|@sha256:[0-9a-f]{64})$`)

// explicit adds an image that is given completely: with a host or path, and a tag or digest. Fields
// whose meaning only their names suggest may contain anything.
func (c *collector) explicit(reference, source string) {
	if explicitImage().MatchString(reference) {
		c.add(reference, source, packs.Rendered)
	}
}

// embedded adds the images of objects inside a text, such as templates of pods in a ConfigMap.
func (c *collector) embedded(text, source string) {
	for _, match := range imageLine().FindAllStringSubmatch(text, -1) {
		c.explicit(match[1], source)
	}
}

// valueOf returns a scalar of a mapping, or "".
func valueOf(object *yaml.Node, key string) string {
	if object.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(object.Content); i += 2 {
		value := object.Content[i+1]
		if object.Content[i].Value == key && value.Kind == yaml.ScalarNode && value.Tag != "!!null" {
			return value.Value
		}
	}
	return ""
}

// annotated adds the images that a chart lists for Artifact Hub.
func (c *collector) annotated(list, source string) {
	var images []struct {
		Image string `yaml:"image"`
	}
	if err := yaml.Unmarshal([]byte(list), &images); err != nil {
		return
	}
	for _, image := range images {
		c.add(strings.TrimSpace(image.Image), source, packs.Annotated)
	}
}
