//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
)

// TestCommandsTogether starts two commands that change the same installation at the same time, repeatedly. What a command reports as done
// is there afterwards.
func TestCommandsTogether(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	if got := s.run(s.setupArgs("--no-start", "--user", "bob")...); got.code != cli.ExitOK {
		t.Fatalf("setup = %d\n%s", got.code, got.stderr)
	}
	for round := range 4 {
		added := fmt.Sprintf("p%d", round)
		lines := [][]string{{"user", "add", added, "--role", "writer"}, {"user", "remove", "bob"}}
		if round%2 == 1 {
			lines[1] = []string{"user", "add", "bob"}
		}
		running := make([]*exec.Cmd, len(lines))
		told := make([]bytes.Buffer, len(lines))
		for i, line := range lines {
			running[i] = s.command(append(line, "--dir", s.dir)...)
			running[i].Stderr = &told[i]
			if err := running[i].Start(); err != nil {
				t.Fatal(err)
			}
		}
		for i, command := range running {
			if err := command.Wait(); err != nil {
				t.Errorf("%v: %v\n%s", lines[i], err, told[i].String())
			}
		}
		in, err := installation.Load(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) bool {
			return slices.ContainsFunc(in.Users, func(u setup.User) bool { return u.Name == name })
		}
		if !has(added) || has("bob") != (round%2 == 1) {
			t.Errorf("after %v the users are %v", lines, in.Users)
		}
	}
}

// TestWaitsForTheLock reports that a command waits for another one, and goes on when that one ends.
func TestWaitsForTheLock(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	if got := s.run(s.setupArgs("--no-start")...); got.code != cli.ExitOK {
		t.Fatalf("setup = %d\n%s", got.code, got.stderr)
	}
	lock, err := apply.Acquire(t.Context(), s.dir, apply.Patience{})
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	command := s.command("cert", "rotate", "--dir", s.dir)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	command.Stderr = write
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	line := make([]byte, 4096)
	n, err := read.Read(line)
	if err != nil || !strings.Contains(string(line[:n]), "waiting for another command to finish changing "+s.dir) {
		t.Errorf("the first line is %q (%v)", line[:n], err)
	}
	lock.Release()
	rest := new(bytes.Buffer)
	if _, err := rest.ReadFrom(read); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("cert rotate: %v\n%s", err, rest)
	}
}
