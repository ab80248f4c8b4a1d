package apply

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

var update = flag.Bool("update", false, "write the golden files")

func TestPrecedence(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{Lowest: 1024}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"log-level": {"warn"}, "realm": {"installed"}})
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err := answer.ParseFile("answers.yml", []byte("realm: file\nlog-level: error\naddr: \":5003\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	full := answer.Input{
		Flags: answer.Values{"realm": {"flag"}}, File: file,
		Env: []string{
			"PACKHOUSE_REALM=env",
			"PACKHOUSE_LOG_LEVEL=debug",
			"PACKHOUSE_UNHEARD_OF=x",
			"PACKHOUSE_DIR=/nowhere",
			"PACKHOUSE_YES=x",
		},
	}
	for _, tc := range []struct {
		name   string
		in     *installation.Installed
		input  answer.Input
		id     string
		value  string
		origin answer.Origin
	}{
		{"flag over everything", in, full, "realm", "flag", answer.FromFlag},
		{"environment over file", in, full, "log-level", "debug", answer.FromEnvironment},
		{"file over installation", in, full, "addr", ":5003", answer.FromAnswersFile},
		{"installation over detection", in, answer.Input{}, "addr", ":5000", answer.FromInstallation},
		{"installation over default", in, answer.Input{}, "log-level", "warn", answer.FromInstallation},
		{"host name of the installation", in, answer.Input{}, "hostname", "registry.example.com", answer.FromInstallation},
		{"detected", nil, answer.Input{}, "hostname", "registry.example.com", answer.FromDetection},
		{"default where detection finds nothing", nil, answer.Input{}, "addr", ":5000", answer.FromDefault},
		{"default", nil, answer.Input{}, "log-level", "info", answer.FromDefault},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resolved, _ := answer.Resolve(t.Context(), m, tc.in, tc.input)
			if got := answertest.Question(t, tc.id).Get(&resolved.Answers); got != tc.value ||
				resolved.Origins[tc.id] != tc.origin {
				t.Errorf("%q from %q, want %q from %q", got, resolved.Origins[tc.id], tc.value, tc.origin)
			}
		})
	}
	if resolved, _ := answer.Resolve(t.Context(), m, in, full); resolved.Answers.Dir != dir {
		t.Errorf("the directory is %s", resolved.Answers.Dir)
	}
	if resolved, _ := answer.Resolve(t.Context(), machinetest.New(t, &machinetest.Host{}), nil, answer.Input{}); resolved.Answers.Addr != ":443" ||
		resolved.Origins["addr"] != answer.FromDetection {
		t.Errorf("%s from %s where :443 can be bound", resolved.Answers.Addr, resolved.Origins["addr"])
	}
}

// TestAnswersComeBack gives what was written of the answers to another run, as file and as command line.
func TestAnswersComeBack(t *testing.T) {
	cert, key, _ := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
	for name, flags := range map[string]answer.Values{
		"bare": nil,
		"many": {
			"hostname": {"registry.example.com"}, "san": {"b.example", "10.0.0.1", "fd00::1"}, "no-san": {"localhost"}, "addr": {"127.0.0.1:5443"}, "admin": {"it's me"},
			"user": {"spectro", "#ci:writer", "no:admin"}, "realm": {"our 'registry'"}, "subject": {"O=Example, C=DE"}, "cert-days": {"90"}, "public-url": {"https://p.example:8443"},
			"ca-permit": {"example.com", "b.example", "10.0.0.0/8", "fd00::/8"},
		},
		"files":     {"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}},
		"off":       {"tls": {"off"}, "addr": {":5000"}, "insecure": {"true"}},
		"in memory": {"storage": {"inmemory"}, "confirm-inmemory": {"true"}, "log-level": {"debug"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "many" {
				flags["user"][1] = "ci#1:writer"
			}
			m := machinetest.New(t, &machinetest.Host{})
			first, findings := answer.Resolve(
				t.Context(), m, nil, answer.Input{Flags: answertest.InDir(flags, filepath.Join(t.TempDir(), "packhouse"))},
			)
			if finding.AnyRefused(findings) {
				t.Fatal(findings)
			}
			file, err := answer.ParseFile("answers.yml", first.AnswersYAML())
			if err != nil {
				t.Fatalf("%v\n%s", err, first.AnswersYAML())
			}
			again, findings := answer.Resolve(t.Context(), m, nil, answer.Input{File: file})
			if finding.AnyRefused(findings) {
				t.Fatal(findings)
			}
			if a, b := string(first.AnswersYAML()), string(again.AnswersYAML()); a != b {
				t.Errorf("as a file:\n%s\nthen:\n%s", a, b)
			}
			if a, b := string(plan.Preview(nil, first.Answers)), string(plan.Preview(nil, again.Answers)); a != b {
				t.Errorf("configuration:\n%s\nthen:\n%s", a, b)
			}
			one, err := first.Answers.CertNames()
			if err != nil {
				t.Fatal(err)
			}
			two, err := again.Answers.CertNames()
			if err != nil || !one.Without(two).Empty() || !two.Without(one).Empty() {
				t.Errorf("names %v, then %v, %v", one, two, err)
			}
			if first.CommandLine() != again.CommandLine() {
				t.Errorf("as a line:\n%s\nthen:\n%s", first.CommandLine(), again.CommandLine())
			}
		})
	}
}

// TestPlanOfAFirstInstall holds the plan that a review shows.
func TestPlanOfAFirstInstall(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	m.DataDir = filepath.Join(dir, "data")
	planned := planFor(t, m, dir, answer.Values{"user": {"spectro", "ci:writer"}})
	var b strings.Builder
	for _, c := range planned.Changes {
		fmt.Fprintf(&b, "%s %s %v\n", c.Kind, installation.Rel(dir, c.Path), c.Mode)
		for _, line := range c.Meaning {
			fmt.Fprintf(&b, "    %s\n", mask(line))
		}
	}
	b.WriteString("\n" + strings.ReplaceAll(string(planned.Config()), dir, "DIR"))
	golden(t, "plan.txt", b.String())
}

// mask hides what differs from run to run.
func mask(line string) string {
	if i := strings.Index(line, "fingerprint "); i >= 0 {
		line = line[:i] + "fingerprint …"
	}
	if rest, ok := strings.CutPrefix(line, "certificate authority packhouse CA "); ok {
		line = "certificate authority packhouse CA …" + rest[8:]
	}
	return line
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it):\n%s", path, got)
	}
}

