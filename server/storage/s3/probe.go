package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
)

// The checks of Probe, in order. A failed check skips those that depend on it.
const (
	RightSettings   = "settings"
	RightName       = "name" // of the endpoint, in DNS
	RightConnection = "connection"
	RightTLS        = "tls"
	RightSignature  = "signature"
	RightClock      = "clock"
	RightRegion     = "region"
	RightBucket     = "bucket"
	RightList       = "list"
	RightPut        = "put"
	RightGet        = "get"
	RightMultipart  = "multipart"
	RightDelete     = "delete"
	RightConditions = "conditions"
)

var allRights = []string{
	RightSettings, RightName, RightConnection, RightTLS, RightClock, RightSignature, RightRegion, RightBucket, RightList, RightPut, RightGet,
	RightMultipart, RightDelete, RightConditions,
}

// mostSkew is the largest clock skew at which S3 accepts a signature.
const mostSkew = 15 * time.Minute

// Probe checks everything that the store needs by actually doing it, and distinguishes the causes
// of failure. It writes and removes a few objects below packhouse/v1/probe, and leaves nothing
// behind if it may delete. No finding contains a secret.
func Probe(ctx context.Context, cfg config.S3Storage) []finding.Trial {
	cfg.MaxRetries = 1
	p := &probing{cfg: cfg}
	p.run(ctx)
	return p.trials()
}

type probing struct {
	cfg      config.S3Storage
	c        *client
	witness  *witness
	endpoint *url.URL
	proxy    *url.URL // proxy of the requests; nil: none
	found    map[string]finding.Trial
}

func (p *probing) pass(right, format string, a ...any) {
	p.set(finding.Trial{Finding: of(right, fmt.Sprintf(format, a...)), Passed: true, Tried: true})
}

func (p *probing) fail(right, remedy, format string, a ...any) {
	p.refuse(right, finding.Textf("%s", remedy), format, a...)
}

// refuse reports a failed check whose texts refer to keys of the configuration.
func (p *probing) refuse(right string, remedy finding.Text, format string, a ...any) {
	p.set(finding.Trial{Finding: of(right, "").WithWhat(finding.Textf(format, a...)).WithRemedy(remedy), Tried: true})
}

// of returns what a check found.
func of(right, what string) finding.Finding {
	return finding.Finding{Subject: finding.Subject{Check: right}, What: what}
}

// key refers to a key of the configuration.
func key(path string) finding.Ref { return finding.Ref{Key: path, Text: path} }

// inKey refers to the value of a key. more is what only the configuration needs.
func inKey(path, more string) finding.Ref {
	return finding.Ref{Key: path, Text: "in " + path + more, In: true}
}

var (
	accessKey      = key("storage.s3.accesskey")
	secretKey      = finding.Ref{Key: "storage.s3.secretkey", Text: "secretkey"}
	otherPathStyle = finding.Ref{Key: "storage.s3.forcepathstyle", Text: "forcepathstyle", Other: true}
)

func (p *probing) set(f finding.Trial) {
	if p.found == nil {
		p.found = map[string]finding.Trial{}
	}
	p.found[f.Check] = f
}

func (p *probing) trials() []finding.Trial {
	all := make([]finding.Trial, 0, len(allRights))
	for _, right := range allRights {
		f, ok := p.found[right]
		if !ok {
			f = finding.Trial{Finding: of(right, "not tried, because something before it failed")}
		}
		all = append(all, f)
	}
	return all
}

func (p *probing) run(ctx context.Context) {
	if !p.settings(ctx) || !p.reach(ctx) || !p.bucketThere(ctx) {
		return
	}
	p.rights(ctx)
}

