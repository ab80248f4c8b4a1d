package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/aymanbagabas/go-udiff"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
)

// Config returns the new content of myconfig.yml.
func (p *Plan) Config() []byte {
	if c := p.Change(installation.ConfigFile); c != nil {
		return c.After
	}
	return nil
}

// Ordered returns the changes in review order: unchanged files come last, preceded by setup's own
// records and notes for people.
func (p *Plan) Ordered() []Change {
	rank := func(c Change) int {
		switch {
		case c.Kind == setup.Keep:
			return 2
		case slices.Contains([]string{installation.ManifestFile, installation.AnswersFile, installation.HandoffFile}, filepath.Base(c.Path)):
			return 1
		}
		return 0
	}
	return slices.SortedStableFunc(slices.Values(p.Changes), func(a, b Change) int { return rank(a) - rank(b) })
}

// Diff returns the unified diff of myconfig.yml; path is absolute or relative to the installation
// directory. It returns "" for an unchanged file and for all other files, whose Meaning is more
// useful than their lines.
func (p *Plan) Diff(path string) string {
	if c := p.Change(path); c != nil && installation.Rel(p.Dir, c.Path) == installation.ConfigFile {
		return p.DiffOf(c)
	}
	return ""
}

// DiffOf returns the unified diff of a change, with secrets masked. It returns "" for a secret file,
// a directory, and a file that does not change.
func (p *Plan) DiffOf(c *Change) string {
	if c.Secret || c.Mode.IsDir() || bytes.Equal(c.Before, c.After) {
		return ""
	}
	name := installation.Rel(p.Dir, c.Path)
	before, after := "before/"+name, "after/"+name
	if c.Before == nil {
		before = "/dev/null"
	}
	if c.After == nil {
		after = "/dev/null"
	}
	return udiff.Unified(before, after, string(masked(c.Before)), string(masked(c.After)))
}

// MarshalJSON returns the plan without secrets. docs/command-line.md documents the format.
func (p *Plan) MarshalJSON() ([]byte, error) {
	type change struct {
		Path    string           `json:"path"`
		Kind    setup.ChangeKind `json:"kind"`
		Mode    string           `json:"mode,omitempty"`
		Meaning []string         `json:"meaning,omitempty"`
		Diff    string           `json:"diff,omitempty"`
	}
	out := struct {
		Dir       string                   `json:"dir"`
		Pending   bool                     `json:"pending"`
		Changes   []change                 `json:"changes"`
		Generated []string                 `json:"generatedPasswords,omitempty"` // names of users
		Restart   []string                 `json:"restart,omitempty"`
		Findings  []finding.Finding        `json:"findings,omitempty"`
		Origins   map[string]answer.Origin `json:"origins,omitempty"`
		Command   string                   `json:"command"`
	}{Dir: p.Dir, Pending: p.Pending(), Restart: p.Restart, Findings: p.Findings, Origins: p.Resolved.Origins, Changes: []change{}}
	for _, c := range p.Changes {
		row := change{Path: c.Path, Kind: c.Kind, Meaning: c.Meaning, Diff: p.Diff(c.Path)}
		if c.Kind != setup.Remove {
			row.Mode = fmt.Sprintf("%04o", c.Mode.Perm())
		}
		out.Changes = append(out.Changes, row)
	}
	for _, g := range p.Passwords {
		out.Generated = append(out.Generated, g.User)
	}
	if p.Resolved.Answers.Dir != "" {
		out.Command = p.Resolved.CommandLine()
	}
	return json.Marshal(out)
}
