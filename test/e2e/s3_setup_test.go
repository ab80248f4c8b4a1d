package e2e

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSetupOnS3: setup finds out what is wrong with a bucket before it writes
// anything, says each thing by its own code, and with the right answers proves
// an installation that CNCF distribution can serve too.
func TestSetupOnS3(t *testing.T) { onS3Engines(t, testSetupOnS3) }

func testSetupOnS3(t *testing.T, program string) {
	engine := startS3Engine(t, program)
	nobody := freeAddress(t)
	in := &installation{
		t: t, dir: filepath.Join(t.TempDir(), "installation"), addr: freeAddress(t), scheme: "http",
		passwords: map[string]string{admin: "the quick brown fox 1", writer: "jumps over: the dog", reader: "over the lazy cat 2"},
	}
	secrets := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(secrets, name)
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatalf("write secret: %v", err)
		}
		return path
	}
	good, bad := file("good", s3Secret), file("bad", "another secret of 16")
	base := []string{
		"--tls", "off", "--insecure", "--storage", "s3", "--s3-bucket", s3Bucket, "--s3-endpoint", "http://" + engine,
		"--s3-access-key", s3Key, "--s3-secret-key-file", good, "--s3-root", "/packs",
	}
	for name, tc := range map[string]struct {
		flags []string
		code  string
		says  string
	}{
		"no such bucket":      {[]string{"--s3-bucket", "elsewhere"}, "bucket-missing", `there is no bucket "elsewhere"`},
		"wrong secret":        {[]string{"--s3-secret-key-file", bad}, "bucket-signature", "does not accept the keys"},
		"wrong key":           {[]string{"--s3-access-key", "stranger"}, "bucket-signature", "does not accept the keys"},
		"nobody listens":      {[]string{"--s3-endpoint", "http://" + nobody}, "bucket-connection", "nothing answers at " + nobody},
		"TLS where is none":   {[]string{"--s3-endpoint", "https://" + engine}, "bucket-tls", "does not speak TLS"},
		"a name nobody knows": {[]string{"--s3-endpoint", "http://engine.invalid"}, "bucket-name", "engine.invalid"},
	} {
		for _, form := range [][]string{nil, {"--json"}} {
			out, code := setupOutcome(t, in, append(append(append([]string{}, base...), tc.flags...), form...))
			want := tc.says
			if form != nil {
				want = `"` + tc.code + `"`
			}
			if code != 2 || !strings.Contains(out, want) {
				t.Errorf("%s: exit %d, want 2 and %q in:\n%s", name, code, want, out)
			}
			if strings.Contains(out, s3Secret) || strings.Contains(out, "another secret of 16") {
				t.Errorf("%s: a secret is shown", name)
			}
		}
	}
	if _, err := os.Stat(in.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused setup wrote something: %v", err)
	}
	if out, code := setupOutcome(t, in, append(append([]string{}, base...), "--dry-run")); code != 3 || strings.Contains(out, s3Secret) {
		t.Errorf("--dry-run: exit %d, want 3:\n%s", code, out)
	}
	if _, err := os.Stat(in.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dry run wrote something: %v", err)
	}

	out := in.setup(base...)
	if !strings.Contains(out, "writing with conditions works") || !strings.Contains(out, "AbortIncompleteMultipartUpload") || strings.Contains(out, s3Secret) {
		t.Errorf("setup says:\n%s", out)
	}
	if info, err := os.Stat(in.configuration()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", in.configuration(), info.Mode(), err)
	}
	holdsNowhereElse(t, in, s3Secret)
	if again := in.setup(base...); !strings.Contains(again, "nothing to change") {
		t.Errorf("a second run changes something:\n%s", again)
	}

	s := in.serve()
	client := in.client()
	one := pushArtifact(in, client, writer, "packs/one", "1.0.0", noise(1, 64<<10))
	if one.err != nil {
		t.Fatalf("push: %v", one.err)
	}
	s.stop()
	d := in.serveDistribution()
	if err := one.readBack(in, in.client(), reader); err != nil {
		t.Errorf("read with CNCF distribution: %v", err)
	}
	d.stop()
}

// setupOutcome runs setup and returns what it said and its exit code.
func setupOutcome(t *testing.T, in *installation, flags []string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), toolTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), in.setupArguments(flags...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the exit code tells
	return out.String(), cmd.ProcessState.ExitCode()
}

// holdsNowhereElse looks for a secret in every file of an installation but its
// configuration.
func holdsNowhereElse(t *testing.T, in *installation, secret string) {
	t.Helper()
	err := filepath.WalkDir(in.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == in.configuration() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds the secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
