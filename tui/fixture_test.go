package tui

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/logview"
	"packhouse/tui/session"
)

// The questions of this fixture are shaped like the real ones, and do not change when the words of
// those do.

// secretWord is a password that no frame may ever hold.
const secretWord = "correct-horse-battery"

// generatedWord is a password that only the card may hold, and only when it was asked for.
const generatedWord = "gEnErAtEd2345678ABCDEFGH"

func fixtureMachine() *machine.Machine {
	return &machine.Machine{
		Names: []string{"registry.example.com"},
		Addresses: []machine.Address{
			{Addr: netip.MustParseAddr("192.0.2.17"), Interface: "eth0", Global: true},
			{Addr: netip.MustParseAddr("172.17.0.1"), Interface: "docker0", Bridge: true},
		},
		ConfigDir: "/etc/packhouse", DataDir: "/var/lib/packhouse",
	}
}

func fixtureAnswers() question.Answers {
	return question.Answers{
		Dir: "/etc/packhouse", Hostname: "registry.example.com", Addr: ":5000", TLS: setup.PrivateCA, CertDays: 397,
		SANs: []setup.SAN{
			{Name: "registry.example.com", Ticked: true, Origin: setup.SANHostName},
			{Name: "registry", Ticked: true, Origin: setup.SANShortName},
			{Name: "192.0.2.17", Ticked: true, Origin: "eth0"},
			{Name: "2001:db8::17", Ticked: true, Origin: "eth0"},
			{Name: "172.17.0.1", Origin: "docker0"},
			{Name: "localhost", Ticked: true, Origin: setup.SANAlways},
		},
		Users: []setup.User{
			{Name: "admin", Role: setup.Admin, Source: setup.Generated},
			{Name: "spectro", Role: setup.Reader, Source: setup.Typed, Password: secretWord},
		},
		Storage: config.Filesystem, StoragePath: "/var/lib/packhouse",
	}
}

func refused(id, subject, what, remedy string) []finding.Finding {
	return []finding.Finding{
		{
			Subject:  finding.Subject{Question: id, Entry: subject},
			Severity: finding.Refused,
			Code:     "fixture",
			What:     what,
			Remedy:   remedy,
		},
	}
}

// text makes a question about a field of the answers.
func text(id, title, ask string, kind question.Kind, at func(a *question.Answers) *string) *question.Question {
	return &question.Question{
		ID: id, Title: title, Ask: ask, Kind: kind, Flags: []question.Flag{{Name: id}},
		Help: "Clients will see this: it becomes part of every address.\nA wrong answer is mended by running the setup again.",
		Get:  func(a *question.Answers) string { return *at(a) },
		Set:  func(a *question.Answers, text string) error { *at(a) = text; return nil },
		Validate: func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			if *at(a) == "" {
				return refused(id, "", strings.ToLower(title)+" is empty", "")
			}
			return nil
		},
	}
}

