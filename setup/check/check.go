// Package check verifies an installation: files, names and certificates, and the server as clients
// see it.
//
// There is one list of checks. A check passes if it observed that something works. What cannot be
// verified is "not proven", with the reason. All other checks fail, with a cause, a remedy and a
// stable code that docs/troubleshooting.md explains.
package check

import (
	"context"
	"encoding/json"
	"time"

	"packhouse/finding"
)

// Status is the outcome of a check.
type Status string

// Outcomes. A warning is a finding that does not break anything today.
const (
	Passed    Status = "passed"
	Warning   Status = "warning"
	Failed    Status = "failed"
	NotProven Status = "not proven"
)

// Result is the outcome of one check.
type Result struct {
	ID      string          // stable: "certificate", "port", "round-trip", …
	Title   string          // a word or two for people
	Status  Status          //
	Seen    string          // what was observed, or why nothing could be verified
	Finding finding.Finding // the cause and its remedy; zero if there is nothing to explain
	Advice  string          // a possible improvement, although nothing is wrong; may have several lines
	Took    time.Duration
}

// MarshalJSON encodes r without nesting: the finding's What as cause, and the duration in
// milliseconds, as tookMs.
func (r Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID     string `json:"id"`
		Title  string `json:"title"`
		Status Status `json:"status"`
		Seen   string `json:"seen"`
		Code   string `json:"code,omitempty"`
		Cause  string `json:"cause,omitempty"`
		Remedy string `json:"remedy,omitempty"`
		Advice string `json:"advice,omitempty"`
		TookMs int64  `json:"tookMs"`
	}{r.ID, r.Title, r.Status, r.Seen, r.Finding.Code, r.Finding.What, r.Finding.Remedy, r.Advice, r.Took.Milliseconds()})
}

// Event reports the progress of a run.
type Event struct {
	Total  int     // checks in this run
	Index  int     // of this check, from 0
	ID     string  // of this check
	Title  string  // of this check
	Doing  string  // current activity: "pushing 1 MiB"; empty when it is done
	Result *Result // set when it is done
}

// Report is the result of a completed run.
type Report struct {
	Results []Result `json:"results"`
}

// Worst returns the most severe status of the run: Failed, then Warning, then NotProven, then
// Passed.
func (r Report) Worst() Status {
	worst, rank := Passed, map[Status]int{Passed: 0, NotProven: 1, Warning: 2, Failed: 3}
	for _, result := range r.Results {
		if rank[result.Status] > rank[worst] {
			worst = result.Status
		}
	}
	return worst
}

// NeedsAttention reports whether a check failed or warned. Commands that run the checks then exit
// with status 4.
func (r Report) NeedsAttention() bool { return r.Worst() == Failed || r.Worst() == Warning }

// User is an account that the checks sign in with.
type User struct {
	Name     string
	Role     string        // reader, writer or admin
	Password func() []byte // nil: unknown, so not proven
	Initial  bool          // it was generated and is still in initial-passwords
}

// Prober returns a one-minute identity with a role, so that the checks test roles without a user's
// password. It is nil if no server of the installation can be reached.
type Prober func(ctx context.Context, role string) (user, password string, err error)
