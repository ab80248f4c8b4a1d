package e2e

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestSystemdOrders has the service order its certificate from a CA which looks
// for it at the ports 80 and 443, where somebody without rights serves.
func TestSystemdOrders(t *testing.T) {
	m := bootMachine(t)
	for _, name := range []string{"pebble", "pebble-challtestsrv"} {
		program, err := os.ReadFile(need(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(m.path("/usr/local/bin/"+name), program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const dir = "/srv/machine/ca"
	m.run("mkdir", "-p", dir)
	serverCertificate(t, m.path(dir))
	m.run("chmod", "a+r", dir+"/ca.crt")
	m.write(dir+"/pebble.json", toJSON(t, map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": dir + "/ca.crt", "privateKey": dir + "/ca.key",
		"httpPort": 80, "tlsPort": 443, "retryAfter": map[string]int{"authz": 1, "order": 1},
	}}))
	m.run("systemd-run", "--unit", "names", "pebble-challtestsrv", "-dnsserver", "127.0.0.1:8053", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "")
	m.run("systemd-run", "--unit", "ca", "--setenv", "PEBBLE_VA_NOSLEEP=1", "pebble", "-config", dir+"/pebble.json", "-dnsserver", "127.0.0.1:8053")
	eventually(t, "the CA answers, and the DNS server listens", patience, func() bool {
		if _, code := m.try("", "bash", "-c", ": </dev/tcp/127.0.0.1/8053"); code != 0 {
			return false
		}
		_, code := m.try("", "curl", "--silent", "--fail", "--output", "/dev/null", "--insecure", "https://127.0.0.1:14000/dir")
		return code == 0
	})
	m.write("/etc/hosts", []byte("127.0.0.1 localhost "+acmeHost+"\n"))
	out, code := m.try("admin:"+machinePasswords["admin"]+"\n", "packhouse", "setup", "--yes", "--password-stdin", "--hostname", acmeHost, "--tls", "letsencrypt",
		"--acme-email", "admin@acme.example", "--acme-directory", "https://127.0.0.1:14000/dir", "--acme-ca", dir+"/ca.crt")
	if code != 0 && code != 4 {
		t.Fatalf("setup: exit %d\n%s", code, out)
	}
	eventually(t, "the certificate comes", toolTimeout, func() bool {
		out, _ := m.try("", "bash", "-c", "openssl s_client -connect 127.0.0.1:443 -servername "+acmeHost+" </dev/null 2>/dev/null | openssl x509 -noout -issuer")
		return strings.Contains(out, "Pebble")
	})
	config, err := os.ReadFile(m.path("/etc/packhouse/myconfig.yml"))
	if err != nil {
		t.Fatal(err)
	}
	m.write("/etc/packhouse/myconfig.yml", bytes.Replace(config, []byte("\n      hosts:"), []byte("\n      httpaddr: \":80\"\n      hosts:"), 1))
	m.run("systemctl", "restart", "packhouse")
	if listening := m.run("ss", "-Hltn"); !strings.Contains(listening, ":80 ") || !strings.Contains(listening, ":443 ") {
		t.Errorf("not at both ports:\n%s", listening)
	}
	if got := strings.TrimSpace(m.run("stat", "--format", "%U %a", "/etc/packhouse/le-cache")); got != "packhouse 700" {
		t.Errorf("le-cache: %s", got)
	}
	if got, _ := m.try("", "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "http://"+acmeHost+"/.well-known/acme-challenge/none"); got != "404" {
		t.Errorf("a challenge that nobody asked for: %s", got)
	}
	if m.show("ActiveState") != "active" || m.show("NRestarts") != "0" {
		t.Error("the service does not run as it was started")
	}
}
