package field

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCompletionWaitsForNoDisk: a directory that does not answer is waited for once, and then no
// key any more until it has.
func TestCompletionWaitsForNoDisk(t *testing.T) {
	dead, asked := make(chan struct{}), make(chan string, 10)
	c := &Completer{within: time.Millisecond, list: func(path string) []string {
		asked <- path
		<-dead
		return []string{path + "/more"}
	}}
	for range 3 {
		if got := c.Complete("/mnt/away"); got != nil {
			t.Errorf("a disk that does not answer offers %v", got)
		}
	}
	if <-asked; len(asked) > 0 {
		t.Errorf("it was asked %d more times meanwhile", len(asked))
	}
	close(dead)
	for c.busy.Load() {
		runtime.Gosched()
	}
	c.within = time.Minute
	if got := c.Complete("/mnt/away"); !slices.Equal(got, []string{"/mnt/away/more"}) {
		t.Errorf("once it answers: %v", got)
	}
}

func TestCompletePath(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"packs", "packages"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"pack.yml", "other", "pack\u202eed"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := (&Completer{within: time.Minute}).Complete(filepath.Join(dir, "pack"))
	want := []string{
		filepath.Join(dir, "pack.yml"), filepath.Join(dir, "packages") + "/", filepath.Join(dir, "packs") + "/",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := completePath("relative/pa"); got != nil {
		t.Errorf("a relative path offers %v", got)
	}
}

// TestCompletePathBelowHome: paths below ~ are completed as they were typed.
func TestCompletePathBelowHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.MkdirAll(filepath.Join(home, "packs", "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"~/pa": "~/packs/", "~/packs/o": "~/packs/old/", "~/x": "", "~": "", "~pa": "",
	} {
		if got := strings.Join(completePath(typed), " "); got != want {
			t.Errorf("%q is completed to %q, want %q", typed, got, want)
		}
	}
}
