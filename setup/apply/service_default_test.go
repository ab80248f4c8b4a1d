//go:build linux

package apply

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
)

// TestServiceByDefault: systemd is given the server where nobody said, and where that takes nothing from anybody.
func TestServiceByDefault(t *testing.T) {
	closed := func(t *testing.T, base string) string { // a directory that root alone may enter
		dir := filepath.Join(base, "closed")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, tc := range []struct {
		name   string
		flags  answer.Values
		spoil  func(t *testing.T, m *machine.Machine, base string)
		want   string
		origin answer.Origin
		warns  string // in what is said about it
	}{
		{name: "a machine that systemd runs", want: setup.Systemd, origin: answer.FromDetection},
		{name: "another user", flags: answer.Values{"run-as": {"nobody"}}, want: setup.Systemd, origin: answer.FromDetection},
		{name: "said", flags: answer.Values{"service": {setup.NoService}}, want: setup.NoService, origin: answer.FromFlag},
		{name: "served by this process", flags: answer.Values{"serve": {"true"}}, want: setup.NoService, origin: answer.FromDefault},
		{name: "another directory than the machine's", flags: answer.Values{"dir": {"/srv/second"}}, want: setup.NoService, origin: answer.FromDefault},
		{name: "no systemd", spoil: func(_ *testing.T, m *machine.Machine, _ string) { m.Host = &machinetest.Host{} }, want: setup.NoService, origin: answer.FromDefault},
		{name: "not root", spoil: func(_ *testing.T, m *machine.Machine, _ string) { m.UID = 1000 }, want: setup.NoService, origin: answer.FromDefault},
		{
			name: "a unit of somebody else's", want: setup.NoService, origin: answer.FromDefault, warns: "not this installation's",
			spoil: func(_ *testing.T, m *machine.Machine, _ string) {
				m.Host.(*machinetest.Host).Files[setup.UnitFile] = "[Service]\n"
			},
		},
		{
			name: "a program that root alone may run", want: setup.NoService, origin: answer.FromDefault, warns: "may not run",
			spoil: func(t *testing.T, m *machine.Machine, base string) {
				m.Program = filepath.Join(closed(t, base), "packhouse")
			},
		},
		{
			name: "a program that is soon gone", want: setup.NoService, origin: answer.FromDefault, warns: "temporary files",
			spoil: func(_ *testing.T, m *machine.Machine, _ string) { m.Program = "/tmp/packhouse" },
		},
		{
			name: "content where root alone comes", want: setup.NoService, origin: answer.FromDefault, warns: "may not enter",
			spoil: func(t *testing.T, m *machine.Machine, base string) {
				m.DataDir = filepath.Join(closed(t, base), "data")
			},
		},
		{
			name: "content of somebody else's", want: setup.NoService, origin: answer.FromDefault, warns: "another user",
			spoil: func(t *testing.T, m *machine.Machine, _ string) {
				if err := os.MkdirAll(filepath.Join(m.DataDir, "docker", "registry", "v2"), 0o755); err != nil {
					t.Fatal(err)
				}
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, base := serviceMachine(t)
			m.ConfigDir, m.DataDir = filepath.Join(base, "etc"), filepath.Join(base, "data")
			if tc.spoil != nil {
				tc.spoil(t, m, base)
			}
			resolved, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: tc.flags, Quick: true})
			if got, origin := resolved.Answers.Service, resolved.Origins["service"]; got != tc.want ||
				origin != tc.origin {
				t.Errorf("%s, %s; want %s, %s\n%v", got, origin, tc.want, tc.origin, findings)
			}
			said := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Question == "service" })
			if (said >= 0) != (tc.warns != "") ||
				said >= 0 &&
					(!strings.Contains(findings[said].What, tc.warns) || findings[said].Severity != finding.Warning || findings[said].Remedy == "") {
				t.Errorf("said %v, want something with %q", findings, tc.warns)
			}
		})
	}
}

// TestServiceStaysAsItIs: an installation that is there is not taken from whoever looks after it, nor from systemd.
func TestServiceStaysAsItIs(t *testing.T) {
	for _, service := range []string{setup.NoService, setup.Systemd} {
		m, base := serviceMachine(t)
		m.ConfigDir, m.DataDir = filepath.Join(base, "etc"), filepath.Join(base, "data")
		applied(
			t,
			servicePlan(
				t, m, base, answer.Values{"addr": {"127.0.0.1:5391"}, "service": {service}, "run-as": {"nobody"}},
			),
		)
		in, err := installation.Load(m.ConfigDir)
		if err != nil {
			t.Fatal(err)
		}
		resolved, _ := answer.Resolve(t.Context(), m, in, answer.Input{Quick: true})
		if got := resolved.Answers.Service; got != service {
			t.Errorf("%s is %s on a second run", service, got)
		}
		_, findings := answer.Resolve(
			t.Context(), m, in, answer.Input{Quick: true, Flags: answer.Values{"serve": {"true"}}},
		)
		if told := slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Note && f.Code == setup.CodeConflict }); told != (service == setup.Systemd) {
			t.Errorf("--serve with %s: %v", service, findings)
		}
		_, findings = answer.Resolve(
			t.Context(), m, in,
			answer.Input{Quick: true, Flags: answer.Values{"serve": {"true"}, "service": {service}}},
		)
		if refused := slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Refused && f.Code == setup.CodeConflict }); refused != (service == setup.Systemd) {
			t.Errorf("--serve and --service %s: %v", service, findings)
		}
	}
}

// TestReach: what the kernel would let a user do, by mode, group and access above.
func TestReach(t *testing.T) {
	_, base := serviceMachine(t)
	at := func(name string, mode os.FileMode, uid, gid int) string {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		// Modes are said once more: the umask has taken from them.
		if err := errors.Join(os.WriteFile(path, nil, mode), os.Chown(path, uid, gid), os.Chmod(path, mode), os.Chmod(filepath.Dir(path), 0o755)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, own, shared, secret := at("open", 0o644, 0, 0), at(
		"own", 0o400, nobody, 0,
	), at("shared", 0o640, 0, 4242), at("secret", 0o600, 0, 0)
	inside := at("live/key", 0o644, 0, 0)
	if err := os.Chmod(filepath.Dir(inside), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(inside, link); err != nil {
		t.Fatal(err)
	}
	user := machine.Account{Name: "nobody", UID: nobody, GID: nobody, Groups: []int{nobody, 4242}}
	pending := machine.Account{Name: setup.OwnName, UID: machine.PendingID, GID: machine.PendingID}
	for _, tc := range []struct {
		path           string
		user, notThere string // what stops either
	}{
		{open, "", ""},
		{own, "", own},
		{shared, "", shared},
		{secret, secret, secret},
		{inside, filepath.Dir(inside), filepath.Dir(inside)},
		{link, filepath.Dir(inside), filepath.Dir(inside)},
		{filepath.Join(base, "to", "be", "made"), "", ""},
	} {
		if got := user.Stopped(tc.path, machine.ToRead); got != tc.user {
			t.Errorf("%s: nobody is stopped by %q, want %q", tc.path, got, tc.user)
		}
		if got := pending.Stopped(tc.path, machine.ToRead); got != tc.notThere {
			t.Errorf("%s: a user that is yet to be made is stopped by %q, want %q", tc.path, got, tc.notThere)
		}
	}
	if !user.Tries(shared, machine.ToRead) || user.Tries(secret, machine.ToRead) ||
		pending.Tries(open, machine.ToRead) {
		t.Error("what the kernel says when a user tries is not heard")
	}
}
