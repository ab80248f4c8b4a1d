//go:build linux

package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/server/config"
	"packhouse/setup"
)

// checks is the command that proves an installation.
var checks = []string{"check"}

// installed makes a fault in an installation whose server does not run.
func installed(spoil func(*site)) func(*site) {
	return func(s *site) {
		s.install()
		spoil(s)
	}
}

// served makes a fault in an installation whose server runs.
func served(spoil func(*site)) func(*site) {
	return func(s *site) {
		s.install()
		s.serve()
		spoil(s)
	}
}

// inDir is a file of the installation.
func (s *site) inDir(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// edit changes a file of the installation by hand.
func (s *site) edit(name, old, replacement string) {
	s.t.Helper()
	data, err := os.ReadFile(s.inDir(name))
	s.must(err)
	if !strings.Contains(string(data), old) {
		s.t.Fatalf("%s does not hold %q", name, old)
	}
	info, err := os.Stat(s.inDir(name))
	s.must(err)
	s.write(s.inDir(name), strings.Replace(string(data), old, replacement, 1), info.Mode().Perm())
}

// certificate puts another certificate in the place of the server's.
func (s *site) certificate(pair *certgen.Pair) {
	s.t.Helper()
	key, err := pair.KeyPEM()
	s.must(err)
	s.write(s.inDir(setup.CertFile), string(pair.CertPEM()), 0o644)
	s.write(s.inDir(setup.KeyFile), string(key), 0o600)
}

// installedFaults are those of files that somebody or something changed after setup wrote them.
var installedFaults = []fault{
	{
		name: "configuration edited by hand, with errors", ask: checks, exit: exitFindings, code: config.CodeValue, cause: "myconfig.yml:17:9: http.addr is not host and port", remedy: "config verify",
		seed: installed(func(s *site) { s.edit(setup.ConfigFile, "127.0.0.1:"+s.port, "nonsense") }),
	},
	{
		name: "setup over a configuration with errors", exit: exitUsage, code: config.CodeUnknownKey, cause: "unknown key htp", remedy: "did you mean http",
		seed: installed(func(s *site) { s.edit(setup.ConfigFile, "http:", "htp:") }),
	},
	{
		name: "configuration whose indentation got lost", exit: exitUsage, code: config.CodeIndentation, cause: "every line starts at the left", remedy: "did the indentation get lost",
		seed: installed(func(s *site) {
			s.write(s.inDir(setup.ConfigFile), "version: 0.1\nlog:\nlevel: info\nhttp:\naddr: :5000\n", 0o600)
		}),
	},
	{
		name: "configuration edited since", exit: exitPending, code: setup.CodeDrift, cause: "myconfig.yml differs from what setup wrote", remedy: "kept",
		seed: installed(func(s *site) {
			s.edit(setup.ConfigFile, "level: info", "level: warn")
			s.args = []string{"--dry-run", "--san", "10.9.8.7"}
		}),
	},
	{
		name: "users with foreign hashes", ask: checks, exit: exitFindings, code: config.CodeUsers, cause: "$apr1$", remedy: "",
		seed: installed(func(s *site) {
			data, err := os.ReadFile(s.inDir(setup.HtpasswdFile))
			s.must(err)
			s.write(s.inDir(setup.HtpasswdFile), string(data)+"old:$apr1$xxxxxxxx$yyyyyyyyyyyyyyyyyyyyyy\n", 0o600)
		}),
	},
	{
		name: "users' file gone", ask: checks, exit: exitFindings, code: "file-missing", cause: "htpasswd-basic is not there", remedy: "packhouse setup",
		seed: installed(func(s *site) { s.must(os.Remove(s.inDir(setup.HtpasswdFile))) }),
	},
	{
		name: "users' file is a directory", ask: checks, exit: exitFindings, code: "file-is-directory", cause: "htpasswd-basic is a directory", remedy: "move it away",
		seed: installed(func(s *site) {
			s.must(os.Remove(s.inDir(setup.HtpasswdFile)))
			s.must(os.Mkdir(s.inDir(setup.HtpasswdFile), 0o755))
		}),
	},
	{
		name: "key of the server readable by all", ask: checks, exit: exitFindings, code: "file-mode", cause: "tls.key is 0644", remedy: "chmod 600 {dir}/certs/tls.key",
		seed: installed(func(s *site) { s.must(os.Chmod(s.inDir(setup.KeyFile), 0o644)) }),
	},
	{
		name: "storage gone", ask: checks, exit: exitFindings, code: "storage-missing", cause: "{data}", remedy: "create the directory",
		seed: installed(func(s *site) { s.must(os.RemoveAll(s.data)) }),
	},
	{
		name: "storage full", namespaces: true, ask: checks, exit: exitFindings, code: "storage-full", cause: "full", remedy: "larger place",
		seed: installed(func(s *site) {
			s.world = s.words("mount -t tmpfs -o size=64k tmpfs {data}\nhead -c 100k /dev/zero > {data}/docker 2>/dev/null || true")
		}),
	},
	{
		name: "storage without inodes", namespaces: true, ask: checks, exit: exitFindings, code: "storage-inodes", cause: "no inodes", remedy: "small files",
		seed: installed(func(s *site) { s.world = s.words("mount -t tmpfs -o nr_inodes=2 tmpfs {data}\ntouch {data}/docker") }),
	},
	{
		name: "served certificate expired", ask: checks, exit: exitFindings, code: certgen.CodeExpired, cause: "ran out", remedy: "renew",
		seed: installed(func(s *site) {
			s.certificate(s.pair(certgen.LeafOptions{Days: 30, Now: time.Now().AddDate(0, -3, 0)}, "registry.example.com"))
		}),
	},
	{
		name: "CA's key moved away, and a certificate due", exit: exitUsage, code: setup.CodeCAKey, cause: "ca.key", remedy: "--ca-key",
		seed: installed(func(s *site) {
			s.must(os.Remove(s.inDir(setup.CAKeyFile)))
			s.args = []string{"--san", "10.9.8.7"}
		}),
	},
	{
		name: "server not running", ask: checks, exit: exitFindings, code: "port-refused", cause: "nothing listens", remedy: "packhouse serve", seed: installed(func(*site) {}),
	},
}

// serverFaults are those that only show when somebody talks to the server.
var serverFaults = []fault{
	{
		name: "another server on the port", ask: checks, exit: exitFindings, code: "port-other-certificate", cause: "another program has the port", remedy: "packhouse",
		seed: installed(func(s *site) {
			s.answer(s.pair(certgen.LeafOptions{Days: 30, Now: time.Now()}, "registry.example.com"))
		}),
	},
	{
		name: "another server on the port, without TLS", ask: checks, exit: exitFindings, code: "port-plain-http", cause: "plain HTTP is spoken", remedy: "another program has the port",
		seed: installed(func(s *site) {
			server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
			listener := s.listen()
			go func() { _ = server.Serve(listener) }()
			s.t.Cleanup(func() { _ = server.Close() })
		}),
	},
	{
		name: "server that serves an old certificate", ask: checks, exit: exitFindings, code: "port-other-certificate", cause: "has not taken the new certificate", remedy: "restart the server",
		seed: installed(func(s *site) {
			certificate, err := os.ReadFile(s.inDir(setup.CertFile))
			s.must(err)
			key, err := os.ReadFile(s.inDir(setup.KeyFile))
			s.must(err)
			old, err := certgen.ParsePair(certificate, key)
			s.must(err)
			s.answer(old)
			s.sh(s.words("packhouse cert rotate --dir {dir}"))
		}),
	},
	{
		name: "port taken, seen from a running installation's configuration", ask: []string{"config", "verify"}, exit: exitFindings, code: config.CodePort, cause: "in use", remedy: "port",
		seed: installed(func(s *site) { s.listen() }),
	},
	{
		name: "reload refused", ask: []string{"status"}, exit: exitFindings, code: config.CodeUnknownKey, cause: "unknown key htp", remedy: "did you mean http",
		seed: served(func(s *site) { s.edit(setup.ConfigFile, "http:", "htp:") }),
	},
}

// answer has somebody else answer at the port of the site, with a certificate.
func (s *site) answer(pair *certgen.Pair) {
	s.t.Helper()
	key, err := pair.KeyPEM()
	s.must(err)
	certificate, err := tls.X509KeyPair(pair.CertPEM(), key)
	s.must(err)
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}}
	listener := s.listen()
	go func() { _ = server.ServeTLS(listener, "", "") }()
	s.t.Cleanup(func() { _ = server.Close() })
}
