package setup

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
)

// pemFiles writes a certificate, changed by a test, and its key.
func pemFiles(t *testing.T, days int, at time.Time, names ...string) (cert, key string, pair *certgen.Pair) {
	t.Helper()
	parsed, err := certgen.ParseNames(names)
	if err != nil {
		t.Fatal(err)
	}
	if pair, err = certgen.NewSelfSigned(certgen.LeafOptions{Names: parsed, Days: days, Now: at}); err != nil {
		t.Fatal(err)
	}
	keyPEM, err := pair.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, pair.CertPEM(), 0o644), writeFile(t, keyPEM, 0o600), pair
}

func writeFile(t *testing.T, data []byte, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRefusals has every reason to refuse an answer, with the flag that mends it.
func TestRefusals(t *testing.T) {
	good, goodKey, pair := pemFiles(t, 90, now, "registry.example.com")
	expired, expiredKey, _ := pemFiles(t, 30, now.AddDate(0, -3, 0), "registry.example.com")
	early, earlyKey, _ := pemFiles(t, 30, now.AddDate(0, 3, 0), "registry.example.com")
	other, otherKey, _ := pemFiles(t, 90, now, "other.example.com")
	ca, err := certgen.NewCA(certgen.CAOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: certgen.NamesOf(pair.Leaf()), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	leafKeyPEM, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	incomplete := writeFile(t, certgen.EncodeChain(leaf.Leaf()), 0o644)
	disorder := writeFile(t, certgen.EncodeChain(ca.Leaf(), leaf.Leaf()), 0o644)
	leafKey := writeFile(t, leafKeyPEM, 0o600)
	goodKeyPEM, _ := os.ReadFile(goodKey)
	openKey := writeFile(t, goodKeyPEM, 0o644)
	text := writeFile(t, []byte("not PEM"), 0o600)
	file := writeFile(t, nil, 0o600)

	ownFiles := func(cert, key string) Values { return Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}} }
	passwordOf := func(password string) Input {
		return Input{Flags: Values{"password-file": {"admin=F"}}, ReadFile: func(string) ([]byte, error) { return []byte(password), nil }}
	}
	flagsOnly := func(flags Values) Input { return Input{Flags: flags} }

	for _, tc := range []struct {
		name     string
		host     fakeHost
		input    Input
		question string
		code     string
		flag     string
		says     string
	}{
		{"host name with a space", fakeHost{}, flagsOnly(Values{"hostname": {"my registry"}}), "hostname", CodeName, "--hostname", "space"},
		{"host name is a wildcard", fakeHost{}, flagsOnly(Values{"hostname": {"*.example.com"}}), "hostname", CodeName, "--hostname", "wildcard"},
		{"host name too long", fakeHost{}, flagsOnly(Values{"hostname": {strings.Repeat("a.", 127) + "b"}}), "hostname", CodeName, "--hostname", "253"},
		{"host name with a control character", fakeHost{}, flagsOnly(Values{"hostname": {"a\x00b"}}), "hostname", CodeName, "--hostname", "U+0000"},
		{"host name with bidi characters", fakeHost{}, flagsOnly(Values{"hostname": {"a\u202eb.example.com"}}), "hostname", CodeName, "--hostname", "U+202E"},
		{"host name with a zero-width character", fakeHost{}, flagsOnly(Values{"hostname": {"bü\u200bcher.example"}}), "hostname", CodeName, "--hostname", "U+200B"},
		{"host name is a URL", fakeHost{}, flagsOnly(Values{"hostname": {"https://registry.example.com"}}), "hostname", CodeName, "--hostname", "URL"},
		{"host name is empty", fakeHost{}, flagsOnly(Values{"hostname": {""}}), "hostname", CodeMissing, "--hostname", "missing"},
		{"name is no name", fakeHost{}, flagsOnly(Values{"san": {"a_b"}}), "san", CodeName, "--san", "underscore"},
		{"name both added and taken away", fakeHost{}, flagsOnly(Values{"san": {"a.example"}, "no-san": {"a.example"}}), "san", CodeConflict, "--no-san", "a.example"},
		{"host name taken away", fakeHost{}, flagsOnly(Values{"no-san": {"registry.example.com"}}), "san", CodeConflict, "--no-san", "host name"},
		{"address without a port", fakeHost{}, flagsOnly(Values{"addr": {"192.0.2.17"}}), "addr", CodeAddress, "--addr", "port"},
		{"port out of range", fakeHost{}, flagsOnly(Values{"addr": {":70000"}}), "addr", CodeAddress, "--addr", "65535"},
		{"port zero", fakeHost{}, flagsOnly(Values{"addr": {":0"}}), "addr", CodeAddress, "--addr", "65535"},
		{"address of a name", fakeHost{}, flagsOnly(Values{"addr": {"registry.example.com:443"}}), "addr", CodeAddress, "--addr", "IP address"},
		{"address elsewhere", fakeHost{}, flagsOnly(Values{"addr": {"203.0.113.5:443"}}), "addr", CodeNotOurs, "--addr", "not an address of this machine"},
		{"port taken", fakeHost{taken: map[int]Process{5000: {PID: 4711, Name: "nginx"}}}, flagsOnly(Values{"addr": {":5000"}}), "addr", CodePortTaken, "--addr", "nginx (pid 4711)"},
		{"port taken by somebody unseen", fakeHost{taken: map[int]Process{5000: {}}}, flagsOnly(Values{"addr": {":5000"}}), "addr", CodePortTaken, "--addr", "only root can see"},
		{"port taken by another packhouse", fakeHost{taken: map[int]Process{5000: {PID: 1, Name: "packhouse"}}}, flagsOnly(Values{"addr": {":5000"}}), "addr", CodePortTaken, "--addr", "packhouse (pid 1)"},
		{"port not permitted", fakeHost{lowest: 1024}, flagsOnly(Values{"addr": {":443"}}), "addr", CodePortRight, "--addr", "443"},
		{"public URL without a scheme", fakeHost{}, flagsOnly(Values{"public-url": {"registry.example.com"}}), "public-url", CodeURL, "--public-url", "base URL"},
		{"public URL with a path", fakeHost{}, flagsOnly(Values{"public-url": {"https://a.example/x"}}), "public-url", CodeURL, "--public-url", "base URL"},
		{"TLS mode unknown", fakeHost{}, flagsOnly(Values{"tls": {"perhaps"}}), "tls", CodeValue, "--tls", "private-ca"},
		{"no certificate", fakeHost{}, flagsOnly(Values{"tls": {"files"}}), "cert", CodeMissing, "--tls-cert", "missing"},
		{"no key", fakeHost{}, flagsOnly(Values{"tls": {"files"}, "tls-cert": {good}}), "key", CodeMissing, "--tls-key", "missing"},
		{"certificate not there", fakeHost{}, flagsOnly(ownFiles("/nowhere/tls.crt", goodKey)), "cert", CodeUnread, "--tls-cert", "/nowhere/tls.crt"},
		{"certificate not PEM", fakeHost{}, flagsOnly(ownFiles(text, goodKey)), "cert", certgen.CodeNotPEM, "--tls-cert", "not PEM"},
		{"key not PEM", fakeHost{}, flagsOnly(ownFiles(good, text)), "key", certgen.CodeNotPEM, "--tls-key", "not PEM"},
		{"key does not fit", fakeHost{}, flagsOnly(ownFiles(good, otherKey)), "key", certgen.CodeKeyMismatch, "--tls-key", "does not fit"},
		{"certificate expired", fakeHost{}, flagsOnly(ownFiles(expired, expiredKey)), "cert", certgen.CodeExpired, "--tls-cert", "ran out"},
		{"certificate not yet valid", fakeHost{}, flagsOnly(ownFiles(early, earlyKey)), "cert", certgen.CodeNotYetValid, "--tls-cert", "not valid before"},
		{"certificate of another name", fakeHost{}, flagsOnly(ownFiles(other, otherKey)), "cert", certgen.CodeName, "--tls-cert", "registry.example.com"},
		{"chain incomplete", fakeHost{}, flagsOnly(ownFiles(incomplete, leafKey)), "tls-ca", certgen.CodeIncomplete, "--tls-ca", "incomplete"},
		{"chain out of order", fakeHost{}, flagsOnly(ownFiles(disorder, leafKey)), "cert", certgen.CodeOrder, "--tls-cert", "begins with a CA"},
		{"key readable by all", fakeHost{}, flagsOnly(ownFiles(good, openKey)), "key", CodeOpenKey, "--tls-key", "0644"},
		{"plain HTTP to the network", fakeHost{}, flagsOnly(Values{"tls": {"off"}, "addr": {":5000"}}), "insecure", CodePlain, "--insecure", ":5000"},
		{"key type unknown", fakeHost{}, flagsOnly(Values{"key-type": {"dsa"}}), "key-type", CodeValue, "--key-type", "ecdsa-p256"},
		{"life no number", fakeHost{}, flagsOnly(Values{"cert-days": {"long"}}), "cert-days", CodeValue, "--cert-days", "number"},
		{"life negative", fakeHost{}, flagsOnly(Values{"cert-days": {"-1"}}), "cert-days", CodeValue, "--cert-days", "36500"},
		{"subject with a common name", fakeHost{}, flagsOnly(Values{"subject": {"CN=x"}}), "subject", CodeValue, "--subject", "CN"},
		{"user name empty", fakeHost{}, flagsOnly(Values{"user": {""}}), "users", CodeUser, "--user", "empty"},
		{"user name with a control character", fakeHost{}, flagsOnly(Values{"user": {"a\tb"}}), "users", CodeUser, "--user", "U+0009"},
		{"user name like a path", fakeHost{}, flagsOnly(Values{"user": {"../x"}}), "users", CodeUser, "--user", "slash"},
		{"user name of all", fakeHost{}, flagsOnly(Values{"user": {"*"}}), "users", CodeUser, "--user", "every user"},
		{"admin with a colon", fakeHost{}, flagsOnly(Values{"admin": {"a:b"}}), "users", CodeUser, "--admin", "colon"},
		{"admin of all", fakeHost{}, flagsOnly(Values{"admin": {"*"}}), "users", CodeUser, "--admin", "every user"},
		{"role unknown", fakeHost{}, flagsOnly(Values{"user": {"a:owner"}}), "users", CodeUser, "--user", "owner"},
		{"password too long", fakeHost{}, passwordOf(strings.Repeat("é", 37)), "users", CodePassword, "--user", "74"},
		{"password is the name", fakeHost{}, passwordOf("Admin"), "users", CodePassword, "--user", "own name"},
		{"password out of documentation", fakeHost{}, passwordOf("changeme"), "users", CodePassword, "--user", "documentation"},
		{"password empty", fakeHost{}, passwordOf("\n"), "users", CodePassword, "--user", "empty"},
		{"password of two lines", fakeHost{}, passwordOf("one\ntwo"), "users", CodePassword, "--user", "U+000A"},
		{"password for nobody", fakeHost{}, flagsOnly(Values{"password-file": {"nobody=" + text}}), "users", CodeNobody, "--password-file", "nobody"},
		{"password file not there", fakeHost{}, flagsOnly(Values{"password-file": {"admin=/nowhere"}}), "users", CodeUnread, "--password-file", "/nowhere"},
		{"password file without a name", fakeHost{}, flagsOnly(Values{"password-file": {"hunter2"}}), "users", CodeValue, "--password-file", "NAME=FILE"},
		{
			"password line without a colon",
			fakeHost{},
			Input{PasswordLines: strings.NewReader("admin:long-enough-for-me\nhunter2\n")},
			"users", CodeValue, "--password-stdin", "line 2",
		},
		{
			"two users share a variable",
			fakeHost{},
			Input{Flags: Values{"user": {"ci-bot", "ci.bot"}}, Env: []string{"PACKHOUSE_PASSWORD_CI_BOT=x"}},
			"users", CodeShared, "--password-file", "ci-bot and ci.bot",
		},
		{"user added and taken away", fakeHost{}, flagsOnly(Values{"user": {"a"}, "remove-user": {"a"}}), "users", CodeConflict, "--remove-user", "\"a\""},
		{"no admin", fakeHost{}, flagsOnly(Values{"user": {"admin:reader"}}), "users", CodeNoAdmin, "--user", "no admin"},
		{"realm with a quote", fakeHost{}, flagsOnly(Values{"realm": {`my "realm"`}}), "realm", CodeValue, "--realm", "HTTP header"},
		{"storage unknown", fakeHost{}, flagsOnly(Values{"storage": {"azure"}}), "storage", CodeValue, "--storage", "filesystem"},
		{"storage path is a file", fakeHost{}, flagsOnly(Values{"storage-path": {file}}), "storage-path", CodePath, "--storage-path", "is a file"},
		{"storage path not writable", fakeHost{readOnly: "/srv"}, flagsOnly(Values{"storage-path": {"/srv/data"}}), "storage-path", CodePath, "--storage-path", "read-only"},
		{"storage on tmpfs", fakeHost{system: FileSystem{Kind: "tmpfs", Free: 2 << 30, Total: 4 << 30}}, Input{}, "storage-path", CodeTmpfs, "--storage-path", "lost"},
		{"storage nearly full", fakeHost{system: FileSystem{Kind: "ext4", Free: 500 << 20, Total: 4 << 30}}, Input{}, "storage-path", CodeSpace, "--storage-path", "500 MiB"},
		{"storage without inodes", fakeHost{system: FileSystem{Kind: "ext4", Free: 2 << 30, Total: 4 << 30, Inodes: 10}}, Input{}, "storage-path", CodeInodes, "--storage-path", "inodes"},
		{"storage read-only", fakeHost{system: FileSystem{Kind: "ext4", Free: 2 << 30, Total: 4 << 30, ReadOnly: true}}, Input{}, "storage-path", CodePath, "--storage-path", "read-only"},
		{"storage with something else in it", fakeHost{}, flagsOnly(Values{"storage-path": {filepath.Dir(file)}}), "storage-path", CodeForeignStore, "--storage-path", "\"file\""},
		{"storage in memory", fakeHost{}, flagsOnly(Values{"storage": {"inmemory"}}), "confirm-inmemory", CodeInMemory, "--confirm-inmemory", "lost at restart"},
		{"log level unknown", fakeHost{}, flagsOnly(Values{"log-level": {"loud"}}), "log-level", CodeValue, "--log-level", "loud"},
		{"directory not writable", fakeHost{readOnly: "/ro"}, flagsOnly(Values{"dir": {"/ro/packhouse"}}), "dir", CodeDir, "--dir", "read-only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := machineOf(t, &tc.host)
			input := tc.input
			if input.Flags["dir"] == nil {
				input.Flags = inDir(input.Flags, filepath.Join(t.TempDir(), "packhouse"))
			}
			_, findings := Resolve(t.Context(), m, nil, input)
			i := slices.IndexFunc(findings, func(f finding.Finding) bool {
				return f.Severity == finding.Refused && f.Code == tc.code && f.Question == tc.question
			})
			if i < 0 {
				t.Fatalf("no finding %s of %s in %v", tc.code, tc.question, findings)
			}
			if f := findings[i]; f.Flag != tc.flag || !strings.Contains(f.String(), tc.says) {
				t.Errorf("flag %s, %q; want flag %s and %q", f.Flag, f, tc.flag, tc.says)
			}
			for _, f := range findings {
				if f.Severity == finding.Refused && f.Code != tc.code {
					t.Errorf("refused too: %v", f)
				}
				if strings.Contains(f.String(), "hunter2") {
					t.Errorf("a password in %v", f)
				}
			}
		})
	}
}

