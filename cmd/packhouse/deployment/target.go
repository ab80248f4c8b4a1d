// Package deployment connects an installation with its server: it changes the one and reloads the
// other, starts a server or has systemd start it, finds the running one, and collects what the
// checks need.
package deployment

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/server/acme"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/server/config/verify"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/trust"
)

// LargestFile is the maximum size in bytes of a file in a configuration.
const LargestFile = 8 << 20

// Subject is a configuration to check, with facts already known about it.
type Subject struct {
	Config    string                  // path of myconfig.yml
	Installed *installation.Installed // the installation it belongs to; nil: none
	url       string                  // URL for clients; empty: derived from certificate and address
	passwords map[string]setup.Secret
	server    *Running  // started for the proof; nil: another server may be running
	Quick     bool      // skip checks that write or take long
	Verified  *Verified // nil: target loads and verifies the configuration
}

// Verified is a loaded configuration with the problems that verification found.
type Verified struct {
	loaded   *config.Loaded
	Problems []finding.Finding
}

// VerifyLoaded verifies a loaded configuration. If running is true, the ports are in use by its own
// server.
func VerifyLoaded(ctx context.Context, a *cli.App, path string, loaded *config.Loaded, running bool) *Verified {
	found := verify.Run(ctx, loaded, verify.Probes{Running: running, MayRun: true, Users: ServersOf(path), Now: a.Now})
	return &Verified{loaded, slices.Concat(loaded.Notices, found)}
}

// collectTarget collects the input of the checks.
func collectTarget(ctx context.Context, a *cli.App, s Subject) check.Target {
	t := check.Target{
		ConfigPath: s.Config, Now: a.Now, URL: s.url, Machine: cli.CheckedMachine(a), Built: built(), Quick: s.Quick,
		Pasteable: func(r check.Result) check.Result { return cli.PasteableResult(a, r) },
	}
	if t.Findings = cli.UnsafeProblems(s.Config); len(t.Findings) > 0 {
		return t
	}
	v := s.Verified
	if v == nil {
		loaded, err := a.LoadConfig(s.Config)
		if err != nil {
			t.Findings = config.FindingsOf(s.Config, err)
			return t
		}
		v = &Verified{loaded: loaded}
	}
	t.Config = &v.loaded.Config
	server := lookAtServer(ctx, &t, s.server)
	if s.Verified == nil {
		v = VerifyLoaded(ctx, a, s.Config, v.loaded, server.runs)
	}
	t.Findings = append(t.Findings, v.Problems...)
	t.Files = files(s, v.loaded, runsAs(s.Installed, server.pid))
	t.Server = ServerOf(s.Config, server.pid)
	t.Clocks = clocks(t.Config)
	if s.Installed != nil {
		t.Passwords = filepath.Join(s.Installed.Dir, installation.PasswordsFile)
	}
	if t.Config.Storage.Driver == config.S3 {
		t.Bucket = bucketProver(t.Config.Storage)
	}
	if tls := t.Config.HTTP.TLS; tls.Certificate != "" {
		t.Chain, t.Roots = chainOf(tls.Certificate, s.Installed)
		if s.Installed != nil {
			t.CA, t.Had = s.Installed.Authority(), plan.FormerAddresses(s.Installed)
			if top := s.Installed.Unrooted(a.Now()); top != nil {
				t.Roots, t.Unrooted = []*x509.Certificate{top}, true
			}
		}
	} else if tls.LetsEncrypt.Enabled() {
		addOrders(ctx, a, &t, server.faults)
	}
	if len(t.Chain) > 0 {
		t.Names = certgen.NamesOf(t.Chain[0])
	}
	if t.URL == "" {
		t.URL = address(t.Config, t.Names)
	}
	t.Offloaded = !t.Config.HTTP.TLS.Enabled() && strings.HasPrefix(t.URL, "https:")
	t.Names = withHost(t.Names, t.URL)
	if s.Installed != nil {
		t.Users = users(s)
	}
	return t
}

// seen is what a server reports about itself, beyond the input of the checks.
type seen struct {
	runs   bool
	pid    int      // 0: unknown, or this process
	faults []string // one sentence each
}

// lookAtServer queries the server for its address, its identity, and a way to get probe identities.
func lookAtServer(ctx context.Context, t *check.Target, started *Running) seen {
	t.Dial = Dialable(t.Config.HTTP.Addr)
	if started != nil {
		t.Dial, t.Instance, t.Served = Dialable(started.Addr()), started.Nonce(), started.Fingerprint()
		t.Probe = func(_ context.Context, role string) (string, string, error) { return started.Probe(role) }
		status := started.Status()
		t.UsersDigest = status.UsersDigest
		return seen{runs: true, faults: status.Faults}
	}
	client, err := FindServer(t.Config, filepath.Dir(t.ConfigPath))
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			t.Findings = append(
				t.Findings,
				setup.Warn(FindingUnreachable, "this user may not see whether a server runs", AsRoot("check", t.ConfigPath)),
			)
		}
		if errors.Is(err, admin.ErrUntrusted) {
			t.Findings = append(t.Findings, finding.Finding{
				Code: check.CodeSocket, Severity: finding.Warning, What: err.Error(),
				Remedy: UntrustedRemedy(err, Command("check", t.ConfigPath)),
			})
		}
		return seen{runs: errors.Is(err, fs.ErrPermission)} // it is running, but this user may not connect to it
	}
	status, err := client.Status(ctx)
	if err != nil {
		t.Findings = append(t.Findings, setup.Warn(FindingUnreachable, err.Error(), NoAnswer(t.ConfigPath)))
		return seen{runs: true}
	}
	t.Findings = append(t.Findings, serverFindings(&status)...)
	if status.Address != "" {
		t.Dial = Dialable(status.Address)
	}
	t.Instance, t.Served, t.Probe, t.UsersDigest = status.Nonce, status.Fingerprint, client.Probe, status.UsersDigest
	t.Packs = func(ctx context.Context) (check.PackReport, error) {
		report, err := client.Packs(ctx)
		return check.PackReport(report), err
	}
	return seen{true, status.PID, status.Faults}
}

