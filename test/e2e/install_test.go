package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstalledFiles looks at what setup left on the disk: everything that the
// server and the clients need, secrets for their owner alone, and no password
// in anything.
func TestInstalledFiles(t *testing.T) {
	in := install(t)
	for name, mode := range map[string]fs.FileMode{
		"myconfig.yml":        0,
		"auth/htpasswd-basic": 0o600,
		"certs/tls.crt":       0,
		"certs/tls.key":       0o600,
		"certs/ca.crt":        0,
		"certs/ca.key":        0o600,
		"answers.yml":         0,
		"handoff.md":          0,
	} {
		info, err := os.Stat(filepath.Join(in.dir, name))
		if err != nil {
			t.Errorf("setup did not write it: %v", err)
			continue
		}
		if mode != 0 && info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode().Perm(), mode)
		}
	}
	err := filepath.WalkDir(in.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for name, password := range in.passwords {
			if bytes.Contains(content, []byte(password)) {
				t.Errorf("%s holds the password of %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the installation: %v", err)
	}
}

// TestSetupAgainChangesNothing runs the same line twice: files that are the
// same to the byte are what makes it safe in cloud-init and Ansible.
func TestSetupAgainChangesNothing(t *testing.T) {
	in := install(t)
	contents := func() map[string]string {
		all := map[string]string{}
		for _, name := range []string{"myconfig.yml", "auth/htpasswd-basic", "certs/tls.crt", "certs/tls.key", "certs/ca.crt", "certs/ca.key"} {
			content, err := os.ReadFile(filepath.Join(in.dir, name))
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			all[name] = string(content)
		}
		return all
	}
	before := contents()
	said := in.setup()
	for name, content := range contents() {
		if content != before[name] {
			t.Errorf("the second run changed %s\n%s", name, said)
		}
	}
}

// TestOpenSSLVerifiesCertificate has every name and address verified by
// somebody else's code, on disk and on the wire.
func TestOpenSSLVerifiesCertificate(t *testing.T) {
	in := install(t)
	s := in.serve()
	openssl := newTool(t, "openssl")
	leaf := filepath.Join(in.dir, "certs", "tls.crt")

	for _, args := range [][]string{
		{"-verify_hostname", hostname},
		{"-verify_hostname", "localhost"},
		{"-verify_ip", "127.0.0.1"},
	} {
		openssl.run(append([]string{"verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", in.ca()}, append(args, leaf)...)...)
	}
	openssl.fails("verify", "-CAfile", in.ca(), "-verify_hostname", "other.example.com", leaf)

	names := openssl.run("x509", "-in", leaf, "-noout", "-ext", "subjectAltName")
	for _, want := range []string{"DNS:" + hostname, "DNS:localhost", "IP Address:127.0.0.1"} {
		if !strings.Contains(names, want) {
			t.Errorf("the certificate lacks %s: %s", want, names)
		}
	}
	if strings.Contains(names, "DNS:127.0.0.1") {
		t.Errorf("an address stands among the names: %s", names)
	}

	wire := openssl.run("s_client", "-connect", in.addr, "-servername", hostname, "-CAfile", in.ca(),
		"-verify_hostname", hostname, "-verify_return_error", "-tls1_3")
	if !strings.Contains(wire, "Verify return code: 0 (ok)") {
		t.Errorf("openssl does not verify what is served:\n%s", wire)
	}
	openssl.run("s_client", "-connect", in.addr, "-CAfile", in.ca(), "-verify_return_error", "-tls1_2")
	openssl.fails("s_client", "-connect", in.addr, "-CAfile", in.ca(), "-verify_return_error", "-tls1_1")
	s.stop()
}

// TestCurl speaks to the registry as the documentation of the vendor tells
// people to.
func TestCurl(t *testing.T) {
	in := install(t)
	s := in.serve()
	curl := newTool(t, "curl")
	resolve := hostname + ":" + in.port() + ":127.0.0.1"
	byName := "https://" + hostname + ":" + in.port()
	// Credentials come through standard input: never in argv.
	as := func(user, password string) string {
		return `user = "` + user + ":" + password + `"` + "\n"
	}

	for _, trusted := range []string{in.ca(), filepath.Join(in.dir, "certs", "tls.crt")} {
		health := curl.run("-sS", "--fail", "--cacert", trusted, "--resolve", resolve, byName+"/health")
		if got := strings.Join(strings.Fields(health), ""); got != `{"status":"UP"}` {
			t.Errorf("/health is %s", health)
		}
		curl.run("-sS", "--fail", "--cacert", trusted, "https://"+in.addr+"/health")
	}
	curl.fails("-sS", "https://"+in.addr+"/health") // the machine does not know this CA

	for _, path := range []string{"/v2/", "/v1/", "/v1/_catalog", "/v2/_catalog"} {
		refused := curl.run("-sS", "-D", "-", "-o", "/dev/null", "--cacert", in.ca(), "https://"+in.addr+path)
		if status := strings.Fields(refused)[1]; status != "401" {
			t.Errorf("%s without credentials is %s", path, status)
		}
		if !strings.Contains(strings.ToLower(refused), "www-authenticate: basic realm=") {
			t.Errorf("%s names no realm:\n%s", path, refused)
		}
		for user, password := range in.passwords {
			curl.runWith(as(user, password), "-sS", "--fail", "-K", "-", "--cacert", in.ca(), "-o", "/dev/null", "https://"+in.addr+path)
		}
		curl.failsWith(as(admin, "not the password"), "-sS", "--fail", "-K", "-", "--cacert", in.ca(), "-o", "/dev/null", "https://"+in.addr+path)
	}
	curl.failsWith(as("nobody", "whatever it is"), "-sS", "--fail", "-K", "-", "--cacert", in.ca(), "https://"+in.addr+"/v2/")

	s.stop()
	for name, password := range in.passwords {
		if strings.Contains(s.log.String(), password) {
			t.Errorf("the log holds the password of %s", name)
		}
	}
}

// TestHtpasswd shares the file of users with Apache's tool, both ways.
func TestHtpasswd(t *testing.T) {
	in := install(t)
	htpasswd := newTool(t, "htpasswd")
	users := filepath.Join(in.dir, "auth", "htpasswd-basic")

	for name, password := range in.passwords {
		htpasswd.runWith(password+"\n", "-v", "-i", users, name)
		htpasswd.failsWith("not the password\n", "-v", "-i", users, name)
	}

	in.passwords["apache"] = "made by another tool"
	htpasswd.runWith(in.passwords["apache"]+"\n", "-i", "-B", users, "apache")
	s := in.serve()
	client := in.client()
	for name := range in.passwords {
		got, err := in.request(client, name, "GET", "/v2/", nil)
		if err != nil {
			t.Fatalf("ask as %s: %v", name, err)
		}
		if got.status != 200 {
			t.Errorf("%s gets %d", name, got.status)
		}
	}
	s.stop()
}

// TestCheckProvesInstallation asks packhouse itself, with the server running
// and without.
func TestCheckProvesInstallation(t *testing.T) {
	in := install(t)
	packhouse := newTool(t, binary(t))
	packhouse.run("config", "verify", in.configuration())
	s := in.serve()
	report := packhouse.run("check", "--dir", in.dir, "--json")
	fromJSON[any](t, report)
	s.stop()
}

// TestSelfSigned installs the single certificate that the vendor's
// documentation describes, with the names right.
func TestSelfSigned(t *testing.T) {
	in := install(t, "--tls", "self-signed")
	trusted := in.ca()
	s := in.serve()
	curl := newTool(t, "curl")
	curl.run("-sS", "--fail", "--cacert", trusted, "https://"+in.addr+"/health")
	curl.run("-sS", "--fail", "--cacert", trusted, "--resolve", hostname+":"+in.port()+":127.0.0.1", "https://"+hostname+":"+in.port()+"/health")
	s.stop()
}

// TestServeByVariables runs the way of the vendor's `docker run -e` lines: no
// file at all, everything from the environment.
func TestServeByVariables(t *testing.T) {
	in := install(t)
	data := t.TempDir()
	in.env = []string{
		"REGISTRY_LOG_LEVEL=debug",
		"REGISTRY_HTTP_ADDR=" + in.addr,
		"REGISTRY_AUTH=htpasswd",
		"REGISTRY_AUTH_HTPASSWD_REALM=My Enterprise Realm",
		"REGISTRY_AUTH_HTPASSWD_PATH=" + filepath.Join(in.dir, "auth", "htpasswd-basic"),
		"REGISTRY_HTTP_TLS_CERTIFICATE=" + filepath.Join(in.dir, "certs", "tls.crt"),
		"REGISTRY_HTTP_TLS_KEY=" + filepath.Join(in.dir, "certs", "tls.key"),
		"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=" + data,
	}
	s := in.start(binary(t), "serve")
	client := in.client()
	refused, err := in.request(client, "", "GET", "/v2/", nil)
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	if got := refused.header.Get("WWW-Authenticate"); refused.status != 401 || !strings.Contains(got, `realm="My Enterprise Realm"`) {
		t.Errorf("without credentials: %d, %q", refused.status, got)
	}
	push := pushArtifact(in, client, admin, "by/variables", "v1", noise(1, 1000))
	if push.err != nil {
		t.Errorf("push: %v", push.err)
	}
	s.stop()
	if _, err := os.Stat(filepath.Join(data, "docker", "registry", "v2", "repositories", "by", "variables")); err != nil {
		t.Errorf("the store is not where the variable puts it: %v", err)
	}
}
