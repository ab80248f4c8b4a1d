package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxyKind is a reverse proxy in one mode.
type proxyKind struct {
	name    string
	program string
	args    []string
	config  string
}

// newProxyKind returns a proxy whose configuration has more directives in place of MORE. In the
// arguments and the configuration, DIR is an empty directory with the configuration in the file
// "config", ADDR the address to listen on, PORT its port, UPSTREAM the address of the server.
func newProxyKind(name, program, args, config, more string) proxyKind {
	return proxyKind{name: name, program: program, args: strings.Fields(args), config: strings.ReplaceAll(config, "MORE", more)}
}

const (
	nginxArguments = "-c DIR/config -e stderr"
	nginxConfig    = `
daemon off; master_process off; pid DIR/pid; error_log stderr error;
events {}
http {
  access_log off; client_max_body_size 0;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  server {
    listen ADDR;
    location / { proxy_pass https://UPSTREAM; MORE }
  }
}
`

	haproxyArguments = "-db -f DIR/config"
	haproxyConfig    = `
global
  log stderr format raw local0 err
defaults
  mode http
  log global
  timeout connect 30s
  timeout client 5m
  timeout server 5m
  MORE
listen registry
  bind ADDR
  http-request set-header X-Forwarded-Proto http
  server packhouse UPSTREAM ssl verify none
`

	apacheArguments = "-D FOREGROUND -f DIR/config"
	apacheConfig    = `
ServerRoot /usr/lib/apache2
ServerName localhost
Listen ADDR
PidFile DIR/pid
DefaultRuntimeDir DIR
ErrorLog /dev/stderr
User nobody
Group nogroup
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule env_module modules/mod_env.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule ssl_module modules/mod_ssl.so
AllowEncodedSlashes NoDecode
SSLProxyEngine on
SSLProxyVerify none
SSLProxyCheckPeerName off
LimitRequestBody 0
MORE
ProxyPass / https://UPSTREAM/ nocanon
`

	caddyArguments = "run --adapter caddyfile --config DIR/config"
	caddyConfig    = `
{
  admin off
  auto_https off
  grace_period 1s
  log {
    level ERROR
  }
}
http://ADDR {
  reverse_proxy https://UPSTREAM {
    transport http {
      tls_insecure_skip_verify
    }
    MORE
  }
}
`
)

// proxyKinds lists the reverse proxies that Debian has. Each is in the list once for each way in
// which it can pass on a request's body.
var proxyKinds = []proxyKind{
	newProxyKind("nginx/buffered", "nginx", nginxArguments, nginxConfig, ""),
	newProxyKind("nginx/unbuffered", "nginx", nginxArguments, nginxConfig, "proxy_request_buffering off; proxy_http_version 1.1;"),
	newProxyKind("haproxy/unbuffered", "haproxy", haproxyArguments, haproxyConfig, ""),
	newProxyKind("haproxy/buffered", "haproxy", haproxyArguments, haproxyConfig, "option http-buffer-request"),
	newProxyKind("apache/unbuffered", "apache2", apacheArguments, apacheConfig, ""), // has no switch for bodies of a known length
	newProxyKind("caddy/unbuffered", "caddy", caddyArguments, caddyConfig, ""),
	newProxyKind("caddy/buffered", "caddy", caddyArguments, caddyConfig, "buffer_requests"),
}

// behind starts a reverse proxy in front of an installation and returns its URL.
func (in *installation) behind(t *testing.T, kind proxyKind) string {
	t.Helper()
	program, dir, addr := need(t, kind.program), t.TempDir(), freeAddress(t)
	placeholders := strings.NewReplacer("DIR", dir, "ADDR", addr, "UPSTREAM", in.addr)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(placeholders.Replace(kind.config)), 0o600); err != nil {
		t.Fatal(err)
	}
	var args []string
	for _, arg := range kind.args {
		args = append(args, placeholders.Replace(arg))
	}
	var output bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &output, &output
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.WaitDelay = patience
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group, for the workers of apache2
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", kind.program, &output)
		}
	})
	deadline := time.After(patience)
	for {
		if a, err := http.Get("http://" + addr + "/health"); err == nil { //nolint:noctx // bounded by the loop
			a.Body.Close()
			if a.StatusCode == http.StatusOK {
				return "http://" + addr
			}
		}
		select {
		case <-ended:
			t.Fatalf("%s ended", kind.program)
		case <-deadline:
			t.Fatalf("%s does not answer", kind.program)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
