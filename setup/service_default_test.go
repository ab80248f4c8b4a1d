//go:build linux

package setup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
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
		flags  Values
		spoil  func(t *testing.T, m *Machine, base string)
		want   string
		origin Origin
		warns  string // in what is said about it
	}{
		{name: "a machine that systemd runs", want: Systemd, origin: FromDetection},
		{name: "another user", flags: Values{"run-as": {"nobody"}}, want: Systemd, origin: FromDetection},
		{name: "said", flags: Values{"service": {NoService}}, want: NoService, origin: FromFlag},
		{name: "served by this process", flags: Values{"serve": {"true"}}, want: NoService, origin: FromDefault},
		{name: "another directory than the machine's", flags: Values{"dir": {"/srv/second"}}, want: NoService, origin: FromDefault},
		{name: "no systemd", spoil: func(_ *testing.T, m *Machine, _ string) { m.Host = &fakeHost{} }, want: NoService, origin: FromDefault},
		{name: "not root", spoil: func(_ *testing.T, m *Machine, _ string) { m.UID = 1000 }, want: NoService, origin: FromDefault},
		{
			name: "a unit of somebody else's", want: NoService, origin: FromDefault, warns: "not this installation's",
			spoil: func(_ *testing.T, m *Machine, _ string) { m.Host.(*fakeHost).files[UnitFile] = "[Service]\n" },
		},
		{
			name: "a program that root alone may run", want: NoService, origin: FromDefault, warns: "may not run",
			spoil: func(t *testing.T, m *Machine, base string) { m.program = filepath.Join(closed(t, base), "packhouse") },
		},
		{
			name: "a program that is soon gone", want: NoService, origin: FromDefault, warns: "files do not stay",
			spoil: func(_ *testing.T, m *Machine, _ string) { m.program = "/tmp/packhouse" },
		},
		{
			name: "content where root alone comes", want: NoService, origin: FromDefault, warns: "may not enter",
			spoil: func(t *testing.T, m *Machine, base string) { m.DataDir = filepath.Join(closed(t, base), "data") },
		},
		{
			name: "content of somebody else's", want: NoService, origin: FromDefault, warns: "another user",
			spoil: func(t *testing.T, m *Machine, _ string) {
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
			resolved, findings := Resolve(t.Context(), m, nil, Input{Flags: tc.flags, Quick: true})
			if got, origin := resolved.Answers.Service, resolved.Origins["service"]; got != tc.want || origin != tc.origin {
				t.Errorf("%s, %s; want %s, %s\n%v", got, origin, tc.want, tc.origin, findings)
			}
			said := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Question == "service" })
			if (said >= 0) != (tc.warns != "") || said >= 0 && (!strings.Contains(findings[said].What, tc.warns) || findings[said].Severity != finding.Warning || findings[said].Remedy == "") {
				t.Errorf("said %v, want something with %q", findings, tc.warns)
			}
		})
	}
}

// TestServiceStaysAsItIs: an installation that is there is not taken from whoever looks after it, nor from systemd.
func TestServiceStaysAsItIs(t *testing.T) {
	for _, service := range []string{NoService, Systemd} {
		m, base := serviceMachine(t)
		m.ConfigDir, m.DataDir = filepath.Join(base, "etc"), filepath.Join(base, "data")
		applied(t, servicePlan(t, m, base, Values{"addr": {"127.0.0.1:5391"}, "service": {service}, "run-as": {"nobody"}}))
		in, err := Load(m.ConfigDir)
		if err != nil {
			t.Fatal(err)
		}
		resolved, _ := Resolve(t.Context(), m, in, Input{Quick: true})
		if got := resolved.Answers.Service; got != service {
			t.Errorf("%s is %s on a second run", service, got)
		}
		_, findings := Resolve(t.Context(), m, in, Input{Quick: true, Flags: Values{"serve": {"true"}}})
		if told := slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Note && f.Code == CodeConflict }); told != (service == Systemd) {
			t.Errorf("--serve with %s: %v", service, findings)
		}
		_, findings = Resolve(t.Context(), m, in, Input{Quick: true, Flags: Values{"serve": {"true"}, "service": {service}}})
		if refused := slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Refused && f.Code == CodeConflict }); refused != (service == Systemd) {
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
	open, own, shared, secret := at("open", 0o644, 0, 0), at("own", 0o400, nobody, 0), at("shared", 0o640, 0, 4242), at("secret", 0o600, 0, 0)
	inside := at("live/key", 0o644, 0, 0)
	if err := os.Chmod(filepath.Dir(inside), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(inside, link); err != nil {
		t.Fatal(err)
	}
	user := account{name: "nobody", uid: nobody, gid: nobody, groups: []int{nobody, 4242}}
	pending := account{name: ownName, uid: pendingID, gid: pendingID}
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
		if got := user.stopped(tc.path, toRead); got != tc.user {
			t.Errorf("%s: nobody is stopped by %q, want %q", tc.path, got, tc.user)
		}
		if got := pending.stopped(tc.path, toRead); got != tc.notThere {
			t.Errorf("%s: a user that is yet to be made is stopped by %q, want %q", tc.path, got, tc.notThere)
		}
	}
	if !user.tries(shared, toRead) || user.tries(secret, toRead) || pending.tries(open, toRead) {
		t.Error("what the kernel says when a user tries is not heard")
	}
}

// TestOwnersInManifest: the user that apply makes gets into the manifest with its number.
func TestOwnersInManifest(t *testing.T) {
	data, err := (&Manifest{Version: 1, Files: []ManifestFileRow{{Path: "certs/tls.key"}, {Path: "myconfig.yml"}, {Path: PasswordsFile}}}).encode(roots{dir: "/etc/packhouse"})
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{Dir: "/etc/packhouse", Changes: []Change{{Path: "/etc/packhouse/" + ManifestFile, After: data}}}
	if err := p.ownersInManifest(map[string]account{"certs/tls.key": {uid: 998, gid: 997}, "myconfig.yml": {uid: -1, gid: -1}}); err != nil {
		t.Fatal(err)
	}
	got := string(p.Changes[0].After)
	if strings.Count(got, `"uid": 998`) != 1 || strings.Count(got, `"gid": 997`) != 1 || strings.Count(got, `"uid": 0`) != 2 {
		t.Error(got)
	}
}