func inDir(values Values, dir string) Values {
	out := Values{"dir": {dir}}
	maps.Copy(out, values)
	return out
}

// TestGoodAnswersAreNotRefused keeps the table above honest.
func TestGoodAnswersAreNotRefused(t *testing.T) {
	cert, key, _ := pemFiles(t, 90, now, "registry.example.com")
	for name, flags := range map[string]Values{
		"nothing":          nil,
		"an address":       {"hostname": {"192.0.2.17"}},
		"IPv6":             {"hostname": {"[2001:db8::17]"}},
		"IDN":              {"hostname": {"bücher.example"}},
		"own files":        {"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}},
		"plain, here only": {"tls": {"off"}, "addr": {"127.0.0.1:5000"}},
		"plain, confirmed": {"tls": {"off"}, "addr": {":5000"}, "insecure": {"true"}},
		"in memory":        {"storage": {"inmemory"}, "confirm-inmemory": {"true"}},
		"upper case":       {"hostname": {"Registry.Example.COM"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "packhouse")
			m := machineOf(t, &fakeHost{})
			plan := planFor(t, m, dir, flags)
			if _, err := Apply(t.Context(), plan, ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			if again := planFor(t, m, dir, flags); again.Pending() {
				t.Errorf("pending again: %s", describe(again))
			}
		})
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	m := machineOf(t, &fakeHost{taken: map[int]Process{5000: {PID: 1, Name: "x"}}})
	_, findings := Resolve(t.Context(), m, nil, Input{Flags: Values{
		"hostname": {"*"}, "addr": {":5000"}, "tls": {"files"}, "user": {"a:b:c"}, "storage": {"inmemory"}, "dir": {t.TempDir()}, "log-level": {"x"},
	}})
	var flags []string
	for _, f := range findings {
		if f.Severity == finding.Refused {
			flags = append(flags, f.Flag)
		}
	}
	for _, flag := range []string{"--hostname", "--addr", "--tls-cert", "--tls-key", "--user", "--confirm-inmemory", "--log-level"} {
		if !slices.Contains(flags, flag) {
			t.Errorf("%s is not named in %v", flag, findings)
		}
	}
}

func TestNamesThatLeadElsewhereAreWarnedOf(t *testing.T) {
	for _, tc := range []struct {
		resolves map[string][]netip.Addr
		name     string
		code     string
	}{
		{map[string][]netip.Addr{"registry.example.com": {netip.MustParseAddr("198.51.100.4")}}, "registry.example.com", CodeElsewhere},
		{map[string][]netip.Addr{}, "registry.example.com", CodeNoResolve},
		{nil, "198.51.100.9", CodeForeign},
	} {
		m := machineOf(t, &fakeHost{resolves: tc.resolves})
		_, findings := Resolve(t.Context(), m, nil, Input{Flags: Values{"hostname": {tc.name}, "dir": {t.TempDir() + "/p"}}})
		if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return f.Code == tc.code && f.Severity == finding.Warning && f.Question == "hostname"
		}) {
			t.Errorf("%s: no %s in %v", tc.name, tc.code, findings)
		}
		_, findings = Resolve(t.Context(), m, nil, Input{Flags: Values{"hostname": {tc.name}, "dir": {t.TempDir() + "/p"}, "offline": {"true"}}})
		if tc.code != CodeForeign && slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Code == tc.code }) {
			t.Errorf("%s: looked up though offline", tc.name)
		}
	}
}

