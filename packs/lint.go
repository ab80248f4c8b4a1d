package packs

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/pattern"
)

// lintOrder is the order in which to fix problems: those that hide others first. Unlisted codes
// come between the schema and the rest, in the order they were found.
var lintOrder = [][]string{
	{CodeJSONMissing, CodeJSONSyntax, CodeJSONSize, CodeJSONComma, CodeJSONDuplicate},
	{CodeJSONType, CodeJSONRequired, CodeJSONValue, CodeName, CodeVersion, CodeLayer, CodeCloudType, CodeGroup, CodeEOL, CodeConstraint},
	{},
	{CodeVersionV},
	{CodeValuesMissing},
	{CodeLogoMissing, CodeLogoType},
	{CodeReadmeMissing},
	{CodeFileMissing, CodeFileOutside},
	{CodeNamespace, CodeYAML},
	{CodeImagesEmpty},
	{CodeFolder, CodeArchiveOutside, CodeLeftover},
	{CodeSecret},
	{CodeMoreFindings},
}

// Lint returns all problems of the pack, in the order in which to fix them. Problems with severity
// Error prevent a push.
func (p *Pack) Lint() []finding.Finding {
	l := &linter{pack: p}
	l.documents()
	l.sizes()
	if p.Metadata != nil {
		l.values()
		l.paths("charts", p.Metadata.Charts)
		l.paths("kubeManifests", p.Metadata.KubeManifests)
		l.folder()
	}
	problems := slices.Concat(p.problems, l.found.list)
	slices.SortStableFunc(problems, func(a, b finding.Finding) int { return rank(a.Code) - rank(b.Code) })
	return Bounded(problems)
}

func rank(code string) int {
	other := slices.IndexFunc(lintOrder, func(codes []string) bool { return len(codes) == 0 })
	if i := slices.IndexFunc(lintOrder, func(codes []string) bool { return slices.Contains(codes, code) }); i >= 0 {
		return i
	}
	return other
}

type linter struct {
	pack  *Pack
	found findings
}

func (l *linter) report(severity finding.Severity, code, name string, number int, remedy, format string, args ...any) {
	if l.found.full(severity) {
		return
	}
	f := About(severity, code, name, fmt.Sprintf(format, args...), remedy)
	f.Line = number
	l.found.add(f)
}

// missing reports whether the pack has no file with a name. It does not if reading ended early, or
// if something else than a file has that name, which was reported.
func (l *linter) missing(name string) bool {
	_, ok := l.pack.documents[name]
	return !ok && !slices.ContainsFunc(l.pack.Unread(), func(p finding.Finding) bool {
		return p.Code == CodeTooLarge || p.Code == CodeTooManyFiles || strings.EqualFold(p.File, name)
	})
}

// Unread returns the problems because of which files were not read.
func (p *Pack) Unread() []finding.Finding {
	codes := []string{CodeTooLarge, CodeTooManyFiles, CodeSpecial, CodeLink, CodeForeignLink}
	return slices.DeleteFunc(slices.Clone(p.problems), func(p finding.Finding) bool { return !slices.Contains(codes, p.Code) })
}

// documents checks which files a pack has, and those that Palette reads as YAML.
func (l *linter) documents() {
	p := l.pack
	if _, ok := p.documents[MetadataFile]; !ok {
		if l.missing(MetadataFile) {
			const remedy = "name the folder of the pack, with pack.json at its top"
			l.report(finding.Refused, CodeJSONMissing, MetadataFile, 0, remedy, "there is no pack.json")
		}
		return
	}
	if l.missing(ValuesFile) {
		l.report(finding.Refused, CodeValuesMissing, ValuesFile, 0, "add one; for an OS pack it may be empty",
			"there is no values.yaml")
	}
	if logo, ok := p.documents[LogoFile]; l.missing(LogoFile) {
		l.report(finding.Warning, CodeLogoMissing, LogoFile, 0, "add a PNG, up to 1 MiB",
			"there is no logo: Palette shows none")
	} else if mediaType, err := LogoType(logo); ok && err != nil {
		remedy := "save it as PNG"
		if len(logo) > maxLogo {
			remedy = "make it smaller"
		}
		l.report(finding.Warning, CodeLogoType, LogoFile, 0, remedy, "%v: it is not shown", err)
	} else if ok && mediaType != "image/png" {
		l.report(finding.Warning, CodeLogoType, LogoFile, 0, "save it as PNG", "the logo is not a PNG image")
	}
	if l.missing(ReadmeFile) {
		l.report(finding.Warning, CodeReadmeMissing, ReadmeFile, 0, "say what the pack is for and what it needs",
			"there is no README.md")
	}
	for _, name := range []string{SchemaFile, PresetsFile} {
		if text, ok := p.documents[name]; ok {
			l.yaml(name, text)
		}
	}
}

