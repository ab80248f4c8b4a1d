package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestCredentialHelperOfAnotherUser runs pack ls with docker configurations that would make the acting
// user run a program of another one.
func TestCredentialHelperOfAnotherUser(t *testing.T) {
	server := httptest.NewServer(registryDouble())
	t.Cleanup(server.Close)
	for _, tc := range []struct {
		name   string
		config string
		uid    int // who runs the command
		plant  func(s *planted, docker string)
		want   string // in the output; empty: the configuration is used
	}{
		{"home of another user", `{"credsStore":"x"}`, 0, func(s *planted, _ string) { s.give(mallory, s.home) }, "belongs to another user"},
		{"no file in the home of another user", "", 0, func(s *planted, _ string) { s.give(mallory, s.home) }, "belongs to another user"},
		{"directory of another user", `{"credsStore":"x"}`, 0, func(s *planted, docker string) { s.give(mallory, docker) }, "belongs to another user"},
		{"file of another user", `{"credsStore":"x"}`, 0, func(s *planted, docker string) {
			s.give(mallory, filepath.Join(docker, "config.json"))
		}, "belongs to another user"},
		{"file of all", `{"credsStore":"x"}`, 0, func(s *planted, docker string) {
			s.ok(os.Chmod(filepath.Join(docker, "config.json"), 0o666)) //nolint:gosec // the fault
		}, "all users can write it"},
		{"settings of another user", "", 0, func(s *planted, _ string) {
			s.ok(os.Mkdir(filepath.Join(s.home, ".spectro"), 0o700))
			s.give(mallory, filepath.Join(s.home, ".spectro"))
		}, ".spectro: it belongs to another user"},
		{"file of a third user", `{"credsStore":"x"}`, victim, func(s *planted, docker string) {
			s.ok(os.Chmod(filepath.Join(docker, "config.json"), 0o644)) //nolint:gosec // other users are to read it
			s.give(victim, s.home, docker)
			s.give(mallory, filepath.Join(docker, "config.json"))
		}, "belongs to another user"},
		{"slash in credsStore", `{"credsStore":"a/x"}`, 0, func(*planted, string) {}, "not a valid name of a credential helper"},
		{"slash in credHelpers", `{"credHelpers":{"SERVER":"a/x"}}`, 0, func(*planted, string) {}, "not a valid name of a credential helper"},
		{"backslash", `{"credsStore":"a\\x"}`, 0, func(*planted, string) {}, "not a valid name of a credential helper"},
		{"helper that is missing", `{"credsStore":"x"}`, 0, func(*planted, string) {}, "docker-credential-x"},
		{"own file", `{"auths":{"SERVER":{"auth":"Y2k6c2VjcmV0"}}}`, 0, func(*planted, string) {}, ""},
		{"own file of another user than root", `{"auths":{"SERVER":{"auth":"Y2k6c2VjcmV0"}}}`, victim, func(s *planted, docker string) {
			s.give(victim, s.home, docker, filepath.Join(docker, "config.json"))
		}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newPlace(t)
			docker := filepath.Join(s.home, ".docker")
			s.ok(os.Mkdir(docker, 0o755)) //nolint:gosec // other users are to reach it
			if tc.config != "" {
				s.write(filepath.Join(docker, "config.json"), strings.ReplaceAll(tc.config, "SERVER", server.Listener.Addr().String()), 0o600)
			}
			// Mallory's program, where a helper with a slash and a relative PATH would find it.
			proof := filepath.Join(s.theft, "proof")
			s.ok(os.Mkdir(filepath.Join(s.theft, "docker-credential-a"), 0o755)) //nolint:gosec // likewise
			for _, name := range []string{"docker-credential-a/x", "docker-credential-x"} {
				s.write(filepath.Join(s.theft, name), "#!/bin/sh\n: > "+proof+"\n", 0o755)
			}
			tc.plant(s, docker)
			s.cwd = s.theft
			code, out := s.run(tc.uid, "pack", "ls", "-r", "http://"+server.Listener.Addr().String())
			if tc.want == "" {
				if code != cli.ExitOK {
					t.Errorf("exit %d, want 0:\n%s", code, out)
				}
				return
			}
			if code != cli.ExitFailed || !strings.Contains(out, tc.want) || !strings.Contains(out, s.home) && !strings.Contains(out, "docker-credential-x") {
				t.Errorf("exit %d, want 1, the path and %q:\n%s", code, tc.want, out)
			}
			if _, err := os.Lstat(proof); err == nil {
				t.Error("ran the program of another user")
			}
		})
	}
}
