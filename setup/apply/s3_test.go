package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// TestSecretKeyComesFrom the flag's file, else the variable, else the answers file, else what is installed.
func TestSecretKeyComesFrom(t *testing.T) {
	m, _ := answertest.BucketMachine(t, "")
	dir := filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answertest.BucketFlags(t, "installed"))
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	flag := answer.Values{"s3-secret-key-file": {answertest.WriteFile(t, []byte("flag"), 0o600)}}
	env := []string{"PACKHOUSE_S3_SECRET_KEY=env"}
	document := &answer.Document{
		Name:   "a",
		Values: answer.Values{"s3-secret-key-file": {answertest.WriteFile(t, []byte("file\r\n"), 0o600)}},
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
	m, _ := answertest.BucketMachine(t, "")
	dir := filepath.Join(t.TempDir(), "packhouse")
	first := install(t, m, dir, answertest.BucketFlags(t, secret))
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
	changed := install(t, m, dir, answer.Values{"s3-secret-key-file": {answertest.WriteFile(t, []byte(other), 0o600)}})
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
			"s3-secret-key-file": {answertest.WriteFile(t, []byte(other), 0o600)},
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
	m, e := answertest.BucketMachine(t, "put") // what is in use is only warned about
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
	if planned := planFor(t, m, dir, nil); planned.Diff(path) != "" || !bytes.Equal(planned.Config(), []byte(by)) ||
		planned.Change(installation.ConfigFile).Mode.Perm() != 0o640 {
		t.Errorf("changed: %o\n%s", planned.Change(installation.ConfigFile).Mode, planned.Diff(path))
	}
	if len(e.Asked) == 0 || e.Asked[len(e.Asked)-1].ChunkSize != 20<<20 {
		t.Errorf("asked with %+v", e.Asked)
	}
	m, _ = answertest.BucketMachine(t, "")
	planned := install(t, m, dir, answer.Values{"s3-endpoint": {"https://ceph.example"}})
	s := loadFile(t, path).Storage.S3
	if s.RegionEndpoint != "https://ceph.example" || !s.ForcePathStyle || s.ChunkSize != 20<<20 ||
		s.SecretKey.Reveal() != "byhand" ||
		strings.Contains(string(planned.Config()), "port:") {
		t.Errorf("%+v\n%s", s, planned.Config())
	}
	if !strings.Contains(string(planned.Config()), "s3: # ours") {
		t.Error("a comment is gone")
	}
}

// TestOpenSecretIsClosed: a configuration that everybody can read is closed when a secret comes in.
func TestOpenSecretIsClosed(t *testing.T) {
	m, _ := answertest.BucketMachine(t, "")
	dir := filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	if info, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); err != nil || info.Mode().Perm() != 0o644 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	install(t, m, dir, answertest.BucketFlags(t, "secret"))
	if info, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
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
