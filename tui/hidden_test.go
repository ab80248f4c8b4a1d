package tui

import (
	"context"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/question"
)

const hiddenWord = "AKsecretThatNobodySees+/="

// bucketOptions ask about a bucket whose engine takes one secret key only.
func bucketOptions() Options {
	o := fixtureOptions()
	o.Resolved.Answers.Storage = config.S3
	o.Resolved.Answers.S3 = config.S3Storage{
		Bucket:    "registry",
		Region:    "us-east-1",
		AccessKey: "KEY",
		SecretKey: "given before",
	}
	o.Machine.TryStorage = func(_ context.Context, s config.Storage) []finding.Trial {
		if s.S3.SecretKey.Reveal() != hiddenWord {
			return []finding.Trial{{Finding: finding.Finding{
				Subject: finding.Subject{Check: "signature"},
				What:    "the S3 service does not accept the keys",
			}, Tried: true}}
		}
		return []finding.Trial{{
			Finding: finding.Finding{Subject: finding.Subject{Check: "put"}, What: "writing works"},
			Tried:   true, Passed: true,
		}}
	}
	o.Steps = nil
	for _, step := range question.Steps() {
		if step.ID == "storage" {
			o.Steps = append(o.Steps, step)
		}
	}
	return o
}

// TestHiddenIsNeverDrawn: what is typed into a hidden question reaches the answers and no frame;
// what trying it found stands beside the question that can mend it.
func TestHiddenIsNeverDrawn(t *testing.T) {
	s := open(t, bucketOptions(), 80, 24)
	s.seen = func(frame string) {
		if strings.Contains(frame, hiddenWord) || strings.Contains(frame, "given before") {
			t.Errorf("the secret is drawn:\n%s", frame)
		}
	}
	s.keys(enters(6))
	s.wants("What is its secret key?", "the S3 service does not accept the keys", "(given, not shown)")
	s.keys(hiddenWord)
	s.wants("••••")
	s.wantsNot("does not accept")
	if got := s.m.session.Answers.S3.SecretKey.Reveal(); got != hiddenWord {
		t.Errorf("the answer is %q", got)
	}
	s.keys("<enter><enter>")
	s.wantsNot("does not accept")
	if s.m.place == asking {
		t.Errorf("still asking:\n%s", s.text())
	}
}

// TestHiddenLineByLine: likewise where questions are lines.
func TestHiddenLineByLine(t *testing.T) {
	out, outcome, _ := typeLines(t, bucketOptions(), "\n\n\n\n"+hiddenWord+"\n\n")
	if strings.Contains(out, hiddenWord) || strings.Contains(out, "given before") {
		t.Errorf("the secret is said:\n%s", out)
	}
	if got := outcome.Resolved.Answers.S3.SecretKey.Reveal(); got != hiddenWord {
		t.Errorf("the answer is %q:\n%s", got, out)
	}
}
