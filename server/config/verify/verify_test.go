package verify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"

	"packhouse/certgen"
	"packhouse/finding"
)

// place is a directory with everything a configuration can point at.
type place struct {
	dir string
	t   testing.TB
}

const knownHash = "$2y$10$aP0U2qkMz0rJ3bW2m7oEjuSxqEt9Q8pFz0d7bq8nY1Xv2cT5h6iKa"

func newPlace(t testing.TB) place {
	t.Helper()
	p := place{dir: t.TempDir(), t: t}
	for _, dir := range []string{filepath.Dir(p.dir), p.dir} { // tests that drop their rights have to get in, whatever the umask
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ca, err := certgen.NewCA(certgen.CAOptions{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := certgen.ParseNames([]string{"registry.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tls", "other"} {
		leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names})
		if err != nil {
			t.Fatal(err)
		}
		key, err := leaf.KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		p.write(name+".crt", string(leaf.CertPEM()), 0o644)
		p.write(name+".key", string(key), 0o600)
	}
	p.write("server-ca.crt", string(ca.CertPEM()), 0o644)
	p.write("ca.crt", string(clientCA(t)), 0o644)
	var bundle []byte
	for range maxClientCAs + 1 {
		bundle = append(bundle, clientCA(t)...)
	}
	p.write("bundle.crt", string(bundle), 0o644)
	p.write("htpasswd-basic", "admin:"+knownHash+"\nspectro:"+knownHash+"\n", 0o600)
	for _, dir := range []string{"data", "log"} {
		if err := os.Mkdir(filepath.Join(p.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// clientCA returns the PEM of a CA without limits on what it signs.
func clientCA(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(
			1,
		), Subject: pkix.Name{CommonName: "clients"}, BasicConstraintsValid: true, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func (p place) path(name string) string { return filepath.Join(p.dir, name) }

func (p place) write(name, content string, mode os.FileMode) {
	p.t.Helper()
	if err := errors.Join(os.WriteFile(p.path(name), []byte(content), mode), os.Chmod(p.path(name), mode)); err != nil {
		p.t.Fatal(err)
	}
}

// load reads a document in which $ stands for the directory.
func (p place) load(document string) *config.Loaded {
	p.t.Helper()
	return mustLoad(p.t, config.Source{Path: "myconfig.yml", Data: []byte(strings.ReplaceAll(document, "$", p.dir))})
}

// findings returns what Verify says, a line each, with $ for the directory.
func (p place) findings(l *config.Loaded, probes Probes) []string {
	var lines []string
	for _, f := range Run(context.Background(), l, probes) {
		lines = append(
			lines,
			fmt.Sprintf("%s %s: %s", f.Severity, f.Code, strings.ReplaceAll(f.String(), p.dir, "$")),
		)
	}
	return lines
}

type closer struct{}

func (closer) Close() error { return nil }

func allFree(context.Context, string, string) (io.Closer, error) { return closer{}, nil }

const installed = `version: 0.1
log: {audit: {path: $/log/audit.jsonl}}
storage: {filesystem: {rootdirectory: $/data/store}}
http:
  addr: :5000
  tls: {certificate: $/tls.crt, key: $/tls.key, clientcas: [$/ca.crt], clientauth: verify-client-cert-if-given}
auth: {htpasswd: {realm: r, path: $/htpasswd-basic}}
`

func TestVerify(t *testing.T) {
	with := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(installed) }
	tests := []struct {
		name, document string
		prepare        func(p place)
		want           []string
	}{
		{name: "all is well", document: installed},
		{
			"files are missing", with("tls.crt", "tls.cert", "$/tls.key", "$/roots/certs/tls.key", "htpasswd-basic", "users", "$/ca.crt", "$/ca.pem"), nil,
			[]string{
				`error config-file: myconfig.yml:6:22: http.tls.certificate names a file that is not there: "$/tls.cert"; did you mean $/tls.crt?`,
				`error config-file: myconfig.yml:6:100: http.tls.key names a file that is not there: "$/roots/certs/tls.key"; the directory $/roots/certs does not exist or cannot be read; is the volume mounted?`,
				`error config-file: myconfig.yml:6:200: http.tls.clientcas[0] names a file that is not there: "$/ca.pem"; create the file, or correct the path`,
				`error config-file: myconfig.yml:7:34: auth.htpasswd.path names a file that is not there: "$/users"; create the file, or correct the path`,
			},
		},
		{
			"the documentation's /roots/certs", with("$/tls.key", "$/roots/certs/tls.key"),
			func(p place) {
				if err := os.MkdirAll(p.path("root/certs"), 0o755); err != nil {
					p.t.Fatal(err)
				}
				key, err := os.ReadFile(p.path("tls.key"))
				if err != nil {
					p.t.Fatal(err)
				}
				p.write("root/certs/tls.key", string(key), 0o600)
			},
			[]string{
				`error config-file: myconfig.yml:6: http.tls.key names a file that is not there: "$/roots/certs/tls.key"; a file of that name is at $/root/certs/tls.key`,
			},
		},
		{
			"a directory instead of a certificate", with("$/tls.crt", "$/data"), nil,
			[]string{
				`error config-file: myconfig.yml:6: http.tls.certificate is a directory: "$/data"; name the file inside it`,
			},
		},
		{
			"the key of another certificate", with("$/tls.key", "$/other.key"), nil,
			[]string{`error config-certificate: myconfig.yml:6: http.tls.key "$/other.key": `},
		},
		{
			"a certificate that is none", with("$/tls.crt", "$/htpasswd-basic"), nil,
			[]string{`error config-certificate: myconfig.yml:6: http.tls.certificate "$/htpasswd-basic": `},
		},
		{
			"a CA that is none", with("$/ca.crt", "$/tls.key"), nil,
			[]string{`error config-certificate: myconfig.yml:6: http.tls.clientcas[0] "$/tls.key": `},
		},
		{
			"everybody reads the secrets", installed,
			func(p place) {
				for _, name := range []string{"tls.key", "htpasswd-basic"} {
					if err := os.Chmod(p.path(name), 0o644); err != nil {
						p.t.Fatal(err)
					}
				}
			},
			[]string{
				`warning config-rights: myconfig.yml:6: http.tls.key can be read by all users of this machine: "$/tls.key"; run chmod 600 "$/tls.key" as the user who runs the server`,
				`warning config-rights: myconfig.yml:7: auth.htpasswd.path can be read by all users of this machine: "$/htpasswd-basic"; run chmod 600 "$/htpasswd-basic" as the user who runs the server`,
			},
		},
		{
			"users of another kind", installed,
			func(p place) { p.write("htpasswd-basic", "a:$apr1$x$y\n# b\nspectro:"+knownHash+"\n", 0o600) },
			[]string{
				`warning config-users: myconfig.yml:7: auth.htpasswd.path: line 1 of "$/htpasswd-basic": `,
				`warning config-users: myconfig.yml: auth.htpasswd.roles.admin: no user is an admin, so no one can delete; add a user called admin, or name one in auth.htpasswd.roles.admin`,
			},
		},
		{
			"no users", installed,
			func(p place) { p.write("htpasswd-basic", "# nobody\n", 0o600) },
			[]string{
				`error config-users: myconfig.yml:7: auth.htpasswd.path names a file without any user who could log in: "$/htpasswd-basic"; packhouse user add creates one`,
			},
		},
		{
			"roles of strangers", with("realm: r,", "realm: r, roles: {admin: [admim, spectro], writer: [ci]},"), nil,
			[]string{
				`warning config-users: myconfig.yml:7: auth.htpasswd.roles.admin[0] is "admim", and there is no such user; did you mean admin?`,
				`warning config-users: myconfig.yml:7: auth.htpasswd.roles.writer[0] is "ci", and there is no such user; write one of admin, spectro`,
			},
		},
		{
			"every user in a role", with("realm: r,", "realm: r, roles: {admin: [spectro], writer: ['*']},"), nil,
			[]string{
				`warning config-users: myconfig.yml:7: auth.htpasswd.roles.writer[0] is "*", which means every user in rules only; for every user, write a rule with users: ["*"] in auth.htpasswd.rules`,
			},
		},
		{
			"strict transport under a private CA", with("  addr: :5000", "  addr: :5000\n  headers: {Strict-Transport-Security: [max-age=1]}"), nil,
			[]string{
				`warning config-conflict: myconfig.yml:6: http.headers.Strict-Transport-Security is sent with a certificate that no public CA issued: `,
			},
		},
		{
			"strict transport without TLS", "version: 0.1\nstorage: inmemory\nhttp: {addr: 'localhost:1', headers: {Strict-Transport-Security: [max-age=1]}}\n", nil,
			[]string{
				`warning config-conflict: myconfig.yml:3: http.headers.Strict-Transport-Security is sent over plain HTTP, where browsers ignore it; `,
			},
		},
		{
			"a file instead of the store", with("$/data/store", "$/ca.crt"), nil,
			[]string{
				`error config-storage: myconfig.yml:3: storage.filesystem.rootdirectory is a file, not a directory: "$/ca.crt"; name a directory`,
			},
		},
		{
			"a store below a file", with("$/data/store", "$/ca.crt/store"), nil,
			[]string{
				`error config-storage: myconfig.yml:3: storage.filesystem.rootdirectory cannot be looked at: "$/ca.crt/store" (not a directory); `,
			},
		},
		{
			"an audit log in a directory that is not there", with("$/log/", "$/gone/"), nil,
			[]string{
				`error config-file: myconfig.yml:2: log.audit.path is in a directory that is not there: "$/gone"; create it, for the user who runs the server`,
			},
		},
		{
			"an audit log that is a directory", with("$/log/audit.jsonl", "$/log"), nil,
			[]string{
				`error config-file: myconfig.yml:2: log.audit.path is a directory: "$/log"; name the file inside it`,
			},
		},
		{
			"an audit log that is another file", with("$/log/audit.jsonl", "$/htpasswd-basic"), nil,
			[]string{
				`error config-file: myconfig.yml:2: log.audit.path is not an audit log: "$/htpasswd-basic" has content`,
			},
		},
		{
			"an audit log with content", installed,
			func(p place) { p.write("log/audit.jsonl", `{"time":"2026-01-01T00:00:00Z"}`+"\n", 0o600) }, nil,
		},
		{"an empty audit log", installed, func(p place) { p.write("log/audit.jsonl", "", 0o600) }, nil},
		{
			"a socket that is a file", "version: 0.1\nstorage: inmemory\nhttp: {net: unix, addr: $/ca.crt}\n", nil,
			[]string{
				`error config-port: myconfig.yml:3: http.addr is not a socket: "$/ca.crt"; name a path where nothing else is`,
			},
		},
		{
			"a socket in a directory that is not there", "version: 0.1\nstorage: inmemory\nhttp: {net: unix, addr: $/gone/s}\n", nil,
			[]string{
				`error config-port: myconfig.yml:3: http.addr is in a directory that is not there: "$/gone"; create it, for the user who runs the server`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			if tt.prepare != nil {
				tt.prepare(p)
			}
			got := p.findings(p.load(tt.document), Probes{Listen: allFree})
			matches := func(got, want string) bool { return strings.HasPrefix(withoutColumn(got), withoutColumn(want)) }
			if !slices.EqualFunc(got, tt.want, matches) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			entries, err := os.ReadDir(p.path("data"))
			if err != nil || len(entries) > 0 {
				t.Errorf("something was left behind: %v %v", entries, err)
			}
		})
	}
}

// withoutColumn leaves out the column of a place, which depends on the length of the directory's
// name. mustLoad loads a configuration without errors.
func mustLoad(t testing.TB, src config.Source) *config.Loaded {
	t.Helper()
	loaded, err := config.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// isNumber reports whether text is a number.
func isNumber(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

func withoutColumn(s string) string {
	before, after, _ := strings.Cut(s, "myconfig.yml:")
	line, rest, _ := strings.Cut(after, ":")
	if column, text, ok := strings.Cut(rest, ":"); ok && isNumber(column) {
		rest = text
	}
	return before + "myconfig.yml:" + line + ":" + rest
}

func TestVerifyExpired(t *testing.T) {
	p := newPlace(t)
	later := func() time.Time { return time.Now().AddDate(2, 0, 0) }
	got := p.findings(p.load(installed), Probes{Listen: allFree, Now: later})
	if len(got) != 1 || !strings.HasPrefix(got[0], "warning config-certificate") {
		t.Errorf("got %v", got)
	}
}

func TestVerifyPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	p := newPlace(t)
	addr := taken.Addr().String()
	loaded := p.load("version: 0.1\nstorage: inmemory\nhttp: {addr: '" + addr + "', debug: {addr: '192.0.2.77:1'}}\n")
	ports := func(probes Probes) []string {
		return slices.DeleteFunc(
			p.findings(loaded, probes),
			func(f string) bool { return !strings.Contains(f, config.CodePort) },
		)
	}
	got := ports(Probes{})
	if len(got) != 2 ||
		!strings.HasPrefix(
			got[0],
			"error config-port: myconfig.yml:3:14: http.addr is in use by another process: "+addr+"; stop that process (ss -ltnp 'sport = :",
		) ||
		!strings.HasPrefix(got[1], "error config-port: myconfig.yml:3:") ||
		!strings.Contains(
			got[1],
			"http.debug.addr is not an address of this machine: 192.0.2.77:1; write :1 to listen",
		) {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
	if got := ports(Probes{Running: true}); len(got) > 0 {
		t.Errorf("a running server's ports were tried: %v", got)
	}
	socket := p.path("s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	got = p.findings(p.load("version: 0.1\nstorage: inmemory\nhttp: {net: unix, addr: $/s}\n"), Probes{})
	if len(got) != 1 || !strings.Contains(got[0], `http.addr is in use by another process: "$/s"`) {
		t.Errorf("got %v", got)
	}
}

// TestVerifyRecognizesTheServer verifies that a server is recognized by its certificate.
func TestVerifyRecognizesTheServer(t *testing.T) {
	p := newPlace(t)
	for name, own := range map[string]bool{"tls": true, "other": false} {
		pair, err := tls.LoadX509KeyPair(p.path(name+".crt"), p.path(name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		go func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				_ = conn.(*tls.Conn).Handshake()
				_ = conn.Close()
			}
		}()
		loaded := p.load(strings.Replace(installed, ":5000", "'"+l.Addr().String()+"'", 1))
		for _, mayRun := range []bool{true, false} {
			got := strings.Join(p.findings(loaded, Probes{MayRun: mayRun}), "\n")
			if strings.Contains(got, config.CodePort) == (own && mayRun) {
				t.Errorf("certificate of the configuration %v, may run %v: %s", own, mayRun, got)
			}
		}
	}
}

// TestBucketTried: findings of the S3-compatible storage take one line, and are reported for buckets only.
func TestBucketTried(t *testing.T) {
	tried := 0
	probes := Probes{Bucket: func(_ context.Context, c *config.Config) ([]finding.Finding, error) {
		tried++
		switch c.Storage.S3.Bucket {
		case "good":
			return nil, nil
		case "weak":
			return []finding.Finding{
				{Severity: finding.Warning, What: "lacks a feature: run one process", Remedy: "use a newer release"},
			}, nil
		}
		return nil, errors.New("access\ndenied")
	}, Listen: func(context.Context, string, string) (io.Closer, error) { return io.NopCloser(nil), nil }}
	verify := func(storage string) []finding.Finding {
		loaded := mustLoad(
			t,
			config.Source{
				Path: "my.yml",
				Data: []byte("version: 0.1\nstorage: " + storage + "\nhttp: {addr: 'localhost:1'}\n"),
			},
		)
		return Run(t.Context(), loaded, probes)
	}
	if got := append(verify("inmemory"), verify("{s3: {bucket: good, region: r}}")...); len(got) != 0 || tried != 1 {
		t.Errorf("%v after %d", got, tried)
	}
	got := verify("{s3: {bucket: bad, region: r, accesskey: a, secretkey: canary}}")
	want := `my.yml:2:24: storage.s3.bucket cannot be used: "bad" (access denied); see region, endpoint and keys, and what the policy of the bucket allows`
	if len(got) != 1 || got[0].String() != want {
		t.Errorf("got %v", got)
	}
	got = verify("{s3: {bucket: weak, region: r}}")
	want = `my.yml:2:24: storage.s3.bucket ("weak") lacks a feature: run one process; use a newer release`
	if len(got) != 1 || got[0].String() != want || got[0].Severity != finding.Warning ||
		got[0].Code != config.CodeConditions {
		t.Errorf("got %v", got)
	}
}

// TestForeign: Verify reports the directories that the store would refuse, and no others.
func TestForeign(t *testing.T) {
	for want, paths := range map[string][]string{
		"":          {"lost+found/"},
		"photo.jpg": {"lost+found/", "photo.jpg"},
		"     ":     {".snapshot/", ".zfs/", ".DS_Store", "lost+found/"},
		".Trash":    {".snapshot/", ".Trash/"},
		" ":         {"packhouse/", "photo.jpg"},
		"  ":        {"docker/registry/v2/", "photo.jpg"},
		"   ":       {"docker/registry/"},
		"    ":      {"docker/"},
		"docker":    {"docker/volumes/"},
		"registry":  {"registry/v2/"},
	} {
		dir := t.TempDir()
		for _, path := range paths {
			err := os.MkdirAll(filepath.Join(dir, path), 0o700)
			if !strings.HasSuffix(path, "/") {
				err = os.RemoveAll(filepath.Join(dir, path))
				err = errors.Join(err, os.WriteFile(filepath.Join(dir, path), nil, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := Foreign(dir); got != strings.TrimSpace(want) {
			t.Errorf("%v: %q, want %q", paths, got, want)
		}
	}
}
