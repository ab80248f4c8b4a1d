package question_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestBucketIsRefused: what cannot work is refused before anything is written, with the question that can mend it.
func TestBucketIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name           string
		change         answer.Values
		question, code string
		says           string
		tried          bool
	}{
		{"no bucket", answer.Values{"s3-bucket": nil}, "s3-bucket", setup.CodeMissing, "bucket is missing", false},
		{"a URL for a bucket", answer.Values{"s3-bucket": {"s3://registry"}}, "s3-bucket", setup.CodeValue, "is not a valid bucket name", false},
		{"a path for a bucket", answer.Values{"s3-bucket": {"registry/v2"}}, "s3-bucket", setup.CodeValue, "is not a valid bucket name", false},
		{"an engine without a scheme", answer.Values{"s3-endpoint": {"minio:9000"}}, "s3-endpoint", setup.CodeURL, "not the URL", false},
		{"an engine with a user", answer.Values{"s3-endpoint": {"https://a:b@minio"}}, "s3-endpoint", setup.CodeURL, "not the URL", false},
		{"an engine with the bucket", answer.Values{"s3-endpoint": {"https://minio/registry"}}, "s3-endpoint", setup.CodeURL, "not the URL", false},
		{"no region", answer.Values{"s3-region": {""}}, "s3-region", setup.CodeMissing, "region of the bucket", false},
		{"a region with a space", answer.Values{"s3-region": {"us east"}}, "s3-region", setup.CodeValue, "not a region", false},
		{"no secret", answer.Values{"s3-secret-key-file": nil}, "s3-secret-key", setup.CodeMissing, "PACKHOUSE_S3_SECRET_KEY", false},
		{"no file with a secret", answer.Values{"s3-secret-key-file": {"/nowhere"}}, "s3-secret-key", setup.CodeUnread, "/nowhere", false},
		{"a file with two lines", answer.Values{"s3-secret-key-file": {answertest.WriteFile(t, []byte("a\nb\n"), 0o600)}}, "s3-secret-key", setup.CodeUnread, "one line", false},
		{"a CA that is not there", answer.Values{"s3-ca-file": {"/nowhere"}}, "s3-ca-file", setup.CodeUnread, "/nowhere", false},
		{"a CA that is none", answer.Values{"s3-ca-file": {answertest.WriteFile(t, []byte("hello"), 0o644)}}, "s3-ca-file", "cert-not-pem", "PEM", false},
		{"a bucket that is not used", answer.Values{"storage": nil}, "storage", setup.CodeConflict, "add --storage s3", false},
		{"a prefix that leaves", answer.Values{"s3-root": {"/a/../b"}}, "s3-root", setup.CodeValue, "prefix", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, e := answertest.BucketMachine(t, "")
			flags := answertest.InDir(answertest.BucketFlags(t, "secret"), filepath.Join(t.TempDir(), "packhouse"))
			for name, value := range tc.change {
				if flags[name] = value; value == nil {
					delete(flags, name)
				}
			}
			_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags})
			if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
				return f.Severity == finding.Refused && f.Code == tc.code && f.Question == tc.question &&
					strings.Contains(f.String(), tc.says)
			}) {
				t.Errorf("no finding %s of %s in %v", tc.code, tc.question, findings)
			}
			if n := len(slices.DeleteFunc(findings, func(f finding.Finding) bool {
				return f.Severity != finding.Refused || f.Question != tc.question
			})); n != 1 {
				t.Errorf("%d findings refuse the answer to %s, want 1", n, tc.question)
			}
			if len(e.Asked) > 0 {
				t.Error("the engine was asked in spite of it")
			}
		})
	}
}

// TestRightsAreToldApart: every right has a code and a question of its own, and only the lack of conditional writes can be lived with.
func TestRightsAreToldApart(t *testing.T) {
	codes := map[string]bool{}
	for _, r := range question.S3Rights {
		m, _ := answertest.BucketMachine(t, r.Right)
		_, findings := answer.Resolve(
			t.Context(), m, nil,
			answer.Input{Flags: answertest.InDir(answertest.BucketFlags(t, "secret"), filepath.Join(t.TempDir(), "packhouse"))},
		)
		want := finding.Refused
		if r.Right == "conditions" {
			want = finding.Warning
		}
		i := slices.IndexFunc(findings,
			func(f finding.Finding) bool { return strings.Contains(f.What, r.Right+" was tried") })
		if i < 0 || findings[i].Severity != want || findings[i].Code != r.Code || findings[i].Question != r.Question ||
			findings[i].Remedy == "" {
			t.Errorf("%s: %v", r.Right, findings)
			continue
		}
		if answertest.Question(t, r.Question) == nil || answertest.Question(t, r.Question).FlagNames()[0] != r.Flag {
			t.Errorf("%s: no question %s with the flag %s", r.Right, r.Question, r.Flag)
		}
		codes[findings[i].Code] = true
	}
	if len(codes) != len(answertest.Checks) || len(codes) != len(question.S3Rights) {
		t.Errorf("%d codes for %d rights", len(codes), len(question.S3Rights))
	}
}

