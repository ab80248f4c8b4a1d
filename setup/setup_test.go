package setup

import (
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
)

// resolveAll resolves flags against what is in a directory, and fails the test where something is refused.
func resolveAll(t *testing.T, m *Machine, dir string, flags Values) (*Installed, Resolved) {
	t.Helper()
	unit := filepath.Join(filepath.Dir(dir), Unit)
	if _, err := os.Lstat(unit); err != nil {
		unit = UnitFile
	}
	in, err := load(dir, unit)
	if err != nil {
		t.Fatal(err)
	}
	resolved, findings := Resolve(t.Context(), m, in, Input{Flags: flags})
	for _, f := range findings {
		if f.Severity == finding.Refused {
			t.Fatalf("refused: %v", f)
		}
	}
	return in, resolved
}

// planFor makes the plan of flags against what is in a directory.
func planFor(t *testing.T, m *Machine, dir string, flags Values) *Plan {
	t.Helper()
	in, resolved := resolveAll(t, m, dir, flags)
	plan, err := MakePlan(t.Context(), m, in, resolved, Options{Now: now, WritePasswords: true, HashCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// install applies the plan of flags.
func install(t *testing.T, m *Machine, dir string, flags Values) *Plan {
	t.Helper()
	plan := planFor(t, m, dir, flags)
	if _, err := Apply(t.Context(), plan, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	return plan
}

// snapshot is every file below a directory with its mode and content; backups and emptied directories are left out where asked for.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := rel(dir, path)
		if entry.IsDir() {
			if name == BackupDir {
				return filepath.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		out[name] = info.Mode().String() + "\n" + string(data)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return out
}

func TestFirstInstallOnABareMachine(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	plan := install(t, m, dir, nil)

	for name, mode := range map[string]os.FileMode{
		ConfigFile: 0o644, HtpasswdFile: 0o600, CertFile: 0o644, KeyFile: 0o600, CACertFile: 0o644, CAKeyFile: 0o600, AnswersFile: 0o644,
		HandoffFile: 0o644, PasswordsFile: 0o600, ManifestFile: 0o644, "certs": 0o700 | os.ModeDir, "auth": 0o700 | os.ModeDir,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("missing: %v", err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
		}
	}
	loaded, err := config.Load(config.Source{Path: filepath.Join(dir, ConfigFile)})
	if err != nil {
		t.Fatalf("the server refuses its configuration:\n%v", err)
	}
	if c := loaded.Config; c.HTTP.Addr != ":443" || c.HTTP.TLS.Certificate != filepath.Join(dir, CertFile) || c.Storage.Filesystem.RootDirectory != filepath.Join(dir, "data") {
		t.Errorf("configuration: addr %s, certificate %s, storage %s", c.HTTP.Addr, c.HTTP.TLS.Certificate, c.Storage.Filesystem.RootDirectory)
	}
	in, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Users) != 1 || in.Users[0].Name != "admin" || in.Users[0].Role != Admin {
		t.Errorf("users: %v", in.Users)
	}
	if len(in.Drift) > 0 {
		t.Errorf("drift right after setup: %v", in.Drift)
	}
	roots := x509.NewCertPool()
	roots.AddCert(in.CA.Chain[0])
	for _, name := range []string{"registry.example.com", "registry", "192.0.2.17", "localhost"} {
		if _, err := in.Cert.Chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("a client of %s: %v", name, err)
		}
	}
	if in.Cert.Chain[0].VerifyHostname("172.17.0.1") == nil {
		t.Error("the address of a container bridge stands in the certificate")
	}
	passwords, _ := os.ReadFile(filepath.Join(dir, PasswordsFile))
	if want := "admin:" + plan.Passwords[0].Password.Reveal() + "\n"; !strings.HasSuffix(string(passwords), want) {
		t.Error("initial-passwords does not hold the generated password")
	}
	if _, err := os.Stat(filepath.Join(dir, workDir)); err == nil {
		t.Error("the working directory is left behind")
	}
}

func TestSecondRunChangesNothing(t *testing.T) {
	for name, flags := range map[string]Values{
		"bare":        nil,
		"self-signed": {"tls": {"self-signed"}, "subject": {"O=Example, C=de"}},
		"off":         {"tls": {"off"}, "addr": {"127.0.0.1:5000"}},
		"many": {
			"hostname": {"registry.example.com"}, "san": {"10.0.0.1", "b.example.com", "a.example.com"}, "addr": {"127.0.0.1:5443"}, "user": {"spectro:reader", "ci:writer"},
			"cert-days": {"30"}, "key-type": {"rsa-2048"}, "public-url": {"https://registry.example.com"}, "no-san": {"localhost"},
		},
		"in memory": {"storage": {"inmemory"}, "confirm-inmemory": {"true"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
			install(t, m, dir, flags)
			for _, again := range []Values{flags, nil} {
				if plan := planFor(t, m, dir, again); plan.Pending() {
					t.Errorf("pending with %v: %s", again, describe(plan))
				}
			}
			before := snapshot(t, dir)
			if err := os.Remove(filepath.Join(dir, PasswordsFile)); err != nil {
				t.Fatal(err)
			}
			delete(before, PasswordsFile)
			plan := planFor(t, m, dir, flags)
			if plan.Pending() {
				t.Errorf("pending once the passwords were handed out: %s", describe(plan))
			}
			applied, err := Apply(t.Context(), plan, ApplyOptions{Hook: func(operation string) error {
				t.Errorf("operation without a change: %s", operation)
				return nil
			}})
			if err != nil || len(applied.Changed) > 0 {
				t.Errorf("applied %v, %v", applied, err)
			}
			if after := snapshot(t, dir); !mapsEqual(before, after) {
				t.Error("files changed")
			}
		})
	}
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// describe lists what a plan would change.
func describe(p *Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		if c.Kind != Keep {
			b.WriteString("\n" + string(c.Kind) + " " + rel(p.Dir, c.Path) + " " + strings.Join(c.Meaning, "; ") + p.diff(&c))
		}
	}
	return b.String()
}

func TestGivenPasswordsAreKept(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	input := Input{
		Flags: Values{"user": {"spectro:reader", "ci-bot:writer"}, "password-file": {"admin=F"}}, Env: []string{"PACKHOUSE_PASSWORD_CI_BOT=from-the-variable"},
		ReadFile:      func(string) ([]byte, error) { return []byte("from-the-file\n"), nil },
		PasswordLines: strings.NewReader("spectro:from:the:line\r\n"),
	}
	for round := range 2 {
		in, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		input.PasswordLines = strings.NewReader("spectro:from:the:line\r\n")
		resolved, findings := Resolve(t.Context(), m, in, input)
		if finding.AnyRefused(findings) {
			t.Fatal(findings)
		}
		plan, err := MakePlan(context.Background(), m, in, resolved, Options{Now: now, WritePasswords: true, HashCost: 4})
		if err != nil {
			t.Fatal(err)
		}
		if plan.Pending() != (round == 0) || len(plan.Passwords) > 0 {
			t.Fatalf("round %d: pending %v, generated %v%s", round, plan.Pending(), plan.Passwords, describe(plan))
		}
		for user, password := range map[string]string{"admin": "from-the-file", "ci-bot": "from-the-variable", "spectro": "from:the:line"} {
			if got := resolved.Answers.User(user).Password.Reveal(); got != password {
				t.Errorf("%s has another password", user)
			}
		}
		if _, err := Apply(t.Context(), plan, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, PasswordsFile)); err == nil {
		t.Error("initial-passwords though nothing was generated")
	}
}

func TestFlagsOnARerunChangeOnlyThemselves(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, Values{"user": {"spectro"}, "addr": {":5000"}})
	for _, tc := range []struct {
		name    string
		flags   Values
		changes []string // beside by-products
	}{
		{"add a user", Values{"user": {"ci:writer"}}, []string{ConfigFile, HtpasswdFile, PasswordsFile}},
		{"change a role", Values{"user": {"ci:reader"}}, []string{ConfigFile}},
		{"take a user away", Values{"remove-user": {"ci"}}, []string{HtpasswdFile, PasswordsFile}},
		{"add a name", Values{"san": {"other.example.com"}}, []string{CertFile}},
		{"take it away", Values{"no-san": {"other.example.com"}}, []string{CertFile}},
		{"renew", Values{"rotate-cert": {"true"}}, []string{CertFile}},
		{"renew with a new key", Values{"rotate-cert": {"true"}, "new-key": {"true"}}, []string{CertFile, KeyFile}},
		{"a new CA", Values{"new-ca": {"true"}}, []string{CACertFile, CAKeyFile, CertFile}},
		{"another port", Values{"addr": {":5001"}}, []string{ConfigFile}},
		{"log level", Values{"log-level": {"debug"}}, []string{ConfigFile}},
		{"another host name", Values{"hostname": {"new.example.com"}}, []string{CertFile}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := install(t, m, dir, tc.flags)
			var changed []string
			for _, c := range plan.Changes {
				name := rel(dir, c.Path)
				if c.Kind != Keep && !slices.Contains([]string{AnswersFile, HandoffFile, ManifestFile}, name) {
					changed = append(changed, name)
				}
			}
			slices.Sort(changed)
			slices.Sort(tc.changes)
			if !slices.Equal(changed, tc.changes) {
				t.Errorf("changed %v, want %v%s", changed, tc.changes, describe(plan))
			}
			if again := planFor(t, m, dir, nil); again.Pending() {
				t.Errorf("still pending: %s", describe(again))
			}
		})
	}
}

// TestOwnFilesInUseHinderNothing: a certificate that ran out, or went away, must not keep a user from being added.
func TestOwnFilesInUseHinderNothing(t *testing.T) {
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	cert, key, _ := pemFiles(t, 90, now, "registry.example.com")
	install(t, m, dir, Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}})
	m.Now = func() time.Time { return now.AddDate(1, 0, 0) }
	if plan := planFor(t, m, dir, Values{"user": {"spectro"}}); !plan.Pending() {
		t.Error("nothing to do")
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	install(t, m, dir, Values{"user": {"spectro"}})
	if in, err := Load(dir); err != nil || in.user("spectro") == nil {
		t.Errorf("%v, %v", in, err)
	}
}
