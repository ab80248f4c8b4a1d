package apply

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

var update = flag.Bool("update", false, "write the golden files")

// stepQuestion finds a question by its ID.
func stepQuestion(id string) *question.Question {
	for _, step := range question.Steps() {
		for _, q := range step.Questions {
			if q.ID == id {
				return q
			}
		}
	}
	return nil
}

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
			if got := stepQuestion(tc.id).Get(&resolved.Answers); got != tc.value ||
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

func TestPasswordVariable(t *testing.T) {
	for user, variable := range map[string]string{
		"ci-bot": "PACKHOUSE_PASSWORD_CI_BOT", "a.b@c": "PACKHOUSE_PASSWORD_A_B_C", "Ünal": "PACKHOUSE_PASSWORD__NAL", "x9": "PACKHOUSE_PASSWORD_X9",
	} {
		if got := answer.PasswordVariable(user); got != variable {
			t.Errorf("%s: %s, want %s", user, got, variable)
		}
	}
}

func TestNamesAreFound(t *testing.T) {
	eth0 := machine.Address{Addr: netip.MustParseAddr("192.0.2.17"), Interface: "eth0", Global: true}
	for _, tc := range []struct {
		name string
		host machinetest.Host
		want []string
	}{
		{"full host name", machinetest.Host{Named: "a.example.com"}, []string{"a.example.com"}},
		{"hosts file", machinetest.Host{Named: "a", Files: map[string]string{"/etc/hosts": "127.0.0.1 localhost\n192.0.2.17 a.example.com a # me\n"}}, []string{"a.example.com", "a"}},
		{
			"reverse DNS",
			machinetest.Host{Named: "a", Interfaces: []machine.Address{eth0}, Reverse: map[netip.Addr][]string{eth0.Addr: {"a.example.net."}}},
			[]string{"a.example.net", "a"},
		},
		{"hostname file", machinetest.Host{Named: "localhost", Files: map[string]string{"/etc/hostname": "box\n"}}, []string{"box"}},
		{"nothing usable", machinetest.Host{Named: "my_host"}, []string{"localhost"}},
		{"upper case", machinetest.Host{Named: "HOST.Example.Com"}, []string{"host.example.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := machinetest.New(t, &tc.host).Names; !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestTickList(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{})
	resolved, _ := answer.Resolve(
		t.Context(),
		m,
		nil,
		answer.Input{
			Quick: true,
			Flags: answer.Values{"addr": {"127.0.0.1:5443"}, "san": {"10.1.2.3"}, "no-san": {"localhost"}},
		},
	)
	var got []string
	for _, s := range resolved.Answers.SANs {
		mark := " "
		if s.Ticked {
			mark = "x"
		}
		got = append(got, fmt.Sprintf("[%s] %s %s", mark, s.Name, s.Origin))
	}
	want := []string{
		"[x] registry short name", "[x] 192.0.2.17 eth0", "[ ] 172.17.0.1 docker0", "[ ] localhost always", "[x] 10.1.2.3 typed", "[x] 127.0.0.1 address",
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	a := &resolved.Answers
	if err := stepQuestion("hostname").Set(a, "packs.example.org"); err != nil {
		t.Fatal(err)
	}
	if err := stepQuestion("addr").Set(a, ":5000"); err != nil {
		t.Fatal(err)
	}
	if got, want := stepQuestion("san").Get(a), "packs,192.0.2.17,10.1.2.3"; got != want {
		t.Errorf("after another host name and address: %s, want %s", got, want)
	}
}

func TestInternationalNames(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{})
	resolved, findings := answer.Resolve(
		t.Context(), m, nil,
		answer.Input{Quick: true, Flags: answer.Values{"hostname": {"Bücher.example"}, "san": {"straße.example"}}},
	)
	names, err := resolved.Answers.CertNames()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(names.DNS, "xn--bcher-kva.example") || !slices.Contains(names.DNS, "xn--strae-oqa.example") {
		t.Errorf("names %v", names.DNS)
	}
	if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
		return f.Code == setup.CodeIDN && strings.Contains(f.What, "bücher.example") &&
			strings.Contains(f.What, "xn--bcher-kva.example")
	}) {
		t.Errorf("both forms are not shown: %v", findings)
	}
	if got, want := resolved.Answers.URL(), "https://xn--bcher-kva.example"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestURL(t *testing.T) {
	for _, tc := range []struct {
		a    question.Answers
		want string
	}{
		{question.Answers{Hostname: "a.example", Addr: ":443", TLS: setup.PrivateCA}, "https://a.example"},
		{question.Answers{Hostname: "a.example", Addr: ":5000", TLS: setup.Files}, "https://a.example:5000"},
		{question.Answers{Hostname: "a.example", Addr: ":80", TLS: setup.Off}, "http://a.example"},
		{question.Answers{Hostname: "2001:db8::1", Addr: ":443", TLS: setup.PrivateCA}, "https://[2001:db8::1]"},
		{question.Answers{Hostname: "2001:db8::1", Addr: "[::]:5000", TLS: setup.PrivateCA}, "https://[2001:db8::1]:5000"},
		{question.Answers{Hostname: "a.example", Addr: ":5000", TLS: setup.Off, PublicURL: "https://packs.example/"}, "https://packs.example"},
	} {
		if got := tc.a.URL(); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

// TestAnswersComeBack gives what was written of the answers to another run, as file and as command line.
func TestAnswersComeBack(t *testing.T) {
	cert, key, _ := pemFiles(t, 90, machinetest.Now, "registry.example.com")
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
				t.Context(), m, nil, answer.Input{Flags: inDir(flags, filepath.Join(t.TempDir(), "packhouse"))},
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

func TestCommandLineIsQuoted(t *testing.T) {
	r := answer.Resolved{
		Answers: question.Answers{
			Dir:         "/srv/my dir",
			Hostname:    "a",
			Addr:        ":5000",
			TLS:         setup.Off,
			Insecure:    true,
			Realm:       "it's ours",
			RemoveUsers: []string{"$(reboot)"},
			LogLevel:    "info",
		},
	}
	want := `packhouse setup --yes --dir '/srv/my dir' --hostname a --addr :5000 --tls off --insecure --realm 'it'\''s ours' --remove-user '$(reboot)'`
	if got := r.CommandLine(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestAnswersFileIsReadStrictly(t *testing.T) {
	for _, tc := range []struct{ name, text, says string }{
		{"unknown key", "hostname: a\nhostnam: b\n", "f:2: unknown key, did you mean hostname?"},
		{"another file", "root:$6$hunter2:19000:0:99999:7:::\nuser: x\n", "f:1: unknown key"},
		{"key of another file", "hunter2: x\n", "f:1: unknown key"},
		{"anchor of another file", "user: *hunter2\n", "must be quoted"},
		{"plural", "users: [a]\n", "did you mean user?"},
		{"underscores", "storage_path: /data\n", "did you mean storage-path?"},
		{"twice", "addr: \":1\"\naddr: \":2\"\n", "f:2: addr is already on line 1"},
		{"list where one belongs", "addr: [a, b]\n", "takes one value"},
		{"map", "user: {a: reader}\n", "no plain value"},
		{"null", "hostname:\n", "no plain value"},
		{"bool that is none", "insecure: yess\n", "neither true nor false"},
		{"password", "password: hunter2\n", "an answers file contains no passwords"},
		{"not a map", "- hostname: a\n", "keys with values"},
		{"not YAML", "a: [\n", "f:"},
		{"two documents", "addr: a\n---\naddr: b\n", "more than one document"},
		{"tabs", "addr: a\n\tb: c\n", "f:2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := answer.ParseFile("f", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("a password in the error")
			}
		})
	}
	d, err := answer.ParseFile(
		"f",
		[]byte(
			"# words\nhostname: a.example\nuser: [x, 'y:writer']\nsan: one.example\ninsecure: true\ncert-days: 30\n",
		),
	)
	if err != nil {
		t.Fatal(err)
	}
	if d.Lines["user"] != 3 || !slices.Equal(d.Values["user"], []string{"x", "y:writer"}) ||
		d.Values["cert-days"][0] != "30" ||
		d.Values["insecure"][0] != "true" {
		t.Errorf("%+v", d)
	}
	if d, err := answer.ParseFile("f", nil); err != nil || len(d.Values) > 0 {
		t.Errorf("empty file: %v, %v", d, err)
	}
}

func FuzzParseAnswers(f *testing.F) {
	f.Add("hostname: a\nuser: [b]\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {}\n: b\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = answer.ParseFile("f", []byte(text)) // must not panic
	})
}

// TestPlanOfAFirstInstall holds the plan that a review shows.
func TestPlanOfAFirstInstall(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	m.DataDir = filepath.Join(dir, "data")
	plan := planFor(t, m, dir, answer.Values{"user": {"spectro", "ci:writer"}})
	var b strings.Builder
	for _, c := range plan.Changes {
		fmt.Fprintf(&b, "%s %s %v\n", c.Kind, installation.Rel(dir, c.Path), c.Mode)
		for _, line := range c.Meaning {
			fmt.Fprintf(&b, "    %s\n", mask(line))
		}
	}
	b.WriteString("\n" + strings.ReplaceAll(string(plan.Config()), dir, "DIR"))
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
			cert, key, _ := pemFiles(t, 90, machinetest.Now, "registry.example.com")
			text := strings.NewReplacer("CERT", cert, "KEY", key, "USERS", writeFile(t, []byte(users), 0o600)).
				Replace(tc.config)
			if err := os.WriteFile(filepath.Join(dir, installation.ConfigFile), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			m := machinetest.New(t, &machinetest.Host{})
			plan := install(t, m, dir, tc.flags)
			after := string(plan.Config())
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
