package packs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"packhouse/finding"
	"packhouse/printable"
)

// Codes of registry failures.
const (
	CodeServerName    = "registry-name"
	CodeServerRefused = "registry-refused"
	CodeServerUnknown = "registry-unresolved"
	CodeServerTimeout = "registry-timeout"
	CodeServerPlain   = "registry-plain-http"
	CodeServerTLS     = "registry-wants-tls"
	CodeUntrusted     = "registry-untrusted"
	CodeOtherName     = "registry-certificate-name"
	CodeCertificate   = "registry-certificate"
	CodeCAFile        = "registry-ca-file"
	CodeNotLoggedIn   = "registry-login"
	CodeOtherRealm    = "registry-realm" // the registry wants credentials sent to another server
	CodeForbidden     = "registry-forbidden"
	CodeLockedOut     = "registry-locked-out"
	CodeFull          = "registry-full"
	CodeNotRegistry   = "registry-other"
	CodeNoCatalog     = "registry-no-catalog"
	CodeNoTagDelete   = "registry-no-tag-delete"
	CodePackUnknown   = "registry-pack-unknown"
	CodeVersionExists = "registry-version-exists"
	CodeParentTag     = "registry-parent-tag"
	CodeRefusedByIt   = "registry-said-no"
	CodeOtherContent  = "registry-content"
	CodeLocalFile     = "registry-local-file" // a file of this machine cannot be read or written
)

// Failure is an error of a registry or a local file. Its finding is refused and has a remedy.
type Failure struct { //nolint:errname // what happened, and only then an error
	finding.Finding
	Err error // underlying error; may be nil
}

// fail returns a failure.
func fail(code, what, remedy string) *Failure {
	return &Failure{Finding: finding.Finding{Code: code, Severity: finding.Refused, What: what, Remedy: remedy}}
}

// because sets the underlying error.
func (f *Failure) because(err error) *Failure {
	f.Err = err
	return f
}

// Error implements error. The remedy is not part of the text.
func (f *Failure) Error() string { return f.What }

// Unwrap returns the underlying error.
func (f *Failure) Unwrap() error { return f.Err }

// explain converts an error of the network or server to a *Failure. It returns an existing *Failure
// unchanged.
func (c *Client) explain(err error) error {
	var known *Failure
	var problem *Invalid
	var refused *Refused
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.As(err, &problem), errors.As(err, &refused), errors.Is(err, context.Canceled):
		return err
	}
	f := c.explainAnswer(err)
	if f == nil {
		f = c.explainConnection(err)
	}
	if f == nil {
		f = c.explainLibrary(err)
	}
	f.Err = err
	return f
}

// explainConnection explains why there was no response.
func (c *Client) explainConnection(err error) *Failure {
	var (
		dns      *net.DNSError
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		timeout  net.Error
	)
	switch {
	case errors.As(err, &dns):
		return fail(CodeServerUnknown, fmt.Sprintf("no address is known for %s", quote(dns.Name)),
			"is the name right? add it to DNS or to /etc/hosts")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(CodeServerRefused, fmt.Sprintf("nothing listens at %s", c.server),
			"is the server running, and does it listen on that port?")
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fail(CodeServerPlain, fmt.Sprintf("%s uses plain HTTP, not TLS", c.server),
			"if that is intended, write http://"+c.server)
	case errors.As(err, &unknown):
		return fail(CodeUntrusted,
			fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here", c.server),
			fmt.Sprintf("--ca-file CA.CRT, or put the CA into /etc/spectro/certs.d/%s/ca.crt; packhouse cert export prints it on the server", c.server))
	case errors.As(err, &hostname):
		return fail(CodeOtherName, c.otherName(hostname),
			"use a name of the certificate, or on the server: packhouse setup --san "+host(c.server))
	case errors.As(err, &invalid):
		return fail(CodeCertificate, fmt.Sprintf("the certificate of %s is not valid: %v", c.server, invalid),
			"on the server: packhouse cert rotate; is the clock right?")
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fail(CodeServerTimeout, fmt.Sprintf("%s does not answer", c.server),
			"does a firewall drop the packets? is the server overloaded?")
	case strings.Contains(err.Error(), "stopped after 10 redirects"):
		return fail(CodeNotRegistry, fmt.Sprintf("%s redirects more than 10 times", c.server),
			"is it the right host and port? see the redirects of the proxy before it")
	case errors.Is(err, errdef.ErrSizeExceedsLimit):
		return fail(CodeNotRegistry, fmt.Sprintf("the answer of %s is too large", c.server),
			"is it the right host and port? see the server's log")
	case strings.Contains(err.Error(), "failed to decode"):
		return nil // explainLibrary does: the client also ends an answer that is too large
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), strings.HasSuffix(err.Error(), "EOF"):
		return fail(CodeServerTimeout, fmt.Sprintf("%s cut the connection", c.server),
			"try again, and see the server's log and that of proxies before it")
	}
	return nil
}

func host(server string) string {
	if name, _, err := net.SplitHostPort(server); err == nil {
		return name
	}
	return server
}

