package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
)

// TestReloadUnderLoadByCommand: while clients ask, a server takes up good files and refuses bad ones, by command and without one failed request.
func TestReloadUnderLoadByCommand(t *testing.T) {
	dir := t.TempDir()
	vendorFiles(t, dir)
	file, addr := filepath.Join(dir, "myconfig.yml"), porttest.Free(t)
	good := "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: %q, headers: {X-Turn: [%q]}, tls: {certificate: %s/tls.crt, key: %s/tls.key}}\nauth: {htpasswd: {realm: r, path: %s/htpasswd}}\n"
	write := func(turn int, more string, instead ...string) {
		t.Helper()
		content := fmt.Sprintf(good, dir, addr, fmt.Sprint(turn), dir, dir, dir) + more
		if err := os.WriteFile(file+".new", []byte(strings.NewReplacer(instead...).Replace(content)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "")
	env := []string{"HOME=" + dir, "RUNTIME_DIRECTORY=" + dir}
	t.Setenv("RUNTIME_DIRECTORY", dir)
	serveFor(t, env, []string{"serve", file}, addr)
	command := func(args ...string) (int, string) {
		said := &words{}
		code := run(t.Context(), &cli.App{Stdin: os.Stdin, Stdout: said, Stderr: said, Env: env, Now: time.Now}, args)
		return code, said.String()
	}

	done := make(chan struct{})
	var all sync.WaitGroup
	var mu sync.Mutex
	asked, failed := 0, []string{}
	for range 4 {
		client := vendorClient(t, dir)
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r, _ := http.NewRequest(http.MethodGet, "https://"+addr+"/v2/_catalog", http.NoBody)
				r.SetBasicAuth("admin", "a-long-password")
				a, err := client.Do(r)
				mu.Lock()
				asked++
				if err != nil || a.StatusCode != http.StatusOK {
					failed = append(failed, fmt.Sprint(err))
				}
				mu.Unlock()
				if err == nil {
					_, _ = io.Copy(io.Discard, a.Body)
					_ = a.Body.Close()
				}
			}
		})
	}
	client := vendorClient(t, dir)
	underLoad := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return asked >= 20
	}
	for turn := 1; turn <= 10 || !underLoad() && !t.Failed(); turn++ {
		write(turn, "")
		if code, said := command("reload", file); code != cli.ExitOK {
			t.Errorf("turn %d: %d %s", turn, code, said)
		}
		if got := vendorAsk(t, client, "https://"+addr+"/health", false).Header.Get("X-Turn"); got != fmt.Sprint(turn) {
			t.Errorf("turn %d: X-Turn is %q", turn, got)
		}
		write(-1, "htp: {}\n")
		if code, said := command("reload", file); code != cli.ExitFailed || !strings.Contains(said, "unknown key htp; did you mean http?") {
			t.Errorf("turn %d: a bad file: %d %s", turn, code, said)
		}
		if a := vendorAsk(t, client, "https://"+addr+"/health", false); a.Header.Get("X-Turn") != fmt.Sprint(turn) || a.StatusCode != http.StatusOK {
			t.Errorf("turn %d: not the last good state: %v", turn, a.Header)
		}
	}
	if code, said := command("status", file); code != cli.ExitFindings || !strings.Contains(said, "unknown key htp") || !strings.Contains(said, "refused") {
		t.Errorf("status: %d %s", code, said)
	}
	write(11, "", "level: error", "level: error, fields: {site: test}")
	if code, said := command("reload", file); code != cli.ExitFindings || !slices.Contains(strings.Split(said, "\n"), "log.fields") {
		t.Errorf("what needs a restart: %d %s", code, said)
	}
	if code, said := command("status", file); code != cli.ExitFindings || !strings.Contains(said, "changed settings need a restart: log.fields") {
		t.Errorf("status: %d %s", code, said)
	}
	write(13, "")
	if code, said := command("reload", file); code != cli.ExitOK {
		t.Errorf("mended: %d %s", code, said)
	}
	if code, said := command("status", file); code != cli.ExitOK {
		t.Errorf("status: %d %s", code, said)
	}
	close(done)
	all.Wait()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(failed), asked, failed[:min(3, len(failed))])
	}
}
