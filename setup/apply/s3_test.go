package apply

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

// engine is a storage engine that passes everything but one thing, and remembers what it was asked with.
type engine struct {
	fails string
	asked []config.S3Storage
}

func (e *engine) try(_ context.Context, s config.Storage) []finding.Trial {
	e.asked = append(e.asked, s.S3)
	var trials []finding.Trial
	failed := false
	for _, r := range question.S3Rights {
		trial := finding.Trial{
			Finding: finding.Finding{
				Subject: finding.Subject{Check: r.Right},
				What:    r.Right + " was tried",
				Remedy:  "mend " + r.Right,
			},
			Tried: !failed, Passed: !failed && r.Right != e.fails,
		}
		failed = failed || !trial.Passed
		trials = append(trials, trial)
	}
	return trials
}

func bucketMachine(t *testing.T, fails string) (*machine.Machine, *engine) {
	t.Helper()
	m, e := machinetest.New(t, &machinetest.Host{}), &engine{fails: fails}
	m.TryStorage = e.try
	return m, e
}

// bucketFlags are enough for a bucket; the file holds the secret.
func bucketFlags(t *testing.T, secret string) answer.Values {
	t.Helper()
	return answer.Values{
		"storage": {
			"s3",
		}, "s3-bucket": {"registry"}, "s3-endpoint": {"https://minio.example:9000"}, "s3-access-key": {"KEYID"},
		"s3-secret-key-file": {writeFile(t, []byte(secret+"\n"), 0o600)},
	}
}

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
		{"a file with two lines", answer.Values{"s3-secret-key-file": {writeFile(t, []byte("a\nb\n"), 0o600)}}, "s3-secret-key", setup.CodeUnread, "one line", false},
		{"a CA that is not there", answer.Values{"s3-ca-file": {"/nowhere"}}, "s3-ca-file", setup.CodeUnread, "/nowhere", false},
		{"a CA that is none", answer.Values{"s3-ca-file": {writeFile(t, []byte("hello"), 0o644)}}, "s3-ca-file", "cert-not-pem", "PEM", false},
		{"a bucket that is not used", answer.Values{"storage": nil}, "storage", setup.CodeConflict, "add --storage s3", false},
		{"a prefix that leaves", answer.Values{"s3-root": {"/a/../b"}}, "s3-root", setup.CodeValue, "prefix", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, e := bucketMachine(t, "")
			flags := inDir(bucketFlags(t, "secret"), filepath.Join(t.TempDir(), "packhouse"))
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
			if len(e.asked) > 0 {
				t.Error("the engine was asked in spite of it")
			}
		})
	}
}

// TestRightsAreToldApart: every right has a code and a question of its own, and only the lack of conditional writes can be lived with.
func TestRightsAreToldApart(t *testing.T) {
	codes := map[string]bool{}
	for _, r := range question.S3Rights {
		m, _ := bucketMachine(t, r.Right)
		_, findings := answer.Resolve(
			t.Context(), m, nil,
			answer.Input{Flags: inDir(bucketFlags(t, "secret"), filepath.Join(t.TempDir(), "packhouse"))},
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
		if stepQuestion(r.Question) == nil || stepQuestion(r.Question).FlagNames()[0] != r.Flag {
			t.Errorf("%s: no question %s with the flag %s", r.Right, r.Question, r.Flag)
		}
		codes[findings[i].Code] = true
	}
	if len(codes) != len(question.S3Rights) {
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
			answer.Input{Flags: inDir(bucketFlags(t, "secret"), filepath.Join(t.TempDir(), "packhouse"))},
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
		m, e := bucketMachine(t, "")
		flags := inDir(bucketFlags(t, "secret"), dir)
		maps.Copy(flags, tc.change)
		_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: flags, Quick: tc.quick})
		if finding.AnyRefused(findings) || len(e.asked) != tc.want {
			t.Errorf("%s: asked %d times, want %d; %v", tc.name, len(e.asked), tc.want, findings)
		}
		if tc.want == 1 &&
			(e.asked[0].SecretKey.Reveal() != "secret" || e.asked[0].Bucket != "registry" || !e.asked[0].ForcePathStyle || !e.asked[0].Secure) {
			t.Errorf("%s: asked with %+v", tc.name, e.asked[0])
		}
	}
}

