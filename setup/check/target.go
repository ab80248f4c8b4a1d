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
	"packhouse/server/config"
)

// InstanceHeader is where a server's answer to /health carries the nonce that its admin socket tells too. It proves, without TLS, that a
// port is served by the process one means.
const InstanceHeader = "Packhouse-Instance"

// Target is an installation to be proven. The zero value of a field means that nothing is known about it, and what depends on it is not
// proven.
type Target struct {
	ConfigPath string              // myconfig.yml
	Config     *config.Config      // nil if it does not load; Findings has the reason
	Findings   []config.Problem    // what loading and verifying the configuration had to say
	Files      []File              // what belongs to the installation
	Chain      []*x509.Certificate // what tls.crt holds, leaf first; empty without TLS
	Roots      []*x509.Certificate // handed out to clients; empty: the system's roots
	Unrooted   bool                // Roots replaces an unknown root
	CA         *x509.Certificate   // the private CA of the installation; nil: none
	Had        []netip.Addr        // addresses of the certificate that this machine had when setup issued it
	Names      certgen.Names       // that clients use
	URL        string              // base URL clients use
	Dial       string              // host:port to connect to in place of what URL resolves to; empty: resolve
	Instance   string              // nonce of the running server; empty: not known
	Users      []User

	// UsersDigest is the htpasswd.File.Digest of the users that the running server has in effect. It
	// proves what a password opens without sending the password. Empty: unknown.
	UsersDigest string

	Probe     Prober
	Bucket    Bucket           // of a store in S3; nil: not tried
	Orders    []Order          // certificates that the server orders for itself and did not get
	Served    string           // fingerprint of the certificate that the server says it serves; empty: not known
	Passwords string           // path of generated passwords; empty: none
	Machine   *Machine         // that the checks run on; nil: it is not looked at
	Clocks    []ClockSource    // to hold the clock against
	Built     time.Time        // when this program was; zero: not known
	Now       func() time.Time // nil: time.Now

	// Pasteable returns a result whose commands run when pasted. Nil: results stay as they are.
	Pasteable func(Result) Result

	Quick bool // leave out what writes or takes long
	// Proxy chooses the proxy of a remote registry, as in [http.Transport]. Nil: http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	Remote bool // check the registry at URL as a client, and nothing on this machine

	patience time.Duration // how long everything may take at least: tests share a machine with others; 0: as long as the constants say
}

// Bucket tries everything that a store needs of a bucket, for real.
type Bucket func(ctx context.Context) BucketProof

// BucketProof is what came of it. No part of it holds a secret.
type BucketProof struct {
	Works     string // what works, in words
	Code      string // of the first thing that does not; empty: everything does
	Cause     string
	Remedy    string
	Weak      bool     // what does not work is a weakness of the engine, and the store has a way without it
	Lost      []string // what the engine cannot do, and what is lost by that, one sentence each
	Lifecycle string   // the rule that the bucket should have, as aws s3api takes it
}

// session is what the checks of one run share.
type session struct {
	Target

	base   *url.URL
	client *http.Client
	doing  func(string)        // reports the current activity
	done   map[string]Status   // outcomes so far, by id
	served []*x509.Certificate // by a remote server; empty: it was not reached
	pushes bool                // the user that was named may push
}

// requestTimeout bounds every single request of a check.
const requestTimeout = 15 * time.Second

// connectTimeout bounds how long a connection may take: longer than one lost packet, and shorter than somebody's patience.
const connectTimeout = 5 * time.Second

// probeTimeout bounds asking the running server for an identity.
const probeTimeout = 5 * time.Second

// within is how long to wait for what may take so long.
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
		// A redirect would take the credentials along or hide what answers here.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

func (s *session) transport() *http.Transport {
	dialer := &net.Dialer{Timeout: s.within(connectTimeout)}
	proxy := s.Proxy
	switch {
	case !s.Remote:
		proxy = nil // the checks are about this machine, not about a proxy
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

// address returns where to connect in place of the host and port of a URL.
func (s *session) address(address string) string {
	if s.Dial != "" {
		return s.Dial
	}
	return address
}

// tlsConfig trusts only the certificates that clients trust.
func (s *session) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, Time: s.Now}
	if s.pending() != nil && s.Served != "" { // nobody has signed the stand-in: the server's own word has to do
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

// hostPort returns the address of the server, with the port that the scheme implies.
func (s *session) hostPort() string {
	port := s.base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[s.base.Scheme]
	}
	return net.JoinHostPort(s.base.Hostname(), port)
}

// fingerprint is that of the certificate that the server ought to show; empty: not known.
func (s *session) fingerprint() string {
	if s.pending() == nil && len(s.Chain) > 0 {
		return certgen.Fingerprint(s.Chain[0])
	}
	return s.Served
}

// secure reports whether the server uses TLS.
func (s *session) secure() bool { return s.base != nil && s.base.Scheme == "https" }

// reachable reports whether an earlier check has found the server; the others then need not fail for the same reason. No password is sent to a
// remote one whose certificate is not good.
func (s *session) reachable() bool {
	return s.done[portID] != Failed && s.base != nil && !s.unread() && !s.untrusting() && !(s.Remote && s.done[certificateID] == Failed)
}

// unread reports whether there is a configuration that does not load.
func (s *session) unread() bool { return s.ConfigPath != "" && s.Config == nil }

// untrusting reports whether the roots of clients are unknown, because this user may not read the server's certificate.
func (s *session) untrusting() bool {
	return s.secure() && s.Config != nil && s.Config.HTTP.TLS.Certificate != "" && len(s.Chain) == 0
}

// unreached says why a check that needs the server was not made.
func (s *session) unreached() Result {
	if s.Remote && s.done[certificateID] == Failed {
		return notProven("its certificate is not accepted, so nothing was sent there")
	}
	if s.unread() {
		return notProven("without a configuration it is not known where the server is")
	}
	if s.untrusting() {
		return notProven("the server's certificate cannot be read here, so it is not known whom to trust")
	}
	return notProven("the server was not reached")
}
