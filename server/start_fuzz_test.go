package server

import (
	"io"
	"os"
	"strings"
	"testing"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// FuzzStart: never a panic, and what verifies starts.
func FuzzStart(f *testing.F) {
	for _, name := range []string{"accepted", "broken"} {
		table, err := os.ReadFile("config/testdata/" + name + ".txt")
		if err != nil {
			f.Fatal(err)
		}
		for _, example := range strings.Split(string(table), "=== ")[1:] {
			var file, env []string
			for _, line := range strings.Split(example, "\n")[1:] {
				if variable, ok := strings.CutPrefix(line, "$ "); ok {
					env = append(env, variable)
				} else if !strings.HasPrefix(line, ">") {
					file = append(file, line)
				}
			}
			f.Add(strings.Join(file, "\n"), strings.Join(env, "\n"))
		}
	}
	dir := f.TempDir()
	hash, err := htpasswd.HashCost([]byte("x"), htpasswd.MinCost)
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(dir+"/htpasswd", append(append([]byte("admin:"), hash...), 10), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file, env string) {
		lines := append(strings.Split(env, "\n"), "REGISTRY_STORAGE=inmemory", "REGISTRY_HTTP_ADDR=127.0.0.1:0", "REGISTRY_HTTP_NET=tcp")
		loaded, err := config.Load(config.Source{Path: dir + "/myconfig.yml", Data: []byte(file), Env: lines, ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }})
		if err != nil {
			return
		}
		c := &loaded.Config
		if c.Auth.Method == config.AuthHtpasswd {
			c.Auth.Htpasswd.Path = dir + "/htpasswd"
		}
		if c.Storage.Driver != config.InMemory || c.Log.Audit.Path != "" || c.HTTP.Debug.Addr != "" || c.HTTP.TLS.LetsEncrypt.Enabled() {
			return // would write to this machine, or listen on it
		}
		for _, p := range loaded.Verify(t.Context(), config.Probes{}) {
			if p.Severity == config.Error {
				return
			}
		}
		s, err := New(t.Context(), Options{Config: c, LogTo: io.Discard, AdminSocket: "-"})
		if err != nil {
			t.Fatalf("verified, and does not start: %v\n%s\n%s", err, file, env)
		}
		if err := s.Listen(); err != nil {
			t.Errorf("verified, and does not listen: %v\n%s\n%s", err, file, env)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