// TestTheTrialKnowsTheRemedy: what saw how it failed says what to do, in the words of whoever asks.
func TestTheTrialKnowsTheRemedy(t *testing.T) {
	for _, tc := range []struct {
		right        string
		remedy       finding.Text
		checks, want string
	}{
		{
			"region", finding.Textf("set %s to eu-west-1", finding.Ref{Key: "storage.s3.region", Text: "storage.s3.region"}),
			"set storage.s3.region to eu-west-1", "set --s3-region to eu-west-1",
		},
		{
			"tls", finding.Textf("write http:// %s", finding.Ref{Key: "storage.s3.regionendpoint", Text: "in storage.s3.regionendpoint, or secure: false", In: true}),
			"write http:// in storage.s3.regionendpoint, or secure: false", "write http:// in --s3-endpoint",
		},
		{
			"bucket", finding.Textf("try again later; if it lasts, see the log of the S3 service"),
			"try again later; if it lasts, see the log of the S3 service", "try again later; if it lasts, see the log of the S3 service",
		},
	} {
		m := machinetest.New(t, &machinetest.Host{})
		m.TryStorage = func(context.Context, config.Storage) []finding.Trial {
			failed := finding.Finding{Subject: finding.Subject{Check: tc.right}, What: "it failed"}
			return []finding.Trial{{Finding: failed.WithRemedy(tc.remedy), Tried: true}}
		}
		_, findings := answer.Resolve(
			t.Context(), m, nil,
			answer.Input{Flags: answertest.InDir(answertest.BucketFlags(t, "secret"), filepath.Join(t.TempDir(), "packhouse"))},
		)
		i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.What == "it failed" })
		if i < 0 || findings[i].Remedy != tc.want {
			t.Errorf("%s: %v, want the remedy %q", tc.right, findings, tc.want)
		}
		if judged := question.JudgeTrials("registry", m.TryStorage(t.Context(), config.Storage{})); len(judged) != 1 ||
			judged[0].Remedy != tc.checks {
			t.Errorf("%s, for the checks: %v", tc.right, judged)
		}
	}
}

// TestBucketIsTriedOnce: with what was answered; not at all offline, by a wizard that tries later, or where content is kept elsewhere.
func TestBucketIsTriedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packhouse")
	for _, tc := range []struct {
		name   string
		change answer.Values
		quick  bool
		want   int
	}{
		{"plain", nil, false, 1},
		{"offline", answer.Values{"offline": {"true"}}, false, 0},
		{"quick", nil, true, 0},
	} {
		m, e := answertest.BucketMachine(t, "")
		flags := answertest.InDir(answertest.BucketFlags(t, "secret"), dir)
		maps.Copy(flags, tc.change)
		_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags, Quick: tc.quick})
		if finding.AnyRefused(findings) || len(e.Asked) != tc.want {
			t.Errorf("%s: asked %d times, want %d; %v", tc.name, len(e.Asked), tc.want, findings)
		}
		if tc.want == 1 &&
			(e.Asked[0].SecretKey.Reveal() != "secret" || e.Asked[0].Bucket != "registry" || !e.Asked[0].ForcePathStyle || !e.Asked[0].Secure) {
			t.Errorf("%s: asked with %+v", tc.name, e.Asked[0])
		}
	}
}

// TestStoppedTrialIsNoProof: what was cut off is refused, whatever it had found by then.
func TestStoppedTrialIsNoProof(t *testing.T) {
	m, e := answertest.BucketMachine(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	m.TryStorage = func(ctx context.Context, s config.Storage) []finding.Trial {
		cancel()
		return e.Try(ctx, s)
	}
	a := question.Answers{Storage: config.S3, S3: config.S3Storage{Bucket: "registry", Region: "us-east-1"}}
	if findings := question.ProbeBucket(ctx, m, &a); len(findings) != 1 || findings[0].Code != question.CodeS3Stopped {
		t.Errorf("%v", findings)
	}
}

// TestBucketAnswersComeBack as a file and as a line, path style included; only the secret has to be given again.
func TestBucketAnswersComeBack(t *testing.T) {
	for name, change := range map[string]answer.Values{
		"engine":         nil,
		"virtual hosts":  {"s3-path-style": {"false"}},
		"AWS":            {"s3-endpoint": {""}, "s3-region": {"eu-central-1"}, "s3-access-key": {""}},
		"AWS, path":      {"s3-endpoint": {""}, "s3-path-style": {"true"}},
		"all that is on": {"s3-encrypt": {"true"}, "s3-kms-key-id": {"k"}, "s3-skip-verify": {"true"}, "s3-root": {"/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := answertest.BucketMachine(t, "")
			flags := answertest.InDir(answertest.BucketFlags(t, "c4nary"), filepath.Join(t.TempDir(), "packhouse"))
			maps.Copy(flags, change)
			first, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags})
			if finding.AnyRefused(findings) {
				t.Fatal(findings)
			}
			file, err := answer.ParseFile("answers.yml", first.AnswersYAML())
			if err != nil {
				t.Fatal(err)
			}
			again, findings := answer.Resolve(
				t.Context(), m, nil, answer.Input{File: file, Env: []string{"PACKHOUSE_S3_SECRET_KEY=c4nary"}},
			)
			if finding.AnyRefused(findings) {
				t.Fatal(findings)
			}
			if a, b := first.Answers.S3Config(), again.Answers.S3Config(); a != b {
				t.Errorf("%+v, then %+v\n%s", a, b, first.AnswersYAML())
			}
			if first.CommandLine() != again.CommandLine() ||
				name == "virtual hosts" && !strings.Contains(first.CommandLine(), " --s3-path-style=false") {
				t.Errorf("%s\nthen\n%s", first.CommandLine(), again.CommandLine())
			}
		})
	}
}
