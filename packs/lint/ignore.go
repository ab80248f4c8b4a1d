package lint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"packhouse/finding"
	"packhouse/packs"
	"packhouse/pattern"
)

// Config is a configuration of lint.
type Config struct {
	Severity finding.Severity // from which on findings fail; empty: not set
	Ignore   []Rule
}

// Rule silences findings. All fields that are set must match.
type Rule struct {
	Code   string `yaml:"code"`
	Pack   string `yaml:"pack"`   // name, or a pattern such as nginx-*
	Path   string `yaml:"path"`   // of the file, or a pattern
	Match  string `yaml:"match"`  // text in the finding
	Reason string `yaml:"reason"` // required
}

// Ignored is a finding that a comment or a rule silences.
type Ignored struct {
	finding.JSON
	Reason string `json:"reason"`
}

// ParseConfig parses a configuration. Unknown keys are errors.
func ParseConfig(text []byte) (*Config, error) {
	var file struct {
		Severity finding.Severity `yaml:"severity"`
		Ignore   []Rule           `yaml:"ignore"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && err.Error() != "EOF" {
		return nil, fmt.Errorf("read configuration of lint: %w", err)
	}
	if file.Severity != "" {
		if _, err := ParseSeverity(string(file.Severity)); err != nil {
			return nil, fmt.Errorf("read configuration of lint: severity: %w", err)
		}
	}
	bad := func(i int, what string) error {
		return fmt.Errorf("read configuration of lint: item %d of ignore, %s, %s", i+1, file.Ignore[i].Code, what)
	}
	for i, rule := range file.Ignore {
		_, badPack := path.Match(rule.Pack, "")
		_, badPath := path.Match(rule.Path, "")
		switch {
		case rule.Code == "":
			return nil, fmt.Errorf("read configuration of lint: item %d of ignore has no code", i+1)
		case strings.TrimSpace(rule.Reason) == "":
			return nil, bad(i, "has no reason")
		case badPack != nil || badPath != nil:
			return nil, bad(i, "has an invalid pattern")
		}
	}
	return &Config{Severity: file.Severity, Ignore: file.Ignore}, nil
}

// ParseSeverity parses the name of a severity.
func ParseSeverity(text string) (finding.Severity, error) {
	severity := finding.Severity(text)
	if severityOrder(finding.Finding{Severity: severity}) < 0 {
		return "", errors.New("must be one of error, warning, note")
	}
	return severity, nil
}

// AtLeast returns how many problems have a severity or a more serious one.
func AtLeast(problems []finding.Finding, severity finding.Severity) (n int) {
	for _, p := range problems {
		if severityOrder(p) <= severityOrder(finding.Finding{Severity: severity}) {
			n++
		}
	}
	return n
}

// comment is "# packhouse:ignore CODE reason" in a file of the pack.
type comment struct {
	path   string
	line   int // that it is about
	code   string
	reason string
	used   bool
}

var ignoreComment = pattern.Lazy(`^(.*?)#[ \t]*packhouse:ignore[ \t]+([a-z0-9-]+)[ \t]*(.*)$`)

// Apply separates the findings that comments in the files of a pack, or the rules, silence. Errors of
// package packs remain: they prevent every push. It adds a finding for each comment without a reason
// or effect.
func (c *Config) Apply(fsys fs.FS, pack *packs.Pack, problems []finding.Finding) (
	left []finding.Finding, ignored []Ignored,
) {
	comments := findComments(fsys, pack)
	required := map[string]bool{}
	for _, p := range pack.Lint() {
		if p.Severity == finding.Refused {
			required[packs.Line(p)] = true
		}
	}
	name := ""
	if pack.Metadata != nil {
		name = pack.Metadata.Name
	}
	for _, p := range problems {
		reason := ""
		if !required[packs.Line(p)] {
			if reason = silencedBy(comments, p); reason == "" {
				reason = c.rule(name, p)
			}
		}
		if reason == "" {
			left = append(left, p)
			continue
		}
		ignored = append(ignored, Ignored{packs.JSON(p), reason})
	}
	for _, found := range comments {
		what := ""
		switch {
		case found.reason == "":
			what = "the comment has no reason, and silences nothing"
		case !found.used:
			what = "the comment silences nothing"
		default:
			continue
		}
		left = append(left, finding.Finding{
			Code: packs.CodeIgnore, Severity: finding.Note, What: what,
			Subject: finding.Subject{File: found.path, Line: found.line},
			Remedy:  "write # packhouse:ignore CODE reason, in the line of the finding or above it",
		})
	}
	return left, ignored
}

func (c *Config) rule(name string, p finding.Finding) string {
	matches := func(pattern, text string) bool {
		matched, _ := path.Match(pattern, text)
		return pattern == "" || matched
	}
	for _, r := range c.Ignore {
		if r.Code == p.Code && matches(r.Pack, name) && matches(r.Path, p.File) && strings.Contains(p.What, r.Match) {
			return r.Reason
		}
	}
	return ""
}

// silencedBy returns the reason of the comment that silences a finding, or "". A finding without a
// line is silenced by a comment anywhere in its file.
func silencedBy(comments []*comment, p finding.Finding) string {
	for _, found := range comments {
		isAbout := found.code == p.Code && found.path == p.File && (p.Line == 0 || p.Line == found.line)
		if isAbout && found.reason != "" {
			found.used = true
			return found.reason
		}
	}
	return ""
}

// findComments finds the comments in values, schema, presets and manifests.
func findComments(fsys fs.FS, pack *packs.Pack) (comments []*comment) {
	for _, f := range pack.Files {
		if ext := path.Ext(f.Path); ext != ".yaml" && ext != ".yml" || strings.HasPrefix(f.Path, "charts/") {
			continue
		}
		text, err := packs.ReadText(fsys, f.Path)
		if err != nil || !bytes.Contains(text, []byte("packhouse:ignore")) {
			continue
		}
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			match := ignoreComment().FindStringSubmatch(strings.TrimRight(line, "\r"))
			if match == nil {
				continue
			}
			about := i
			if strings.TrimSpace(match[1]) == "" { // above the line that it is about
				next := slices.IndexFunc(lines[i+1:], func(text string) bool {
					text = strings.TrimSpace(text)
					return text != "" && text[0] != '#'
				})
				if next >= 0 {
					about = i + 1 + next
				}
			}
			comments = append(comments, &comment{
				path: f.Path, line: about + 1, code: match[2], reason: strings.TrimSpace(match[3]),
			})
		}
	}
	return comments
}
