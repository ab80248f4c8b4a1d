package packs

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// ClientOptions say which registry a client talks to. Only Server is needed.
type ClientOptions struct {
	Server string // host[:port], with or without https://; http:// means without TLS
	Base   string // base path of the packs, which stands before spectro-packs; empty: none

	CAs        [][]byte            // PEM; trusted beside the system's
	Insecure   bool                // takes any certificate
	Credential auth.CredentialFunc // nil: none
	UserAgent  string              // "": "packhouse"

	Warn func(text string) // is told what the server warns of; may be nil
	Now  func() time.Time  // nil: time.Now
}

// Client pushes packs to a registry and gets them back. Its methods may run at once.
type Client struct {
	o      ClientOptions
	server string
	plain  bool
	base   string
	auth   *auth.Client
}

// ParseServer takes the name of a registry apart: people write it with and without a scheme. plain means HTTP without TLS.
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
		return "", false, &Failure{
			Code: CodeServerName, What: fmt.Sprintf("%s holds a path, and a server is host:port", quote(text)),
			Remedy: fmt.Sprintf("-r %s --base %s", host, strings.TrimSuffix(strings.TrimSuffix(path, "/archive"), "/spectro-packs")),
		}
	}
	if err := (registry.Reference{Registry: server}).ValidateRegistry(); err != nil || server == "" || strings.Contains(server, "@") {
		return "", false, &Failure{Code: CodeServerName, What: fmt.Sprintf("%s is no server", quote(text)), Remedy: "write host:port, such as packs.example.com or 10.0.0.5:5000"}
	}
	return server, plain, nil
}

// ParseBase cleans a base path. It takes one that names spectro-packs itself too, since Palette asks for what stands before it.
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
		return "", &Failure{Code: CodeServerName, What: fmt.Sprintf("%s is no base path", quote(text)), Remedy: "use lower-case letters and digits, joined by / . _ or -"}
	}
	return base, nil
}

// NewClient returns a client; it connects only when it is used.
func NewClient(o ClientOptions) (*Client, error) {
	server, plain, err := ParseServer(o.Server)
	if err != nil {
		return nil, err
	}
	base, err := ParseBase(o.Base)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	transport, err := newTransport(o)
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

func newTransport(o ClientOptions) (http.RoundTripper, error) {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("make client: the default transport was replaced")
	}
	transport = transport.Clone()
	transport.ResponseHeaderTimeout = 2 * time.Minute // a registry that syncs before it answers takes its time
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	for _, pem := range o.CAs {
		if !roots.AppendCertsFromPEM(pem) {
			return nil, &Failure{Code: CodeCAFile, What: "the CA file holds no certificate", Remedy: "name a PEM file, such as the ca.crt that packhouse setup wrote"}
		}
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: o.Insecure} //nolint:gosec // asked for by name
	return transport, nil
}

// stayPlain does not follow a server that sends to TLS who asked for plain HTTP: what comes then would be told of a server nobody named.
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

// retryPolicy tries again where that helps: a lock-out and a full disk do not pass within seconds.
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

// Server is the registry's host and port.
func (c *Client) Server() string { return c.server }

// Ping proves that the server is there, is a registry, and lets the user in.
func (c *Client) Ping(ctx context.Context) error {
	r, err := remote.NewRegistry(c.server)
	if err != nil {
		return c.explain(err)
	}
	r.Client, r.PlainHTTP = c.auth, c.plain
	return c.explain(r.Ping(ctx))
}

// repository returns the client side of a pack's repository; an empty name means the folder above all packs.
func (c *Client) repository(name string) (*remote.Repository, error) {
	if name != "" && (!packName.MatchString(name) || len(name) > maxName) {
		return nil, &Failure{Code: CodePackUnknown, What: fmt.Sprintf("%s cannot be a pack's name", quote(name)), Remedy: "write NAME or NAME:TAG, such as nginx:1.2.3; -r names the server"}
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
