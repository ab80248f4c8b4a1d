package main

import (
	"os"
	"path/filepath"
	"testing"

	"packhouse/cmd/packhouse/cli"
)

// TestPasteable completes commands in prose: with the program's path, with --dir, and nothing that is another's.
func TestPasteable(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	beside := t.TempDir()
	if err := os.Symlink(self, filepath.Join(beside, "packhouse")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, text, want string }{
		{"", "packhouse cert rotate renews it", "packhouse cert rotate renews it"},
		{"/t/x y", "packhouse cert rotate renews it", "packhouse cert rotate --dir '/t/x y' renews it"},
		{"/t", "packhouse cert rotate --new-ca creates one; packhouse user ls", "packhouse cert rotate --dir /t --new-ca creates one; packhouse user ls --dir /t"},
		{"/t", "run: packhouse serve /t/myconfig.yml", "run: packhouse serve /t/myconfig.yml"},
		{"/t", "packhouse rollback --dir /u undoes it", "packhouse rollback --dir /u undoes it"},
		{"/t", "packhouse pack ls shows it", "packhouse pack ls shows it"},
		{"/t", "packhouse user passwd ci on the server sets it", "packhouse user passwd ci on the server sets it"},
		{"/t", "what packhouse writes, packhouse setup makes", "what packhouse writes, packhouse setup --dir /t makes"},
		{"/t", "/opt/packhouse serve and \"packhouse check\"", "/opt/packhouse serve and \"packhouse check --dir /t\""},
	} {
		a := &cli.App{Env: []string{"PATH=" + beside}}
		newRoot(a)
		a.Dir = tt.dir
		if got := a.Pasteable(tt.text); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.text, got, tt.want)
		}
	}
	a := &cli.App{Env: []string{"PATH=/nowhere"}}
	newRoot(a)
	if got, want := a.Pasteable("packhouse check"), self+" check"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
