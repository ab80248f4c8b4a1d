package question_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
)

// TestRefusals has every reason to refuse an answer, with the flag that mends it.
func TestRefusals(t *testing.T) {
	good, goodKey, pair := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
	expired, expiredKey, _ := answertest.PEMFiles(t, 30, machinetest.Now.AddDate(0, -3, 0), "registry.example.com")
	early, earlyKey, _ := answertest.PEMFiles(t, 30, machinetest.Now.AddDate(0, 3, 0), "registry.example.com")
	other, otherKey, _ := answertest.PEMFiles(t, 90, machinetest.Now, "other.example.com")
	ca, err := certgen.NewCA(certgen.CAOptions{Now: machinetest.Now})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: certgen.NamesOf(pair.Leaf()), Now: machinetest.Now})
	if err != nil {
		t.Fatal(err)
	}
	leafKeyPEM, err := leaf.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	incomplete := answertest.WriteFile(t, certgen.EncodeChain(leaf.Leaf()), 0o644)
	disorder := answertest.WriteFile(t, certgen.EncodeChain(ca.Leaf(), leaf.Leaf()), 0o644)
	leafKey := answertest.WriteFile(t, leafKeyPEM, 0o600)
	goodKeyPEM, _ := os.ReadFile(goodKey)
	openKey := answertest.WriteFile(t, goodKeyPEM, 0o644)
	text := answertest.WriteFile(t, []byte("not PEM"), 0o600)
	file := answertest.WriteFile(t, nil, 0o600)

	ownFiles := func(cert, key string) answer.Values {
		return answer.Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}}
	}
	passwordOf := func(password string) answer.Input {
		return answer.Input{
			Flags:    answer.Values{"password-file": {"admin=F"}},
			ReadFile: func(string) ([]byte, error) { return []byte(password), nil },
		}
	}
	flagsOnly := func(flags answer.Values) answer.Input { return answer.Input{Flags: flags} }

	for _, tc := range []struct {
		name     string
		host     machinetest.Host
		input    answer.Input
		question string
		code     string
		flag     string
		says     string
	}{
		{"host name with a space", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {"my registry"}}), "hostname", setup.CodeName, "--hostname", "space"},
		{"host name is a wildcard", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {"*.example.com"}}), "hostname", setup.CodeName, "--hostname", "wildcard"},
		{"host name too long", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {strings.Repeat("a.", 127) + "b"}}), "hostname", setup.CodeName, "--hostname", "253"},
		{"host name with a control character", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {"a\x00b"}}), "hostname", setup.CodeName, "--hostname", "U+0000"},
		{"host name with bidi characters", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {"a\u202eb.example.com"}}), "hostname", setup.CodeName, "--hostname", "U+202E"},
		{"host name with a zero-width character", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {"bü\u200bcher.example"}}), "hostname", setup.CodeName, "--hostname", "U+200B"},
		{"host name is a URL", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {"https://registry.example.com"}}), "hostname", setup.CodeName, "--hostname", "URL"},
		{"host name is empty", machinetest.Host{}, flagsOnly(answer.Values{"hostname": {""}}), "hostname", setup.CodeMissing, "--hostname", "missing"},
		{"name is no name", machinetest.Host{}, flagsOnly(answer.Values{"san": {"a_b"}}), "san", setup.CodeName, "--san", "underscore"},
		{"name both added and taken away", machinetest.Host{}, flagsOnly(answer.Values{"san": {"a.example"}, "no-san": {"a.example"}}), "san", setup.CodeConflict, "--no-san", "a.example"},
		{"host name taken away", machinetest.Host{}, flagsOnly(answer.Values{"no-san": {"registry.example.com"}}), "san", setup.CodeConflict, "--no-san", "host name"},
		{"address without a port", machinetest.Host{}, flagsOnly(answer.Values{"addr": {"192.0.2.17"}}), "addr", setup.CodeAddress, "--addr", "port"},
		{"port out of range", machinetest.Host{}, flagsOnly(answer.Values{"addr": {":70000"}}), "addr", setup.CodeAddress, "--addr", "65535"},
		{"port zero", machinetest.Host{}, flagsOnly(answer.Values{"addr": {":0"}}), "addr", setup.CodeAddress, "--addr", "65535"},
		{"address of a name", machinetest.Host{}, flagsOnly(answer.Values{"addr": {"registry.example.com:443"}}), "addr", setup.CodeAddress, "--addr", "IP address"},
		{"address elsewhere", machinetest.Host{}, flagsOnly(answer.Values{"addr": {"203.0.113.5:443"}}), "addr", setup.CodeNotOurs, "--addr", "not an address of this machine"},
		{"port taken", machinetest.Host{Taken: map[int]machine.Process{5000: {PID: 4711, Name: "nginx"}}}, flagsOnly(answer.Values{"addr": {":5000"}}), "addr", setup.CodePortTaken, "--addr", "nginx (pid 4711)"},
		{"port taken by somebody unseen", machinetest.Host{Taken: map[int]machine.Process{5000: {}}}, flagsOnly(answer.Values{"addr": {":5000"}}), "addr", setup.CodePortTaken, "--addr", "only root can see"},
		{"port taken by another packhouse", machinetest.Host{Taken: map[int]machine.Process{5000: {PID: 1, Name: "packhouse"}}}, flagsOnly(answer.Values{"addr": {":5000"}}), "addr", setup.CodePortTaken, "--addr", "packhouse (pid 1)"},
		{"port not permitted", machinetest.Host{Lowest: 1024}, flagsOnly(answer.Values{"addr": {":443"}}), "addr", setup.CodePortRight, "--addr", "443"},
		{"public URL without a scheme", machinetest.Host{}, flagsOnly(answer.Values{"public-url": {"registry.example.com"}}), "public-url", setup.CodeURL, "--public-url", "base URL"},
		{"public URL with a path", machinetest.Host{}, flagsOnly(answer.Values{"public-url": {"https://a.example/x"}}), "public-url", setup.CodeURL, "--public-url", "base URL"},
		{"TLS mode unknown", machinetest.Host{}, flagsOnly(answer.Values{"tls": {"perhaps"}}), "tls", setup.CodeValue, "--tls", "private-ca"},
		{"no certificate", machinetest.Host{}, flagsOnly(answer.Values{"tls": {"files"}}), "cert", setup.CodeMissing, "--tls-cert", "missing"},
		{"no key", machinetest.Host{}, flagsOnly(answer.Values{"tls": {"files"}, "tls-cert": {good}}), "key", setup.CodeMissing, "--tls-key", "missing"},
		{"certificate not there", machinetest.Host{}, flagsOnly(ownFiles("/nowhere/tls.crt", goodKey)), "cert", setup.CodeUnread, "--tls-cert", "/nowhere/tls.crt"},
		{"certificate not PEM", machinetest.Host{}, flagsOnly(ownFiles(text, goodKey)), "cert", certgen.CodeNotPEM, "--tls-cert", "not PEM"},
		{"key not PEM", machinetest.Host{}, flagsOnly(ownFiles(good, text)), "key", certgen.CodeNotPEM, "--tls-key", "not PEM"},
		{"key does not fit", machinetest.Host{}, flagsOnly(ownFiles(good, otherKey)), "key", certgen.CodeKeyMismatch, "--tls-key", "does not fit"},
		{"certificate expired", machinetest.Host{}, flagsOnly(ownFiles(expired, expiredKey)), "cert", certgen.CodeExpired, "--tls-cert", "ran out"},
		{"certificate not yet valid", machinetest.Host{}, flagsOnly(ownFiles(early, earlyKey)), "cert", certgen.CodeNotYetValid, "--tls-cert", "not valid before"},
		{"certificate of another name", machinetest.Host{}, flagsOnly(ownFiles(other, otherKey)), "cert", certgen.CodeName, "--tls-cert", "registry.example.com"},
		{"chain incomplete", machinetest.Host{}, flagsOnly(ownFiles(incomplete, leafKey)), "tls-ca", certgen.CodeIncomplete, "--tls-ca", "incomplete"},
		{"chain out of order", machinetest.Host{}, flagsOnly(ownFiles(disorder, leafKey)), "cert", certgen.CodeOrder, "--tls-cert", "begins with a CA"},
		{"key readable by all", machinetest.Host{}, flagsOnly(ownFiles(good, openKey)), "key", setup.CodeOpenKey, "--tls-key", "0644"},
		{"plain HTTP to the network", machinetest.Host{}, flagsOnly(answer.Values{"tls": {"off"}, "addr": {":5000"}}), "insecure", setup.CodePlain, "--insecure", ":5000"},
		{"key type unknown", machinetest.Host{}, flagsOnly(answer.Values{"key-type": {"dsa"}}), "key-type", setup.CodeValue, "--key-type", "ecdsa-p256"},
		{"life no number", machinetest.Host{}, flagsOnly(answer.Values{"cert-days": {"long"}}), "cert-days", setup.CodeValue, "--cert-days", "number"},
		{"life negative", machinetest.Host{}, flagsOnly(answer.Values{"cert-days": {"-1"}}), "cert-days", setup.CodeValue, "--cert-days", "36500"},
		{"subject with a common name", machinetest.Host{}, flagsOnly(answer.Values{"subject": {"CN=x"}}), "subject", setup.CodeValue, "--subject", "CN"},
		{"user name empty", machinetest.Host{}, flagsOnly(answer.Values{"user": {""}}), "users", setup.CodeUser, "--user", "empty"},
		{"user name with a control character", machinetest.Host{}, flagsOnly(answer.Values{"user": {"a\tb"}}), "users", setup.CodeUser, "--user", "U+0009"},
		{"user name like a path", machinetest.Host{}, flagsOnly(answer.Values{"user": {"../x"}}), "users", setup.CodeUser, "--user", "slash"},
		{"user name of all", machinetest.Host{}, flagsOnly(answer.Values{"user": {"*"}}), "users", setup.CodeUser, "--user", "every user"},
		{"admin with a colon", machinetest.Host{}, flagsOnly(answer.Values{"admin": {"a:b"}}), "users", setup.CodeUser, "--admin", "colon"},
		{"admin of all", machinetest.Host{}, flagsOnly(answer.Values{"admin": {"*"}}), "users", setup.CodeUser, "--admin", "every user"},
		{"role unknown", machinetest.Host{}, flagsOnly(answer.Values{"user": {"a:owner"}}), "users", setup.CodeUser, "--user", "owner"},
		{"password too long", machinetest.Host{}, passwordOf(strings.Repeat("é", 37)), "users", setup.CodePassword, "--user", "74"},
		{"password is the name", machinetest.Host{}, passwordOf("Admin"), "users", setup.CodePassword, "--user", "own name"},
		{"password out of documentation", machinetest.Host{}, passwordOf("changeme"), "users", setup.CodePassword, "--user", "documentation"},
		{"password empty", machinetest.Host{}, passwordOf("\n"), "users", setup.CodePassword, "--user", "empty"},
		{"password of two lines", machinetest.Host{}, passwordOf("one\ntwo"), "users", setup.CodePassword, "--user", "U+000A"},
		{"password for nobody", machinetest.Host{}, flagsOnly(answer.Values{"password-file": {"nobody=" + text}}), "users", setup.CodeNobody, "--password-file", "nobody"},
		{"password file not there", machinetest.Host{}, flagsOnly(answer.Values{"password-file": {"admin=/nowhere"}}), "users", setup.CodeUnread, "--password-file", "/nowhere"},
		{"password file without a name", machinetest.Host{}, flagsOnly(answer.Values{"password-file": {"hunter2"}}), "users", setup.CodeValue, "--password-file", "NAME=FILE"},
		{
			"password line without a colon",
			machinetest.Host{},
			answer.Input{PasswordLines: strings.NewReader("admin:long-enough-for-me\nhunter2\n")},
			"users", setup.CodeValue, "--password-stdin", "line 2",
		},
		{
			"two users share a variable",
			machinetest.Host{},
			answer.Input{Flags: answer.Values{"user": {"ci-bot", "ci.bot"}}, Env: []string{"PACKHOUSE_PASSWORD_CI_BOT=x"}},
			"users", setup.CodeShared, "--password-file", "ci-bot and ci.bot",
		},
		{"user added and taken away", machinetest.Host{}, flagsOnly(answer.Values{"user": {"a"}, "remove-user": {"a"}}), "users", setup.CodeConflict, "--remove-user", "\"a\""},
		{"no admin", machinetest.Host{}, flagsOnly(answer.Values{"user": {"admin:reader"}}), "users", setup.CodeNoAdmin, "--user", "no admin"},
		{"realm with a quote", machinetest.Host{}, flagsOnly(answer.Values{"realm": {`my "realm"`}}), "realm", setup.CodeValue, "--realm", "HTTP header"},
		{"storage unknown", machinetest.Host{}, flagsOnly(answer.Values{"storage": {"azure"}}), "storage", setup.CodeValue, "--storage", "filesystem"},
		{"storage path is a file", machinetest.Host{}, flagsOnly(answer.Values{"storage-path": {file}}), "storage-path", setup.CodePath, "--storage-path", "is a file"},
		{"storage path not writable", machinetest.Host{ReadOnly: "/srv"}, flagsOnly(answer.Values{"storage-path": {"/srv/data"}}), "storage-path", setup.CodePath, "--storage-path", "read-only"},
		{"storage on tmpfs", machinetest.Host{System: machine.FileSystem{Kind: "tmpfs", Free: 2 << 30, Total: 4 << 30}}, answer.Input{}, "storage-path", setup.CodeTmpfs, "--storage-path", "lost"},
		{"storage nearly full", machinetest.Host{System: machine.FileSystem{Kind: "ext4", Free: 500 << 20, Total: 4 << 30}}, answer.Input{}, "storage-path", setup.CodeSpace, "--storage-path", "500 MiB"},
		{"storage without inodes", machinetest.Host{System: machine.FileSystem{Kind: "ext4", Free: 2 << 30, Total: 4 << 30, Inodes: 10}}, answer.Input{}, "storage-path", setup.CodeInodes, "--storage-path", "inodes"},
		{"storage read-only", machinetest.Host{System: machine.FileSystem{Kind: "ext4", Free: 2 << 30, Total: 4 << 30, ReadOnly: true}}, answer.Input{}, "storage-path", setup.CodePath, "--storage-path", "read-only"},
		{"storage with something else in it", machinetest.Host{}, flagsOnly(answer.Values{"storage-path": {filepath.Dir(file)}}), "storage-path", setup.CodeForeignStore, "--storage-path", "\"file\""},
		{"storage in memory", machinetest.Host{}, flagsOnly(answer.Values{"storage": {"inmemory"}}), "confirm-inmemory", setup.CodeInMemory, "--confirm-inmemory", "lost at restart"},
		{"log level unknown", machinetest.Host{}, flagsOnly(answer.Values{"log-level": {"loud"}}), "log-level", setup.CodeValue, "--log-level", "loud"},
		{"directory not writable", machinetest.Host{ReadOnly: "/ro"}, flagsOnly(answer.Values{"dir": {"/ro/packhouse"}}), "dir", setup.CodeDir, "--dir", "read-only"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := machinetest.New(t, &tc.host)
			input := tc.input
			if input.Flags["dir"] == nil {
				input.Flags = answertest.InDir(input.Flags, filepath.Join(t.TempDir(), "packhouse"))
			}
			_, findings := answer.Resolve(t.Context(), m, nil, input)
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

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{Taken: map[int]machine.Process{5000: {PID: 1, Name: "x"}}})
	_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: answer.Values{
		"hostname": {
			"*",
		}, "addr": {":5000"}, "tls": {"files"}, "user": {"a:b:c"}, "storage": {"inmemory"}, "dir": {t.TempDir()}, "log-level": {"x"},
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
		{map[string][]netip.Addr{"registry.example.com": {netip.MustParseAddr("198.51.100.4")}}, "registry.example.com", setup.CodeElsewhere},
		{map[string][]netip.Addr{}, "registry.example.com", setup.CodeNoResolve},
		{nil, "198.51.100.9", setup.CodeForeign},
	} {
		m := machinetest.New(t, &machinetest.Host{Resolves: tc.resolves})
		_, findings := answer.Resolve(
			t.Context(), m, nil,
			answer.Input{Flags: answer.Values{"hostname": {tc.name}, "dir": {t.TempDir() + "/p"}}},
		)
		if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return f.Code == tc.code && f.Severity == finding.Warning && f.Question == "hostname"
		}) {
			t.Errorf("%s: no %s in %v", tc.name, tc.code, findings)
		}
		_, findings = answer.Resolve(
			t.Context(),
			m,
			nil,
			answer.Input{
				Flags: answer.Values{"hostname": {tc.name}, "dir": {t.TempDir() + "/p"}, "offline": {"true"}},
			},
		)
		if tc.code != setup.CodeForeign &&
			slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Code == tc.code }) {
			t.Errorf("%s: looked up though offline", tc.name)
		}
	}
}

