package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestPathsThroughLinks names files of another user by paths that contain a link of root and "..". Their
// text looks like a path of root, and leads elsewhere.
func TestPathsThroughLinks(t *testing.T) {
	s := newPlanted(t)
	config, err := os.ReadFile(s.at("myconfig.yml"))
	s.ok(err)
	for _, dir := range []string{"sub", "reg"} {
		s.ok(os.Mkdir(filepath.Join(s.theft, dir), 0o755)) //nolint:gosec // as mallory would
		s.give(mallory, filepath.Join(s.theft, dir))
	}
	theirs := filepath.Join(s.theft, "reg", "myconfig.yml")
	s.write(theirs, string(config), 0o644)
	s.give(mallory, theirs)
	link := filepath.Join(s.root, "link")
	s.ok(os.Symlink(filepath.Join(s.theft, "sub"), link))
	s.write(filepath.Join(s.root, "audited.yml"), strings.Replace(string(config), "log:\n",
		"log:\n  audit: {path: "+link+"/../audit.jsonl}\n", 1), 0o640)
	if text, _ := os.ReadFile(filepath.Join(s.root, "audited.yml")); !strings.Contains(string(text), "audit:") {
		t.Fatal("the configuration has no section log")
	}
	yaml := filepath.Join(s.root, "yaml")
	s.ok(os.Mkdir(yaml, 0o750))
	s.write(filepath.Join(yaml, "a.yaml"), "kind: ConfigMap\n", 0o644)
	s.cwd = filepath.Join(s.theft, "sub")
	before := s.state()
	for _, path := range []string{link + "/../reg/myconfig.yml", "../reg/myconfig.yml"} {
		for _, args := range [][]string{
			{"config", "verify"}, {"config", "show"}, {"store", "usage"}, {"store", "gc"}, {"status"}, {"check", "--quick"},
		} {
			code, out := s.run(0, append(args, path)...)
			if code == cli.ExitOK || !strings.Contains(out, s.theft) || !strings.Contains(out, "belongs to another user") {
				t.Errorf("%v %s: exit %d, want a refusal of %s:\n%s", args, path, code, s.theft, out)
			}
		}
	}
	for _, args := range [][]string{{"user", "list", "--dir", link + "/../reg"}, {"config", "show", "--dir", "../reg"}} {
		if code, out := s.run(0, args...); code == cli.ExitOK || !strings.Contains(out, "belongs to another user") {
			t.Errorf("%v: exit %d, want a refusal:\n%s", args, code, out)
		}
	}
	for _, args := range [][]string{{"config", "verify"}, {"serve"}} {
		code, out := s.run(0, append(args, filepath.Join(s.root, "audited.yml"))...)
		if code == cli.ExitOK || !strings.Contains(out, "log.audit.path") {
			t.Errorf("%v with an audit log of another user: exit %d, want a refusal:\n%s", args, code, out)
		}
	}
	// A link of another user on the way decides where a pack is written.
	s.ok(os.Symlink(s.system, filepath.Join(s.theft, "system")))
	s.give(mallory, filepath.Join(s.theft, "system"))
	for _, dir := range []string{link + "/../system/cron.d", link + "/../system/../system/new"} {
		code, out := s.run(0, "pack", "pull", "nginx", dir, "-r", "http://127.0.0.1:1")
		if code != cli.ExitFailed || !strings.Contains(out, "only root can write") {
			t.Errorf("pack pull to %s: exit %d, want a refusal:\n%s", dir, code, out)
		}
		code, out = s.run(0, "pack", "build", "nginx", dir, "--version", "1.0.0", "--manifests", yaml)
		if code != cli.ExitFailed || !strings.Contains(out, "symbolic link of another user") {
			t.Errorf("pack build in %s: exit %d, want a refusal:\n%s", dir, code, out)
		}
	}
	s.ok(os.Remove(filepath.Join(s.theft, "system")))
	if changed := changesOf(before, s.state()); len(changed) > 0 {
		t.Errorf("changed:\n%s", strings.Join(changed, "\n"))
	}
}
