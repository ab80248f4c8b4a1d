//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/porttest"
	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
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

// inWorld makes a fault around a server that runs in a world of its own.
func inWorld(world, fault string, more ...string) func(*site) {
	return func(s *site) {
		s.world = ""
		var flags []string // each run has a port of its own
		for _, flag := range more {
			flags = append(flags, s.words(flag))
		}
		s.install(flags...)
		s.world = s.words(world) + "\n:"
		s.serve()
		enter := fmt.Sprintf("nsenter --target %d --mount --net -- sh -ec ", s.host)
		s.sh(enter + "'" + s.words(fault) + "'")
	}
}

// lock does what a setup does while it is at work.
func (s *site) lock() {
	s.t.Helper()
	d, err := os.Open(s.dir)
	s.must(err)
	s.t.Cleanup(func() { _ = d.Close() })
	s.must(syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
}

// errCut ends an apply as a kill would.
var errCut = errors.New("cut off")

// cutOff begins a setup with more flags, and has it killed before it writes: at its journal ("journal"), or at its first rename to a place
// of the installation ("commit").
func (s *site) cutOff(at string, more ...string) {
	s.t.Helper()
	flags := answer.Values{
		"dir":          {s.dir},
		"hostname":     {"registry.example.com"},
		"addr":         {"127.0.0.1:" + s.port},
		"storage-path": {s.data},
		"offline":      {"true"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		flags[strings.TrimPrefix(more[i], "--")] = []string{more[i+1]}
	}
	present, err := installation.Load(s.dir)
	s.must(err)
	machine := machine.Detect(s.t.Context(), machine.ThisMachine())
	resolved, findings := answer.Resolve(s.t.Context(), machine, present, answer.Input{Flags: flags, Quick: true})
	if finding.AnyRefused(findings) {
		s.t.Fatal(findings)
	}
	plan, err := plan.Make(s.t.Context(), machine, present, resolved, plan.Options{
		WritePasswords: true, HashCost: htpasswd.MinCost,
	})
	s.must(err)
	_, err = apply.Apply(s.t.Context(), plan, apply.Options{Hook: func(operation string) error {
		if strings.HasPrefix(
			operation,
			map[string]string{"journal": "rename .setup/journal.json", "commit": "rename certs/tls.crt"}[at],
		) {
			return errCut
		}
		return nil
	}})
	if !errors.Is(err, errCut) {
		s.t.Fatalf("the setup was not cut off: %v", err)
	}
}

// inDir is a file of the installation.
func (s *site) inDir(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// edit changes the configuration by hand.
func (s *site) edit(old, replacement string) {
	s.t.Helper()
	data, err := os.ReadFile(s.inDir(installation.ConfigFile))
	s.must(err)
	if !strings.Contains(string(data), old) {
		s.t.Fatalf("the configuration does not hold %q", old)
	}
	info, err := os.Stat(s.inDir(installation.ConfigFile))
	s.must(err)
	s.write(s.inDir(installation.ConfigFile), strings.Replace(string(data), old, replacement, 1), info.Mode().Perm())
}

// certificate puts another certificate in the place of the server's.
func (s *site) certificate(pair *certgen.Pair) {
	s.t.Helper()
	key, err := pair.KeyPEM()
	s.must(err)
	s.write(s.inDir(installation.CertFile), string(pair.CertPEM()), 0o644)
	s.write(s.inDir(installation.KeyFile), string(key), 0o600)
}

// installedFaults are those of files that somebody or something changed after setup wrote them.
var installedFaults = []fault{
	{
		name: "configuration edited by hand, with errors", ask: checks, exit: cli.ExitFindings, code: config.CodeValue, cause: "myconfig.yml:17:9: http.addr is not host and port", remedy: "config verify", alone: true,
		seed: installed(func(s *site) { s.edit("127.0.0.1:"+s.port, "nonsense") }),
	},
	{
		name: "setup over a configuration with errors", exit: cli.ExitUsage, code: config.CodeUnknownKey, cause: "unknown key htp", remedy: "did you mean http",
		seed: installed(func(s *site) { s.edit("http:", "htp:") }),
	},
	{
		name: "configuration whose indentation got lost", exit: cli.ExitUsage, code: config.CodeIndentation, cause: "is at the left margin", remedy: "did the indentation get lost",
		seed: installed(func(s *site) {
			s.write(s.inDir(installation.ConfigFile), "version: 0.1\nlog:\nlevel: info\nhttp:\naddr: :5000\n", 0o600)
		}),
	},
	{
		name: "configuration edited since", exit: cli.ExitPending, code: setup.CodeDrift, cause: "myconfig.yml differs from what setup wrote", remedy: "kept",
		seed: installed(func(s *site) {
			s.edit("level: info", "level: warn")
			s.args = []string{"--dry-run", "--san", "10.9.8.7"}
		}),
	},
	{
		name: "configuration that is a mount of its own", namespaces: true, exit: cli.ExitFailed, code: setup.CodeFailed, cause: "everything is as it was before", remedy: "mount its directory instead",
		seed: installed(func(s *site) {
			s.world, s.args = s.words("mount --bind {dir}/myconfig.yml {dir}/myconfig.yml"), []string{
				"--log-level",
				"debug",
			}
		}),
	},
	{
		name: "setup over an anchor", exit: cli.ExitUsage, code: setup.CodeEdit, cause: "log.level cannot be changed", remedy: "by hand",
		seed: installed(func(s *site) {
			s.edit("level: info", "level: &here info")
			s.args = []string{"--log-level", "debug"}
		}),
	},
	{
		name: "users with foreign hashes", ask: checks, exit: cli.ExitFindings, code: config.CodeUsers, cause: "$apr1$", remedy: "",
		seed: installed(func(s *site) {
			data, err := os.ReadFile(s.inDir(installation.HtpasswdFile))
			s.must(err)
			s.write(
				s.inDir(installation.HtpasswdFile), string(data)+"old:$apr1$xxxxxxxx$yyyyyyyyyyyyyyyyyyyyyy\n",
				0o600,
			)
		}),
	},
	{
		name: "users with foreign hashes, before a setup", exit: cli.ExitPending, code: htpasswd.CodeKind, cause: "user \"old\" has a hash of kind $apr1$", remedy: "packhouse user add old",
		seed: func(s *site) {
			s.must(os.MkdirAll(s.inDir("auth"), 0o755))
			s.write(s.inDir(installation.HtpasswdFile), entry()+"old:$apr1$xxxxxxxx$yyyyyyyyyyyyyyyyyyyyyy\n", 0o600)
			s.args = []string{"--dry-run"}
		},
	},
	{
		name: "users' file gone", ask: checks, exit: cli.ExitFindings, code: "file-missing", cause: "htpasswd-basic is not there", remedy: "packhouse setup",
		seed: installed(func(s *site) { s.must(os.Remove(s.inDir(installation.HtpasswdFile))) }),
	},
	{
		name: "users' file is a directory", ask: checks, exit: cli.ExitFindings, code: "file-is-directory", cause: "htpasswd-basic is a directory", remedy: "move it away",
		seed: installed(func(s *site) {
			s.must(os.Remove(s.inDir(installation.HtpasswdFile)))
			s.must(os.Mkdir(s.inDir(installation.HtpasswdFile), 0o755))
		}),
	},
	{
		name: "key of the server readable by all", ask: checks, exit: cli.ExitFindings, code: "file-mode", cause: "tls.key is 0644", remedy: "chmod 600 {dir}/certs/tls.key",
		seed: installed(func(s *site) { s.must(os.Chmod(s.inDir(installation.KeyFile), 0o644)) }),
	},
	{
		name: "key of the CA in somebody else's hands", ask: checks, exit: cli.ExitFindings, code: installation.CodeUnsafe, cause: "ca.key", remedy: "chown root",
		seed: installed(func(s *site) {
			if os.Geteuid() != 0 {
				s.t.Skip("only root may give files away")
			}
			s.must(os.Chown(s.inDir(installation.CAKeyFile), nobody, nobody))
		}),
	},
	{
		name: "clock behind the certificate", ask: checks, exit: cli.ExitFindings, code: "clock-behind", cause: "the certificate begins later", remedy: "set the clock",
		seed: installed(func(s *site) {
			s.certificate(
				s.pair(certgen.LeafOptions{Days: 30, Now: time.Now().AddDate(0, 3, 0)}, "registry.example.com"),
			)
		}),
	},
	{
		name: "storage gone", ask: checks, exit: cli.ExitFindings, code: "storage-missing", cause: "{data}", remedy: "install -d -m 0750",
		seed: installed(func(s *site) { s.must(os.RemoveAll(s.data)) }),
	},
	{
		name: "storage full", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "storage-full", cause: "full", remedy: "packhouse store gc",
		seed: installed(func(s *site) {
			s.world = s.words(
				"mount -t tmpfs -o size=64k tmpfs {data}\nhead -c 100k /dev/zero > {data}/docker 2>/dev/null || true",
			)
		}),
	},
	{
		name: "storage without inodes", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "storage-inodes", cause: "no inodes", remedy: "du --inodes",
		seed: installed(
			func(s *site) { s.world = s.words("mount -t tmpfs -o nr_inodes=2 tmpfs {data}\ntouch {data}/docker") },
		),
	},
	{
		name: "served certificate expired", ask: checks, exit: cli.ExitFindings, code: certgen.CodeExpired, cause: "ran out", remedy: "renew",
		seed: installed(func(s *site) {
			s.certificate(
				s.pair(certgen.LeafOptions{Days: 30, Now: time.Now().AddDate(0, -3, 0)}, "registry.example.com"),
			)
		}),
	},
	{
		name: "CA's key moved away, and a certificate due", exit: cli.ExitUsage, code: setup.CodeCAKey, cause: "ca.key", remedy: "--ca-key",
		seed: installed(func(s *site) {
			s.must(os.Remove(s.inDir(installation.CAKeyFile)))
			s.args = []string{"--san", "10.9.8.7"}
		}),
	},
	{
		name: "setup by somebody who may not read the installation", exit: cli.ExitUsage, code: setup.CodeUnread, cause: "permission denied", remedy: "user who owns the installation",
		seed: installed(func(s *site) { s.uid = nobody }),
	},
	{
		name: "files of another user than the server's", ask: checks, exit: cli.ExitFindings, code: config.CodeRights, cause: "htpasswd-basic\" (permission denied)", remedy: "",
		seed: installed(func(s *site) {
			s.asNobody()
			s.must(os.Chown(s.dir, nobody, nobody))
			s.must(os.Chown(s.inDir(installation.ConfigFile), nobody, nobody))
		}),
	},
	{
		name: "earlier setup cut off, of another user", exit: cli.ExitUsage, code: setup.CodeHalfDone, cause: "an earlier change of {dir} was interrupted", remedy: "owner of the installation",
		seed: installed(func(s *site) {
			s.cutOff("commit", "--san", "10.9.8.7")
			s.uid = nobody
		}),
	},
	{
		name: "rollback by somebody who may not read the backup", plain: true, ask: []string{"rollback", "--yes"}, exit: cli.ExitFailed,
		cause: "this user may not read the backup", remedy: "user who owns the installation",
		seed: installed(func(s *site) { s.uid = nobody }),
	},
	{
		name: "second setup at the same time", exit: cli.ExitFailed, code: setup.CodeBusy, cause: "another command is changing {dir}", remedy: "wait until it has finished",
		seed: installed(func(s *site) {
			s.lock()
			s.args = []string{"--san", "10.9.8.7"}
			s.write(
				s.at("machine.json"),
				`{"Names": {"*": ["192.0.2.17"]}, "Addresses": ["192.0.2.17"], "CPUs": 2, "Memory": 4294967296, "Patience": "1ms"}`,
				0o600,
			)
			s.env = append(s.env, machineVariable+"="+s.at("machine.json"))
		}),
	},
	{
		name: "server not running", ask: checks, exit: cli.ExitFindings, code: "port-refused", cause: "nothing listens", remedy: "packhouse serve", seed: installed(func(*site) {}),
	},
}

// serverFaults are those that only show when somebody talks to the server.
var serverFaults = []fault{
	{
		name: "another server on the port", ask: checks, exit: cli.ExitFindings, code: "port-other-certificate", cause: "another program uses the port", remedy: "packhouse",
		seed: installed(func(s *site) {
			s.answer(s.pair(certgen.LeafOptions{Days: 30, Now: time.Now()}, "registry.example.com"))
		}),
	},
	{
		name: "another server on the port, without TLS", ask: checks, exit: cli.ExitFindings, code: "port-plain-http", cause: "plain HTTP is spoken", remedy: "ss -ltnp",
		seed: installed(func(s *site) {
			server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
			listener := s.listen()
			go func() { _ = server.Serve(listener) }()
			s.t.Cleanup(func() { _ = server.Close() })
		}),
	},
	{
		name: "server that serves an old certificate", ask: checks, exit: cli.ExitFindings, code: "port-other-certificate", cause: "has not taken the new certificate", remedy: "stop the server with ctrl+c, then run packhouse serve {dir}/myconfig.yml",
		seed: installed(func(s *site) {
			certificate, err := os.ReadFile(s.inDir(installation.CertFile))
			s.must(err)
			key, err := os.ReadFile(s.inDir(installation.KeyFile))
			s.must(err)
			old, err := certgen.ParsePair(certificate, key)
			s.must(err)
			s.answer(old)
			s.sh(s.words("packhouse cert rotate --dir {dir}"))
		}),
	},
	{
		name: "certificate not yet valid, as with a clock that is off", ask: checks, exit: cli.ExitFindings, code: certgen.CodeNotYetValid, cause: "not valid before", remedy: "clock",
		seed: installed(func(s *site) {
			s.certificate(
				s.pair(certgen.LeafOptions{Days: 30, Now: time.Now().AddDate(0, 3, 0)}, "registry.example.com"),
			)
		}),
	},
	{
		name: "firewall", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "port-timeout", cause: "a firewall drops the packets", remedy: "open the port in the firewall",
		seed: inWorld("", "iptables -A INPUT -p tcp --dport {port} -j DROP"),
	},
	{
		name: "firewall that lets only this machine through", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "firewall-closed", cause: "does not let port {port} through", remedy: "dport {port} ",
		seed: inWorld(containers, "iptables -A INPUT -i lo -j ACCEPT; iptables -P INPUT DROP", "--addr", ":{port}"),
	},
	{
		name: "name resolves elsewhere, seen later", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "name-elsewhere", cause: "198.51.100.4", remedy: "DNS",
		seed: func(s *site) {
			s.hosts("198.51.100.4 registry.example.com")
			inWorld(s.world+"\n"+containers, ":", "--addr", ":{port}")(s)
		},
	},
	{
		name: "name does not resolve, seen later", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "name-unresolved", cause: "registry.example.com does not resolve", remedy: "add it to DNS",
		seed: func(s *site) {
			s.hosts("")
			inWorld(s.world+"\n"+containers, ":", "--addr", ":{port}")(s)
		},
	},
	{
		name: "name of IPv6, server of IPv4", namespaces: true, ask: checks, exit: cli.ExitFindings, code: "name-family", cause: "IPv6 only", remedy: "listen at both",
		seed: func(s *site) {
			s.hosts("2001:db8::17 registry.example.com")
			s.world += "\n" + containers + "\nip addr add 2001:db8::17/64 dev eth0 nodad"
			s.install("--addr", s.words("192.0.2.17:{port}"))
			s.world = s.words(s.world) + "\n:"
			s.serve()
		},
	},
	{
		name: "clock off, against the registry's", ask: []string{"check", "--url", "http://127.0.0.1:{port}"}, exit: cli.ExitFindings, code: "clock-off", cause: "one of the two clocks is wrong", remedy: "NTP",
		seed: func(s *site) {
			server := &http.Server{
				ReadHeaderTimeout: time.Second,
				Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				}),
			}
			listener := s.listen()
			go func() { _ = server.Serve(listener) }()
			s.t.Cleanup(func() { _ = server.Close() })
		},
	},
	{
		name: "check by somebody who may not read the certificate", ask: checks, exit: cli.ExitFindings, code: config.CodeRights, cause: "tls.crt\" (permission denied)", remedy: "", alone: true,
		seed: served(func(s *site) { s.uid = nobody }),
	},
	{
		name: "store of another server", plain: true, ask: []string{"serve", "{root}/other.yml"}, exit: cli.ExitFailed, cause: "storage belongs to process {host}", remedy: "stop that one first",
		seed: served(func(s *site) {
			data, err := os.ReadFile(s.inDir(installation.ConfigFile))
			s.must(err)
			_, port, err := net.SplitHostPort(porttest.Free(s.t))
			s.must(err)
			s.write("other.yml", strings.ReplaceAll(string(data), ":"+s.port, ":"+port), 0o600)
		}),
	},
	{
		name: "uninstall while the server runs", plain: true, ask: []string{"uninstall", "--yes"}, exit: cli.ExitFailed, cause: "a server runs on this installation (pid {host})", remedy: "stop the server with ctrl+c, or run kill {host}",
		seed: served(func(*site) {}),
	},
	{
		name: "reload of a configuration with errors", plain: true, ask: []string{"reload"}, exit: cli.ExitFailed, cause: "unknown key htp", remedy: "keeps the configuration it has",
		seed: served(func(s *site) { s.edit("http:", "htp:") }),
	},
	{
		name: "port taken, seen from a running installation's configuration", ask: []string{"config", "verify"}, exit: cli.ExitFindings, code: config.CodePort, cause: "in use", remedy: "port",
		seed: installed(func(s *site) { s.listen() }),
	},
	{
		name: "reload refused", ask: []string{"status"}, exit: cli.ExitFindings, code: config.CodeUnknownKey, cause: "unknown key htp", remedy: "did you mean http",
		seed: served(func(s *site) { s.edit("http:", "htp:") }),
	},
}

// answer has somebody else answer at the port of the site, with a certificate.
func (s *site) answer(pair *certgen.Pair) {
	s.t.Helper()
	key, err := pair.KeyPEM()
	s.must(err)
	certificate, err := tls.X509KeyPair(pair.CertPEM(), key)
	s.must(err)
	server := &http.Server{
		Handler:           http.NotFoundHandler(),
		ReadHeaderTimeout: time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	listener := s.listen()
	go func() { _ = server.ServeTLS(listener, "", "") }()
	s.t.Cleanup(func() { _ = server.Close() })
}