// TestForeignConfigurationsAreEdited takes over what was written for other servers.
func TestForeignConfigurationsAreEdited(t *testing.T) {
	const users = "somebody:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n"
	for _, tc := range []struct {
		name, config string
		flags        answer.Values
		want         []string // lines of the result
		not          []string
	}{
		{
			"bare driver, no users, no TLS", "version: 0.1\nstorage: inmemory\nhttp:\n  addr: 127.0.0.1:5000\n",
			answer.Values{"storage": {"filesystem"}, "tls": {"private-ca"}},
			[]string{"rootdirectory:", "htpasswd:", "certificate:"},
			[]string{"inmemory"},
		},
		{
			"the vendor's", "version: 0.1\nlog:\n  level: info\n  fields: {service: registry}\nstorage:\n  filesystem:\n    rootdirectory: /srv/packs\nhttp:\n  addr: :5000\n" +
				"  tls:\n    certificate: CERT\n    key: KEY\nauth:\n  htpasswd: {realm: basic-realm, path: USERS}\n",
			answer.Values{"user": {"admin:admin", "ci:writer"}},
			[]string{"fields: {service: registry}", "/srv/packs", "realm: basic-realm", "ci"},
			nil,
		},
		{
			"TLS off", "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /srv/packs\nhttp:\n  addr: 127.0.0.1:5000\n  tls:\n    certificate: CERT\n    key: KEY\nauth:\n  htpasswd: {realm: r, path: USERS}\n",
			answer.Values{"tls": {"off"}, "user": {"admin:admin"}},
			[]string{"addr: 127.0.0.1:5000"},
			[]string{"certificate", "tls:"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			cert, key, _ := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
			text := strings.NewReplacer("CERT", cert, "KEY", key, "USERS", answertest.WriteFile(t, []byte(users), 0o600)).
				Replace(tc.config)
			if err := os.WriteFile(filepath.Join(dir, installation.ConfigFile), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			m := machinetest.New(t, &machinetest.Host{})
			planned := install(t, m, dir, tc.flags)
			after := string(planned.Config())
			for _, want := range tc.want {
				if !strings.Contains(after, want) {
					t.Errorf("%q is not in\n%s", want, after)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(after, not) {
					t.Errorf("%q is in\n%s", not, after)
				}
			}
			if _, err := config.Load(config.Source{Path: filepath.Join(dir, installation.ConfigFile)}); err != nil {
				t.Errorf("refused by the server: %v", err)
			}
			if again := planFor(t, m, dir, nil); again.Pending() {
				t.Errorf("pending again: %s", describe(again))
			}
			if strings.Contains(tc.config, "USERS") {
				in, err := installation.Load(dir)
				if err != nil || in.User("somebody") == nil {
					t.Errorf("the user who was there is gone: %v, %v", in.Users, err)
				}
			}
		})
	}
}
