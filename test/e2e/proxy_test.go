package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginx starts nginx in front of an installation, with more directives for its
// one location, and returns its URL.
func (in *installation) nginx(directives string) string {
	t := in.t
	t.Helper()
	program, dir, addr := need(t, "nginx"), t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "nginx.conf")
	content := strings.NewReplacer("DIR", dir, "ADDR", addr, "UPSTREAM", "https://"+in.addr, "MORE", directives).Replace(`
daemon off; master_process off; pid DIR/pid; error_log stderr error;
events {}
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  server {
    listen ADDR;
    location / { proxy_pass UPSTREAM; MORE }
  }
}
`)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-c", config, "-e", "stderr")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", &said)
		}
	})
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if a, err := http.Get("http://" + addr + "/health"); err == nil { //nolint:noctx // bounded by the loop
			a.Body.Close()
			return "http://" + addr
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("nginx does not answer: %s", &said)
		}
	}
}

// TestRefusalsThroughProxy: what the registry refuses while its body is still
// arriving reaches the client behind nginx with the registry's own answer.
func TestRefusalsThroughProxy(t *testing.T) {
	need(t, "nginx")
	curl := need(t, "curl")
	in := install(t)
	in.serve()
	body := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(body, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	targets := []struct{ method, path, want string }{
		{"POST", "/v2/a/blobs/uploads/", "401"}, {"PUT", "/v3/", "404"}, {"POST", "/v2/", "405"},
	}
	for name, directives := range map[string]string{
		"buffered":   "",
		"unbuffered": "proxy_request_buffering off; proxy_http_version 1.1;",
	} {
		t.Run(name, func(t *testing.T) {
			proxy := in.nginx(directives)
			for i := range 15 {
				target := targets[i%len(targets)]
				out, err := exec.Command(curl, "-sS", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "-X", target.method,
					"--data-binary", "@"+body, proxy+target.path).CombinedOutput()
				if string(out) != target.want {
					t.Errorf("request %d, %s %s: %s, %v; want %s", i, target.method, target.path, out, err, target.want)
				}
			}
		})
	}
}
