package server

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/server/config/verify"
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
		for _, p := range verify.Run(t.Context(), loaded, verify.Probes{}) {
			if p.Severity == finding.Refused {
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

// TestStoreVerified: a directory that verify accepts is opened, and one that it refuses would not be.
func TestStoreVerified(t *testing.T) {
	for _, paths := range [][]string{
		{},
		{"lost+found/"},
		{"photo.jpg"},
		{"packhouse/", "photo.jpg"},
		{"docker/registry/v2/", "photo.jpg"},
		{"docker/registry/"},
		{"docker/"},
		{"docker/volumes/"},
		{"registry/v2/"},
		{"docker"},
		{"packhouse"},
		nil,
	} {
		for _, readOnly := range []bool{false, true} {
			root := filepath.Join(t.TempDir(), "root")
			if paths != nil {
				if err := os.Mkdir(root, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range paths {
				var err error
				if strings.HasSuffix(path, "/") {
					err = os.MkdirAll(filepath.Join(root, path), 0o700)
				} else {
					err = os.WriteFile(filepath.Join(root, path), nil, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			file := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}, maintenance: {readonly: {enabled: %v}}}\nhttp: {addr: 'localhost:0'}\n", root, readOnly)
			loaded, err := config.Load(config.Source{Path: "x.yml", Data: []byte(file)})
			if err != nil {
				t.Fatal(err)
			}
			var refused []finding.Finding
			for _, p := range verify.Run(t.Context(), loaded, verify.Probes{}) {
				if p.Severity == finding.Refused {
					refused = append(refused, p)
				}
			}
			s, err := New(t.Context(), Options{Config: &loaded.Config, LogTo: io.Discard, AdminSocket: "-"})
			if (err == nil) != (len(refused) == 0) {
				t.Errorf("%v, read-only %v: verify says %v, the start %v", paths, readOnly, refused, err)
			}
			if err == nil {
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
