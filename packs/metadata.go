package packs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/pattern"
)

// MetadataFile is the file that makes a folder a pack.
const MetadataFile = "pack.json"

// Layers are the layers of a cluster profile, from the bottom up.
var Layers = []string{"kernel", "os", "k8s", "cni", "csi", "addon"}

// cloudTypes are the documented ones and others in use.
var cloudTypes = []string{
	"all", "aws", "azure", "gcp", "vsphere", "openstack", "baremetal", "maas", "aks", "eks", "gke", "tke", "edge", "libvirt", "edge-native",
	"coxedge", "tencent", "custom",
}

// CloudTypes returns the known cloud types.
func CloudTypes() []string { return slices.Clone(cloudTypes) }

// Metadata is the content of a pack.json.
type Metadata struct {
	Name          string            `json:"name"`
	DisplayName   string            `json:"displayName"`
	Version       string            `json:"version"`
	Layer         string            `json:"layer"`
	CloudTypes    []string          `json:"cloudTypes,omitempty"` // cloudType, an older key, is merged into it
	AddonType     string            `json:"addonType,omitempty"`
	AddonSubType  string            `json:"addonSubType,omitempty"`
	Group         string            `json:"group,omitempty"` // trimmed: "" and " " are in use and mean none
	EOL           string            `json:"eol,omitempty"`   // yyyy-MM-dd, trimmed
	Annotations   map[string]string `json:"annotations,omitempty"`
	Charts        []string          `json:"charts,omitempty"`
	KubeManifests []string          `json:"kubeManifests,omitempty"` // applied in this order
	AnsibleRoles  []string          `json:"ansibleRoles,omitempty"`
	Constraints   Constraints       `json:"constraints,omitzero"`

	Unknown map[string]json.RawMessage `json:"-"` // keys outside of the schema, verbatim: they are in use, and kept

	places map[string]int // offset of each key's value, for later findings
}

// Folder returns the name of the pack's folder, also in its archive: <name>-<version>.
func (m *Metadata) Folder() string { return m.Name + "-" + m.Version }

// Title returns the file name of the pack's archive, and the title of its layer:
// <name>-<version>.tar.gz.
func (m *Metadata) Title() string { return m.Folder() + ".tar.gz" }

// Tag returns the tag that a push uses unless another group is given: [group__]version.
func (m *Metadata) Tag() Tag { return Tag{Group: m.Group, Label: m.Version} }

var (
	packName  = pattern.Lazy(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)
	tagLabel  = pattern.Lazy(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	groupName = pattern.Lazy(`^[A-Za-z0-9](?:[A-Za-z0-9.-]|_[A-Za-z0-9.-])*$`)
)

// maxName keeps <base>/spectro-packs/archive/<name> within the limits of registries.
const maxName = 128

// ParseMetadata parses a pack.json. Metadata is nil if nothing can be parsed; otherwise it contains
// the fields that could be, even if there are problems.
func ParseMetadata(data []byte) (*Metadata, []finding.Finding) {
	root, d := parseDocument(MetadataFile, data)
	if root == nil {
		return nil, d.findings.list
	}
	top, ok := root.value.(*object)
	if !ok {
		d.report(finding.Refused, CodeJSONType, root.offset, "write an object: {…}", "the file holds %s", root.kind())
		return nil, d.findings.list
	}
	m := (&metadataReader{document: d, top: top}).read()
	slices.SortStableFunc(d.findings.list, byPlace)
	return m, Bounded(d.findings.list)
}

// metadataReader converts a document to metadata and validates it.
type metadataReader struct {
	*document
	top *object
}

func (r *metadataReader) read() *Metadata {
	m := &Metadata{places: map[string]int{}}
	for _, member := range r.top.members {
		m.places[member.key] = member.value.offset
	}
	m.Name = r.required("name")
	m.DisplayName = r.required("displayName")
	m.Version = r.required("version")
	m.Layer = r.required("layer")
	m.CloudTypes = r.texts("cloudTypes")
	if old := r.text("cloudType"); old != "" && !slices.Contains(m.CloudTypes, old) {
		m.CloudTypes = append(m.CloudTypes, old)
	}
	m.AddonType, m.AddonSubType = r.text("addonType"), r.text("addonSubType")
	m.Group, m.EOL = r.text("group"), r.text("eol")
	m.Annotations = r.annotations()
	m.Charts, m.KubeManifests, m.AnsibleRoles = r.texts("charts"), r.texts("kubeManifests"), r.texts("ansibleRoles")
	m.Constraints = r.constraints()
	known := []string{
		"name", "displayName", "version", "layer", "cloudTypes", "cloudType", "addonType", "addonSubType", "group", "eol", "annotations", "charts",
		"kubeManifests", "ansibleRoles", "constraints",
	}
	for _, member := range r.top.members {
		if slices.Contains(known, member.key) {
			continue
		}
		if m.Unknown == nil {
			m.Unknown = map[string]json.RawMessage{}
		}
		m.Unknown[member.key] = json.RawMessage(member.value.content)
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, member.key) }); i >= 0 {
			r.report(finding.Warning, CodeJSONValue, member.offset, "write "+known[i], "the key %s is not read: its letters have another case", quote(member.key))
		}
	}
	r.validate(m)
	return m
}