func fixtureSteps() []question.Step {
	hostname := text(
		"hostname",
		"Host name",
		"By which name do clients reach the registry?",
		question.Text,
		func(a *question.Answers) *string { return &a.Hostname },
	)
	hostname.Suggest = func(m *machine.Machine, _ *question.Answers) []string { return m.Names }
	hostname.Validate = func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
		switch {
		case a.Hostname == "":
			return refused("hostname", "", "the host name is missing", "")
		case strings.Contains(a.Hostname, "*"):
			return refused("hostname", "", "wildcards are refused", "give the name that clients use")
		}
		return nil
	}
	names := &question.Question{
		ID: "san", Title: "Names", Kind: question.Names, Help: "Clients compare the name they dialled with these.",
		Ask: "Clients must reach the registry by one of these. Untick what is not used.",
		Get: func(a *question.Answers) string { return fmt.Sprint(a.SANs) },
		Set: func(*question.Answers, string) error { return nil },
		Validate: func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			for _, san := range a.SANs {
				if strings.ContainsAny(san.Name, "*/ ") {
					return refused("san", san.Name, "is neither a name nor an address", "")
				}
			}
			return nil
		},
		Probe: func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			if a.SANs[0].Ticked {
				return []finding.Finding{
					{
						Subject:  finding.Subject{Question: "san"},
						Severity: finding.Warning,
						What:     "registry.example.com resolves to 198.51.100.4, not to this machine",
					},
				}
			}
			return nil
		},
	}
	addr := text(
		"addr",
		"Address",
		"Where does the server listen?",
		question.Text,
		func(a *question.Answers) *string { return &a.Addr },
	)
	addr.Probe = func(ctx context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
		if strings.HasSuffix(a.Addr, ":22") {
			return refused("addr", "", "port 22 is taken by sshd (pid 812)", "choose another port")
		}
		if strings.HasSuffix(a.Addr, ":7") {
			<-ctx.Done()
		}
		return nil
	}
	public := text(
		"public-url",
		"Public URL",
		"What do clients use, where it differs?",
		question.Text,
		func(a *question.Answers) *string { return &a.PublicURL },
	)
	public.Validate, public.Advanced = nil, true
	tls := &question.Question{
		ID: "tls", Title: "TLS", Ask: "Where does the certificate come from?", Kind: question.Choice, Help: "Without TLS passwords travel in the clear.",
		Get: func(a *question.Answers) string { return string(a.TLS) },
		Set: func(a *question.Answers, text string) error { a.TLS = setup.TLSMode(text); return nil },
		Choices: func(*machine.Machine, *question.Answers) []question.Option {
			return []question.Option{
				{
					Value: "private-ca",
					Title: "Private CA",
					Text:  "A local CA signs it; clients trust ca.crt once, and rotation needs no new trust.",
				},
				{
					Value: "self-signed",
					Title: "Self-signed",
					Text:  "A single certificate that each client trusts itself.",
				},
				{Value: "files", Title: "My own files", Text: "Certificate and key from elsewhere."},
				{Value: "letsencrypt", Title: "Let's Encrypt", Disabled: "this machine has no public address"},
				{Value: "off", Title: "Off", Text: "Plain HTTP."},
			}
		},
	}
	cert := text(
		"tls-cert",
		"Certificate",
		"Which file holds the certificate chain?",
		question.Path,
		func(a *question.Answers) *string { return &a.CertFile },
	)
	cert.Asked = func(a *question.Answers) bool { return a.TLS == setup.Files }
	key := text(
		"tls-key",
		"Key",
		"Which file holds its key?",
		question.Path,
		func(a *question.Answers) *string { return &a.KeyFile },
	)
	key.Asked = cert.Asked
	days := text("cert-days", "Days", "How many days does the certificate live?", question.Number, nil)
	days.Advanced = true
	days.Get = func(a *question.Answers) string { return fmt.Sprint(a.CertDays) }
	days.Set = func(a *question.Answers, text string) error {
		var n int
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil {
			return errors.New("not a number")
		}
		a.CertDays = n
		return nil
	}
	days.Validate = func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
		if a.CertDays > 825 {
			return []finding.Finding{
				{Severity: finding.Warning, What: "Apple refuses server certificates over 825 days"},
			}
		}
		return nil
	}
	insecure := &question.Question{
		ID: "insecure", Title: "Plain HTTP", Ask: "Passwords cross the network unprotected. Is that wanted?", Kind: question.Confirm,
		Asked: func(a *question.Answers) bool { return a.TLS == setup.Off },
		Get:   func(a *question.Answers) string { return fmt.Sprint(a.Insecure) },
		Set:   func(a *question.Answers, text string) error { a.Insecure = text == "true"; return nil },
		Validate: func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			if !a.Insecure {
				return refused("insecure", "", "plain HTTP has to be confirmed", "")
			}
			return nil
		},
	}
	users := &question.Question{
		ID: "user", Title: "Users", Ask: "Who may come in?", Kind: question.Users, Help: "A reader pulls, a writer pushes, an admin deletes.",
		Get: func(a *question.Answers) string {
			var names []string
			for _, user := range a.Users {
				names = append(names, user.Name+":"+string(user.Role)+":"+user.Source)
			}
			return strings.Join(names, ",")
		},
		Set: func(*question.Answers, string) error { return nil },
		Validate: func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
			admin := false
			for _, user := range a.Users {
				admin = admin || user.Role == setup.Admin
				if strings.Contains(user.Name, ":") {
					return refused("user", user.Name, "a name holds no colon", "")
				}
				if user.Password.Reveal() == user.Name && user.Name != "" {
					return refused("user", user.Name, "the password is the name", "")
				}
			}
			if !admin {
				return refused("user", "", "nobody is an admin", "make somebody one")
			}
			return nil
		},
	}
	storage := &question.Question{
		ID: "storage", Title: "Storage", Ask: "Where is content kept?", Kind: question.Choice,
		Get: func(a *question.Answers) string { return a.Storage },
		Set: func(a *question.Answers, text string) error { a.Storage = text; return nil },
		Choices: func(*machine.Machine, *question.Answers) []question.Option {
			return []question.Option{
				{Value: config.Filesystem, Title: "A directory", Text: "On this machine."},
				{Value: config.InMemory, Title: "Memory", Text: "Everything is lost at restart."},
			}
		},
	}
	path := text(
		"storage-path",
		"Directory",
		"Which directory holds the content?",
		question.Path,
		func(a *question.Answers) *string { return &a.StoragePath },
	)
	path.Asked = func(a *question.Answers) bool { return a.Storage == config.Filesystem }
	return []question.Step{
		{ID: "hostname", Title: "Host name", Questions: []*question.Question{hostname}},
		{ID: "names", Title: "Names in the certificate", Questions: []*question.Question{names}},
		{ID: "address", Title: "Address", Questions: []*question.Question{addr, public}},
		{ID: "tls", Title: "TLS", Questions: []*question.Question{tls, cert, key, days, insecure}},
		{ID: "users", Title: "Users", Questions: []*question.Question{users}},
		{ID: "storage", Title: "Storage", Questions: []*question.Question{storage, path}},
	}
}

