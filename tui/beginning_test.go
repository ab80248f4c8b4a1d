package tui

import (
	"context"
	"errors"
	"testing"

	"packhouse/finding"
	"packhouse/setup/installation"
	"packhouse/tui/session"
)

func TestBeginning(t *testing.T) {
	o := fixtureOptions()
	b := session.Beginning{Machine: o.Machine, Resolved: o.Resolved, Installed: &installation.Installed{Dir: "/etc/packhouse", ConfigData: []byte("version: 0.1\n")}, Findings: []finding.Finding{
		{Subject: finding.Subject{Question: "hostname"}, Severity: finding.Warning, What: "said beside its question"},
		{Severity: finding.Note, What: "this machine has 512 MiB of memory"},
	}}
	o.Begin = func(context.Context) (session.Beginning, error) { return b, nil }
	s := open(t, o, 80, 24)
	s.wants("By which name", "an installation is in /etc/packhouse", "this machine has 512 MiB")
	s.wantsNot("said beside its question")

	o.Begin = func(context.Context) (session.Beginning, error) {
		return session.Beginning{}, errors.New("read /etc/packhouse: permission denied")
	}
	s = open(t, o, 80, 24)
	s.wants("permission denied")
	s.keys("<enter>?<esc><esc>")
	if !s.left || s.m.session.Outcome.ExitCode() != 130 {
		t.Errorf("left %v with %d", s.left, s.m.session.Outcome.ExitCode())
	}
}
