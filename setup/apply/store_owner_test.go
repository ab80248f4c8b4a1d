package apply

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestFormerStoreIsForgotten verifies that the record in a store that the installation no longer uses does not count
// as a file of the installation, also when no backup names that store any more.
func TestFormerStoreIsForgotten(t *testing.T) {
	m, base := machinetest.New(t, &machinetest.Host{}), t.TempDir()
	dir := filepath.Join(base, "packhouse")
	install(t, m, dir, answer.Values{"storage-path": {filepath.Join(base, "first")}})
	install(t, m, dir, answer.Values{"storage-path": {filepath.Join(base, "second")}})
	if err := os.RemoveAll(filepath.Join(dir, installation.BackupDir)); err != nil {
		t.Fatal(err)
	}
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Drift) > 0 {
		t.Errorf("differences of an unchanged installation: %v", in.Drift)
	}
}

// TestTakeOverIsAsked verifies that setup asks about a take-over exactly if another installation owns the store, that
// no is the default and refused, and that consent does not extend to another directory.
func TestTakeOverIsAsked(t *testing.T) {
	m, base := machinetest.New(t, &machinetest.Host{}), t.TempDir()
	owned, other := filepath.Join(base, "owned"), filepath.Join(base, "other")
	install(t, m, filepath.Join(base, "first"), answer.Values{"storage-path": {owned}})
	install(t, m, filepath.Join(base, "second"), answer.Values{"storage-path": {other}})

	dir := filepath.Join(base, "third")
	_, resolved := answertest.Resolve(t, m, dir, answer.Values{"storage-path": {filepath.Join(base, "fresh")}})
	a, path, q := resolved.Answers, answertest.Question(t, "storage-path"), answertest.Question(t, "take-over-store")
	set := func(q *question.Question, text string) {
		t.Helper()
		if err := q.Set(&a, text); err != nil {
			t.Fatal(err)
		}
	}
	if q.Asked(&a) {
		t.Error("asked about a store of no installation")
	}
	set(path, owned)
	if !q.Asked(&a) || q.Get(&a) != "false" {
		t.Errorf("asked: %v, by default %s; want true, false", q.Asked(&a), q.Get(&a))
	}
	findings := q.Validate(t.Context(), m, &a)
	if !finding.AnyRefused(findings) || !strings.Contains(findings[0].What, filepath.Join(base, "first")) {
		t.Errorf("no: %v, want a refusal that names the owner", findings)
	}
	set(q, "true")
	set(path, owned)
	if findings := q.Validate(t.Context(), m, &a); finding.AnyRefused(findings) || !a.TakeOver {
		t.Errorf("yes: %v, %v", a.TakeOver, findings)
	}
	set(path, other)
	if !q.Asked(&a) || q.Get(&a) != "false" {
		t.Errorf("another directory: asked: %v, answer %s; want true, false", q.Asked(&a), q.Get(&a))
	}

	// An installation that uses the store can change other settings.
	plan := install(t, m, dir, answer.Values{"storage-path": {owned}, "take-over-store": {"true"}})
	change := plan.Change(filepath.Join(owned, filepath.FromSlash(installation.OwnerFile)))
	if want := "no longer the one in " + filepath.Join(base, "first"); change == nil ||
		!strings.Contains(strings.Join(change.Meaning, " "), want) {
		t.Errorf("the review does not name the former owner: %+v", change)
	}
	_, resolved = answertest.Resolve(t, m, filepath.Join(base, "first"), nil)
	if findings := q.Validate(t.Context(), m, &resolved.Answers); !q.Asked(&resolved.Answers) ||
		finding.AnyRefused(findings) ||
		len(findings) != 1 {
		t.Errorf("former owner: asked: %v, %v", q.Asked(&resolved.Answers), findings)
	}

	// The answer applies once: answers.yml is for the next machine.
	in, resolved := answertest.Resolve(t, m, dir, nil)
	if q.Asked(&resolved.Answers) {
		t.Error("the new owner is asked again")
	}
	if data, err := os.ReadFile(in.Path(installation.AnswersFile)); err != nil ||
		strings.Contains(string(data), "take-over-store") {
		t.Errorf("answers: %v\n%s", err, data)
	}
}
