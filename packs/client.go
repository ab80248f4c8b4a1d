package packs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// ClientOptions are the options of a client. Only Server is required.
type ClientOptions struct {
	Server string // host[:port], optionally with https://, or http:// for plain HTTP
	Base   string // path of the packs before spectro-packs; empty: none

	CAs        [][]byte            // PEM; trusted in addition to the system's roots
	Insecure   bool                // skip certificate verification
	Credential auth.CredentialFunc // nil: none
	UserAgent  string              // "": "packhouse"

	Warn func(text string) // called with warnings of the server; may be nil
}

// Client pushes packs to a registry and pulls them. It is safe for concurrent use.
type Client struct {
	o      ClientOptions
	server string
	plain  bool
	base   string
	auth   *auth.Client

	folder       sync.Mutex // held while the empty artifact above all packs is pushed
	folderPushed bool
}

// ParseServer parses the name of a registry, with or without a scheme. plain means plain HTTP.
func ParseServer(text string) (server string, plain bool, err error) {
	server = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(server, "oci://"); ok {
		server = rest
	} else if rest, ok := strings.CutPrefix(server, "https://"); ok {
		server = rest
	} else if rest, ok := strings.CutPrefix(server, "http://"); ok {
		server, plain = rest, true
	}
	server = strings.TrimRight(server, "/")
	if host, path, ok := strings.Cut(server, "/"); ok && host != "" {
		return "", false, fail(CodeServerName,
			fmt.Sprintf("%s contains a path, and a server is host:port", quote(text)),
			fmt.Sprintf("name the server %s; commands for packs take the path as --base %s", host,
				strings.TrimSuffix(strings.TrimSuffix(path, "/archive"), "/spectro-packs")))
	}
	if err := (registry.Reference{Registry: server}).ValidateRegistry(); err != nil || server == "" || strings.Contains(server, "@") {
		return "", false, fail(CodeServerName, fmt.Sprintf("%s is not a server", quote(text)),
			"write host:port, such as packs.example.com or 10.0.0.5:5000")
	}
	if _, port, err := net.SplitHostPort(server); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", false, fail(
				CodeServerName, fmt.Sprintf("%s has no valid port", quote(text)), "use a port between 1 and 65535",
			)
		}
	}
	return server, plain, nil
}

// ParseBase cleans a base path. It also accepts one that ends with spectro-packs, because Palette
// asks for the part before it.
func ParseBase(text string) (string, error) {
	base := strings.Trim(text, "/")
	for _, suffix := range []string{ArchiveFolder, "spectro-packs"} {
		if base == suffix {
			base = ""
		}
		base = strings.TrimSuffix(base, "/"+suffix)
	}
	if base == "" {
		return "", nil
	}
	if err := (registry.Reference{Registry: "x", Repository: base}).ValidateRepository(); err != nil {
		return "", fail(CodeServerName, fmt.Sprintf("%s is not a base path", quote(text)),
			"use lower-case letters and digits, joined by / . _ or -")
	}
	return base, nil
}

// NewClient returns a client. It does not connect yet.
func NewClient(o ClientOptions) (*Client, error) {
	server, plain, err := ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	base, err := ParseBase(o.Base)
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(o, server)
	if err != nil {
		return nil, err
	}
	if plain {
		transport = stayPlain{transport, server}
	}
	origin, err := url.Parse(map[bool]string{true: "http://", false: "https://"}[plain] + server)
	if err != nil {
		return nil, fmt.Errorf("name registry: %w", err)
	}
	transport = oneOrigin{transport, originOf(origin)}
	return &Client{
		o: o, server: server, plain: plain, base: base,
		auth: &auth.Client{
			Client:     &http.Client{Transport: &retry.Transport{Base: transport, Policy: retryPolicy}},
			Header:     http.Header{"User-Agent": {cmp.Or(o.UserAgent, "packhouse")}},
			Credential: o.Credential,
			Cache:      auth.NewCache(),
		},
	}, nil
}

func newTransport(o ClientOptions, server string) (http.RoundTripper, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("make client: the default transport was replaced")
	}
	transport = transport.Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute // a registry that syncs to disk before it responds can be slow
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, pem := range o.CAs {
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fail(CodeCAFile, "the CA file holds no certificate",
				"name a PEM file, such as the ca.crt that packhouse setup wrote")
		}
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: o.Insecure} //nolint:gosec // asked for by name
	return steady{RoundTripper: transport, server: server}, nil
}

// stayPlain refuses redirects from plain HTTP to TLS: the redirect may lead to a server that the
// user did not name.
type stayPlain struct {
	http.RoundTripper
	server string
}

func (s stayPlain) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.RoundTripper.RoundTrip(r)
	if err != nil || response.StatusCode/100 != 3 || !strings.HasPrefix(response.Header.Get("Location"), "https://") {
		return response, err
	}
	_ = response.Body.Close()
	return nil, wantsTLS(s.server)
}

// retryPolicy retries only transient errors: a lockout or a full disk will not pass within seconds.
func retryPolicy() retry.Policy {
	return &retry.GenericPolicy{
		Retryable: func(response *http.Response, err error) (bool, error) {
			if response != nil && (response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusInsufficientStorage) {
				return false, nil
			}
			return retry.DefaultPredicate(response, err)
		},
		Backoff: retry.DefaultBackoff, MinWait: 200 * time.Millisecond, MaxWait: 3 * time.Second, MaxRetry: 3,
	}
}

// Server returns the registry's host and port.
func (c *Client) Server() string { return c.server }

// Ping verifies that the server is reachable, is a registry, and accepts the user.
func (c *Client) Ping(ctx context.Context) error {
	r, err := remote.NewRegistry(c.server)
	if err != nil {
		return c.explain(err)
	}
	r.Client, r.PlainHTTP = c.auth, c.plain
	return c.explain(r.Ping(ctx))
}

// Login does what [Client.Ping] does, and reports whether the server asked for the password. A
// server without users accepts every password. It returns a [*Failure] if another server answered
// after a redirect, because that server did not receive the password.
func (c *Client) Login(ctx context.Context) (asked bool, err error) {
	var last exchange
	if err := c.Ping(context.WithValue(ctx, exchangeKey{}, &last)); err != nil {
		return false, err
	}
	if last.elsewhere != "" {
		return false, c.redirected(last.elsewhere)
	}
	return last.authorized, nil
}

// repository returns the client of a pack's repository; an empty name means the folder above all
// packs.
func (c *Client) repository(name string) (*remote.Repository, error) {
	if name != "" && (!packName().MatchString(name) || len(name) > maxName) {
		return nil, fail(CodePackUnknown, fmt.Sprintf("%s cannot be a pack's name", quote(name)),
			"write NAME or NAME:TAG, such as nginx:1.2.3; -r names the server")
	}
	reference := registry.Reference{Registry: c.server, Repository: Repository(c.base, name)}
	if err := reference.ValidateRepository(); err != nil {
		return nil, fmt.Errorf("name repository: %w", err)
	}
	repository := &remote.Repository{Client: c.auth, Reference: reference, PlainHTTP: c.plain}
	if c.o.Warn != nil {
		repository.HandleWarning = func(w remote.Warning) { c.o.Warn(w.Text) }
	}
	return repository, nil
}