// Dialable converts a listen address to one to connect to.
func Dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// chainOf returns the chain of a certificate file and the roots that its clients trust; nil means
// the system's roots.
func chainOf(path string, installed *installation.Installed) (chain, roots []*x509.Certificate) {
	data, err := trust.ReadConfigured(path, LargestFile)
	if err != nil {
		return nil, nil // the check of the files reports it
	}
	if chain, err = certgen.ParseChain(data); err != nil {
		return nil, nil // the check of the configuration reports it
	}
	if installed != nil {
		return chain, installed.Trust()
	}
	return chain, certgen.Anchors(chain)
}

// address derives the URL of a server from its certificate and listen address.
func address(c *config.Config, names certgen.Names) string {
	scheme := "http"
	if c.HTTP.TLS.Enabled() {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(c.HTTP.Addr)
	if err != nil {
		return ""
	}
	if all := names.Strings(); len(all) > 0 {
		host = all[0]
	} else if host == "" {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// withHost adds the host of a URL to the names that a certificate must match.
func withHost(names certgen.Names, rawURL string) certgen.Names {
	u, err := url.Parse(rawURL)
	if err != nil || u.Hostname() == "" {
		return names
	}
	all, err := certgen.ParseNames(append(names.Strings(), u.Hostname()))
	if err != nil {
		return names // a wildcard is checked as it is
	}
	return all
}

// users returns the users of an installation with known passwords.
func users(s Subject) []check.User {
	var list []check.User
	initial := installation.InitialPasswords(s.Installed.Dir)
	for _, u := range s.Installed.Users {
		user := check.User{Name: u.Name, Role: string(u.Role)}
		password, known := s.passwords[u.Name]
		if !known {
			password, known = initial[u.Name]
			user.Initial = known
		}
		if known {
			user.Password = func() []byte { return []byte(password.Reveal()) }
		}
		list = append(list, user)
	}
	return list
}

// TargetOf returns the target for a configuration and its installation, if any. It loads the
// installation unless s contains it.
func TargetOf(ctx context.Context, a *cli.App, s Subject) (check.Target, error) {
	absolute, err := trust.Abs(filepath.Dir(s.Config))
	if err != nil {
		return check.Target{}, err
	}
	if s.Installed == nil {
		if !cli.HasManifest(absolute) || len(cli.UnsafeProblems(filepath.Join(absolute, installation.ConfigFile))) > 0 {
			return collectTarget(ctx, a, s), nil
		}
		if s.Installed, err = installation.Load(absolute); err != nil {
			return check.Target{}, cli.Explain(err)
		}
	}
	s.url = URLOf(ctx, s.Installed)
	t := collectTarget(ctx, a, s)
	if f := s.Installed.Unfinished(); f != nil {
		t.Findings = append(t.Findings, setup.Warn(f.Code, f.What, f.Remedy))
	}
	return t, nil
}

// URLOf returns the URL that clients of an installation use.
func URLOf(ctx context.Context, in *installation.Installed) string {
	resolved, _ := answer.Resolve(ctx, machine.Detect(ctx, machine.ThisMachine()), in, answer.Input{Quick: true})
	return resolved.Answers.URL()
}

// clocks returns the servers that an installation already uses and whose responses contain the
// time.
func clocks(c *config.Config) []check.ClockSource {
	var sources []check.ClockSource
	if s3 := c.Storage.S3; c.Storage.Driver == config.S3 {
		endpoint := s3.RegionEndpoint
		if endpoint == "" {
			endpoint = "s3." + s3.Region + ".amazonaws.com"
		}
		if !strings.Contains(endpoint, "://") {
			endpoint = map[bool]string{true: "https://", false: "http://"}[s3.Secure] + endpoint
		}
		sources = append(sources, check.ClockSource{Name: "the S3 service", URL: endpoint})
	}
	if l := c.HTTP.TLS.LetsEncrypt; c.HTTP.TLS.Certificate == "" && l.Enabled() {
		directory := l.DirectoryURL
		if directory == "" {
			directory = acme.LetsEncrypt
		}
		sources = append(sources, check.ClockSource{Name: "the ACME directory", URL: directory})
	}
	return sources
}

// built returns the time of this program's last source change from its build info, or zero if
// unknown.
func built() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			t, _ := time.Parse(time.RFC3339, s.Value) // zero if invalid
			return t
		}
	}
	return time.Time{}
}
