//go:build linux

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// given has setup refuse more flags.
func given(flags ...string) func(*site) {
	return func(s *site) {
		for _, f := range flags {
			s.args = append(s.args, s.words(f))
		}
	}
}

// password gives the admin a password through a file.
func password(text string) func(*site) {
	return func(s *site) { s.args = append(s.args, "--password-file", "admin="+s.write("password", text, 0o600)) }
}

// answerFaults are those of what somebody typed.
var answerFaults = []fault{
	{
		name:   "password too long in bytes",
		seed:   password(strings.Repeat("é", 37)),
		exit:   cli.ExitUsage,
		code:   setup.CodePassword,
		cause:  "74",
		remedy: "shorter",
	},
	{
		name:   "password out of the documentation",
		seed:   password("changeme"),
		exit:   cli.ExitUsage,
		code:   setup.CodePassword,
		cause:  "documentation",
		remedy: "another one",
	},
	{
		name:   "password file not there",
		seed:   given("--password-file", "admin={root}/nowhere"),
		exit:   cli.ExitUsage,
		code:   setup.CodeUnread,
		cause:  "{root}/nowhere",
		remedy: "path",
	},
	{
		name:   "host name with bidi characters",
		seed:   given("--hostname", "a\u202eb.example.com"),
		exit:   cli.ExitUsage,
		code:   setup.CodeName,
		cause:  "U+202E",
		remedy: "DNS name",
	},
	{
		name:   "user with bidi characters",
		seed:   given("--user", "a\u202eb:reader"),
		exit:   cli.ExitUsage,
		code:   setup.CodeUser,
		cause:  "U+202E",
		remedy: "another name",
	},
	{
		name:   "address not on this machine",
		seed:   given("--addr", "203.0.113.5:5000"),
		exit:   cli.ExitUsage,
		code:   setup.CodeNotOurs,
		cause:  "203.0.113.5 is not an address of this machine",
		remedy: "use :5000",
	},
	{
		name:   "plain HTTP to the network",
		seed:   given("--tls", "off", "--addr", ":65123"),
		exit:   cli.ExitUsage,
		code:   setup.CodePlain,
		cause:  "passwords cross the network",
		remedy: "choose a certificate",
	},
	{
		name:   "nobody left who may delete",
		seed:   given("--user", "admin:reader"),
		exit:   cli.ExitUsage,
		code:   setup.CodeNoAdmin,
		cause:  "no admin",
		remedy: "admin",
	},
	{
		name:   "in memory, unconfirmed",
		seed:   given("--storage", "inmemory"),
		exit:   cli.ExitUsage,
		code:   setup.CodeInMemory,
		cause:  "lost at restart",
		remedy: "confirm",
	},
	{
		name:   "no password where some were to come",
		seed:   given("--password-stdin"),
		exit:   cli.ExitUsage,
		code:   setup.CodeValue,
		cause:  "standard input holds no password",
		remedy: "NAME:PASSWORD",
	},
	{
		name: "two users share a variable", exit: cli.ExitUsage, code: setup.CodeShared, cause: "ci-bot and ci.bot", remedy: "--password-file",
		seed: func(s *site) {
			s.args, s.env = []string{
				"--user",
				"ci-bot",
				"--user",
				"ci.bot",
			}, []string{
				"PACKHOUSE_PASSWORD_CI_BOT=a-long-enough-one",
			}
		},
	},
	{
		name: "no terminal", plain: true, ask: []string{"setup"}, exit: cli.ExitUsage, cause: "there is no terminal for questions", remedy: "hint: packhouse setup --dir {dir} --yes", seed: func(*site) {},
	},
	{
		name: "nobody who answers", plain: true, ask: []string{"setup", "--accessible"}, exit: cli.ExitFailed, cause: "the input has ended", remedy: "nothing was written",
		seed: func(s *site) { s.stdin = "registry.example.com\n\n" },
	},
	{
		name: "systemd where there is none", exit: cli.ExitUsage, code: setup.CodeValue, cause: "systemd does not run", remedy: "another", namespaces: true,
		seed: func(s *site) {
			s.args, s.world = []string{"--service", "systemd"}, "mount -t tmpfs tmpfs /run"
		},
	},
}