// TestStoppedTrialIsNoProof: what was cut off is refused, whatever it had found by then.
func TestStoppedTrialIsNoProof(t *testing.T) {
	m, e := bucketMachine(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	m.TryStorage = func(ctx context.Context, s config.Storage) []finding.Trial {
		cancel()
		return e.try(ctx, s)
	}
	a := question.Answers{Storage: config.S3, S3: question.S3Answers{Bucket: "registry", Region: "us-east-1"}}
	if findings := question.ProbeBucket(ctx, m, &a); len(findings) != 1 || findings[0].Code != question.CodeS3Stopped {
		t.Errorf("%v", findings)
	}
}

// TestSecretKeyComesFrom the flag's file, else the variable, else the answers file, else what is installed.
func TestSecretKeyComesFrom(t *testing.T) {
	m, _ := bucketMachine(t, "")
	dir := filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, bucketFlags(t, "installed"))
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	flag := answer.Values{"s3-secret-key-file": {writeFile(t, []byte("flag"), 0o600)}}
	env := []string{"PACKHOUSE_S3_SECRET_KEY=env"}
	document := &answer.Document{
		Name:   "a",
		Values: answer.Values{"s3-secret-key-file": {writeFile(t, []byte("file\r\n"), 0o600)}},
	}
	for _, tc := range []struct {
		input answer.Input
		want  string
	}{
		{answer.Input{Flags: flag, Env: env, File: document}, "flag"},
		{answer.Input{Env: env, File: document}, "env"},
		{answer.Input{File: document}, "file"},
		{answer.Input{}, "installed"},
	} {
		resolved, findings := answer.Resolve(t.Context(), m, in, tc.input)
		if got := resolved.Answers.S3.SecretKey.Reveal(); got != tc.want || finding.AnyRefused(findings) {
			t.Errorf("%q, want %q; %v", got, tc.want, findings)
		}
	}
}