// TestBrokenInstallationsAreRefused: what the server would refuse is not edited, with the server's own words.
func TestBrokenInstallationsAreRefused(t *testing.T) {
	for _, tc := range []struct{ name, config, code, says string }{
		{"flush left", "version: 0.1\nstorage:\nfilesystem:\nrootdirectory: /data\nhttp:\naddr: :5000\n", "config-indentation", "indentation"},
		{"unknown key", "version: 0.1\nstorage: inmemory\nhttp: {addr: \":5000\", adress: x}\n", "config-unknown-key", "adress"},
		{"not YAML", "version: [\n", "config-syntax", installation.ConfigFile},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, installation.ConfigFile), []byte(tc.config), 0o644); err != nil {
				t.Fatal(err)
			}
			in, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, findings := answer.Resolve(t.Context(), machinetest.New(t, &machinetest.Host{}), in, answer.Input{})
			if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
				return f.Severity == finding.Refused && f.Code == tc.code && strings.Contains(f.String(), tc.says)
			}) {
				t.Errorf("no %s that says %q in %v", tc.code, tc.says, findings)
			}
		})
	}
}

// TestAKeyIsAFile: what cannot be read again at the next start is refused, and nobody is told to change the mode of a device.
func TestAKeyIsAFile(t *testing.T) {
	cert, _, _ := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
	for _, path := range []string{t.TempDir(), os.DevNull} {
		m := machinetest.New(t, &machinetest.Host{})
		flags := answertest.InDir(
			answer.Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {path}},
			filepath.Join(t.TempDir(), "packhouse"),
		)
		_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags})
		refusals := 0
		for _, f := range findings {
			if f.Question == "key" && f.Severity == finding.Refused {
				refusals++
				if f.Code != setup.CodeUnread || strings.Contains(f.Remedy, "chmod") {
					t.Errorf("%s: %v", path, f)
				}
			}
		}
		if refusals != 1 {
			t.Errorf("%s: %d refusals: %v", path, refusals, findings)
		}
	}
}