// pair writes a certificate and its key, and gives them to setup.
func (s *site) pair(options certgen.LeafOptions, names ...string) *certgen.Pair {
	s.t.Helper()
	var err error
	if options.Names, err = certgen.ParseNames(names); err != nil {
		s.t.Fatal(err)
	}
	pair, err := certgen.NewSelfSigned(options)
	s.must(err)
	s.own(string(pair.CertPEM()), pair, 0o600)
	return pair
}

// own gives setup files of one's own.
func (s *site) own(certificates string, key *certgen.Pair, mode os.FileMode) {
	s.t.Helper()
	pem, err := key.KeyPEM()
	s.must(err)
	s.args = append(
		s.args, "--tls", "files", "--tls-cert", s.write("own.crt", certificates, 0o644), "--tls-key",
		s.write("own.key", string(pem), mode),
	)
}

// signed makes a CA and a certificate for the host name of the site.
func (s *site) signed() (ca, leaf *certgen.Pair) {
	s.t.Helper()
	ca, err := certgen.NewCA(certgen.CAOptions{Now: time.Now()})
	s.must(err)
	names, err := certgen.ParseNames([]string{"registry.example.com"})
	s.must(err)
	leaf, err = certgen.NewLeaf(ca, certgen.LeafOptions{Names: names, Now: time.Now()})
	s.must(err)
	return ca, leaf
}

