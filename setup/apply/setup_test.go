package apply

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
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// planFor makes the plan of flags against what is in a directory.
func planFor(t *testing.T, m *machine.Machine, dir string, flags answer.Values) *plan.Plan {
	t.Helper()
	in, resolved := answertest.Resolve(t, m, dir, flags)
	planned, err := plan.Make(
		t.Context(), m, in, resolved, plan.Options{Now: machinetest.Now, WritePasswords: true, HashCost: 4},
	)
	if err != nil {
		t.Fatal(err)
	}
	return planned
}

// install applies the plan of flags.
func install(t *testing.T, m *machine.Machine, dir string, flags answer.Values) *plan.Plan {
	t.Helper()
	planned := planFor(t, m, dir, flags)
	if _, err := Apply(t.Context(), planned, Options{}); err != nil {
		t.Fatal(err)
	}
	return planned
}

// snapshot is every file below a directory with its mode and content; backups and emptied directories are left out where asked for.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := installation.Rel(dir, path)
		if entry.IsDir() {
			if name == installation.BackupDir {
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
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	planned := install(t, m, dir, nil)

	for name, mode := range map[string]os.FileMode{
		installation.ConfigFile: 0o644, installation.HtpasswdFile: 0o600, installation.CertFile: 0o644, installation.KeyFile: 0o600, installation.CACertFile: 0o644, installation.CAKeyFile: 0o600, installation.AnswersFile: 0o644,
		installation.HandoffFile: 0o644, installation.PasswordsFile: 0o600, installation.ManifestFile: 0o644, "certs": 0o700 | os.ModeDir, "auth": 0o700 | os.ModeDir,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("missing: %v", err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
		}
	}
	loaded, err := config.Load(config.Source{Path: filepath.Join(dir, installation.ConfigFile)})
	if err != nil {
		t.Fatalf("the server refuses its configuration:\n%v", err)
	}
	if c := loaded.Config; c.HTTP.Addr != ":443" ||
		c.HTTP.TLS.Certificate != filepath.Join(dir, installation.CertFile) ||
		c.Storage.Filesystem.RootDirectory != filepath.Join(dir, "data") {
		t.Errorf(
			"configuration: addr %s, certificate %s, storage %s", c.HTTP.Addr, c.HTTP.TLS.Certificate,
			c.Storage.Filesystem.RootDirectory,
		)
	}
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Users) != 1 || in.Users[0].Name != "admin" || in.Users[0].Role != setup.Admin {
		t.Errorf("users: %v", in.Users)
	}
	if len(in.Drift) > 0 {
		t.Errorf("drift right after setup: %v", in.Drift)
	}
	roots := x509.NewCertPool()
	roots.AddCert(in.CA.Chain[0])
	for _, name := range []string{"registry.example.com", "registry", "192.0.2.17", "localhost"} {
		if _, err := in.Cert.Chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: machinetest.Now}); err != nil {
			t.Errorf("a client of %s: %v", name, err)
		}
	}
	if in.Cert.Chain[0].VerifyHostname("172.17.0.1") == nil {
		t.Error("the address of a container bridge stands in the certificate")
	}
	passwords, _ := os.ReadFile(filepath.Join(dir, installation.PasswordsFile))
	if want := "admin:" + planned.Passwords[0].Password.Reveal() + "\n"; !strings.HasSuffix(string(passwords), want) {
		t.Error("initial-passwords does not hold the generated password")
	}
	if _, err := os.Stat(filepath.Join(dir, installation.WorkDir)); err == nil {
		t.Error("the working directory is left behind")
	}
}