// TestBrokenInstallationsAreRefused: what the server would refuse is not edited, with the server's own words.
func TestBrokenInstallationsAreRefused(t *testing.T) {
	for _, tc := range []struct{ name, config, code, says string }{
		{"flush left", "version: 0.1\nstorage:\nfilesystem:\nrootdirectory: /data\nhttp:\naddr: :5000\n", "config-indentation", "indentation"},
		{"unknown key", "version: 0.1\nstorage: inmemory\nhttp: {addr: \":5000\", adress: x}\n", "config-unknown-key", "adress"},
		{"not YAML", "version: [\n", "config-syntax", ConfigFile},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte(tc.config), 0o644); err != nil {
				t.Fatal(err)
			}
			in, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, findings := Resolve(t.Context(), machineOf(t, &fakeHost{}), in, Input{})
			if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
				return f.Severity == finding.Refused && f.Code == tc.code && strings.Contains(f.String(), tc.says)
			}) {
				t.Errorf("no %s that says %q in %v", tc.code, tc.says, findings)
			}
		})
	}
}

// TestSecretsAreNeverPrinted walks everything that is shown, with a password in every place it can come from.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const canary = "canary-in-the-mine-1"
	m, dir := machineOf(t, &fakeHost{}), filepath.Join(t.TempDir(), "packhouse")
	resolved, findings := Resolve(t.Context(), m, nil, Input{
		Flags: Values{"dir": {dir}, "user": {"a", "b"}, "password-file": {"admin=F"}}, Env: []string{"PACKHOUSE_PASSWORD_A=" + canary},
		PasswordLines: strings.NewReader("b:" + canary + "\n"), ReadFile: func(string) ([]byte, error) { return []byte(canary), nil },
	})
	if finding.AnyRefused(findings) {
		t.Fatal(findings)
	}
	plan, err := MakePlan(t.Context(), m, nil, resolved, Options{Now: now, HashCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := plan.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	card := Handoff(t.Context(), m, plan)
	shown := fmt.Sprintf("%+v %#v %v %s %s %s %+v", resolved, resolved, findings, encoded, resolved.CommandLine(), resolved.AnswersYAML(), card)
	for _, c := range plan.Changes {
		shown += plan.diff(&c) + strings.Join(c.Meaning, "\n")
	}
	if strings.Contains(shown, canary) {
		t.Error("a password is shown")
	}
	for _, hidden := range []string{"$2y$", "PRIVATE KEY"} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%s is shown", hidden)
		}
	}
	for _, c := range plan.Changes {
		if c.Path != filepath.Join(dir, HtpasswdFile) && strings.Contains(string(c.After), canary) {
			t.Errorf("%s holds a password", c.Path)
		}
	}
}