func fixturePreview(a question.Answers) []byte {
	return fmt.Appendf(nil, `version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: %s
http:
  addr: %s
  tls:
    certificate: %s/certs/tls.crt
    key: %s/certs/tls.key
# who may come in
auth:
  htpasswd:
    realm: packhouse
    path: %s/auth/htpasswd-basic
`, a.StoragePath, a.Addr, a.Dir, a.Dir, a.Dir)
}

func fixturePlan(kind setup.ChangeKind) func(context.Context, answer.Resolved) (*plan.Plan, error) {
	return func(_ context.Context, resolved answer.Resolved) (*plan.Plan, error) {
		dir := resolved.Answers.Dir
		change := func(name string, meaning ...string) plan.Change {
			return plan.Change{Path: filepath.Join(dir, name), Kind: kind, Mode: 0o600, Meaning: meaning}
		}
		config := change(installation.ConfigFile, "settings of the server")
		config.After = fixturePreview(resolved.Answers)
		return &plan.Plan{
			Dir: dir, Resolved: resolved,
			Changes: []plan.Change{
				config,
				change(
					installation.CertFile,
					"certificate for registry.example.com, registry, 192.0.2.17; until 2027-12-23",
				),
				change(installation.KeyFile, "new key, ecdsa-p256"),
				change(installation.HtpasswdFile, "user admin added as admin", "user spectro added as reader"),
			},
			Passwords: []plan.Password{{User: "admin", Password: generatedWord}},
		}, nil
	}
}

