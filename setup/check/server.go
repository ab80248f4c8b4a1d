package check

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"packhouse/certgen"
	"packhouse/printable"
)

// Checks of the server: whether it responds, and which users it accepts.

func provePort(ctx context.Context, s *session) Result {
	if s.base == nil {
		return notProven("no URL of the server is known")
	}
	if s.unread() {
		return notProven("without a configuration the server's address is unknown")
	}
	address := s.address(s.hostPort())
	if !s.secure() {
		return provePlainPort(ctx, s, address)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within(requestTimeout))
	defer cancel()
	// Trust is verified by the certificate check; only the certificate's identity matters here.
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: s.within(connectTimeout)}, Config: &tls.Config{InsecureSkipVerify: true, ServerName: s.base.Hostname()}} //nolint:gosec // compared by fingerprint
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return s.unreachable(address, err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	tlsConn, ok := conn.(*tls.Conn)
	if !ok || len(tlsConn.ConnectionState().PeerCertificates) == 0 {
		return failed("port-no-certificate", address, "the server shows no certificate", s.readLog())
	}
	served := tlsConn.ConnectionState().PeerCertificates[0]
	fingerprint := certgen.Fingerprint(served)
	want := s.fingerprint()
	switch {
	case want == "":
		return passed("%s serves %s", address, short(fingerprint))
	case fingerprint != want && s.pending() != nil:
		return failed("port-other-certificate", fmt.Sprintf("%s serves %s", address, short(fingerprint)),
			fmt.Sprintf("the server of this installation reports that it serves %s, a stand-in: another program uses the port", short(want)), s.freePort())
	case fingerprint != want:
		return failed("port-other-certificate", fmt.Sprintf("%s serves %s", address, short(fingerprint)),
			fmt.Sprintf("the certificate on disk is %s: another program uses the port, or the server has not taken the new certificate", short(want)),
			s.Server.Restart()+", then run packhouse check; if the result is the same, "+s.freePort())
	case s.pending() != nil:
		return passed("%s served by this installation, with a stand-in until its certificate is there", address)
	}
	return passed("%s served by this installation (fingerprint %s)", address, short(fingerprint))
}

func provePlainPort(ctx context.Context, s *session, address string) Result {
	answer, err := s.get(ctx, "/health", credentials{})
	switch {
	case err != nil:
		return s.unreachable(address, err)
	case s.Instance == "":
		return notProven("%s answers; without TLS and without the server's report, its identity is unknown", address)
	case answer.header.Get(InstanceHeader) != s.Instance:
		return failed("port-other-server", address+" answers", "another program uses the port", s.freePort())
	}
	return passed("%s served by this installation", address)
}

// short returns the beginning of a fingerprint, enough to compare by eye.
func short(fingerprint string) string {
	if len(fingerprint) > 11 {
		return fingerprint[:11] + "…"
	}
	return fingerprint
}

// unreachable determines the cause of a failed connection.
func (s *session) unreachable(address string, err error) Result {
	var (
		dns         *net.DNSError
		record      tls.RecordHeaderError
		unknown     x509.UnknownAuthorityError
		hostname    x509.HostnameError
		invalid     x509.CertificateInvalidError
		networkTime net.Error
	)
	if r, ok := s.proxyFault(address, err); ok {
		return r
	}
	switch {
	case errors.As(err, &dns) && !dns.IsNotFound:
		return failed(CodeNoAnswer, dns.Name+" could not be looked up", "the DNS servers of this machine do not answer: "+brief(err), "correct /etc/resolv.conf, or the network to the servers that it names")
	case errors.As(err, &dns):
		return failed(CodeUnresolved, dns.Name, fmt.Sprintf("%s does not resolve", dns.Name), "add it to DNS, or to /etc/hosts of the clients")
	case errors.Is(err, syscall.ECONNREFUSED):
		return s.refused(address)
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return failed("port-plain-http", address, "plain HTTP is spoken where TLS is expected", s.plainRemedy())
	case errors.As(err, &unknown):
		return s.untrusted(address)
	case errors.As(err, &hostname):
		return failed(certgen.CodeName, address, hostname.Error(), s.there("run packhouse setup --yes --san "+printable.Shell(hostname.Host)))
	case errors.As(err, &invalid):
		return failed("cert-invalid", address, invalid.Error(), s.there("run packhouse cert rotate"))
	case errors.As(err, &networkTime) && networkTime.Timeout():
		return failed("port-timeout", address, "no answer: a firewall drops the packets, or the server hangs", s.openPort())
	}
	if end := (*url.Error)(nil); errors.As(err, &end) { // the result already names the request
		err = end.Err
	}
	if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
		return failed("port-unreachable", address, err.Error(), "check the address, and whether that machine and the network in between are up")
	}
	return failed("port-unreachable", address, err.Error(), s.readLog())
}

