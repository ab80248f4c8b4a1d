package check

import (
	"context"
	"fmt"
	"time"
)

// proof is one row of the list.
type proof struct {
	id    string
	title string
	prove func(context.Context, *session) Result
}

// IDs that other rows refer to.
const (
	configurationID = "configuration"
	portID          = "port"
	roundTripID     = "round-trip"
)

// list is the one list of checks, in the order in which one failing explains the next.
var list = []proof{
	{configurationID, "configuration", proveConfiguration},
	{"files", "files", proveFiles},
	{"certificate", "certificate", proveCertificate},
	{portID, "port", provePort},
	{"health", "health", proveHealth},
	{"anonymous", "no credentials", proveAnonymous},
	{"wrong-password", "wrong password", proveWrongPassword},
	{"users", "users", proveUsers},
	{"roles", "roles", proveRoles},
	{roundTripID, "round trip", proveRoundTrip},
	{"storage", "storage", proveStorage},
}

// Titles returns the titles of all checks, in order, for a face that shows them before they run.
func Titles() []string {
	titles := make([]string, len(list))
	for i, p := range list {
		titles[i] = p.title
	}
	return titles
}

// Run proves an installation and tells report (nil: nobody) how it goes on. When ctx ends the checks that are left are not proven.
func Run(ctx context.Context, t Target, report func(Event)) Report {
	if report == nil {
		report = func(Event) {}
	}
	s := newSession(t)
	defer s.client.CloseIdleConnections()
	var r Report
	for i, p := range list {
		event := Event{Total: len(list), Index: i, ID: p.id, Title: p.title}
		s.doing = func(what string) {
			event.Doing = what
			report(event)
		}
		s.doing("looking")
		began := time.Now()
		result := s.prove(ctx, p)
		result.ID, result.Title, result.Took = p.id, p.title, time.Since(began)
		s.done[p.id] = result.Status
		r.Results = append(r.Results, result)
		event.Doing, event.Result = "", &result
		report(event)
	}
	return r
}

func (s *session) prove(ctx context.Context, p proof) Result {
	if ctx.Err() != nil {
		return notProven("stopped before this check")
	}
	result := p.prove(ctx, s)
	if ctx.Err() != nil && result.Status == Failed {
		return notProven("stopped during this check")
	}
	return result
}

func passed(format string, args ...any) Result {
	return Result{Status: Passed, Seen: fmt.Sprintf(format, args...)}
}

func notProven(format string, args ...any) Result {
	return Result{Status: NotProven, Seen: fmt.Sprintf(format, args...)}
}

func failed(code, seen, cause, remedy string) Result {
	return Result{Status: Failed, Seen: seen, Code: code, Cause: cause, Remedy: remedy}
}

func warning(code, seen, cause, remedy string) Result {
	return Result{Status: Warning, Seen: seen, Code: code, Cause: cause, Remedy: remedy}
}
