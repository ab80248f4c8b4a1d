package question

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// ACME directories that setup offers.
const (
	acmeProduction = "https://acme-v02.api.letsencrypt.org/directory"
	acmeStaging    = "https://acme-staging-v02.api.letsencrypt.org/directory"
)

// ACMECache is the name of the ACME cache file, beside the configuration or in the bucket.
const ACMECache = "le-cache"

// ACMECacheFile returns the path of the ACME account and certificates: the configured one, else in
// the bucket if S3 is used, so that all servers share them, else beside the configuration.
func ACMECacheFile(in *installation.Installed, a *Answers) string {
	switch {
	case in.Config != nil && in.Config.HTTP.TLS.LetsEncrypt.CacheFile != "":
		return in.Config.HTTP.TLS.LetsEncrypt.CacheFile
	case a.Storage == config.S3:
		return "storage:" + ACMECache
	}
	return filepath.Join(a.Dir, ACMECache)
}

// acmeTimeout bounds a request to an ACME directory while the user waits.
const acmeTimeout = 8 * time.Second

// Ordered reports whether the server orders its certificate from an ACME directory.
func Ordered(a *Answers) bool { return a.TLS == setup.LetsEncrypt }

// public reports whether the ACME directory signs only public names.
func (a *Answers) public() bool {
	return a.ACMEDirectory == "" || a.ACMEDirectory == acmeProduction || a.ACMEDirectory == acmeStaging
}

func acmeEmailQuestion() *Question {
	return &Question{
		ID: "acme-email", Step: "tls", Title: "E-mail", Asked: Ordered,
		Belongs: "--tls letsencrypt",
		Flags: []Flag{textFlag("acme-email", "EMAIL",
			"e-mail address of the ACME account, to which the CA may send warnings; with --tls letsencrypt")},
		Ask: "To which address shall the CA write?",
		Help: "Some CAs send mail before a certificate expires or when they revoke it; Let's Encrypt no longer " +
			"does. Optional. Only the CA receives the address, and a wrong one breaks nothing.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			local, domain, ok := strings.Cut(a.ACMEEmail, "@")
			if a.ACMEEmail == "" || ok && local != "" && strings.Contains(domain, ".") &&
				!strings.ContainsAny(a.ACMEEmail, " \t<>,;:\"") && !strings.Contains(domain, "@") {
				return nil
			}
			return refused(setup.CodeValue, fmt.Sprintf("%q is not an address for mail", a.ACMEEmail),
				"write it like you@example.com, or leave it empty")
		},
		Answer: func(a *Answers) *string { return &a.ACMEEmail },
	}
}

func acmeDirectoryQuestion() *Question {
	return &Question{
		ID: "acme-directory", Step: "tls", Title: "Directory", Asked: Ordered,
		Belongs: "--tls letsencrypt",
		Flags:   []Flag{textFlag("acme-directory", "URL", "URL of the ACME directory (default Let's Encrypt)")},
		Ask:     "Which ACME directory shall sign?", Empty: "Let's Encrypt",
		Help: "Empty means Let's Encrypt. Use its staging directory to test whether the CA can reach this server: " +
			"its limits are generous, but no client trusts its certificates. The production directory locks a " +
			"name out for an hour after several failures. A private CA, such as step-ca, has its own URL.",
		Suggest: func(*machine.Machine, *Answers) []string { return []string{acmeProduction, acmeStaging} },
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if a.ACMEDirectory == "" {
				return nil
			}
			if u, err := url.Parse(a.ACMEDirectory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
				return refused(setup.CodeURL, fmt.Sprintf("%q is not the URL of an ACME directory", a.ACMEDirectory),
					"write it like "+acmeStaging)
			}
			if a.ACMEDirectory == acmeStaging {
				return noted(setup.CodeStaging, "clients do not trust what the staging directory signs",
					"when it works, change the directory to "+acmeProduction)
			}
			return nil
		},
		Probe: func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
			if !a.public() {
				return nil // probed once its CA is set
			}
			return probeDirectory(ctx, m, a)
		},
		Answer: func(a *Answers) *string { return &a.ACMEDirectory },
	}
}