// refused determines the cause of a refused connection. A firewall rule with REJECT looks like a
// closed port; a server that responds on its admin socket distinguishes them.
func (s *session) refused(address string) Result {
	switch {
	case s.Remote:
		return failed("port-refused", address, "nothing listens there, or a firewall rejects connections",
			"run packhouse check on the server: it reports whether the server runs and what its firewall refuses")
	case s.Instance == "":
		return failed("port-refused", address, "nothing listens there", "run "+s.Server.Start())
	}
	if v := proveFirewall(context.Background(), s); v.Finding.Code == CodeClosed {
		return failed(CodeClosed, address+" refuses connections, and the server runs", v.Finding.What, v.Finding.Remedy)
	}
	return failed("port-rejected", address+" refuses connections, and the server runs", "a firewall rule rejects connections, also those of this machine, or the server listens at another address",
		"list the rules with "+s.Server.Root("nft list ruleset")+" or "+s.Server.Root("iptables -S")+" and remove that one, or correct http.addr in "+printable.Shell(s.ConfigPath)+" and "+s.Server.Restart())
}

// untrusted explains why clients do not trust the certificate.
func (s *session) untrusted(address string) Result {
	switch o := s.pending(); {
	case o != nil:
		return failed(o.Code, address+" serves a stand-in", o.What, o.Remedy)
	case s.Remote && len(s.Roots) == 0:
		return failed(certgen.CodeUntrusted, address, "the certificate is not signed by a CA that this machine's system trusts", "run packhouse cert export -o ca.crt on the server, copy ca.crt from there, and add --ca-file ca.crt")
	case s.Remote:
		return failed(certgen.CodeUntrusted, address, "the certificate is not signed by the CA of --ca-file", "run packhouse cert export -o ca.crt on the server, and copy ca.crt from there")
	case s.Config != nil && s.Config.HTTP.TLS.LetsEncrypt.Enabled():
		return failed(certgen.CodeUntrusted, address, "the certificate is not the one that was ordered, or this machine does not trust its CA", "run packhouse cert show, which lists the orders")
	}
	return failed(certgen.CodeUntrusted, address, "the certificate is not signed by the CA that clients are given", "run packhouse cert trust, which prints for each type of client how to install the CA")
}

func proveHealth(ctx context.Context, s *session) Result {
	if !s.reachable() {
		return s.unreached()
	}
	answer, err := s.get(ctx, "/health", credentials{})
	if err != nil {
		return s.unreachable(s.address(s.hostPort()), err)
	}
	if r, ok := s.proxyAnswer(answer); ok {
		return r
	}
	var health struct {
		Status string   `json:"status"`
		Codes  []string `json:"codes"`
	}
	switch err := json.Unmarshal(answer.body, &health); {
	case answer.status == http.StatusOK && err == nil && health.Status == "UP":
		return passed("GET /health 200, UP")
	case answer.status == http.StatusServiceUnavailable && err == nil:
		return failed("health-down", "GET /health 503", "the server says "+strings.Join(health.Codes, ", "), s.there("run packhouse status"))
	}
	return failed("health-other", fmt.Sprintf("GET /health %d", answer.status), "another program uses the port: it is not a pack registry", s.freePort())
}

func proveAnonymous(ctx context.Context, s *session) Result {
	if !s.reachable() {
		return s.unreached()
	}
	if s.open() {
		return warning("auth-none", "authentication is off", "every client that reaches the port may do everything",
			s.requireUsers())
	}
	var realm string
	for _, path := range []string{"/v1/", "/v2/"} {
		answer, err := s.get(ctx, path, credentials{})
		if err != nil {
			return s.unreachable(s.address(s.hostPort()), err)
		}
		challenge := answer.header.Get("WWW-Authenticate")
		if answer.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Basic realm=") {
			return failed("auth-not-asked", fmt.Sprintf("GET %s %d", path, answer.status), "the server does not ask for credentials", s.requireUsers())
		}
		realm = challenge
	}
	return passed("/v1/ and /v2/ answer 401, %s", strings.TrimPrefix(realm, "Basic "))
}

// open reports whether the configuration requires no credentials.
func (s *session) open() bool { return s.Config != nil && s.Config.Auth.Method == "none" }

// wrongPasswordAnswer returns the result for a status other than 401 and 429. Only a success means
// that the server accepted the password.
func (s *session) wrongPasswordAnswer(status int) Result {
	what := fmt.Sprintf("a wrong password: %d", status)
	if text := http.StatusText(status); text != "" {
		what += " " + text
	}
	switch status / 100 {
	case 2:
		return failed("auth-wrong-password", what, "the server accepted a wrong password", "take the server off the network and check auth in its configuration")
	case 3:
		return failed("auth-wrong-password", what, "the server redirects instead of asking for a password", "check the proxies in front of the server, and the host name and port of the check")
	case 5:
		return failed("auth-wrong-password", what, "the server failed before it verified the password", s.readLog())
	}
	return failed("auth-wrong-password", what, "the answer is not 401, so another server or a proxy may have answered", "check the proxies in front of the server, and the host name and port of the check")
}