// validate checks the values that a push builds names from, and those that Palette reads.
func (r *metadataReader) validate(m *Metadata) {
	at := func(key string) int { return m.places[key] }
	if m.Name != "" && (!packName().MatchString(m.Name) || len(m.Name) > maxName) {
		r.report(finding.Refused, CodeName, at("name"), "use lower-case letters and digits, joined by single . _ or -", "%s cannot be a pack's name", quote(m.Name))
	}
	switch {
	case m.Version == "":
	case !tagLabel().MatchString(m.Version) || strings.Contains(m.Version, "__"):
		r.report(finding.Refused, CodeVersion, at("version"), "use letters, digits, . _ and -, such as 1.2.3 or 1.2.3-rc.1", "%s cannot be a version: it becomes a tag", quote(m.Version))
	case isParent(m.Version):
		r.report(finding.Refused, CodeVersion, at("version"), "name the whole version, such as 1.24.3", "%s is the name of a parent tag, which the registry derives", quote(m.Version))
	case strings.HasPrefix(m.Version, "v") && len(numbers(m.Version)) > 0:
		r.report(finding.Warning, CodeVersionV, at("version"), "write "+m.Version[1:], "the version has a leading v: %s", quote(m.Version))
	case len(numbers(m.Version)) == 0:
		r.report(finding.Warning, CodeVersion, at("version"), "start it with a number, such as 1.2.3", "%s does not start with a number: it gets no parent tag, and no order", quote(m.Version))
	}
	if m.Layer != "" && !slices.Contains(Layers, m.Layer) {
		r.report(finding.Refused, CodeLayer, at("layer"), "use one of "+strings.Join(Layers, ", "), "there is no layer %s", quote(m.Layer))
	}
	for _, c := range m.CloudTypes {
		if !slices.Contains(cloudTypes, c) {
			place := at("cloudTypes")
			if place == 0 {
				place = at("cloudType")
			}
			r.report(finding.Warning, CodeCloudType, place, "known are "+strings.Join(cloudTypes, ", "), "the cloud type %s is not known", quote(c))
		}
	}
	if m.Group != "" && !groupName().MatchString(m.Group) {
		r.report(finding.Refused, CodeGroup, at("group"), "use letters, digits, . - and single _", "%s cannot be a group: it becomes part of a tag", quote(m.Group))
	}
	if _, err := time.Parse(time.DateOnly, m.EOL); m.EOL != "" && err != nil {
		r.report(finding.Warning, CodeEOL, at("eol"), "write it as 2027-12-31", "%s is not a date", quote(m.EOL))
	}
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		if isSecret(key) && m.Annotations[key] != "" {
			r.report(finding.Warning, CodeSecret, at("annotations"), "everyone who may read the pack can read it: set it in the cluster profile instead", "the annotation %s looks like a secret", quote(key))
		}
	}
}