// fileFaults are those of files that setup is given.
var fileFaults = []fault{
	{
		name: "certificate expired", exit: cli.ExitUsage, code: certgen.CodeExpired, cause: "ran out", remedy: "renew",
		seed: func(s *site) {
			s.pair(certgen.LeafOptions{Days: 30, Now: time.Now().AddDate(0, -3, 0)}, "registry.example.com")
		},
	},
	{
		name: "certificate not yet valid", exit: cli.ExitUsage, code: certgen.CodeNotYetValid, cause: "not valid before", remedy: "clock",
		seed: func(s *site) {
			s.pair(certgen.LeafOptions{Days: 30, Now: time.Now().AddDate(0, 3, 0)}, "registry.example.com")
		},
	},
	{
		name: "certificate of another name", exit: cli.ExitUsage, code: certgen.CodeName, cause: "names other.example.com", remedy: "have it made with this name",
		seed: func(s *site) { s.pair(certgen.LeafOptions{Days: 30, Now: time.Now()}, "other.example.com") },
	},
	{
		name: "key of another certificate", exit: cli.ExitUsage, code: certgen.CodeKeyMismatch, cause: "does not fit", remedy: "key",
		seed: func(s *site) {
			s.pair(certgen.LeafOptions{Days: 30, Now: time.Now()}, "registry.example.com")
			_, other := s.signed()
			pem, err := other.KeyPEM()
			s.must(err)
			s.write("own.key", string(pem), 0o600)
		},
	},
	{
		name: "chain incomplete", exit: cli.ExitUsage, code: certgen.CodeIncomplete, cause: "incomplete", remedy: "append",
		seed: func(s *site) {
			_, leaf := s.signed()
			s.own(string(certgen.EncodeChain(leaf.Leaf())), leaf, 0o600)
		},
	},
	{
		name: "chain out of order", exit: cli.ExitUsage, code: certgen.CodeOrder, cause: "begins with a CA", remedy: "first",
		seed: func(s *site) {
			ca, leaf := s.signed()
			s.own(string(certgen.EncodeChain(ca.Leaf(), leaf.Leaf())), leaf, 0o600)
		},
	},
	{
		name: "key readable by all", exit: cli.ExitUsage, code: setup.CodeOpenKey, cause: "0644", remedy: "chmod 600 {root}/own.key",
		seed: func(s *site) {
			ca, leaf := s.signed()
			s.own(string(certgen.EncodeChain(leaf.Leaf(), ca.Leaf())), leaf, 0o644)
		},
	},
	{
		name: "key with a passphrase", exit: cli.ExitUsage, code: certgen.CodeKeyEncrypted, cause: "encrypted", remedy: "openssl pkey",
		seed: func(s *site) {
			s.pair(certgen.LeafOptions{Days: 30, Now: time.Now()}, "registry.example.com")
			s.write(
				"own.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n",
				0o600,
			)
		},
	},
	{
		name: "certificate is a directory", exit: cli.ExitUsage, code: setup.CodeUnread, cause: "{root}/own.crt", remedy: "path",
		seed: func(s *site) {
			s.pair(certgen.LeafOptions{Days: 30, Now: time.Now()}, "registry.example.com")
			s.must(os.Remove(s.at("own.crt")))
			s.must(os.Mkdir(s.at("own.crt"), 0o755))
		},
	},
	{
		name: "storage path is a file", exit: cli.ExitUsage, code: setup.CodePath, cause: "{data} is a file", remedy: "choose a directory",
		seed: func(s *site) { s.write("data", "", 0o600) },
	},
	{
		name: "storage path below a file", exit: cli.ExitUsage, code: setup.CodePath, cause: "{root}/file is a file", remedy: "another one",
		seed: func(s *site) {
			s.write("file", "", 0o600)
			s.args = []string{"--storage-path", s.at("file/data")}
		},
	},
	{
		name: "storage of something else", exit: cli.ExitUsage, code: setup.CodeForeignStore, cause: "\"photos\"", remedy: "empty directory",
		seed: func(s *site) { s.must(os.MkdirAll(filepath.Join(s.data, "photos"), 0o755)) },
	},
	{
		name: "directory of the installation is a file", exit: cli.ExitUsage, code: setup.CodeDir, cause: "{dir} is a file", remedy: "--dir",
		seed: func(s *site) { s.write("D", "", 0o600) },
	},
	{
		name: "directory of the installation below a file", exit: cli.ExitUsage, code: setup.CodeDir, cause: "{root}/file is a file", remedy: "--dir",
		seed: func(s *site) {
			s.write("file", "", 0o600)
			s.dir = s.at("file/D")
		},
	},
	{
		name: "configuration is a directory", exit: cli.ExitUsage, code: "file-is-directory", cause: "{dir}/myconfig.yml is a directory", remedy: "move it away",
		seed: func(s *site) { s.must(os.MkdirAll(filepath.Join(s.dir, installation.ConfigFile), 0o755)) },
	},
	{
		name: "port taken", exit: cli.ExitUsage, code: setup.CodePortTaken, cause: fmt.Sprintf("port {port} is in use by packhouse.test (pid %d)", os.Getpid()), remedy: "another port",
		seed: func(s *site) { s.listen() },
	},
	{
		name: "ACME directory does not answer", exit: cli.ExitUsage, code: setup.CodeUnreached, cause: "connection refused", remedy: "HTTPS_PROXY",
		seed: func(s *site) {
			given(
				"--tls", "letsencrypt", "--acme-email", "a@example.com", "--acme-directory",
				"https://127.0.0.1:{port}/directory", "--offline=false",
			)(s)
		},
	},
	{
		name: "engine's name does not resolve", namespaces: true, exit: cli.ExitUsage, code: "bucket-name", cause: "s3.invalid", remedy: "--s3-endpoint",
		seed: func(s *site) {
			s.hosts("") // a name server that is far away may take longer to say so than the program waits
			bucketAt("http://s3.invalid:9000")(s)
		},
	},
	{
		name: "engine does not answer", exit: cli.ExitUsage, code: "bucket-connection", cause: "127.0.0.1:{port}", remedy: "firewall", seed: bucketAt("http://127.0.0.1:{port}"),
	},
	{
		name: "engine finds the clock off", exit: cli.ExitUsage, code: "bucket-clock", cause: "clock", remedy: "NTP",
		seed: func(s *site) {
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprint(
					w,
					`<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the current time is too large.</Message></Error>`,
				)
			}))
			s.t.Cleanup(engine.Close)
			bucketAt(engine.URL)(s)
		},
	},
}