func proveWrongPassword(ctx context.Context, s *session) Result {
	if !s.reachable() {
		return s.unreached()
	}
	if s.open() {
		return notProven("authentication is off")
	}
	// Do not use a real user's name: the attempt would count toward its lockout. The server does
	// not count failed attempts of probe identities.
	user := "nobody-" + strings.ToLower(rand.Text()[:8])
	if c, err := s.probeIdentity(ctx, "reader"); err == nil && !s.Remote {
		user = c.user
	}
	answer, err := s.get(ctx, "/v2/", credentials{user, rand.Text()})
	if err != nil {
		return s.unreachable(s.address(s.hostPort()), err)
	}
	switch answer.status {
	case http.StatusUnauthorized:
		return passed("a wrong password: 401")
	case http.StatusTooManyRequests:
		return notProven("the server slows down guesses right now (429), try again later")
	}
	return s.wrongPasswordAnswer(answer.status)
}

func proveUsers(ctx context.Context, s *session) Result {
	switch {
	case !s.reachable():
		return s.unreached()
	case s.open():
		return notProven("authentication is off")
	case s.Remote && len(s.Users) == 0:
		return notProven("no user was given: use --user and --password-stdin")
	case len(s.Users) == 0:
		return notProven("no users are known here")
	}
	if !s.Remote {
		return s.proveLocalUsers()
	}
	var proven, unknown []string
	for _, u := range s.Users {
		if u.Password == nil {
			unknown = append(unknown, u.Name)
			continue
		}
		s.doing("logging in as " + u.Name)
		answer, err := s.get(ctx, "/v2/", credentials{u.Name, string(u.Password())})
		if err != nil {
			return s.unreachable(s.address(s.hostPort()), err)
		}
		if answer.status != http.StatusOK {
			return userRefused(u, answer.status)
		}
		proven = append(proven, u.Name)
	}
	switch {
	case len(proven) == 0:
		return notProven("no password is known here: %s", strings.Join(unknown, ", "))
	case len(unknown) > 0:
		return passed("%s can log in; not proven, no password known: %s", strings.Join(proven, ", "), strings.Join(unknown, ", "))
	}
	return passed("%s can log in", strings.Join(proven, ", "))
}

// userRefused returns the result for a user whom a remote registry did not accept.
func userRefused(u User, status int) Result {
	if status == http.StatusTooManyRequests {
		return notProven("the server slows down guesses right now (429), try again later")
	}
	return failed("user-refused", fmt.Sprintf("%s: %d", u.Name, status),
		fmt.Sprintf("%s did not sign in: wrong password, or no such user", u.Name),
		"run packhouse user passwd "+printable.Shell(u.Name)+" on the server to set another one")
}

// credentials are for HTTP Basic authentication; the zero value sends none.
type credentials struct{ user, password string }

// answer is a response with its body, up to answerLimit.
type answer struct {
	status int
	header http.Header
	body   []byte
}

const answerLimit = 4 << 20

func (s *session) get(ctx context.Context, path string, c credentials) (answer, error) {
	return s.send(ctx, http.MethodGet, path, c, nil, nil)
}

// send sends a request to a path below the base URL.
func (s *session) send(ctx context.Context, method, path string, c credentials, header http.Header, body io.Reader) (answer, error) {
	target, err := s.base.Parse(path)
	if err != nil {
		return answer{}, fmt.Errorf("parse address %q: %w", path, err)
	}
	if target.Host != s.base.Host || target.Scheme != s.base.Scheme {
		return answer{}, fmt.Errorf("server sends to another origin, %s", target.Host) // never send credentials to another origin
	}
	if s.Offloaded {
		target.Scheme = "http"
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), body)
	if err != nil {
		return answer{}, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", "packhouse-check")
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	content, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	return answer{resp.StatusCode, resp.Header, content}, nil
}

// probeIdentity returns credentials with a role: a one-minute identity from the running server or,
// for a remote registry, a user's credentials. A local check never sends a user's password.
func (s *session) probeIdentity(ctx context.Context, role string) (credentials, error) {
	var probeErr error
	if s.Probe != nil {
		ctx, cancel := context.WithTimeout(ctx, s.within(probeTimeout))
		defer cancel()
		user, password, err := s.Probe(ctx, role)
		if err == nil {
			return credentials{user, password}, nil
		}
		probeErr = err
	}
	for _, u := range s.Users {
		if s.Remote && u.Role == role && u.Password != nil {
			return credentials{u.Name, string(u.Password())}, nil
		}
	}
	if probeErr != nil {
		return credentials{}, probeErr
	}
	return credentials{}, fmt.Errorf("no running server issues an identity with role %s", role)
}
