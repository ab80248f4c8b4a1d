//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
)

// refusedSite is an installation whose myconfig.yml the server refuses, and the path of that.
func refusedSite(t *testing.T) (dir, path string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "D")
	path = filepath.Join(dir, "myconfig.yml")
	cmd := exec.Command("packhouse", "setup", "--yes", "--no-start", "--dir", dir, "--hostname", "localhost", "--addr", porttest.Free(t), "--storage-path", dir+"/data")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(data), "  addr:", "  # by hand\n  adr:", 1)
	if err := os.WriteFile(path, []byte(edited), 0o644); err != nil { //nolint:gosec // as setup writes it
		t.Fatal(err)
	}
	return dir, path
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestManagerRepairs puts a file right that the server refuses, proves it, and brings the hand edits back.
func TestManagerRepairs(t *testing.T) {
	t.Parallel()
	dir, path := refusedSite(t)
	edited := contentOf(t, path)
	c := openConsole(t, 100, 40, "--dir", dir)
	c.Wants("shows what is wrong with myconfig.yml")
	c.Keys(enter)
	c.Wants("unknown key http.adr")
	c.Wants("adr becomes addr")
	c.Keys(enter)
	c.Wants("Repair: review")
	c.Wants("w write") // no key writes before there is something to look at
	c.Keys("w")
	c.Wants("checks passed")
	if text := contentOf(t, path); text != strings.Replace(edited, "adr:", "addr:", 1) {
		t.Errorf("written:\n%s", text)
	}
	c.Keys(enter)
	c.Wants("to the files from before")  // as it is now: until that was looked at, nothing is done
	c.Keys("\x1b[F\x1b[A\x1b[A" + enter) // End, then up twice: Roll back
	c.Wants("the server would refuse this myconfig.yml")
	c.Wants("w write")
	c.Keys("w")
	c.Wants("it keeps its last good configuration")
	if text := contentOf(t, path); text != edited {
		t.Errorf("rolled back to:\n%s", text)
	}
	c.Keys("q")
	c.Ends(cli.ExitOK)
}

// TestManagerHandsTheTerminalToAnEditor, which works on a copy, and takes the terminal back as it was.
func TestManagerHandsTheTerminalToAnEditor(t *testing.T) {
	dir, path := refusedSite(t)
	edited := contentOf(t, path)
	bin := t.TempDir()
	const script = "#!/bin/sh\ntest -t 0 && test -t 1 && echo the editor has the terminal && read answer && sed -i -e s/adr:/addr:/ -e \"s/by hand/$answer/\" \"$1\"\n"
	if err := os.WriteFile(filepath.Join(bin, "editor"), []byte(script), 0o755); err != nil { //nolint:gosec // to be run
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	c := openConsole(t, 100, 40, "--dir", dir)
	c.Wants("shows what is wrong with myconfig.yml")
	c.Keys(enter)
	c.Wants("opens a copy in your editor")
	c.Keys("\x1b[F" + enter) // the last way: Edit
	c.Wants("the editor has the terminal")
	c.Keys("by an editor\n")
	c.Wants("Repair: review")
	c.Wants("+  # by an editor")
	if contentOf(t, path) != edited {
		t.Error("the editor was given the file itself")
	}
	c.Keys("w")
	c.Wants("checks passed")
	if text := contentOf(t, path); !strings.Contains(text, "  # by an editor\n  addr:") {
		t.Errorf("written:\n%s", text)
	}
	c.Keys(enter)
	c.Wants("This installation")
	c.Keys("q")
	c.Ends(cli.ExitOK)
}