func acmeCAQuestion() *Question {
	return &Question{
		ID: "acme-ca", Step: "tls", Title: "CA of the directory",
		Kind: Path, Asked: func(a *Answers) bool { return Ordered(a) && !a.public() },
		Belongs: "--tls letsencrypt with a directory of your own",
		Flags:   []Flag{textFlag("acme-ca", "FILE", "CA certificate that the ACME directory's own HTTPS certificate is verified with, for a private directory (default the CAs of the system)")},
		Ask:     "Which CA has signed the certificate of the directory itself?", Empty: "one that this machine trusts",
		Help: "A PEM file. Needed if the ACME directory uses a private CA that this machine does not trust; " +
			"otherwise leave it empty.",
		Certificates: true,
		Probe:        probeDirectory,
		Answer:       func(a *Answers) *string { return &a.ACMECA },
	}
}

var errNoDirectory = errors.New("it answers, and is not an ACME directory")

// probeDirectory fetches the ACME directory, the first request of every order.
func probeDirectory(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	if a.Offline {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.Within(acmeTimeout))
	defer cancel()
	if err := askDirectory(ctx, a); err != nil && !errors.Is(err, errAccountRequired) {
		return refusedf(setup.CodeUnreached, fmt.Sprintf("the ACME directory cannot be used: %v", err),
			"see that this machine reaches it, through a proxy (HTTPS_PROXY) if need be; a private one may need %s; "+
				"--offline leaves this out", ByFlag("--acme-ca"))
	}
	return nil
}

