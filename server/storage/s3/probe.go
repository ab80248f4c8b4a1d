package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"packhouse/server/config"
)

// Finding is the outcome of trying one thing that the store needs of an engine.
type Finding struct {
	Right  string `json:"right"` // what was tried, one of the constants below
	Passed bool   `json:"passed"`
	Tried  bool   `json:"tried"`            // false: something before it failed
	What   string `json:"what"`             // one sentence
	Remedy string `json:"remedy,omitempty"` // what to do about it
}

// What Probe tries, in this order. What a failure prevents is not tried.
const (
	RightSettings   = "settings"
	RightName       = "name" // of the engine, in DNS
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
	RightConditions = "conditions"
	RightDelete     = "delete"
)

var allRights = []string{
	RightSettings, RightName, RightConnection, RightTLS, RightClock, RightSignature, RightRegion, RightBucket, RightList, RightPut, RightGet,
	RightMultipart, RightConditions, RightDelete,
}

// mostSkew is how far clocks may be apart before S3 refuses what was signed.
const mostSkew = 15 * time.Minute

// Probe tries everything that the store needs, for real, and tells what fails apart. It writes and removes a few objects below
// packhouse/v1/probe, and leaves nothing behind if it may delete. No finding holds a secret.
func Probe(ctx context.Context, cfg config.S3Storage) []Finding {
	cfg.MaxRetries = 1
	p := &probing{cfg: cfg}
	p.run(ctx)
	return p.findings()
}

// Passed tells whether nothing that was tried failed and everything was tried.
func Passed(findings []Finding) bool {
	for _, f := range findings {
		if !f.Passed {
			return false
		}
	}
	return len(findings) > 0
}

type probing struct {
	cfg   config.S3Storage
	c     *client
	found map[string]Finding
}

func (p *probing) pass(right, format string, a ...any) {
	p.set(Finding{Right: right, Passed: true, Tried: true, What: fmt.Sprintf(format, a...)})
}

func (p *probing) fail(right, remedy, format string, a ...any) {
	p.set(Finding{Right: right, Tried: true, What: fmt.Sprintf(format, a...), Remedy: remedy})
}

func (p *probing) set(f Finding) {
	if p.found == nil {
		p.found = map[string]Finding{}
	}
	p.found[f.Right] = f
}

func (p *probing) findings() []Finding {
	all := make([]Finding, 0, len(allRights))
	for _, right := range allRights {
		f, ok := p.found[right]
		if !ok {
			f = Finding{Right: right, What: "not tried, because something before it failed"}
		}
		all = append(all, f)
	}
	return all
}

func (p *probing) run(ctx context.Context) {
	host, port, secure, ok := p.settings(ctx)
	if !ok || !p.reach(ctx, host, port, secure) || !p.bucketThere(ctx) {
		return
	}
	p.rights(ctx)
}

// settings reads what was configured.
func (p *probing) settings(ctx context.Context) (host, port string, secure, ok bool) {
	fail := func(err error) (string, string, bool, bool) {
		p.fail(RightSettings, "correct storage.s3", "%v", err)
		return "", "", false, false
	}
	if p.cfg.Bucket == "" {
		return fail(errors.New("storage.s3.bucket names no bucket"))
	}
	endpoint, _, err := endpointOf(p.cfg)
	if err != nil {
		return fail(err)
	}
	if endpoint == "" && p.cfg.Region == "" {
		return fail(errors.New("neither storage.s3.region nor storage.s3.regionendpoint is set"))
	}
	if p.c, err = newClient(ctx, p.cfg); err != nil {
		return fail(err)
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
	u, err := url.Parse(endpoint)
	if err != nil {
		return fail(err)
	}
	secure = u.Scheme == "https"
	if host, port = u.Hostname(), u.Port(); port == "" {
		port = map[bool]string{true: "443", false: "80"}[secure]
	}
	p.pass(RightSettings, "the engine is %s, the bucket %q", u.Host, p.cfg.Bucket)
	return host, port, secure, true
}

// reach goes down to the wire: name, connection, TLS.
func (p *probing) reach(ctx context.Context, host, port string, secure bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*probeTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		p.fail(RightName, "correct the host in storage.s3.regionendpoint or the region, or ask whoever runs your DNS", "the name %s is not known: %s", host, brief(err))
		return false
	}
	p.pass(RightName, "%s is %s", host, strings.Join(addresses, ", "))
	conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		p.fail(RightConnection, "check the port and the firewalls between here and the engine", "nobody answers at %s: %s", net.JoinHostPort(host, port), brief(err))
		return false
	}
	defer func() { _ = conn.Close() }()
	p.pass(RightConnection, "somebody answers at %s", net.JoinHostPort(host, port))
	if !secure {
		p.pass(RightTLS, "without TLS, as configured: contents and names can be read on the way, the secret key cannot")
		return true
	}
	roots, err := rootsOf(p.cfg)
	if err != nil {
		p.fail(RightTLS, "correct storage.s3.cafile", "%v", err)
		return false
	}
	t := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, InsecureSkipVerify: p.cfg.SkipVerify, MinVersion: tls.VersionTLS12}) //nolint:gosec // asked for by storage.s3.skipverify
	err = t.HandshakeContext(ctx)
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		p.fail(RightTLS, "write http:// in storage.s3.regionendpoint, or secure: false", "the engine does not speak TLS at this port")
	case err != nil:
		p.fail(RightTLS, "name the CA that signed the engine's certificate in storage.s3.cafile, or use the name that the certificate is for", "the engine's certificate is not accepted: %s", brief(err))
	default:
		p.pass(RightTLS, "the engine's certificate is accepted")
	}
	return err == nil
}

