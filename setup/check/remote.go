package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"packhouse/certgen"
)

// Checks of a remote registry, as a client sees it.

func proveRemoteName(ctx context.Context, s *session) Result {
	if s.base == nil {
		return notProven("no URL of the server is known")
	}
	host := s.base.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		if name := s.proxyName(); name != "" {
			return passed("%s is an address, which needs no DNS; requests go through %s", host, name)
		}
		return passed("%s is an address, which needs no DNS", host)
	}
	if s.Machine == nil || s.Machine.LookupHost == nil {
		return notProven("names were not looked up")
	}
	ctx, cancel := context.WithTimeout(ctx, s.within(lookPatience))
	defer cancel()
	addrs, err := s.resolve(ctx, host)
	if name := s.proxyName(); name != "" {
		if err != nil {
			return passed("%s does not resolve here, and need not: requests go through %s", host, name)
		}
		return passed("%s is %s; requests go through %s", host, listed(addrs), name)
	}
	if err != nil {
		return unresolved(host, err, true)
	}
	return passed("%s is %s", host, listed(addrs))
}

func proveRemotePort(ctx context.Context, s *session) Result {
	if s.base == nil {
		return notProven("no URL of the server is known")
	}
	address := s.hostPort()
	if !s.secure() {
		answer, err := s.get(ctx, "/health", credentials{})
		if err != nil {
			return s.unreachable(address, err)
		}
		if r, ok := s.proxyAnswer(answer); ok {
			return r
		}
		location, _ := url.Parse(answer.header.Get("Location"))
		if answer.status/100 == 3 && location != nil && location.Scheme == "https" || bytes.Contains(answer.body, []byte("HTTP request to an HTTPS server")) {
			return failed("port-wants-tls", fmt.Sprintf("%s answers %d", address, answer.status), "it speaks TLS, and plain HTTP is led on to that", "write https:// in --url")
		}
		return warning("tls-off", address+" answers, without TLS", "passwords and content cross the network unencrypted", "run packhouse setup on the server to create a certificate")
	}
	// Verification is up to the certificate check; this request is not confidential.
	anybody := *s.client
	anybody.Transport = s.anyCertificate()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.JoinPath("health").String(), http.NoBody)
	if err != nil {
		return failed("port-unreachable", address, err.Error(), "correct the URL")
	}
	response, err := anybody.Do(request)
	if err != nil {
		return s.unreachable(address, err)
	}
	_ = response.Body.Close() // only the handshake counts
	if response.TLS == nil || len(response.TLS.PeerCertificates) == 0 {
		return failed("port-no-certificate", address, "the server shows no certificate", s.readLog())
	}
	s.served = response.TLS.PeerCertificates
	version := tls.VersionName(response.TLS.Version)
	if response.TLS.Version < tls.VersionTLS12 {
		return failed("port-old-tls", address+" speaks "+version, "clients of today refuse anything before TLS 1.2", "check the proxy in front of the server: packhouse itself supports TLS 1.2 and 1.3")
	}
	return passed("%s speaks %s, %s", address, version, response.Proto)
}

func proveRemoteCertificate(_ context.Context, s *session) Result {
	switch {
	case !s.secure():
		return notProven("the URL begins with http://, so there is no TLS to check")
	case len(s.served) == 0:
		return notProven("the server was not reached")
	}
	s.Names = s.clientNames()
	r := s.verifyChain(s.served)
	switch {
	case r.Status == Passed && len(s.Roots) == 0:
		r.Seen += ", by the CAs of this machine's system"
	case r.Status == Passed:
		r.Seen += ", by the CA of --ca-file"
	case r.Finding.Code == "cert-close-to-end":
		r.Finding.Remedy = "run packhouse cert rotate on the server"
	case r.Finding.Code == "cert-untrusted":
		u := s.untrusted(s.hostPort())
		r.Finding.Remedy = u.Finding.Remedy
		if name := s.proxyName(); name != "" {
			r.Finding.What += "; " + name + " may have replaced the registry's certificate with its own"
			r.Finding.Remedy += "; " + s.aroundProxy()
		}
	}
	return r
}

