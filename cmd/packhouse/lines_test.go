//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
)

// TestLinesAtATerminal: a password that is typed line by line is never echoed, nothing moves the cursor, and ctrl+c leaves with the terminal as it was.
func TestLinesAtATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/etc", "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", dir+"/data")
	c.Wants("Question 1 of")
	c.Keys("\r\r\r\r")
	c.Wants("add NAME ROLE")
	c.Keys("password admin\r")
	c.Wants("Password of admin, not shown")
	c.Keys("never-to-be-seen\r")
	c.Wants("Repeat the password")
	c.Keys("never-to-be-seen\r")
	c.Wants("admin, admin, password typed")
	c.Keys("\r\r\r\r")
	c.Wants("Enter write to apply these changes")
	c.Keys("write\r")
	c.Wants("Enter stops it")
	c.Keys("\x03")
	c.Ends(0)
	if strings.Contains(c.Written(), "never-to-be-seen") {
		t.Error("the password was echoed")
	}
	if strings.Contains(c.Written(), "\x1b[") {
		t.Error("the cursor was moved")
	}

	c = openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/other")
	c.Wants("Question 1 of")
	c.Keys("\x03")
	c.Ends(130)
	c = openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/other")
	c.Wants("Question 1 of")
	c.Keys("\x04")
	c.Wants("the input has ended: nothing was written; ")
	c.Wants(" --yes asks nothing")
	c.Ends(1)
	c = openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/other")
	c.Wants("Question 1 of")
	c.Keys("packs.example.org\r")
	c.Wants("Question 2 of")
	c.Keys("\x03")
	c.Ends(130)
	if want := "packhouse setup --accessible --dir " + dir + "/other --hostname packs.example.org "; !strings.Contains(c.Written(), want) {
		t.Errorf("%q is not told:\n%s", want, c.Text())
	}
	c = openConsole(t, 100, 60, "setup", "--accessible", "--dir", dir+"/other")
	c.Wants("Question 1 of")
	c.Keys("packs.example.org\r")
	c.Wants("Question 2 of")
	c.Keys("\x04")
	c.Ends(1)
	if want := "packhouse setup --yes --dir " + dir + "/other --hostname packs.example.org "; !strings.Contains(c.Written(), want) {
		t.Errorf("%q is not told:\n%s", want, c.Text())
	}
}

// TestLinesWhereTheAnswersSaySo: like every flag of setup, this one can stand in an answers file.
func TestLinesWhereTheAnswersSaySo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	answers := filepath.Join(dir, "answers.yml")
	if err := os.WriteFile(answers, []byte("accessible: true\nhostname: packs.example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := openConsole(t, 100, 60, "setup", "--answers", answers, "--dir", dir+"/D")
	c.Wants("Default: packs.example.org, from the answers file")
	c.Keys("\x03")
	c.Ends(cli.ExitInterrupted)
	c = openConsole(t, 80, 24, "setup", "--answers", answers, "--accessible=false", "--dir", dir+"/D") // a flag is stronger
	c.Wants("› packs.example.org")
	c.Keys("\x03")
	c.Ends(cli.ExitInterrupted)
}
