package tui

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/tui/session"
)

const servedPrint = "3F:A2:77:10:58:44:9B:0C:EE:21:35:6F:D0:93:1A:B7:C8:62:04:5D:F1:8E:39:A6:70:BB:42:17:DC:05:E9:8F"

func fixtureState() *installation.State {
	now := time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)
	return &installation.State{
		Dir: "/etc/packhouse", URL: "https://registry.example.com:5000",
		Certificate: &installation.CertificateState{
			Path: "/etc/packhouse/certs/tls.crt", Names: []string{"registry.example.com", "registry", "localhost", "192.0.2.17"}, Ends: now.AddDate(0, 0, 20),
			DaysLeft: 20, CloseEnd: true, Fingerprint: servedPrint, Made: true, Missing: []machine.Address{{Addr: netip.MustParseAddr("192.0.2.18"), Interface: "eth1", Global: true}},
		},
		Users: []setup.User{{Name: "admin", Role: setup.Admin}, {Name: "spectro", Role: setup.Reader}},
		Storage: installation.StorageState{
			Driver: config.Filesystem,
			Path:   "/var/lib/packhouse",
			Free:   70 << 30,
			Total:  252 << 30,
		},
		Server: installation.ServerState{
			Up:          true,
			PID:         812,
			Since:       now.AddDate(0, 0, -3),
			Address:     ":5000",
			Fingerprint: servedPrint,
		},
		Drift:  []installation.Drift{{Path: "auth/htpasswd-basic", What: "mode 0644, was 0600"}},
		Backup: now.AddDate(0, 0, -3), Before: true,
	}
}

// managed makes a manager of the options of a wizard.
func managed(o Options) Options {
	b := session.Beginning{Machine: o.Machine, Installed: o.Installed, Resolved: o.Resolved, State: fixtureState()}
	for i := range b.Resolved.Answers.Users {
		b.Resolved.Answers.Users[i].Source, b.Resolved.Answers.Users[i].Password = setup.Kept, ""
	}
	o.Title = "packhouse"
	o.Begin = func(context.Context) (session.Beginning, error) { return b, nil }
	o.Rollback = func(context.Context) (*plan.Plan, error) {
		return &plan.Plan{Dir: "/etc/packhouse", Changes: []plan.Change{{
			Path: filepath.Join(
				"/etc/packhouse", installation.HtpasswdFile,
			), Kind: setup.Update, Secret: true, Meaning: []string{"as it was before the last setup"},
		}}}, nil
	}
	return o
}

func TestManagerScreens(t *testing.T) {
	time.Local = time.UTC //nolint:reassign // the screens show local time
	for _, size := range [][2]int{{200, 50}, {80, 24}, {40, 12}} {
		for _, stop := range []struct{ name, keys string }{
			{"state", ""}, {"jobs", "<end>"}, {"rotate", "<enter>"}, {"users", "<down><enter>"}, {"settings", "<down><down><enter>"}, {"rollback", "<end><up><up><enter>"},
		} {
			name := fmt.Sprintf("manager-%s-%dx%d", stop.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				o := managed(fixtureOptions())
				o.Plan = fixturePlan(setup.Update)
				s := open(t, o, size[0], size[1])
				s.keys(stop.keys)
				golden(t, name, s.text())
			})
		}
	}
}

// TestManagerTellsWhatIsWrong: each fault of an installation is on its first screen, in words.
func TestManagerTellsWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(s *installation.State)
		says  string
	}{
		{"old certificate served", func(s *installation.State) { s.Server.Fingerprint = strings.Replace(servedPrint, "3F:A2", "11:11", 1) }, "another certificate than the one on disk"},
		{"no server", func(s *installation.State) { s.Server = installation.ServerState{} }, "not running"},
		{"server out of reach", func(s *installation.State) {
			s.Server = installation.ServerState{Problem: "cannot be asked: permission denied"}
		}, "permission denied"},
		{"expired", func(s *installation.State) { s.Certificate.DaysLeft = -3 }, "expired on 2026-12-11"},
		{"near its end", func(*installation.State) {}, "20 days left, until 2026-12-11: time to renew it"},
		{"address not covered", func(*installation.State) {}, "192.0.2.18 (eth1) is an address of this machine and not in it"},
		{"address gone", func(s *installation.State) { s.Certificate.Foreign = []string{"192.0.2.99"} }, "not of this machine now: 192.0.2.99"},
		{"key does not fit", func(s *installation.State) { s.Certificate.Problem = "the key is of another certificate" }, "the key is of another certificate"},
		{"nobody", func(s *installation.State) { s.Users = nil }, "there is no user"},
		{"disk full", func(s *installation.State) { s.Storage.Free = 10 << 20 }, "only 10 MiB of 252 GiB free"},
		{"files changed", func(*installation.State) {}, "auth/htpasswd-basic: mode 0644, was 0600 since setup wrote it"},
		{"restart due", func(s *installation.State) { s.Server.Restart = []string{"http.addr"} }, "a restart is due for http.addr"},
		{"fault of the server", func(s *installation.State) { s.Server.Faults = []string{"/health says DOWN: storage-full"} }, "storage-full"},
		{"refused file", func(s *installation.State) { s.Findings = refused("", "", "myconfig.yml:3: no such key", "") }, "myconfig.yml:3: no such key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := managed(fixtureOptions())
			b, _ := o.Begin(t.Context())
			tc.fault(b.State)
			s := open(t, o, 120, 40)
			s.wants(tc.says)
		})
	}
}