// TestBucketIsInstalled: the section is written, kept to the byte, changed key by key, and taken away; the secret stands nowhere else.
func TestBucketIsInstalled(t *testing.T) {
	const secret = `c4nary"key/+:#x'`
	m, _ := bucketMachine(t, "")
	dir := filepath.Join(t.TempDir(), "packhouse")
	first := install(t, m, dir, bucketFlags(t, secret))
	path := filepath.Join(dir, installation.ConfigFile)
	loaded := loadFile(t, path)
	if s := loaded.Storage.S3; loaded.Storage.Driver != config.S3 || s.SecretKey.Reveal() != secret || s.AccessKey != "KEYID" || s.Bucket != "registry" ||
		s.RegionEndpoint != "https://minio.example:9000" || !s.ForcePathStyle ||
		s.Region != "us-east-1" ||
		!s.Secure {
		t.Errorf("%+v", s)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	nowhereElse(t, dir, secret, first)

	again := planFor(t, m, dir, nil)
	if again.Pending() {
		t.Errorf("a second run would change %+v", again.Changes)
	}
	prefix := install(t, m, dir, answer.Values{"s3-root": {"/packs"}, "s3-kms-key-id": {"alias/packs"}})
	if d := prefix.Diff(path); !strings.Contains(d, "+    rootdirectory: /packs") ||
		strings.Contains(d, "-    bucket") ||
		!strings.Contains(d, "REDACTED") {
		t.Errorf("not key by key:\n%s", d)
	}
	if s := loadFile(t, path).Storage.S3; s.RootDirectory != "/packs" || !s.Encrypt || s.KeyID != "alias/packs" ||
		s.SecretKey.Reveal() != secret {
		t.Errorf("%+v", s)
	}
	nowhereElse(t, dir, secret, prefix)

	const other = "an0therCanary"
	changed := install(t, m, dir, answer.Values{"s3-secret-key-file": {writeFile(t, []byte(other), 0o600)}})
	if c := changed.Change(installation.ConfigFile); c.Kind != setup.Update ||
		!strings.Contains(strings.Join(c.Meaning, "\n"), "secret key") {
		t.Errorf("%v %v", c.Kind, c.Meaning)
	}
	nowhereElse(t, dir, other, changed)
	nowhereElse(t, dir, secret, changed)

	away := install(
		t, m, dir, answer.Values{"storage": {"filesystem"}, "storage-path": {filepath.Join(t.TempDir(), "data")}},
	)
	if text := string(away.Config()); strings.Contains(text, "s3:") || strings.Contains(text, other) ||
		!slices.Contains(away.Restart, "storage") {
		t.Errorf("restart %v of:\n%s", away.Restart, text)
	}
	back := install(
		t,
		m,
		dir,
		answer.Values{
			"storage":            {"s3"},
			"s3-bucket":          {"registry"},
			"s3-endpoint":        {"http://127.0.0.1:7070"},
			"s3-access-key":      {"K"},
			"s3-secret-key-file": {writeFile(t, []byte(other), 0o600)},
		},
	)
	if s := loadFile(t, path).Storage.S3; s.RegionEndpoint != "http://127.0.0.1:7070" || s.Secure ||
		!s.ForcePathStyle ||
		s.SecretKey.Reveal() != other {
		t.Errorf("%+v\n%s", s, back.Config())
	}
}

// TestMadeByHandIsKept: keys that nobody is asked about stay, and the vendor's host and port give way to the endpoint that replaces them.
func TestMadeByHandIsKept(t *testing.T) {
	m, e := bucketMachine(t, "put") // what is in use is only warned about
	dir := filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	path := filepath.Join(dir, installation.ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "  # The layout is")
	_, rest, _ = strings.Cut(rest, "  delete:")
	by := head + "  s3: # ours\n    bucket: mine\n    region: eu-west-1\n    host: ceph\n    port: 7480\n    secure: false\n    accesskey: A\n    secretkey: byhand\n    chunksize: 20MiB\n  delete:" + rest
	if err := errors.Join(os.WriteFile(path, []byte(by), 0o640), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	if plan := planFor(t, m, dir, nil); plan.Diff(path) != "" || !bytes.Equal(plan.Config(), []byte(by)) ||
		plan.Change(installation.ConfigFile).Mode.Perm() != 0o640 {
		t.Errorf("changed: %o\n%s", plan.Change(installation.ConfigFile).Mode, plan.Diff(path))
	}
	if len(e.asked) == 0 || e.asked[len(e.asked)-1].ChunkSize != 20<<20 {
		t.Errorf("asked with %+v", e.asked)
	}
	m, _ = bucketMachine(t, "")
	plan := install(t, m, dir, answer.Values{"s3-endpoint": {"https://ceph.example"}})
	s := loadFile(t, path).Storage.S3
	if s.RegionEndpoint != "https://ceph.example" || !s.ForcePathStyle || s.ChunkSize != 20<<20 ||
		s.SecretKey.Reveal() != "byhand" ||
		strings.Contains(string(plan.Config()), "port:") {
		t.Errorf("%+v\n%s", s, plan.Config())
	}
	if !strings.Contains(string(plan.Config()), "s3: # ours") {
		t.Error("a comment is gone")
	}
}

// TestOpenSecretIsClosed: a configuration that everybody can read is closed when a secret comes in.
func TestOpenSecretIsClosed(t *testing.T) {
	m, _ := bucketMachine(t, "")
	dir := filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	if info, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); err != nil || info.Mode().Perm() != 0o644 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	install(t, m, dir, bucketFlags(t, "secret"))
	if info, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
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
			m, _ := bucketMachine(t, "")
			flags := inDir(bucketFlags(t, "c4nary"), filepath.Join(t.TempDir(), "packhouse"))
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

func loadFile(t *testing.T, path string) config.Config {
	t.Helper()
	loaded, err := config.Load(config.Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Config
}

// nowhereElse holds everything that a plan shows, and every file but the configuration and its backups, against a secret.
func nowhereElse(t *testing.T, dir, secret string, planned *plan.Plan) {
	t.Helper()
	encoded, err := json.Marshal(planned)
	if err != nil {
		t.Fatal(err)
	}
	r := planned.Resolved
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf(
		"%+v %#v %s %s %s %s %s", r, r, encoded, r.CommandLine(), r.AnswersYAML(), plan.Preview(in, r.Answers),
		plan.Preview(nil, r.Answers),
	)
	for _, c := range planned.Changes {
		shown += planned.Diff(c.Path) + strings.Join(c.Meaning, "\n")
	}
	for _, step := range question.Steps() {
		for _, q := range step.Questions {
			shown += q.Get(&r.Answers)
		}
	}
	if strings.Contains(shown, secret) {
		t.Error("the secret is shown")
	}
	for path, content := range snapshot(t, dir) {
		if strings.Contains(content, secret) && filepath.Base(path) != installation.ConfigFile &&
			!strings.Contains(path, installation.BackupDir) {
			t.Errorf("%s holds the secret", path)
		}
	}
}