// otherName returns the names in the certificate, for a mismatch.
func (c *Client) otherName(err x509.HostnameError) string {
	names := err.Certificate.DNSNames
	for _, address := range err.Certificate.IPAddresses {
		names = append(names, address.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("the certificate of %s has no SANs, so it is not valid for any server", c.server)
	}
	return fmt.Sprintf("the certificate of %s is for %s", c.server, strings.Join(names, ", "))
}

// explainAnswer explains an error response.
func (c *Client) explainAnswer(err error) *Failure {
	if errors.Is(err, auth.ErrBasicCredentialNotFound) {
		return c.login("you are not logged in at %s", c.server)
	}
	var answer *errcode.ErrorResponse
	if !errors.As(err, &answer) {
		if errors.Is(err, errdef.ErrNotFound) {
			return fail(CodePackUnknown, "the registry does not have it", "packhouse pack ls lists the packs")
		}
		return nil
	}
	said := saidBy(answer)
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		if to := c.redirectedTo(answer); to != "" {
			return c.redirected(to)
		}
		return c.login("%s did not accept the stored user and password", c.server)
	case http.StatusForbidden:
		return fail(CodeForbidden, fmt.Sprintf("%s denies access: %s", c.server, said),
			"pushing requires the role writer, overwriting and deleting the role admin; packhouse user role assigns it")
	case http.StatusTooManyRequests:
		return fail(CodeLockedOut, fmt.Sprintf("%s refuses requests for now: %s", c.server, said),
			"wait: too many requests or wrong passwords came from here")
	case http.StatusInsufficientStorage:
		return fail(CodeFull, fmt.Sprintf("%s has no room: %s", c.server, said),
			"free space on its storage; packhouse store gc removes unreferenced blobs")
	case http.StatusRequestEntityTooLarge:
		return fail(CodeRefusedByIt, fmt.Sprintf("the pack is too large for %s", c.server),
			"a proxy before it may limit uploads (nginx: client_max_body_size 0)")
	case http.StatusNotFound:
		return c.explainNotFound(answer, said)
	case http.StatusBadRequest:
		if !c.plain {
			break
		}
		return wantsTLS(c.server)
	}
	return fail(
		CodeRefusedByIt, fmt.Sprintf("%s answers %d: %s", c.server, answer.StatusCode, said), "see the server's log",
	)
}

// redirected returns the failure of a login that another server answered.
func (c *Client) redirected(to string) *Failure {
	return fail(CodeOtherRealm,
		fmt.Sprintf("%s redirects to %s, which did not receive the password", c.server, quote(to)),
		"if that server is meant, log in there: packhouse registry login "+to)
}

// redirectedTo returns the host of the server that answered instead of the registry after a
// redirect, or "" if the registry answered.
func (c *Client) redirectedTo(answer *errcode.ErrorResponse) string {
	scheme := map[bool]string{true: "http", false: "https"}[c.plain]
	if answer.URL == nil || originOf(answer.URL) == originOf(&url.URL{Scheme: scheme, Host: c.server}) {
		return ""
	}
	return answer.URL.Host
}

// saidBy returns the messages of an error response.
func saidBy(answer *errcode.ErrorResponse) string {
	var said []string
	for _, e := range answer.Errors {
		said = append(said, Printable(cmp.Or(e.Message, e.Code)))
	}
	if len(said) == 0 {
		return http.StatusText(answer.StatusCode)
	}
	return strings.Join(said, "; ")
}

func wantsTLS(server string) *Failure {
	return fail(
		CodeServerTLS, fmt.Sprintf("%s requires TLS", server), "write https://"+server+", or leave the scheme out",
	)
}

// isNotFound reports whether a registry responded with a not-found error.
func isNotFound(err error) bool {
	var answer *errcode.ErrorResponse
	return errors.Is(err, errdef.ErrNotFound) || errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound && len(answer.Errors) > 0
}

func (c *Client) explainNotFound(answer *errcode.ErrorResponse, said string) *Failure {
	if answer.URL != nil && answer.URL.Path == "/v2/" || len(answer.Errors) == 0 && answer.Method != http.MethodHead {
		return fail(CodeNotRegistry, fmt.Sprintf("the service at %s is not an OCI registry", c.server),
			"is it the right port? legacy pack registries do not support /v2/")
	}
	return fail(
		CodePackUnknown, fmt.Sprintf("%s does not have it: %s", c.server, said), "packhouse pack ls lists the packs",
	)
}

func (c *Client) login(format string, args ...any) *Failure {
	return fail(CodeNotLoggedIn, fmt.Sprintf(format, args...), "packhouse registry login "+c.server)
}

// parseErrors parses the body of an error response (distribution-spec, "Error Codes").
func parseErrors(text []byte) errcode.Errors {
	var body struct {
		Errors errcode.Errors `json:"errors"`
	}
	_ = json.Unmarshal(text, &body) // not from a registry: ignore the body
	return body.Errors
}

// Printable returns text with all control characters, including line breaks, replaced. Text from
// registries and packs must be printed through it.
func Printable(text string) string { return printable.Line(text) }