// bucketAt keeps content in a bucket of an engine.
func bucketAt(endpoint string) func(*site) {
	return func(s *site) {
		given(
			"--offline=false", "--storage", "s3", "--s3-bucket", "packs", "--s3-region", "us-east-1",
			"--s3-endpoint", endpoint, "--s3-path-style", "--s3-access-key", "AKIDEXAMPLE", "--s3-secret-key-file",
			s.write("secret", "some-secret-key\n", 0o600),
		)(s)
	}
}

// machineFaults are those of the machine underneath.
var machineFaults = []fault{
	{
		name: "port not permitted", namespaces: true, exit: cli.ExitUsage, code: setup.CodePortRight, cause: "port 443 may not be bound by this user", remedy: "setcap",
		seed: func(s *site) {
			s.asNobody()
			s.world = "sysctl -qw net.ipv4.ip_unprivileged_port_start=1024"
			s.args = []string{"--addr", ":443"}
		},
	},
	{
		name: "port taken by somebody unseen", namespaces: true, exit: cli.ExitUsage, code: setup.CodePortTaken, cause: "which only root can see", remedy: "another port",
		seed: func(s *site) {
			s.asNobody()
			s.listen()
		},
	},
	{
		name: "name resolves elsewhere", namespaces: true, exit: cli.ExitPending, code: setup.CodeElsewhere, cause: "resolves to 198.51.100.4, not to this machine", remedy: "correct the DNS entry",
		seed: func(s *site) {
			s.hosts("198.51.100.4 registry.example.com")
			s.args = []string{"--dry-run", "--offline=false"}
		},
	},
	{
		name: "name does not resolve", namespaces: true, exit: cli.ExitPending, code: setup.CodeNoResolve, cause: "registry.example.com does not resolve", remedy: "DNS entry",
		seed: func(s *site) {
			s.hosts("")
			s.args = []string{"--dry-run", "--offline=false"}
		},
	},
	{
		name: "disk full", namespaces: true, exit: cli.ExitUsage, code: setup.CodeSpace, cause: "{data} has 0 B free", remedy: "free space",
		seed: func(s *site) {
			s.mount(s.data, "size=64k", "head -c 100k /dev/zero > {data}/docker 2>/dev/null || true")
		},
	},
	{
		name: "inodes out", namespaces: true, exit: cli.ExitUsage, code: setup.CodeInodes, cause: "no inodes left", remedy: "small files",
		seed: func(s *site) { s.mount(s.data, "nr_inodes=2", "touch {data}/docker") },
	},
	{
		name: "storage in memory of the machine", namespaces: true, exit: cli.ExitUsage, code: setup.CodeTmpfs, cause: "on tmpfs", remedy: "on a disk",
		seed: func(s *site) { s.mount(s.data, "size=2g", "") },
	},
	{
		name: "storage read-only", namespaces: true, exit: cli.ExitUsage, code: setup.CodePath, cause: "read-only", remedy: "another",
		seed: func(s *site) { s.mount(s.data, "ro", "") },
	},
	{
		name: "disk of the installation full", namespaces: true, exit: cli.ExitUsage, code: setup.CodeDir, cause: "0 B free", remedy: "free space",
		seed: func(s *site) { s.mount(s.dir, "size=64k", "head -c 100k /dev/zero > {dir}/x 2>/dev/null || true") },
	},
	{
		name: "inodes of the installation out", namespaces: true, exit: cli.ExitUsage, code: setup.CodeDir, cause: "inodes", remedy: "small files",
		seed: func(s *site) { s.mount(s.dir, "nr_inodes=2", "touch {dir}/x") },
	},
	{
		name: "disk of the installation read-only", namespaces: true, exit: cli.ExitUsage, code: setup.CodeDir, cause: "read-only", remedy: "mount",
		seed: func(s *site) { s.mount(s.dir, "ro", "") },
	},
	{
		name: "directory of somebody else", namespaces: true, exit: cli.ExitUsage, code: setup.CodeDir, cause: "permission denied", remedy: "user it belongs to",
		seed: func(s *site) {
			s.uid = nobody
			s.must(os.Mkdir(s.dir, 0o755))
		},
	},
	{
		name: "storage of somebody else", namespaces: true, exit: cli.ExitUsage, code: setup.CodePath, cause: "permission denied", remedy: "hand it to the user",
		seed: func(s *site) {
			s.asNobody()
			s.must(os.Mkdir(s.data, 0o755))
		},
	},
	{
		name: "host name is a container's bridge", namespaces: true, exit: cli.ExitPending, code: setup.CodeBridge, cause: "172.17.0.1 is the address of docker0", remedy: "by which others reach",
		seed: func(s *site) { s.world, s.args = containers, []string{"--dry-run", "--hostname", "172.17.0.1"} },
	},
	{
		name: "host name resolves to a container's bridge", namespaces: true, exit: cli.ExitPending, code: setup.CodeBridge, cause: "resolves to 172.17.0.1, which is the address of docker0", remedy: "by which others reach",
		seed: func(s *site) {
			s.hosts("172.17.0.1 registry.example.com")
			s.world += "\n" + containers
			s.args = []string{"--dry-run", "--offline=false"}
		},
	},
	{
		name: "address of a container's bridge", namespaces: true, exit: cli.ExitPending, code: setup.CodeBridge, cause: "172.17.0.1 is the address of docker0", remedy: "by which others reach",
		seed: func(s *site) { s.world, s.args = containers, []string{"--dry-run", "--addr", "172.17.0.1:5000"} },
	},
	{
		name: "address of IPv4, where there is IPv6 only", namespaces: true, exit: cli.ExitUsage, code: setup.CodeNotOurs, cause: "192.0.2.17 is not an address of this machine", remedy: "use :5000",
		seed: func(s *site) {
			s.world = sixOnly
			s.args = []string{"--addr", "192.0.2.17:5000"}
		},
	},
}