func fixtureReport(ctx context.Context, report func(check.Event), worst check.Status) check.Report {
	results := []check.Result{
		{
			ID:     "configuration",
			Title:  "configuration",
			Status: check.Passed,
			Seen:   "valid, 9 keys",
			Took:   2 * time.Millisecond,
		},
		{
			ID:     "certificate",
			Title:  "certificate",
			Status: check.Passed,
			Seen:   "5 names, each verified as a client would, 397 days",
			Took:   4 * time.Millisecond,
		},
		{
			ID:     "port",
			Title:  "port 5000",
			Status: check.Passed,
			Seen:   "served by this process (fingerprint 3F:A2:77:10)",
			Took:   time.Millisecond,
		},
		{
			ID:     "users",
			Title:  "users",
			Status: check.NotProven,
			Seen:   "the password of spectro is not known",
			Took:   148 * time.Millisecond,
		},
		{
			ID: "round-trip", Title: "round trip", Status: worst, Seen: "pushed, pulled and deleted 1 MiB",
			Finding: finding.Finding{Code: "P-42", What: "the disk is full", Remedy: "free some space below /var/lib/packhouse"}, Took: 1200 * time.Millisecond,
		},
	}
	if worst == check.Passed {
		results[4].Finding = finding.Finding{}
	}
	for i, result := range results {
		if ctx.Err() != nil {
			break
		}
		report(check.Event{Total: len(results), Index: i, ID: result.ID, Title: result.Title, Doing: "looking"})
		report(check.Event{Total: len(results), Index: i, ID: result.ID, Title: result.Title, Result: &result})
	}
	return check.Report{Results: results}
}

// fixtureServer is a server that runs until it is stopped.
type fixtureServer struct{ done chan struct{} }

func (s fixtureServer) Addr() string                   { return "127.0.0.1:5000" }
func (s fixtureServer) Done() <-chan struct{}          { return s.done }
func (s fixtureServer) Shutdown(context.Context) error { close(s.done); return nil }

func fixtureOptions() Options {
	log := logview.New(100)
	o := session.Options{
		Beginning: session.Beginning{
			Machine: fixtureMachine(), Installed: &installation.Installed{Dir: "/etc/packhouse"},
			Resolved: answer.Resolved{
				Answers: fixtureAnswers(),
				Origins: map[string]answer.Origin{"hostname": answer.FromDetection, "storage": answer.FromDefault},
			},
		},
		Steps: fixtureSteps(), Preview: fixturePreview,
		Plan: fixturePlan(setup.Create),
		Apply: func(_ context.Context, p *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
			var changed []string
			for _, c := range p.Changes {
				progress("write", c.Path)
				changed = append(changed, c.Path)
			}
			return &apply.Applied{Changed: changed}, nil
		},
		Start: func(context.Context, *plan.Plan) (installation.Running, error) {
			fmt.Fprintln(log, `time=2026-11-21T08:30:00Z level=INFO msg="listening" addr=:5000`)
			return fixtureServer{make(chan struct{})}, nil
		},
		Prove: func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
			return fixtureReport(ctx, report, check.Passed)
		},
		Card: func(_ context.Context, planned *plan.Plan) plan.Card {
			return plan.Card{
				URL: "https://registry.example.com:5000", Registry: "registry.example.com:5000", User: "admin", Users: slices.Clone(planned.Resolved.Answers.Users),
				CAFile: "/etc/packhouse/certs/ca.crt", Fingerprint: "3F:A2:77:10:58:44:9B:0C:EE:21:35:6F:D0:93:1A:B7:C8:62:04:5D:F1:8E:39:A6:70:BB:42:17:DC:05:E9:8F",
				TrustPrint: "A1:00:77:10:58:44:9B:0C:EE:21:35:6F:D0:93:1A:B7:C8:62:04:5D:F1:8E:39:A6:70:BB:42:17:DC:05:E9:8F",
				Handoff:    "/etc/packhouse/handoff.md", Config: "/etc/packhouse/myconfig.yml",
				Commands: []plan.Command{
					{
						Title: "curl",
						Line:  "curl --cacert /etc/packhouse/certs/ca.crt --user admin https://registry.example.com:5000/v2/_catalog",
					},
					{
						Title: "oras",
						Line:  "oras login --ca-file /etc/packhouse/certs/ca.crt --username admin registry.example.com:5000",
					},
				},
			}
		},
		Size: func() *check.Machine { return &check.Machine{CPUs: 2, Memory: 4 << 30} },
	}
	return Options{
		Options: o, Out: os.Stderr, Log: log,
		Now: func() time.Time { return time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC) },
	}
}