func askDirectory(ctx context.Context, a *Answers) error {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ACMECA != "" {
		data, err := a.readServed(a.ACMECA)
		if err != nil {
			return err
		}
		settings.RootCAs = x509.NewCertPool()
		settings.RootCAs.AppendCertsFromPEM(data)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.acmeDirectory(), nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	var directory struct {
		NewOrder string `json:"newOrder"`
		Meta     struct {
			ExternalAccountRequired bool `json:"externalAccountRequired"`
		} `json:"meta"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&directory); err != nil ||
		directory.NewOrder == "" {
		return errNoDirectory
	}
	if directory.Meta.ExternalAccountRequired && a.EABKeyID == "" {
		return errAccountRequired
	}
	return nil
}

// acmeDirectory returns the URL of the ACME directory in use.
func (a *Answers) acmeDirectory() string {
	if a.ACMEDirectory == "" {
		return acmeProduction
	}
	return a.ACMEDirectory
}

// checkOrder reports whether a CA can sign for the host name, according to the answers alone.
func checkOrder(a *Answers) []finding.Finding {
	name := machine.Canonical(a.Hostname)
	if machine.IsAddress(name) {
		return refused(setup.CodeName, name+" is an address, and ACME directories sign for names",
			"give a DNS name as host name, or choose the private CA")
	}
	var findings []finding.Finding
	if a.public() && private(name) {
		findings = append(findings, setup.Warn(setup.CodeName, name+" is not a public name: the CA will refuse it",
			"choose a name below a domain of yours, a private directory, or the private CA"))
	}
	if _, port, err := net.SplitHostPort(a.Addr); err == nil && port != "443" {
		findings = append(findings,
			setup.Warn(setup.CodeChallenge, "the CA comes to port 443 of "+name+", and the server listens at "+port,
				"publish 443 to it, or answer on port 80 too: http.tls.letsencrypt.httpaddr in myconfig.yml"))
	}
	return findings
}

// private reports whether a name cannot be resolved publicly: it has no dot, or a suffix reserved
// for internal use (RFC 2606, RFC 6762, RFC 8375, and those that ICANN reserves).
func private(name string) bool {
	if !strings.Contains(name, ".") {
		return true
	}
	return slices.ContainsFunc(
		[]string{
			".local",
			".localhost",
			".internal",
			".test",
			".example",
			".invalid",
			".home.arpa",
			".lan",
			".intern",
			".corp",
			".home",
		},
		func(end string) bool { return strings.HasSuffix(name, end) },
	)
}

// probeOrder reports whether the CA can reach this machine under the host name.
func probeOrder(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	name := machine.Canonical(a.Hostname)
	if a.Offline || machine.IsAddress(name) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ResolveTimeout)
	defer cancel()
	addrs, err := m.Host.LookupHost(ctx, name)
	switch {
	case machine.ResolverFailed(err):
		return []finding.Finding{machine.NoResolver(name, err)}
	case err != nil || len(addrs) == 0:
		return warned(setup.CodeNoResolve, name+" does not resolve: the CA will not find this machine",
			"make a DNS entry first; each failed order costs ten minutes and more")
	case a.public() && !slices.ContainsFunc(addrs, reachable):
		return warned(setup.CodeChallenge, fmt.Sprintf("%s resolves to %s, which the internet cannot reach", name, addrs[0]),
			"the CA comes from the internet: it needs a public address in DNS, and port 443 let through")
	case !slices.ContainsFunc(addrs, m.Has):
		return warned(setup.CodeElsewhere, fmt.Sprintf("%s resolves to %s: the CA looks there for the proof", name, addrs[0]),
			"that is right where a load balancer passes port 443 on to this machine untouched; else correct the DNS entry")
	}
	return nil
}

// reachable reports whether an address is a public internet address.
func reachable(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !netip.MustParsePrefix("100.64.0.0/10").Contains(addr)
}

var errAccountRequired = errors.New("the directory requires an external account")

// EABKeyPath returns the path of the external account's key, or "" without an external account.
func (a *Answers) EABKeyPath() string {
	if a.EABKeyID == "" {
		return ""
	}
	return a.EABKeyFile
}

func eabKeyIDQuestion() *Question {
	return &Question{
		ID: "acme-eab-kid", Step: "tls", Title: "Account at the CA",
		Belongs: "--tls letsencrypt",
		Flags:   []Flag{textFlag("acme-eab-kid", "ID", "key ID of the external account that the ACME directory requires")},
		Asked: func(a *Answers) bool {
			return Ordered(a) && (!a.public() || a.EABKeyID != "")
		},
		Ask: "What is the key ID of your account at the CA?", Empty: "the CA requires none",
		Help: "Some CAs sign only for their customers: ZeroSSL, Google Trust Services, Sectigo, DigiCert. They " +
			"give you a key ID and an HMAC key, which bind the server's ACME account to yours (external account " +
			"binding, RFC 8555, section 7.3.4). Let's Encrypt needs neither.",
		Probe:  probeAccount,
		Answer: func(a *Answers) *string { return &a.EABKeyID },
	}
}

func eabKeyQuestion() *Question {
	return &Question{
		ID: "acme-eab-key", Step: "tls", Title: "Key of the account", Kind: Path,
		Belongs: "--acme-eab-kid", Missing: "the file with the HMAC key of the account is missing", Give: "give its path",
		Flags: []Flag{textFlag("acme-eab-key-file", "FILE",
			"file with the HMAC key of the external account that the ACME directory requires, base64url")},
		Asked: func(a *Answers) bool { return Ordered(a) && a.EABKeyID != "" },
		Ask:   "Which file holds the HMAC key of that account?",
		Help: "A file with the key on one line, in base64url, as the CA gave it to you. The server reads it when " +
			"it opens its account, so keep the file, with mode 0600.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			findings, regular := probeSecretFile(a.EABKeyFile, "the key of the account")
			if !regular {
				return findings
			}
			data, err := a.readServed(a.EABKeyFile)
			if err != nil {
				return append(findings, unreadable(err))
			}
			if _, err := config.ParseEABKey(data); err != nil {
				findings = append(findings, setup.Refuse(setup.CodeValue, a.EABKeyFile+" cannot be used: "+err.Error(),
					"write the HMAC key as the CA gave it to you, in one line"))
			}
			return findings
		},
		Answer: func(a *Answers) *string { return &a.EABKeyFile },
	}
}

// probeAccount reports a directory that requires an external account.
func probeAccount(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	if a.Offline || a.EABKeyID != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.Within(acmeTimeout))
	defer cancel()
	if !errors.Is(askDirectory(ctx, a), errAccountRequired) {
		return nil // the ACME directory question reports other errors
	}
	return refusedf(setup.CodeEAB, "the ACME directory "+a.acmeDirectory()+" requires an account at its CA",
		"get a key ID and an HMAC key from the CA: %s %s",
		finding.Ref{Text: "--acme-eab-kid ID", Title: ByFlag("--acme-eab-kid").Title},
		finding.Ref{Text: "--acme-eab-key-file FILE", Title: ByFlag("--acme-eab-key-file").Title})
}