// nobody is a user who owns nothing.
const nobody = 65534

// asNobody runs the program as somebody who owns the site, and nothing else.
func (s *site) asNobody() {
	s.t.Helper()
	s.uid = nobody
	s.must(os.Chown(s.root, nobody, nobody))
	s.must(os.Chown(s.at("run"), nobody, nobody))
}

// hosts gives the machine a file of hosts and no other way to find a name.
func (s *site) hosts(lines string) {
	s.t.Helper()
	s.world = fmt.Sprintf(
		"mount --bind %s /etc/hosts\nmount --bind %s /etc/nsswitch.conf",
		s.write("hosts", "127.0.0.1 localhost\n::1 localhost\n"+lines+"\n", 0o644),
		s.write("nsswitch.conf", "hosts: files\n", 0o644),
	)
}

// mount makes a directory of the site a file system of its own, and fills it.
func (s *site) mount(dir, options, fill string) {
	s.t.Helper()
	s.must(os.Mkdir(dir, 0o755))
	s.world = s.words(fmt.Sprintf("mount -t tmpfs -o mode=755,%s tmpfs %s\n%s", options, dir, fill))
}

// containers is a machine with a network for containers, beside one for everybody.
const containers = "ip link add eth0 type bridge\nip addr add 192.0.2.17/24 dev eth0\nip link set eth0 up\n" +
	"ip link add docker0 type bridge\nip addr add 172.17.0.1/16 dev docker0\nip link set docker0 up"

// sixOnly is a machine that others reach over IPv6 only.
const sixOnly = "ip addr add 2001:db8::17/64 dev lo nodad"