// sizes reports YAML files that are only read in part. Those of schema and presets are findings of
// yaml.
func (l *linter) sizes() {
	for _, f := range l.pack.Files {
		if ext := path.Ext(f.Path); ext != ".yaml" && ext != ".yml" || f.Path == SchemaFile || f.Path == PresetsFile {
			continue
		}
		if err := tooLong(f.Path, f.Size); err != nil {
			l.report(finding.Warning, CodeFileSize, f.Path, 0, "make it smaller, or split it", "%v", err)
		}
	}
}

var yamlLine = pattern.Lazy(`line (\d+): `)

// yaml checks a small file that must be YAML. Such files contain plain mappings; an alias is
// unexpected.
func (l *linter) yaml(name string, text []byte) {
	document, err := parseYAML(text)
	if err == nil && (len(document.Content) == 0 || document.Content[0].Kind == yaml.MappingNode || document.Content[0].Tag == "!!null") {
		return
	}
	if err == nil {
		l.report(finding.Warning, CodeYAML, name, 0, "", "the file holds no mapping")
		return
	}
	what, number := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if found := yamlLine().FindStringSubmatch(what); found != nil {
		_, _ = fmt.Sscan(found[1], &number)
		what = strings.Replace(what, found[0], "", 1)
	}
	l.report(finding.Warning, CodeYAML, name, number, "", "%s", what)
}

var namespaceName = pattern.Lazy(`^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$`)

// values checks values.yaml as text: it may contain macros.
func (l *linter) values() {
	p := l.pack
	text := p.documents[ValuesFile]
	_ = skim(bytes.NewReader(text), func(window []line, at int) bool { // reading a buffer cannot fail
		found := window[at]
		if found.path != "pack.namespace" || found.value == "" || strings.Contains(found.value, "{{") {
			return true
		}
		if !namespaceName().MatchString(found.value) || len(found.value) > 63 {
			l.report(finding.Refused, CodeNamespace, ValuesFile, found.number, "use up to 63 lower-case letters, digits and -",
				"%s cannot be a namespace", quote(found.value))
		}
		return true
	})
	if layer := p.Metadata.Layer; layer != "os" && layer != "k8s" && !listsImages(text) {
		remedy := "list what to mirror: pack: {content: {images: [{image: …}]}}"
		if len(p.Images) > 0 {
			remedy = fmt.Sprintf("packhouse pack images finds %d to list there", len(p.Images))
		}
		l.report(finding.Warning, CodeImagesEmpty, ValuesFile, 0, remedy,
			"pack.content.images lists no image: a cluster without internet cannot be supplied")
	}
}

// paths verifies that the files named in pack.json exist.
func (l *linter) paths(key string, names []string) {
	line, _ := position(l.pack.documents[MetadataFile], l.pack.Metadata.places[key])
	for _, name := range names {
		if l.found.full(finding.Refused) {
			return // each costs a pass over the files
		}
		clean := path.Clean(name)
		switch {
		case path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains(name, `\`):
			l.report(finding.Refused, CodeFileOutside, MetadataFile, line, "name a file of the pack, with slashes",
				"%s of %q leads out of the pack", quote(name), key)
		case !l.pack.Has(clean):
			remedy := "add it, or remove it from " + key
			if strings.ContainsAny(name, "*?[") {
				remedy = "list each file: there are no patterns in " + key
			} else if near := l.nearest(clean); near != "" {
				remedy = "did you mean " + near + "?"
			}
			l.report(finding.Refused, CodeFileMissing, MetadataFile, line, remedy, "%s of %q is not there", quote(name), key)
		}
	}
}

// nearest returns a file that a wrong path may refer to: one with the same name elsewhere, or the
// only one of its type in the folder.
func (l *linter) nearest(name string) string {
	var sameName, sameKind []string
	for _, f := range l.pack.Files {
		switch {
		case strings.EqualFold(path.Base(f.Path), path.Base(name)):
			sameName = append(sameName, f.Path)
		case path.Dir(f.Path) == path.Dir(name) && path.Ext(f.Path) == path.Ext(name) && documentName(f.Path) == "":
			sameKind = append(sameKind, f.Path)
		}
	}
	switch {
	case len(sameName) > 0:
		return sameName[0]
	case len(sameKind) == 1:
		return sameKind[0]
	}
	return ""
}

// folder compares the folder's name with pack.json.
func (l *linter) folder() {
	p := l.pack
	if m := p.Metadata; p.Folder != "" && m.Name != "" && m.Version != "" && p.Folder != m.Folder() {
		l.report(finding.Note, CodeFolder, MetadataFile, 0, "rename the folder, or correct name and version in pack.json",
			"the folder is called %s, and pack.json makes it %s", quote(p.Folder), quote(m.Folder()))
	}
}
