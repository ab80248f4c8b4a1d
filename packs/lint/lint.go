// Package lint finds what breaks packs in Palette: it reads their charts, values, schemas and
// presets, beyond what a push needs. Package packs has the checks that every push runs, also in the
// server.
package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/packs/chart"
	"packhouse/pattern"
)

// Options are the options of Pack.
type Options struct {
	Now      time.Time            // for the end of life
	Rendered func(*Rendered) bool // fills in what the templates deploy; nil or false: not rendered
}

// Rendered is what the templates of a pack deploy.
type Rendered struct {
	Images   []packs.Image
	Failures []finding.Finding
}

// maxAlike limits how many findings of one kind are listed of one file.
const maxAlike = 15

// Pack returns the findings of a pack whose files are at the root of fsys, in the order in which to
// fix them, with those of packs.Pack.Lint.
func Pack(fsys fs.FS, pack *packs.Pack, o Options) []finding.Finding {
	l := &linter{fsys: fsys, pack: pack, o: o, count: map[string]int{}}
	if pack.Metadata != nil {
		l.charts = l.readCharts()
		l.metadata()
		l.files()
		l.values()
		l.images()
		l.schema()
		l.presets()
		l.rendered()
	}
	slices.SortStableFunc(l.found, func(a, b finding.Finding) int {
		return cmp.Or(severityOrder(a)-severityOrder(b), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return packs.Bounded(slices.Concat(pack.Lint(), l.found))
}

func severityOrder(p finding.Finding) int {
	return slices.Index([]finding.Severity{finding.Refused, finding.Warning, finding.Note}, p.Severity)
}

type linter struct {
	fsys   fs.FS
	pack   *packs.Pack
	o      Options
	charts []packChart
	count  map[string]int // of findings, by code and file
	found  []finding.Finding
}

// packChart is a chart that pack.json names.
type packChart struct {
	path string
	*chart.Chart
}

// report adds a finding. Of many of the same kind in the same file, it lists the first.
func (l *linter) report(severity finding.Severity, code, name string, line int, remedy, format string, args ...any) {
	key := code + "\x00" + name
	if l.count[key]++; l.count[key] > maxAlike {
		return
	}
	what := fmt.Sprintf(format, args...)
	if l.count[key] == maxAlike {
		what += "; further findings of this kind are not listed"
	}
	f := packs.About(severity, code, name, packs.Printable(what), packs.Printable(remedy))
	f.Line = line
	l.found = append(l.found, f)
}

// full reports whether further findings of a kind are not listed.
func (l *linter) full(code, name string) bool { return l.count[code+"\x00"+name] >= maxAlike }

// inMetadata adds a finding about a key of pack.json.
func (l *linter) inMetadata(severity finding.Severity, code, key, remedy, format string, args ...any) {
	line, _ := l.pack.Position(key)
	l.report(severity, code, packs.MetadataFile, line, remedy, format, args...)
}

// readCharts reads the charts that pack.json names. Missing ones are findings of package packs.
func (l *linter) readCharts() (charts []packChart) {
	for _, name := range l.pack.Metadata.Charts {
		name = path.Clean(name)
		if !fs.ValidPath(name) || !l.pack.Has(name) {
			continue
		}
		c, err := chart.Open(l.fsys, name)
		if err != nil {
			l.report(finding.Refused, packs.CodeChart, name, 0, "create it with helm package", "it is not a chart: %v", err)
			continue
		}
		charts = append(charts, packChart{name, c})
	}
	return charts
}

// metadata checks the keys of pack.json that Palette reads and a push does not need.
func (l *linter) metadata() {
	m := l.pack.Metadata
	switch {
	case m.Layer != "addon":
	case m.AddonType == "":
		l.inMetadata(finding.Warning, packs.CodeAddonType, "layer", "use one of "+strings.Join(addonTypes, ", "),
			"there is no addonType: Palette does not list the pack under a type")
	case !slices.Contains(addonTypes, m.AddonType):
		l.inMetadata(finding.Note, packs.CodeAddonType, "addonType", "common are "+strings.Join(addonTypes, ", "),
			"the addonType %q is uncommon", m.AddonType)
	}
	if len(m.CloudTypes) == 0 {
		l.inMetadata(finding.Warning, packs.CodeCloudTypes, "layer", `add "cloudTypes": ["all"], or those supported`,
			"there are no cloudTypes: Palette offers the pack for no cloud")
	}
	for _, d := range m.Constraints.Dependencies {
		if d.Layer == "" {
			l.inMetadata(finding.Warning, packs.CodeConstraint, "constraints", "use one of "+strings.Join(packs.Layers, ", "),
				"the dependency %q has no layer", d.PackName)
		}
	}
	if eol, err := time.Parse(time.DateOnly, m.EOL); err == nil && !l.o.Now.Before(eol.AddDate(0, 0, 1)) {
		l.inMetadata(finding.Warning, packs.CodeEOLPassed, "eol", "publish a newer version",
			"the end of life of the pack has passed: %s", m.EOL)
	}
	if state := m.Annotations["system_state"]; state != "" && !slices.Contains(systemStates, state) {
		l.inMetadata(finding.Warning, packs.CodeSystemState, "annotations", "use one of "+strings.Join(systemStates, ", "),
			"the annotation system_state has the unknown value %q", state)
	}
}

// addonTypes are the documented ones and others in use.
var addonTypes = []string{
	"ai", "app services", "authentication", "ingress", "load balancer", "logging", "monitoring", "registry",
	"security", "servicemesh", "storage", "system app",
}

var systemStates = []string{"enabled", "disabled", "deprecated", "deleted"}

// files checks the charts and manifests of the pack.
func (l *linter) files() {
	m := l.pack.Metadata
	for key, names := range map[string][]string{"charts": m.Charts, "kubeManifests": m.KubeManifests} {
		seen := map[string]bool{}
		for _, name := range names {
			if seen[path.Clean(name)] {
				l.inMetadata(finding.Warning, packs.CodeFileTwice, key, "remove one", "%q is in %s twice", name, key)
			}
			seen[path.Clean(name)] = true
		}
	}
	for _, c := range l.charts {
		want := []string{c.Name + "-" + c.Version + ".tgz", c.Name + "-" + c.Version + ".tar.gz"}
		base := path.Base(c.path)
		if version := strings.TrimPrefix(c.Version, "v"); path.Ext(base) == ".tgz" && !slices.Contains(want, base) &&
			(!strings.Contains(base, version) || !strings.HasPrefix(base, c.Name)) {
			l.report(finding.Warning, packs.CodeChartName, c.path, 0, "rename it, and correct charts in pack.json",
				"the file contains the chart %s in version %s", c.Name, c.Version)
		}
	}
	for _, name := range m.KubeManifests {
		if name = path.Clean(name); fs.ValidPath(name) && l.pack.Has(name) {
			l.manifest(name)
		}
	}
	for _, f := range l.pack.Files {
		l.unlisted(f.Path)
	}
}

// unlisted reports a chart or manifest that pack.json does not name.
func (l *linter) unlisted(name string) {
	isListed := func(names []string) bool {
		return slices.ContainsFunc(names, func(listed string) bool { return path.Clean(listed) == name })
	}
	m := l.pack.Metadata
	switch ext := path.Ext(name); {
	case ext == ".tgz" && path.Dir(name) == "charts" && !isListed(m.Charts):
		l.report(finding.Warning, packs.CodeFileUnlisted, name, 0, "add it to charts in pack.json, or remove it",
			"the chart is not in charts of pack.json: it is not deployed")
	case (ext == ".yaml" || ext == ".yml") && strings.HasPrefix(name, "manifests/") && !isListed(m.KubeManifests):
		l.report(finding.Warning, packs.CodeFileUnlisted, name, 0, "add it to kubeManifests in pack.json, or remove it",
			"the manifest is not in kubeManifests of pack.json: it is not applied")
	}
}

// manifest checks that a manifest is YAML. Templates are rendered instead.
func (l *linter) manifest(name string) {
	text, err := packs.ReadText(l.fsys, name)
	if err != nil || bytes.Contains(text, []byte("{{")) {
		return
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if err == nil {
			continue
		}
		if line, what, ok := yamlError(err); ok {
			l.report(finding.Refused, packs.CodeManifest, name, line, "", "the manifest is not YAML: %s", what)
		}
		return
	}
}

var yamlLine = pattern.Lazy(`line (\d+): `)

// yamlError splits an error of the parser. It returns false at the end of a file.
func yamlError(err error) (line int, what string, ok bool) {
	what = strings.TrimPrefix(err.Error(), "yaml: ")
	if what == "EOF" {
		return 0, "", false
	}
	if match := yamlLine().FindStringSubmatch(what); match != nil {
		_, _ = fmt.Sscan(match[1], &line)
		what = strings.Replace(what, match[0], "", 1)
	}
	return line, what, true
}

// rendered reports what rendering the charts and manifests finds.
func (l *linter) rendered() {
	var r Rendered
	if l.o.Rendered == nil || !l.o.Rendered(&r) {
		return
	}
	l.found = append(l.found, r.Failures...)
	declared := 0
	for _, image := range r.Images {
		if image.From&packs.Declared != 0 {
			declared++
		}
	}
	if declared == 0 {
		return // pack-images-empty says so
	}
	for _, image := range r.Images {
		switch {
		case image.From&(packs.Rendered|packs.Declared) == packs.Rendered && !strings.Contains(image.Source, "/tests/"):
			l.report(finding.Warning, packs.CodeImageUndeclared, packs.ValuesFile, 0, "add it to pack.content.images",
				"%s is deployed by %s, and not declared: a cluster without internet cannot pull it", image.Reference, image.Source)
		case image.From == packs.Declared && len(r.Failures) == 0:
			l.report(finding.Note, packs.CodeImageUnused, packs.ValuesFile, 0, "remove it, unless an operator uses it",
				"%s is declared, and no chart or manifest deploys it", image.Reference)
		}
	}
}
