package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// VerifyUnchanged returns a *finding.Error if a file on disk differs from what the plan is based on.
func (p *Plan) VerifyUnchanged() error {
	from := installation.Places{Users: p.ServerUsers()}
	for _, c := range p.Changes {
		if c.Mode.IsDir() || c.Kind == setup.Keep && c.Before == nil {
			continue
		}
		data, err := from.ReadLinked(c.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && c.Before == nil:
		case errors.Is(err, fs.ErrNotExist), err == nil && (c.Before == nil || !bytes.Equal(data, c.Before)):
			return installation.ChangedMeanwhile(c.Path)
		case err != nil:
			return installation.AsFinding(err)
		}
	}
	return nil
}

// rootsAfter returns the roots after the plan, without those of earlier configurations.
func (p *Plan) rootsAfter() installation.Roots {
	r := installation.Roots{Dir: p.Dir, Unit: setup.UnitFile}.WithUnit(p.Unit)
	if c := p.Change(installation.ConfigFile); c != nil && c.After != nil {
		r.Add(config.Glimpse(config.Source{Path: c.Path, Data: c.After}))
	}
	return r
}

// roots returns the roots of the installation before and after a plan.
func (p *Plan) roots() installation.Roots {
	r := installation.RootsOf(p.Dir).WithUnit(p.Unit)
	for _, c := range p.Configs() {
		r.Add(c)
	}
	return r
}

// ServerUsers returns the IDs of the server's users before and after a plan.
func (p *Plan) ServerUsers() []int {
	return p.Installed.ServerUsers(p.Resolved.Answers.RunAs, p.plannedUser())
}

// plannedUser returns the server's user after a plan, according to the manifest that it writes, or
// "".
func (p *Plan) plannedUser() string {
	c := p.Change(installation.ManifestFile)
	m := &installation.Manifest{}
	if c == nil || json.Unmarshal(c.After, m) != nil {
		return ""
	}
	return m.Settings[installation.SettingRunAs]
}

// Configs returns the configurations before and after a plan.
func (p *Plan) Configs() (list []*config.Config) {
	if p.Installed != nil && p.Installed.Config != nil {
		list = append(list, p.Installed.Config)
	}
	if c := p.Change(installation.ConfigFile); c != nil {
		for _, data := range [][]byte{c.Before, c.After} {
			if data != nil {
				list = append(list, config.Glimpse(config.Source{Path: c.Path, Data: data}))
			}
		}
	}
	return list
}