// clientNames returns the names that the certificate must match: the URL's host and those in the
// certificate.
func (s *session) clientNames() certgen.Names {
	host := s.base.Hostname()
	if all, err := certgen.ParseNames(append(certgen.NamesOf(s.served[0]).Strings(), host)); err == nil {
		return all
	}
	alone, err := certgen.ParseNames([]string{host}) // the certificate contains a wildcard
	if err != nil {
		return certgen.NamesOf(s.served[0])
	}
	return alone
}

// proveRemoteClock compares this machine's clock with the registry's.
func proveRemoteClock(ctx context.Context, s *session) Result {
	if s.base == nil || s.done[portID] == Failed || s.secure() && len(s.served) == 0 {
		return notProven("the server was not reached")
	}
	// A wrong clock can make a valid certificate fail, so accept any. The request is not
	// confidential.
	transport := s.anyCertificate()
	defer transport.CloseIdleConnections()
	offset, known := s.offset(ctx, &http.Client{Transport: transport, Timeout: s.within(lookPatience), CheckRedirect: s.client.CheckRedirect}, s.base.JoinPath("health").String())
	return judgeRemoteClock(comparison{"the registry", offset, known})
}

// anyCertificate returns a transport that accepts any certificate and any TLS version.
func (s *session) anyCertificate() *http.Transport {
	transport := s.transport()
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10} //nolint:gosec // to tell what is spoken
	transport.DisableKeepAlives = true
	return transport
}

func judgeRemoteClock(c comparison) Result {
	switch {
	case !c.known:
		return notProven("the registry does not say what time it has")
	case c.offset.Abs() > unlikely:
		return warning(CodeClockOff, c.words(), "one of the two clocks is wrong, and judges certificates wrongly", keepClock+", here or there")
	}
	return passed("agrees with the registry's, within %s", max(c.offset.Abs().Round(time.Second), time.Second))
}

// given returns the credentials of the user given on the command line.
func (s *session) given() credentials {
	if len(s.Users) == 0 || s.Users[0].Password == nil {
		return credentials{}
	}
	return credentials{s.Users[0].Name, string(s.Users[0].Password())}
}

// proveRemoteRole starts an upload and cancels it, which leaves nothing behind.
func proveRemoteRole(ctx context.Context, s *session) Result {
	c := s.given()
	switch {
	case !s.reachable():
		return s.unreached()
	case c.user == "":
		return notProven("no user was given: use --user and --password-stdin")
	case s.done["users"] != Passed:
		return notProven("%s cannot sign in", c.user)
	}
	answer, err := s.send(ctx, http.MethodPost, "/v2/"+s.repository()+"/blobs/uploads/", c, nil, nil)
	if err != nil {
		return s.unreachable(s.hostPort(), err)
	}
	switch answer.status {
	case http.StatusAccepted:
		s.cleanUp(ctx, http.MethodDelete, answer.header.Get("Location"), c)
		s.pushes = true
		return passed("%s may push: an upload was begun and given up", c.user)
	case http.StatusForbidden, http.StatusUnauthorized:
		return passed("%s may only read: a push is refused", c.user)
	}
	return notProven("beginning an upload: %d", answer.status)
}

// mayRoundTrip reports whether the given user may push and delete: otherwise the check would leave
// content behind.
func (s *session) mayRoundTrip(ctx context.Context) (Result, bool) {
	c := s.given()
	switch {
	case c.user == "":
		return notProven("no user was given: use --user and --password-stdin"), false
	case s.done["users"] != Passed:
		return notProven("%s cannot sign in", c.user), false
	case !s.pushes:
		return notProven("%s may not push", c.user), false
	}
	nothing := "/v2/" + s.repository() + "/manifests/" + digestOf([]byte(rand.Text()))
	answer, err := s.send(ctx, http.MethodDelete, nothing, c, nil, nil)
	if err != nil {
		return s.unreachable(s.hostPort(), err), false
	}
	if answer.status != http.StatusNotFound {
		return notProven("%s may not delete (%d), so that nothing was pushed: it would stay", c.user, answer.status), false
	}
	return Result{}, true
}
