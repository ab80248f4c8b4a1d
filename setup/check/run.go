package check

import (
	"context"
	"fmt"
	"slices"
	"time"

	"packhouse/finding"
	"packhouse/printable"
)

// proof is one check of the list.
type proof struct {
	id    string
	title string
	prove func(context.Context, *session) Result
	kind  kind
}

// kind determines when a check runs.
type kind int

const (
	inTurn   kind = iota // in order; may use earlier results
	aside                // in the background from the start: does not depend on the server
	thorough             // in order, but writes or takes long: skipped by --quick
)

// IDs that other checks refer to.
const (
	configurationID = "configuration"
	certificateID   = "certificate"
	portID          = "port"
	roundTripID     = "round-trip"
	packsID         = "packs"
)

// list holds all checks, ordered so that an earlier failure explains later ones.
var list = []proof{
	{configurationID, "configuration", proveConfiguration, inTurn},
	{"files", "files", proveFiles, inTurn},
	{"machine", "machine", proveMachine, inTurn},
	{certificateID, "certificate", proveCertificate, inTurn},
	{"name", "name", proveName, aside},
	{"clock", "clock", proveClock, aside},
	{portID, "port", provePort, inTurn},
	{"health", "health", proveHealth, inTurn},
	{"anonymous", "no credentials", proveAnonymous, inTurn},
	{"wrong-password", "wrong password", proveWrongPassword, inTurn},
	{"users", "users", proveUsers, inTurn},
	{"roles", "roles", proveRoles, thorough},
	{roundTripID, "round trip", proveRoundTrip, thorough},
	{"storage", "storage", proveStorage, inTurn},
	{packsID, "packs", provePacks, thorough},
	{"firewall", "firewall", proveFirewall, aside}, // the slowest, in the background
}

// remote holds the checks that apply to a remote registry.
var remote = []proof{
	{"name", "name", proveRemoteName, inTurn},
	{portID, "port", proveRemotePort, inTurn},
	{certificateID, "certificate", proveRemoteCertificate, inTurn},
	{"clock", "clock", proveRemoteClock, inTurn},
	{"health", "health", proveHealth, inTurn},
	{"anonymous", "no credentials", proveAnonymous, inTurn},
	{"wrong-password", "wrong password", proveWrongPassword, inTurn},
	{"users", "user", proveUsers, inTurn},
	{"roles", "role", proveRemoteRole, thorough},
	{roundTripID, "round trip", proveRoundTrip, thorough},
}

// Run runs the checks and passes their progress to report, which may be nil. If ctx ends, the
// remaining checks are not proven.
func Run(ctx context.Context, t Target, report func(Event)) Report {
	if report == nil {
		report = func(Event) {}
	}
	s := newSession(t)
	defer s.client.CloseIdleConnections()
	rows := list
	if t.Remote {
		rows = remote
	}
	if t.NoPacks {
		rows = slices.DeleteFunc(slices.Clone(rows), func(p proof) bool { return p.id == packsID })
	}
	begun := s.begin(ctx, rows)
	var r Report
	for i, p := range rows {
		event := Event{Total: len(rows), Index: i, ID: p.id, Title: p.title}
		s.doing = func(what string) {
			event.Doing = what
			report(event)
		}
		s.doing("looking")
		var result Result
		if early, ok := begun[p.id]; ok {
			result = <-early
		} else {
			result = s.prove(ctx, p)
		}
		s.done[p.id] = result.Status
		r.Results = append(r.Results, result)
		event.Doing, event.Result = "", &result
		report(event)
	}
	return r
}

// begin starts the checks that run in the background. They do not see other results and report no
// progress.
func (s *session) begin(ctx context.Context, rows []proof) map[string]chan Result {
	begun := map[string]chan Result{}
	for _, p := range rows {
		if p.kind != aside {
			continue
		}
		result := make(chan Result, 1)
		begun[p.id] = result
		go func() { result <- s.prove(ctx, p) }()
	}
	return begun
}

func (s *session) prove(ctx context.Context, p proof) Result {
	began := time.Now()
	var r Result
	switch {
	case ctx.Err() != nil:
		r = notProven("stopped before this check")
	case s.Quick && p.kind == thorough:
		r = notProven("left out by --quick")
	default:
		r = p.prove(ctx, s)
		if ctx.Err() != nil && (r.Status == Failed || r.Status == Warning) {
			r = notProven("stopped during this check")
		}
	}
	if s.Pasteable != nil {
		r = s.Pasteable(r)
	}
	printable.Value(&r) // it may quote another server's response
	r.ID, r.Title, r.Took = p.id, p.title, time.Since(began)
	return r
}

func passed(format string, args ...any) Result {
	return Result{Status: Passed, Seen: fmt.Sprintf(format, args...)}
}

func notProven(format string, args ...any) Result {
	return Result{Status: NotProven, Seen: fmt.Sprintf(format, args...)}
}

// unproven returns a NotProven result with a cause and a remedy.
func unproven(code, seen, cause, remedy string) Result {
	return Result{
		Status: NotProven, Seen: seen,
		Finding: finding.Finding{Code: code, Severity: finding.Note, What: cause, Remedy: remedy},
	}
}

func failed(code, seen, cause, remedy string) Result {
	return Result{
		Status: Failed, Seen: seen,
		Finding: finding.Finding{Code: code, Severity: finding.Refused, What: cause, Remedy: remedy},
	}
}

func warning(code, seen, cause, remedy string) Result {
	return Result{
		Status: Warning, Seen: seen,
		Finding: finding.Finding{Code: code, Severity: finding.Warning, What: cause, Remedy: remedy},
	}
}
