package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestReloadBySignal: SIGHUP takes up good files and refuses bad ones while
// clients push and pull, and not one request fails. The log and the metric say
// what happened, /health does not.
func TestReloadBySignal(t *testing.T) {
	in := install(t)
	debug := freeAddress(t)
	text, err := os.ReadFile(in.configuration())
	if err != nil {
		t.Fatal(err)
	}
	good := strings.Replace(string(text), "\nhttp:\n", "\nhttp:\n  debug: {addr: \""+debug+"\", prometheus: {enabled: true}}\n", 1)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(in.configuration()+".new", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(in.configuration()+".new", in.configuration()); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	s := in.serve()
	until := func(what string, is func() bool) {
		t.Helper()
		eventually(t, what, patience, is)
	}
	said := func(word string) func() bool {
		count := strings.Count(s.log.String(), word)
		return func() bool { return strings.Count(s.log.String(), word) > count }
	}
	until("metrics, which are served a moment after all else,", func() bool {
		a, err := http.Get("http://" + debug + "/metrics")
		if err != nil {
			return false
		}
		_ = a.Body.Close()
		return a.StatusCode == http.StatusOK
	})
	metric := func() string {
		a, err := http.Get("http://" + debug + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(body), "\npackhouse_config_last_reload_successful ")
		value, _, _ := strings.Cut(rest, "\n")
		return value
	}

	done := make(chan struct{})
	var all sync.WaitGroup
	var mu sync.Mutex
	worked, failed := 0, []string{}
	for worker := range 4 {
		all.Go(func() {
			client := in.client()
			for turn := 0; ; turn++ {
				select {
				case <-done:
					return
				default:
				}
				content := noise(uint64(worker)<<32|uint64(turn), 64<<10)
				repository := fmt.Sprintf("load/r%d", worker)
				digest, err := pushBlob(in, client, admin, repository, content)
				if err == nil {
					err = readBlob(in, client, reader, repository, digest)
				}
				mu.Lock()
				worked++
				if err != nil {
					failed = append(failed, err.Error())
				}
				mu.Unlock()
			}
		})
	}
	client := in.client()
	until("load", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return worked > 0
	})
	for turn := range 5 {
		taken := said("configuration taken up")
		write(strings.Replace(good, "\nhttp:\n", fmt.Sprintf("\nhttp:\n  headers: {X-Turn: [\"%d\"]}\n", turn), 1))
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until("a reload", taken)
		refused := said("was not taken up")
		write(good + "\nbroken: true\n")
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		until("a refusal", refused)
		if got := metric(); got != "0" {
			t.Errorf("the metric is %q", got)
		}
		a, err := in.request(client, "", http.MethodGet, "/health", nil)
		if err != nil || a.status != http.StatusOK || string(a.body) != `{"status":"UP"}` || a.header.Get("X-Turn") != fmt.Sprint(turn) {
			t.Errorf("turn %d: %v %d %s %v", turn, err, a.status, a.body, a.header)
		}
	}
	taken := said("configuration taken up")
	write(good)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until("a reload", taken)
	if got := metric(); got != "1" {
		t.Errorf("the metric is %q", got)
	}
	until("some rounds under load", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return worked >= 20
	})
	close(done)
	all.Wait()
	if len(failed) > 0 {
		t.Errorf("%d of %d rounds failed: %v", len(failed), worked, failed[:min(3, len(failed))])
	}
	s.stop()
	if strings.Contains(s.log.String(), "panic") {
		t.Error("it panicked")
	}
}
