package tui

import (
	"context"
	"fmt"
	"testing"
	"time"

	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// TestDashboardCounts: every request is counted once, however the log is read, and what the checks
// ask for is nobody's: neither while they run, nor by their names when a line of theirs comes late.
func TestDashboardCounts(t *testing.T) {
	time.Local = time.UTC //nolint:reassign // the screen shows local time
	o := fixtureOptions()
	now := time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)
	o.Now = func() time.Time { return now }
	o.Observe = func(context.Context) *installation.State { return fixtureState() }
	o.Prove = func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		fmt.Fprintln(
			o.Log, "time=2026-11-21T08:30:00Z level=INFO msg=request method=GET path=/v2/ status=401 duration=1ms",
		)
		return fixtureReport(ctx, report, check.Passed)
	}
	s := open(t, o, 100, 30)
	s.keys(journeyTo("9-serving"))
	s.wants(
		"0.0/s over the last minute, 0 in all, 0 refused, 0 errors", "none yet",
		"70 GiB of 252 GiB free in /var/lib/packhouse", "20 days left, until 2026-12-11",
	)
	line := func(method, path string, status int) {
		fmt.Fprintf(
			o.Log,
			"time=2026-11-21T08:30:00Z level=INFO msg=request method=%s path=%s status=%d user=ci duration=1ms\n",
			method, path, status,
		)
		s.send(logMsg{})
	}
	for range 9 {
		line("GET", "/v2/", 200)
	}
	line("PUT", "/v2/team/nginx/manifests/1.25", 201)
	line("PUT", "/v2/packhouse-probe/x/manifests/1", 201)
	line("GET", "/v2/packhouse-probe/x/manifests/1", 404)
	line("GET", "/v2/team/nginx/manifests/9", 404)
	line("GET", "/v2/team/nginx/manifests/8", 500)
	s.send(logMsg{})
	s.wants("0.2/s over the last minute, 12 in all, 1 refused, 1 error", "team/nginx:1.25, by ci at 08:30:00")
	now = now.Add(2 * time.Minute)
	s.send(mailMsg{s.m.screens[serving], beatMsg{}})
	s.wants("0.0/s over the last minute, 12 in all")
	for range 300 { // more than the log keeps: what fell out of it was counted before
		line("GET", "/v2/", 200)
	}
	s.wants("312 in all")
	s.keys("<esc>")
	s.send(mailMsg{s.m.screens[serving], beatMsg{}})
	if s.m.screens[serving].(*logScreen).beating {
		t.Error("the clock goes on where nobody looks")
	}
}