// isSecret reports whether a key's name suggests a secret value.
func isSecret(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc([]string{"password", "passwd", "secret", "token", "privatekey", "private-key", "apikey", "api-key"},
		func(word string) bool { return strings.Contains(key, word) })
}

// required returns a string that must exist.
func (r *metadataReader) required(key string) string {
	n := r.top.get(key)
	if n == nil {
		r.report(finding.Refused, CodeJSONRequired, 0, "add it", "the key %q is missing", key)
		return ""
	}
	text := r.text(key)
	if _, ok := n.value.(string); ok && text == "" {
		r.report(finding.Refused, CodeJSONRequired, n.offset, "fill it in", "%q is empty", key)
	}
	return text
}

// text returns a trimmed string, or "" if missing.
func (r *metadataReader) text(key string) string {
	n := r.top.get(key)
	if n == nil {
		return ""
	}
	return r.textOf(n, key)
}

func (r *metadataReader) textOf(n *node, key string) string {
	switch value := n.value.(type) {
	case string:
		if len(value) > maxTextValue {
			r.report(finding.Refused, CodeJSONValue, n.offset, "shorten it", "%q is longer than %d bytes", key, maxTextValue)
		}
		return strings.TrimSpace(clip(value, maxTextValue))
	case nil:
		return ""
	case json.Number:
		number := clip(value.String(), maxTextValue)
		r.report(finding.Refused, CodeJSONType, n.offset, `put it in quotes: "`+number+`"`, "%q is a number, and has to be a text", key)
		return number
	}
	r.report(finding.Refused, CodeJSONType, n.offset, "put it in quotes", "%q is %s, and has to be a text", key, n.kind())
	return ""
}

// texts returns a list of strings; a single string counts as a list of one.
func (r *metadataReader) texts(key string) []string {
	n := r.top.get(key)
	if n == nil || n.value == nil {
		return nil
	}
	items, ok := n.value.([]*node)
	if !ok {
		r.report(finding.Refused, CodeJSONType, n.offset, "write a list: [\"…\"]", "%q is %s, and has to be a list", key, n.kind())
		return nil
	}
	var texts []string
	for _, item := range r.atMost(items, n, key) {
		if text := r.textOf(item, key+"[]"); text != "" {
			texts = append(texts, text)
		}
	}
	return texts
}

// atMost returns the first items of a list, and reports one that is too long.
func (r *metadataReader) atMost(items []*node, list *node, key string) []*node {
	if len(items) <= maxItems {
		return items
	}
	r.report(finding.Refused, CodeJSONSize, list.offset, "shorten it", "%q holds %d items, at most %d are read", key, len(items), maxItems)
	return items[:maxItems]
}

// annotations parses an object of strings.
func (r *metadataReader) annotations() map[string]string {
	n := r.top.get("annotations")
	if n == nil || n.value == nil {
		return nil
	}
	o, ok := n.value.(*object)
	if !ok {
		r.report(finding.Refused, CodeJSONType, n.offset, "write an object: {…}", "\"annotations\" is %s, and has to be an object", n.kind())
		return nil
	}
	members := o.members
	if len(members) > maxItems {
		r.report(finding.Refused, CodeJSONSize, n.offset, "shorten it", "\"annotations\" holds %d members, at most %d are read", len(members), maxItems)
		members = members[:maxItems]
	}
	annotations := make(map[string]string, len(members))
	for _, member := range members {
		switch value := member.value.value.(type) {
		case string:
			annotations[member.key] = value
		case nil:
			annotations[member.key] = ""
		default:
			r.report(finding.Refused, CodeJSONType, member.value.offset, "put it in quotes", "the annotation %s is %s, and has to be a text", quote(member.key), member.value.kind())
		}
	}
	return annotations
}