func TestSecondRunChangesNothing(t *testing.T) {
	for name, flags := range map[string]answer.Values{
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
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
			install(t, m, dir, flags)
			for _, again := range []answer.Values{flags, nil} {
				if planned := planFor(t, m, dir, again); planned.Pending() {
					t.Errorf("pending with %v: %s", again, describe(planned))
				}
			}
			before := snapshot(t, dir)
			if err := os.Remove(filepath.Join(dir, installation.PasswordsFile)); err != nil {
				t.Fatal(err)
			}
			delete(before, installation.PasswordsFile)
			planned := planFor(t, m, dir, flags)
			if planned.Pending() {
				t.Errorf("pending once the passwords were handed out: %s", describe(planned))
			}
			applied, err := Apply(t.Context(), planned, Options{Hook: func(operation string) error {
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
func describe(p *plan.Plan) string {
	var b strings.Builder
	for _, c := range p.Changes {
		if c.Kind != setup.Keep {
			b.WriteString(
				"\n" + string(c.Kind) + " " + installation.Rel(
					p.Dir, c.Path,
				) + " " + strings.Join(c.Meaning, "; ") + p.DiffOf(&c),
			)
		}
	}
	return b.String()
}

func TestGivenPasswordsAreKept(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	input := answer.Input{
		Flags: answer.Values{
			"user":          {"spectro:reader", "ci-bot:writer"},
			"password-file": {"admin=F"},
		}, Env: []string{"PACKHOUSE_PASSWORD_CI_BOT=from-the-variable"},
		ReadFile:      func(string) ([]byte, error) { return []byte("from-the-file\n"), nil },
		PasswordLines: strings.NewReader("spectro:from:the:line\r\n"),
	}
	for round := range 2 {
		in, err := installation.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		input.PasswordLines = strings.NewReader("spectro:from:the:line\r\n")
		resolved, findings := answer.Resolve(t.Context(), m, in, input)
		if finding.AnyRefused(findings) {
			t.Fatal(findings)
		}
		planned, err := plan.Make(
			context.Background(), m, in, resolved,
			plan.Options{Now: machinetest.Now, WritePasswords: true, HashCost: 4},
		)
		if err != nil {
			t.Fatal(err)
		}
		if planned.Pending() != (round == 0) || len(planned.Passwords) > 0 {
			t.Fatalf("round %d: pending %v, generated %v%s", round, planned.Pending(), planned.Passwords, describe(planned))
		}
		for user, password := range map[string]string{"admin": "from-the-file", "ci-bot": "from-the-variable", "spectro": "from:the:line"} {
			if got := resolved.Answers.User(user).Password.Reveal(); got != password {
				t.Errorf("%s has another password", user)
			}
		}
		if _, err := Apply(t.Context(), planned, Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, installation.PasswordsFile)); err == nil {
		t.Error("initial-passwords though nothing was generated")
	}
}

func TestFlagsOnARerunChangeOnlyThemselves(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"user": {"spectro"}, "addr": {":5000"}})
	for _, tc := range []struct {
		name    string
		flags   answer.Values
		changes []string // beside by-products
	}{
		{"add a user", answer.Values{"user": {"ci:writer"}}, []string{installation.ConfigFile, installation.HtpasswdFile, installation.PasswordsFile}},
		{"change a role", answer.Values{"user": {"ci:reader"}}, []string{installation.ConfigFile}},
		{"take a user away", answer.Values{"remove-user": {"ci"}}, []string{installation.HtpasswdFile, installation.PasswordsFile}},
		{"add a name", answer.Values{"san": {"other.example.com"}}, []string{installation.CertFile}},
		{"take it away", answer.Values{"no-san": {"other.example.com"}}, []string{installation.CertFile}},
		{"renew", answer.Values{"rotate-cert": {"true"}}, []string{installation.CertFile}},
		{"renew with a new key", answer.Values{"rotate-cert": {"true"}, "new-key": {"true"}}, []string{installation.CertFile, installation.KeyFile}},
		{"a new CA", answer.Values{"new-ca": {"true"}}, []string{installation.CACertFile, installation.CAKeyFile, installation.CertFile}},
		{"another port", answer.Values{"addr": {":5001"}}, []string{installation.ConfigFile}},
		{"log level", answer.Values{"log-level": {"debug"}}, []string{installation.ConfigFile}},
		{"another host name", answer.Values{"hostname": {"new.example.com"}}, []string{installation.CertFile}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			planned := install(t, m, dir, tc.flags)
			var changed []string
			for _, c := range planned.Changes {
				name := installation.Rel(dir, c.Path)
				if c.Kind != setup.Keep &&
					!slices.Contains(
						[]string{installation.AnswersFile, installation.HandoffFile, installation.ManifestFile},
						name,
					) {
					changed = append(changed, name)
				}
			}
			slices.Sort(changed)
			slices.Sort(tc.changes)
			if !slices.Equal(changed, tc.changes) {
				t.Errorf("changed %v, want %v%s", changed, tc.changes, describe(planned))
			}
			if again := planFor(t, m, dir, nil); again.Pending() {
				t.Errorf("still pending: %s", describe(again))
			}
		})
	}
}

// TestOwnFilesInUseHinderNothing: a certificate that ran out, or went away, must not keep a user from being added.
func TestOwnFilesInUseHinderNothing(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	cert, key, _ := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
	install(t, m, dir, answer.Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}})
	m.Now = func() time.Time { return machinetest.Now.AddDate(1, 0, 0) }
	if planned := planFor(t, m, dir, answer.Values{"user": {"spectro"}}); !planned.Pending() {
		t.Error("nothing to do")
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	install(t, m, dir, answer.Values{"user": {"spectro"}})
	if in, err := installation.Load(dir); err != nil || in.User("spectro") == nil {
		t.Errorf("%v, %v", in, err)
	}
}