func TestRefusedErrorListsEverything(t *testing.T) {
	err := error(&finding.Error{Findings: []finding.Finding{{What: "one", Subject: finding.Subject{Flag: "--a"}}, {What: "two", Remedy: "three"}}})
	if got, want := err.Error(), "--a: one\ntwo; three"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.As(fmt.Errorf("make plan: %w", err), new(*finding.Error)) {
		t.Error("cannot be found again")
	}
}

// TestAKeyIsAFile: what cannot be read again at the next start is refused, and nobody is told to change the mode of a device.
func TestAKeyIsAFile(t *testing.T) {
	cert, _, _ := pemFiles(t, 90, now, "registry.example.com")
	for _, path := range []string{t.TempDir(), os.DevNull} {
		m := machineOf(t, &fakeHost{})
		flags := inDir(Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {path}}, filepath.Join(t.TempDir(), "packhouse"))
		_, findings := Resolve(t.Context(), m, nil, Input{Flags: flags})
		refusals := 0
		for _, f := range findings {
			if f.Question == "key" && f.Severity == finding.Refused {
				refusals++
				if f.Code != CodeUnread || strings.Contains(f.Remedy, "chmod") {
					t.Errorf("%s: %v", path, f)
				}
			}
		}
		if refusals != 1 {
			t.Errorf("%s: %d refusals: %v", path, refusals, findings)
		}
	}
}