// bucketThere asks for the bucket, which tells most of what may be wrong with the clock, the keys and the region.
func (p *probing) bucketThere(ctx context.Context) bool {
	_, err := p.c.list(ctx, probeDir, "", 1, false)
	if skew := p.c.skew(); skew.Abs() > mostSkew && err != nil {
		p.fail(RightClock, "set this machine's clock, best with an NTP service", "this machine's clock is %s off the engine's", skew.Abs().Round(time.Second))
		return false
	}
	what := brief(err)
	switch c, s := code(err), status(err); {
	case err == nil:
	case c == "RequestTimeTooSkewed" || c == "RequestExpired":
		p.fail(RightClock, "set this machine's clock, best with an NTP service", "the engine finds this machine's clock too far off: %s", what)
	case c == "SignatureDoesNotMatch" || c == "InvalidAccessKeyId" || c == "XAdminUserNotFound" || c == "InvalidToken" || c == "ExpiredToken" || c == "TokenRefreshRequired" || c == "InvalidSecurity":
		p.fail(RightSignature, "correct storage.s3.accesskey and secretkey", "the engine does not accept the keys: %s", what)
	case c == "AuthorizationHeaderMalformed" || c == "PermanentRedirect" || c == "IllegalLocationConstraintException" || c == "TemporaryRedirect" || s == 301 || s == 307:
		p.fail(RightRegion, "correct storage.s3.region", "the bucket is not in the region %q: %s", p.cfg.Region, what)
	case c == "NoSuchBucket" || errors.Is(err, errMissing):
		p.fail(RightBucket, "create the bucket, or correct storage.s3.bucket; with a bucket that is there, try forcepathstyle", "there is no bucket %q", p.cfg.Bucket)
	case c == "InvalidBucketName":
		p.fail(RightBucket, "correct storage.s3.bucket", "%q can be no bucket: %s", p.cfg.Bucket, what)
	case strings.Contains(err.Error(), "retrieve credentials") || strings.Contains(err.Error(), "get identity"):
		p.fail(RightSignature, "set storage.s3.accesskey and secretkey, or give this machine a role", "no keys were found: %s", what)
	case c == "AccessDenied" || c == "AllAccessDisabled" || s == 403:
		p.fail(RightList, "allow s3:ListBucket on the bucket", "listing is refused: %s", what)
	default:
		p.fail(RightBucket, "look into the log of the engine", "the bucket cannot be asked for: %s", what)
	}
	return p.passedUpTo(err)
}

// passedUpTo notes that what comes before the failure is fine, and returns whether listing is too.
func (p *probing) passedUpTo(err error) bool {
	for _, right := range []string{RightClock, RightSignature, RightRegion, RightBucket, RightList} {
		if f, ok := p.found[right]; ok && !f.Passed {
			return false
		}
		switch right {
		case RightClock:
			p.pass(right, "the clocks agree")
		case RightSignature:
			p.pass(right, "the engine accepts the keys")
		case RightRegion:
			p.pass(right, "the bucket is where it is looked for")
		case RightBucket:
			p.pass(right, "the bucket is there")
		case RightList:
			p.pass(right, "listing works")
		}
	}
	return err == nil
}