// settings validates the configuration.
func (p *probing) settings(ctx context.Context) bool {
	fail := func(err error) bool {
		p.refuse(RightSettings, finding.Textf("correct %s", key("storage.s3")), "%v", err)
		return false
	}
	if p.cfg.Bucket == "" {
		return fail(finding.Errorf("%s names no bucket", key("storage.s3.bucket")))
	}
	endpoint, _, err := endpointOf(p.cfg)
	if err != nil {
		return fail(err)
	}
	if endpoint == "" && p.cfg.Region == "" {
		return fail(finding.Errorf("neither %s nor %s is set", key("storage.s3.region"), key("storage.s3.regionendpoint")))
	}
	if p.c, err = newClient(ctx, p.cfg); err != nil {
		return fail(err)
	}
	p.witness = &witness{base: p.c.transport.base}
	p.c.transport.base = p.witness
	if base := p.c.api.Options().BaseEndpoint; endpoint == "" && base != nil {
		endpoint = *base // from AWS_ENDPOINT_URL or the AWS configuration files
	}
	if endpoint == "" {
		endpoint = "https://s3." + p.cfg.Region + ".amazonaws.com"
		if strings.HasPrefix(p.cfg.Region, "cn-") {
			endpoint += ".cn"
		}
		if !p.cfg.Secure {
			endpoint = strings.Replace(endpoint, "https", "http", 1)
		}
	}
	if p.endpoint, err = url.Parse(endpoint); err != nil {
		return fail(err)
	}
	if p.proxy, err = http.ProxyFromEnvironment(&http.Request{URL: p.endpoint}); err != nil {
		return fail(fmt.Errorf("the proxy that the environment names: %w", err))
	}
	p.pass(RightSettings, "the S3 service is %s, the bucket %q", p.endpoint.Host, p.cfg.Bucket)
	return true
}

func (p *probing) secure() bool { return p.endpoint.Scheme == "https" }

// addressOf returns the host:port of a URL.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[u.Scheme == "https"]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// reach checks name resolution, connection and TLS. Behind a proxy, it checks name and connection
// of the proxy, and the first request checks TLS.
func (p *probing) reach(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	to := p.endpoint
	nameRemedy := finding.Textf("correct the host %s or %s, or ask the administrator of your DNS",
		inKey("storage.s3.regionendpoint", ""), finding.Ref{Key: "storage.s3.region", Text: "the region"})
	connectRemedy := finding.Textf("check the port, and the firewalls in between")
	if p.proxy != nil {
		to, nameRemedy = p.proxy, finding.Textf("correct the proxy in HTTPS_PROXY or HTTP_PROXY, or name the S3 service in NO_PROXY")
		connectRemedy = nameRemedy
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, to.Hostname())
	if err != nil {
		p.refuse(RightName, nameRemedy, "the name %s is not known: %s", to.Hostname(), brief(err))
		return false
	}
	p.pass(RightName, "%s is %s", to.Hostname(), strings.Join(addresses, ", "))
	conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", addressOf(to))
	if err != nil {
		p.refuse(RightConnection, connectRemedy, "nothing answers at %s: %s", addressOf(to), brief(err))
		return false
	}
	defer func() { _ = conn.Close() }()
	if p.proxy != nil {
		p.pass(RightConnection, "the proxy %s answers", to.Host)
		return true
	}
	p.pass(RightConnection, "it answers at %s", addressOf(to))
	if !p.secure() {
		p.pass(RightTLS, "without TLS, as configured: contents and names can be read on the way, the secret key cannot")
		return true
	}
	cas, err := trustedBy(p.cfg)
	if err != nil {
		p.refuse(RightTLS, finding.Textf("correct %s", key("storage.s3.cafile")), "%v", err)
		return false
	}
	t := tls.Client(conn, &tls.Config{ServerName: to.Hostname(), RootCAs: cas.roots, InsecureSkipVerify: p.cfg.SkipVerify, MinVersion: tls.VersionTLS12}) //nolint:gosec // asked for by storage.s3.skipverify
	if err := t.HandshakeContext(ctx); err != nil {
		p.failTLS(err)
		return false
	}
	p.pass(RightTLS, "the S3 service's certificate is accepted")
	return true
}

// failTLS reports a failed handshake.
func (p *probing) failTLS(err error) {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		p.refuse(RightTLS, finding.Textf("write http:// %s", inKey("storage.s3.regionendpoint", ", or secure: false")),
			"the S3 service does not speak TLS at this port")
		return
	}
	p.refuse(RightTLS,
		finding.Textf("name the CA that signed the S3 service's certificate %s, or use the name that the certificate is for", inKey("storage.s3.cafile", "")),
		"the S3 service's certificate is not accepted: %s", brief(err))
}
