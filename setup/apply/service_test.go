//go:build linux

package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// serviceMachine is a machine that systemd runs, with a directory that everybody may pass.
func serviceMachine(t *testing.T) (*machine.Machine, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	base, err := os.MkdirTemp("", "service-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	none := t.TempDir()                                                                                                                      // no test makes a user of the machine that it runs on
	if err := os.WriteFile(filepath.Join(none, "useradd"), []byte("#!/bin/sh\necho 'a test makes no users'; exit 1\n"), 0o755); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	t.Setenv("PATH", none+":"+os.Getenv("PATH"))
	m := machinetest.New(t, &machinetest.Host{Files: map[string]string{"/run/systemd/system": ""}})
	m.Program = "/usr/local/bin/packhouse"
	return m, base
}

func servicePlan(t *testing.T, m *machine.Machine, base string, flags answer.Values) *plan.Plan {
	t.Helper()
	in, resolved := answertest.Resolve(t, m, filepath.Join(base, "etc"), flags)
	planned, err := plan.Make(
		t.Context(),
		m,
		in,
		resolved,
		plan.Options{
			Now:            machinetest.Now,
			WritePasswords: true,
			HashCost:       4,
			UnitFile:       filepath.Join(base, setup.Unit),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return planned
}

func applied(t *testing.T, p *plan.Plan) {
	t.Helper()
	if _, err := Apply(t.Context(), p, Options{}); err != nil {
		t.Fatal(err)
	}
}

// reads tells whether nobody can read a file.
func reads(t *testing.T, path string) bool {
	t.Helper()
	command := exec.CommandContext(t.Context(), "cat", path)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return command.Run() == nil
}

// TestServiceOwnsWhatItServes: the user that the server runs as reads what the server reads and writes what it writes, and gets no further.
func TestServiceOwnsWhatItServes(t *testing.T) {
	m, base := serviceMachine(t)
	dir, data := filepath.Join(base, "etc"), filepath.Join(base, "data")
	flags := answer.Values{"hostname": {"registry.example.com"}, "addr": {"127.0.0.1:5391"}, "storage-path": {data}}
	applied(t, servicePlan(t, m, base, flags))
	before := snapshot(t, dir)
	for _, name := range []string{installation.HtpasswdFile, installation.KeyFile, installation.CAKeyFile} {
		if reads(t, filepath.Join(dir, name)) {
			t.Errorf("%s: everybody can read it", name)
		}
	}

	planned := servicePlan(t, m, base, answer.Values{"service": {setup.Systemd}, "run-as": {"nobody"}})
	applied(t, planned)
	for _, name := range []string{installation.ConfigFile, installation.HtpasswdFile, installation.KeyFile, installation.CertFile} {
		if !reads(t, filepath.Join(dir, name)) {
			t.Errorf("%s: the server's user cannot read it", name)
		}
	}
	if reads(t, filepath.Join(dir, installation.CAKeyFile)) {
		t.Error("the server's user can read the key of the CA")
	}
	for path, uid := range map[string]int{data: nobody, filepath.Join(dir, installation.HtpasswdFile): nobody, filepath.Join(dir, installation.KeyFile): nobody, filepath.Join(dir, installation.CAKeyFile): 0, filepath.Join(dir, "certs"): 0} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if have, _ := machine.Owner(info); have != uid {
			t.Errorf("%s belongs to %d, want %d", path, have, uid)
		}
	}
	unit, err := os.ReadFile(filepath.Join(base, setup.Unit))
	if err != nil || !strings.Contains(string(unit), "User=nobody\n") ||
		!strings.Contains(string(unit), `ReadWritePaths="`+data+`"`) {
		t.Errorf("unit: %v\n%s", err, unit)
	}
	in, err := installation.LoadWith(dir, filepath.Join(base, setup.Unit))
	if err != nil || len(in.Drift) > 0 {
		t.Errorf("drift after setup: %v %v", in.Drift, err)
	}

	// The same again changes nothing, a new user keeps the owner, and going back gives everything back.
	if again := servicePlan(t, m, base, nil); again.Pending() {
		t.Errorf("a second run changes\n%s", describe(again))
	}
	back, err := plan.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	applied(t, back)
	if after := snapshot(t, dir); !mapsEqual(before, after) {
		t.Errorf("after the rollback: %v, before: %v", after, before)
	}
	if info, err := os.Stat(filepath.Join(dir, installation.KeyFile)); err != nil {
		t.Error(err)
	} else if uid, _ := machine.Owner(info); uid != 0 {
		t.Errorf("the key still belongs to %d after the rollback", uid)
	}
	if _, err := os.Stat(filepath.Join(base, setup.Unit)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the unit is still there after the rollback")
	}
}

// TestServiceLeavesNothingToItsUser: without the service root owns again what its user did, and a rollback gives it to that user again.
func TestServiceLeavesNothingToItsUser(t *testing.T) {
	m, base := serviceMachine(t)
	dir, data := filepath.Join(base, "etc"), filepath.Join(base, "data")
	applied(
		t,
		servicePlan(
			t,
			m,
			base,
			answer.Values{
				"hostname":     {"registry.example.com"},
				"addr":         {"127.0.0.1:5391"},
				"storage-path": {data},
				"service":      {setup.Systemd},
				"run-as":       {"nobody"},
			},
		),
	)
	owners := func() map[string]string {
		all := map[string]string{}
		for _, path := range []string{data, filepath.Join(dir, "auth"), filepath.Join(dir, "certs"), filepath.Join(dir, installation.HtpasswdFile), filepath.Join(dir, installation.KeyFile)} {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			uid, gid := machine.Owner(info)
			all[path] = fmt.Sprintf("%d:%d %v", uid, gid, info.Mode())
		}
		return all
	}
	before := owners()
	applied(t, servicePlan(t, m, base, answer.Values{"service": {setup.NoService}}))
	for path, whose := range owners() {
		if !strings.HasPrefix(whose, "0:0 ") {
			t.Errorf("%s is still %s", path, whose)
		}
	}
	if again := servicePlan(t, m, base, nil); again.Pending() {
		t.Errorf("a second run changes\n%s", describe(again))
	}
	in, err := installation.LoadWith(dir, filepath.Join(base, setup.Unit))
	if err != nil || len(in.Drift) > 0 {
		t.Errorf("drift after setup: %v %v", in.Drift, err)
	}
	back, err := plan.Rollback(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	applied(t, back)
	if after := owners(); !maps.Equal(before, after) {
		t.Errorf("after the rollback: %v, before: %v", after, before)
	}
}

func TestServiceKeepsOwners(t *testing.T) {
	m, base := serviceMachine(t)
	applied(t, servicePlan(t, m, base, answer.Values{
		"hostname": {
			"registry.example.com",
		}, "addr": {"127.0.0.1:5391"}, "storage-path": {filepath.Join(base, "data")}, "service": {setup.Systemd}, "run-as": {"nobody"},
	}))
	applied(
		t,
		servicePlan(t, m, base, answer.Values{"user": {"ci:writer"}, "rotate-cert": {"true"}, "new-key": {"true"}}),
	)
	for _, name := range []string{installation.HtpasswdFile, installation.KeyFile} {
		if !reads(t, filepath.Join(base, "etc", name)) {
			t.Errorf("%s: the server's user cannot read it any more", name)
		}
	}
	in, err := installation.LoadWith(filepath.Join(base, "etc"), filepath.Join(base, setup.Unit))
	if err != nil {
		t.Fatal(err)
	}
	planned, err := plan.Uninstall(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	applied(t, planned)
	if _, err := os.Stat(filepath.Join(base, setup.Unit)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the unit is still there after it was uninstalled")
	}
}

func TestServiceIsRefused(t *testing.T) {
	m, base := serviceMachine(t)
	data := filepath.Join(base, "data")
	if err := os.MkdirAll(filepath.Join(data, "docker", "registry", "v2"), 0o755); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(base, "own.key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plain := machinetest.New(t, &machinetest.Host{})
	for _, tc := range []struct {
		name, code string
		machine    *machine.Machine
		flags      answer.Values
	}{
		{"no systemd", setup.CodeValue, plain, answer.Values{"service": {setup.Systemd}}},
		{"another word", setup.CodeValue, m, answer.Values{"service": {"upstart"}}},
		{"no such user", setup.CodeRunAs, m, answer.Values{"service": {setup.Systemd}, "run-as": {"no-such-user"}}},
		{"content of somebody else", setup.CodeRunAs, m, answer.Values{"service": {setup.Systemd}, "run-as": {"nobody"}, "storage-path": {data}}},
		{"key of somebody else", setup.CodeRunAs, m, answer.Values{"service": {setup.Systemd}, "run-as": {"nobody"}, "tls": {"files"}, "tls-cert": {key}, "tls-key": {key}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, err := installation.LoadWith(filepath.Join(base, "etc"), filepath.Join(base, setup.Unit))
			if err != nil {
				t.Fatal(err)
			}
			_, findings := answer.Resolve(t.Context(), tc.machine, in, answer.Input{Flags: tc.flags, Quick: true})
			for _, f := range findings {
				if f.Code == tc.code && f.Severity == finding.Refused && f.Remedy != "" {
					return
				}
			}
			t.Errorf("no finding %s in %v", tc.code, findings)
		})
	}
	// A unit of somebody else's is left alone.
	if err := os.WriteFile(filepath.Join(base, setup.Unit), []byte("[Service]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	in, resolved := answertest.Resolve(
		t,
		m,
		filepath.Join(base, "etc"),
		answer.Values{
			"hostname":     {"registry.example.com"},
			"addr":         {"127.0.0.1:5391"},
			"storage-path": {base + "/new"},
			"service":      {setup.Systemd},
			"run-as":       {"nobody"},
		},
	)
	_, err := plan.Make(
		t.Context(), m, in, resolved,
		plan.Options{Now: machinetest.Now, HashCost: 4, UnitFile: filepath.Join(base, setup.Unit)},
	)
	var refusal *finding.Error
	if !errors.As(err, &refusal) || refusal.Findings[0].Code != setup.CodeService {
		t.Errorf("a unit of somebody else's: %v", err)
	}
}

// TestServiceRightsFollowPorts verifies that the unit keeps CAP_NET_BIND_SERVICE only if a listener
// needs it.
func TestServiceRightsFollowPorts(t *testing.T) {
	m, base := serviceMachine(t)
	for _, test := range []struct{ addr, has, not string }{
		{"127.0.0.1:5000", "\nPrivateUsers=yes\n", "CapabilityBoundingSet=CAP"},
		{"127.0.0.1:443", "\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n", "PrivateUsers"},
	} {
		planned := servicePlan(
			t,
			m,
			base,
			answer.Values{
				"addr":         {test.addr},
				"run-as":       {"nobody"},
				"service":      {"systemd"},
				"hostname":     {"registry.example.com"},
				"storage-path": {filepath.Join(base, "data")},
			},
		)
		unit := string(planned.Change(filepath.Join(base, setup.Unit)).After)
		if !strings.Contains(unit, test.has) || strings.Contains(unit, test.not) {
			t.Errorf("unit for %s:\n%s", test.addr, unit)
		}
	}
}
