package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/config"
)

// InstanceHeader is the header of /health responses with the nonce that the admin socket also
// returns. It identifies, without TLS, the process that serves a port.
const InstanceHeader = "Packhouse-Instance"

// Target is an installation to check. A zero field is unknown, and checks that depend on it are not
// proven.
type Target struct {
	ConfigPath string              // myconfig.yml
	Config     *config.Config      // nil if it does not load; Findings contains the reason
	Findings   []finding.Finding   // of loading and verifying the configuration
	Files      []File              // files of the installation
	Chain      []*x509.Certificate // chain in tls.crt, leaf first; empty without TLS
	Roots      []*x509.Certificate // trusted by clients; empty: the system's roots
	Unrooted   bool                // Roots contains a substitute for an unknown root
	CA         *x509.Certificate   // the private CA of the installation; nil: none
	Had        []netip.Addr        // addresses of the certificate that this machine had when setup issued it
	Names      certgen.Names       // names that clients use
	URL        string              // base URL of clients
	Dial       string              // host:port to connect to instead of URL's; empty: resolve URL
	Offloaded  bool                // the server at Dial speaks plain HTTP; a proxy in front of it speaks TLS with clients
	Instance   string              // nonce of the running server; empty: unknown
	Server     Server              // how the server is started, for remedies
	Users      []User

	// UsersDigest is the htpasswd.File.Digest of the users that the running server has loaded. It
	// proves that a password is accepted without sending it. Empty: unknown.
	UsersDigest string

	// Orders are the certificates that the server did not obtain, by [finding.Subject] Entry, which
	// is the host. With certgen.CodeMissing the server presents a placeholder that clients refuse,
	// with CodeNotRenewed the previous certificate.
	Orders []finding.Finding

	Packs     Packs // of the running server; nil: not asked
	NoPacks   bool  // skip the check of packs
	Probe     Prober
	Bucket    Bucket           // of an S3 store; nil: not tested
	Served    string           // fingerprint of the certificate that the server reports; empty: unknown
	Passwords string           // path of the file with generated passwords; empty: none
	Machine   *Machine         // that runs the checks; nil: unknown
	Clocks    []ClockSource    // to compare the clock with
	Built     time.Time        // build time of this program; zero: unknown
	Now       func() time.Time // nil: time.Now

	// Pasteable returns a result whose commands run when pasted. Nil: results are unchanged.
	Pasteable func(Result) Result

	Quick bool // skip checks that write or take long
	// Proxy returns the proxy for a remote registry, as in [http.Transport]. Nil:
	// http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	Remote bool // check the registry at URL as a client, and nothing on this machine

	patience time.Duration // minimum timeout, for tests; 0: the constants apply
}

// Bucket tests all operations that a store needs of a bucket.
type Bucket func(ctx context.Context) BucketProof

// BucketProof is the result of testing a bucket. It contains no secret.
type BucketProof struct {
	Works     string           // what works, as text
	Failure   *finding.Finding // the first; a warning if the store can work around it; nil: everything works
	Lost      []string         // limitations of the service and their consequences, one sentence each
	Lifecycle string           // recommended lifecycle rule, in the format of aws s3api
}

// session is the state of one run.
type session struct {
	Target

	base   *url.URL
	client *http.Client
	doing  func(string)        // reports the current activity
	done   map[string]Status   // statuses so far, by ID
	served []*x509.Certificate // by a remote server; empty: not reached
	pushes bool                // the given user may push
}

// requestTimeout is the timeout of a request.
const requestTimeout = 15 * time.Second

// connectTimeout is the timeout of a connection attempt: long enough for one lost packet.
const connectTimeout = 5 * time.Second

// probeTimeout is the timeout of requesting an identity from the running server.
const probeTimeout = 5 * time.Second

// within returns the timeout d, or the minimum timeout if longer.
func (s *session) within(d time.Duration) time.Duration { return max(d, s.patience) }

func newSession(t Target) *session {
	s := &session{Target: t, done: map[string]Status{}}
	if s.Now == nil {
		s.Now = time.Now
	}
	if u, err := url.Parse(t.URL); err == nil && u.Host != "" {
		s.base = u
	}
	s.client = &http.Client{
		Timeout:   s.within(requestTimeout),
		Transport: s.transport(),
		// Following a redirect would forward the credentials, or hide what responds here.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

func (s *session) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: s.within(connectTimeout)}
	proxy := s.Proxy
	switch {
	case !s.Remote:
		proxy = nil // local checks bypass the proxy
	case proxy == nil:
		proxy = http.ProxyFromEnvironment // as clients do
	}
	return &http.Transport{
		Proxy: proxy, OnProxyConnectResponse: refuseProxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, s.address(address))
		},
		TLSClientConfig:   s.tlsConfig(),
		ForceAttemptHTTP2: true,
		MaxIdleConns:      4,
	}
}

// address returns the address to connect to instead of a URL's host and port.
func (s *session) address(address string) string {
	if s.Dial != "" {
		return s.Dial
	}
	return address
}

// tlsConfig trusts only the certificates that clients trust.
func (s *session) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, Time: s.Now}
	if s.pending() != nil && s.Served != "" { // a self-signed placeholder: accept what the server reports
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) > 0 && certgen.Fingerprint(state.PeerCertificates[0]) == s.Served {
				return nil
			}
			return x509.UnknownAuthorityError{}
		}
	}
	if len(s.Roots) > 0 {
		c.RootCAs = x509.NewCertPool()
		for _, root := range s.Roots {
			c.RootCAs.AddCert(root)
		}
	}
	return c
}

// hostPort returns the server's address, with the scheme's default port if needed.
func (s *session) hostPort() string {
	port := s.base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[s.base.Scheme]
	}
	return net.JoinHostPort(s.base.Hostname(), port)
}

// fingerprint returns that of the certificate that the server should present, or "" if unknown.
func (s *session) fingerprint() string {
	if s.pending() == nil && len(s.Chain) > 0 {
		return certgen.Fingerprint(s.Chain[0])
	}
	return s.Served
}

// secure reports whether the server uses TLS.
func (s *session) secure() bool { return s.base != nil && s.base.Scheme == "https" && !s.Offloaded }

// reachable reports whether the server was reached by an earlier check. Otherwise, later checks
// would fail for the same reason. It returns false for a remote server with a bad certificate, so
// that no password is sent to it.
func (s *session) reachable() bool {
	return s.done[portID] != Failed && s.base != nil && !s.unread() && !s.untrusting() && !(s.Remote && s.done[certificateID] == Failed)
}

// unread reports whether there is a configuration that does not load.
func (s *session) unread() bool { return s.ConfigPath != "" && s.Config == nil }

// untrusting reports whether the roots of clients are unknown, because this user may not read the
// server's certificate.
func (s *session) untrusting() bool {
	return s.secure() && s.Config != nil && s.Config.HTTP.TLS.Certificate != "" && len(s.Chain) == 0
}

// unreached returns the result of a check skipped because the server was not reached.
func (s *session) unreached() Result {
	if s.Remote && s.done[certificateID] == Failed {
		return notProven("its certificate is not accepted, so nothing was sent there")
	}
	if s.unread() {
		return notProven("without a configuration the server's address is unknown")
	}
	if s.untrusting() {
		return notProven("the server's certificate cannot be read here, so it is not known whom to trust")
	}
	return notProven("the server was not reached")
}