// TestManagerGoesRound: a job is reviewed, written, proven, and leads back to a state that was read
// anew.
func TestManagerGoesRound(t *testing.T) {
	o := managed(fixtureOptions())
	begin, looked := o.Begin, 0
	o.Begin = func(ctx context.Context) (session.Beginning, error) { looked++; return begin(ctx) }
	var rotated []bool
	o.Plan = func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
		rotated = append(rotated, resolved.Answers.RotateCert)
		planned, err := fixturePlan(setup.Update)(ctx, resolved)
		planned.Passwords = nil
		return planned, err
	}
	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) { return nil, nil }
	s := open(t, o, 80, 24)
	s.keys("<enter><enter>")
	s.wants("files are replaced: w writes them")
	s.keys("w")
	s.wants("4 of 5 checks passed")
	s.keys("<enter>")
	s.wants("The registry works")
	s.keys("<enter>")
	s.wants("This installation", "Renew the certificate")
	if looked != 2 {
		t.Errorf("looked at the installation %d times, want 2", looked)
	}
	s.keys("<down><down><down><down><enter>") // Check
	s.wants("4 of 5 checks passed")
	if want := []bool{true, false}; fmt.Sprint(rotated) != fmt.Sprint(want) {
		t.Errorf("plans with a new certificate: %v, want %v", rotated, want)
	}
	s.keys("<esc>q")
	if !s.left || s.m.session.Outcome.ExitCode() != 0 {
		t.Errorf("left %v with %d", s.left, s.m.session.Outcome.ExitCode())
	}
}

// TestManagerOffersWhatCanBeDone: while it looks at the installation again, the old state is still
// on the screen, and enter does nothing.
func TestManagerOffersWhatCanBeDone(t *testing.T) {
	o, _ := refusing(t, true)
	for _, keys := range []string{"r", "<enter><esc>", "<enter><enter>w<enter>"} {
		s := open(t, o, 100, 40)
		looks := 0
		s.seen = func(frame string) {
			if (s.m.place == managing || s.m.place == repairing) && s.m.job != nil {
				looks++
				if strings.Contains(frame, "do it") {
					t.Errorf("%s: enter is offered, and does nothing:\n%s", keys, ansi.Strip(frame))
				}
			}
		}
		s.keys(keys)
		if looks == 0 {
			t.Errorf("%s: nothing was looked at", keys)
		}
		if s.wants("do it"); s.m.job != nil {
			t.Errorf("%s: it still looks", keys)
		}
	}
}

func TestManagerClosesJobs(t *testing.T) {
	o := managed(fixtureOptions())
	b, _ := o.Begin(t.Context())
	b.State.Certificate.Made, b.State.Backup = false, time.Time{}
	s := open(t, o, 80, 24)
	s.keys("<enter>")
	s.wants("this is your own certificate")
	s.keys("<end><up><up><enter>")
	s.wants("there is no backup")
	b.State.Backup = time.Now()
	o.Rollback = func(context.Context) (*plan.Plan, error) { return nil, errors.New("read backup: it is damaged") }
	s = open(t, o, 80, 24)
	s.keys("<end><up><up><enter>")
	s.wants("read backup: it is damaged")
	s.keys("<esc>")
	s.wants("This installation")
}

// TestOfferToRollBack: after a check that failed, the wizard goes back where somebody wants that,
// and shows before what that means.
func TestOfferToRollBack(t *testing.T) {
	o := fixtureOptions()
	o.Rollback = managed(o).Rollback
	o.Prove = func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		return fixtureReport(ctx, report, check.Failed)
	}
	applied := 0
	carryOut := o.Apply
	o.Apply = func(ctx context.Context, planned *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
		applied++
		return carryOut(ctx, planned, progress)
	}
	o.Reread = func(context.Context) (*installation.Installed, error) {
		return &installation.Installed{Dir: "/etc/packhouse"}, nil
	}
	server := fixtureServer{make(chan struct{})}
	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) { return server, nil }
	s := open(t, o, 100, 30)
	s.keys(journeyTo("8-checks"))
	s.wants("1 failed", "b roll back")
	s.keys("b")
	s.wants("Roll back", "as it was before the last setup")
	s.keys("<enter>")
	s.wants("w writes them")
	s.keys("w")
	s.wants("everything is as it was before; the answers are still here")
	if applied != 2 {
		t.Errorf("applied %d plans, want 2", applied)
	}
	select {
	case <-server.done:
	default:
		t.Error("the server still runs on files that are gone")
	}
	s.keys("<ctrl+c>")
	if o := s.m.session.Outcome; o.Stage != session.Asked || len(o.Unseen) > 0 {
		t.Errorf("stage %d, %d passwords unseen: nothing was left behind", o.Stage, len(o.Unseen))
	}
}

func journeyTo(name string) string {
	for _, stop := range journey {
		if stop.name == name {
			return stop.keys
		}
	}
	panic("no such stop: " + name)
}
