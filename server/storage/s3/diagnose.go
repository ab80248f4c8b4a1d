package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"packhouse/finding"
	"packhouse/pattern"
)

// witness records the last response: the SDK's error for a response that is not from S3 does not
// show the cause.
type witness struct {
	base http.RoundTripper

	mu   sync.Mutex
	last *answer
}

// answer is the response to a request.
type answer struct {
	host   string // requested host
	status int
	header http.Header
	body   []byte // first bytes
}

// mostSeen is how much of a response body is inspected, in bytes.
const mostSeen = 4 << 10

// RoundTrip implements http.RoundTripper.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := w.base.RoundTrip(r)
	var a *answer
	if err == nil {
		a = &answer{host: r.URL.Host, status: response.StatusCode, header: response.Header.Clone()}
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, mostSeen))
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(a.body), response.Body), response.Body}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = a
	return response, err
}

// seen returns the last response, or nil if there was none.
func (w *witness) seen() *answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// kind returns the media type of a response, such as text/html.
func (a *answer) kind() string {
	if kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type")); err == nil {
		return kind
	}
	return "something without a type"
}

// ofS3 reports whether the response to a listing comes from S3: a list, or an error in its format.
func (a *answer) ofS3() bool {
	if a.status/100 == 2 {
		return bytes.Contains(a.body, []byte("<ListBucketResult"))
	}
	return bytes.Contains(a.body, []byte("<Error")) && bytes.Contains(a.body, []byte("<Code>")) || a.header.Get("X-Amz-Bucket-Region") != ""
}

var regionElement = pattern.Lazy(`<Region>([a-z0-9-]{2,40})</Region>`)

// region returns the bucket's region according to the response, or "".
func (a *answer) region() string {
	if r := a.header.Get("X-Amz-Bucket-Region"); r != "" {
		return r
	}
	if m := regionElement().FindSubmatch(a.body); m != nil {
		return string(m[1])
	}
	return ""
}

// bucketThere lists the bucket, which reveals most problems with the clock, the keys and the
// region.
func (p *probing) bucketThere(ctx context.Context) bool {
	_, err := p.c.list(ctx, probeDir, "", 1, false)
	a := p.witness.seen()
	switch {
	case a == nil && err != nil:
		if !p.unanswered(ctx, err) {
			return false
		}
	case a != nil && !a.ofS3():
		p.stranger(ctx, a)
		return false
	}
	if skew := p.c.skew(); skew.Abs() > mostSkew && err != nil {
		p.fail(RightClock, "set this machine's clock, best with an NTP service", "this machine's clock is %s off the S3 service's", skew.Abs().Round(time.Second))
		return false
	}
	what := brief(err)
	switch c, s := code(err), status(err); {
	case err == nil:
	case c == "RequestTimeTooSkewed" || c == "RequestExpired":
		p.fail(RightClock, "set this machine's clock, best with an NTP service", "the S3 service finds this machine's clock too far off: %s", what)
	case c == "SignatureDoesNotMatch" || c == "InvalidAccessKeyId" || c == "XAdminUserNotFound" || c == "InvalidToken" || c == "ExpiredToken" || c == "TokenRefreshRequired" || c == "InvalidSecurity":
		p.refuse(RightSignature, finding.Textf("correct %s and %s", accessKey, secretKey),
			"the S3 service does not accept the keys: %s", what)
	case c == "AuthorizationHeaderMalformed" || c == "PermanentRedirect" || c == "IllegalLocationConstraintException" || c == "TemporaryRedirect" || s == 301 || s == 307:
		if in := a.region(); in != "" && in != p.cfg.Region {
			p.refuse(RightRegion, finding.Textf("set %s to %s", key("storage.s3.region"), in), "the bucket is in the region %q, not in %q", in, p.cfg.Region)
			break
		}
		p.refuse(RightRegion, finding.Textf("correct %s", key("storage.s3.region")), "the bucket is not in the region %q: %s", p.cfg.Region, what)
	case c == "NoSuchBucket" || errors.Is(err, errMissing):
		p.refuse(RightBucket,
			finding.Textf("create the bucket, or correct %s; if the bucket exists, try %s", key("storage.s3.bucket"), otherPathStyle),
			"there is no bucket %q", p.cfg.Bucket)
	case c == "InvalidBucketName":
		p.refuse(RightBucket, finding.Textf("correct %s", key("storage.s3.bucket")), "%q is not a valid bucket name: %s", p.cfg.Bucket, what)
	case noKeys(err):
		p.refuse(RightSignature, finding.Textf("set %s and %s, or give this machine a role", accessKey, secretKey),
			"no keys were found: %s", what)
	case c == "AccessDenied" || c == "AllAccessDisabled" || s == 403:
		p.fail(RightList, "allow s3:ListBucket on the bucket", "listing is refused: %s", what)
	case c == "SlowDown" || c == "ServiceUnavailable" || s == 503:
		p.fail(RightBucket, "try again later; if it lasts, see the log of the S3 service", "the S3 service is too busy to answer: %s", what)
	default:
		p.fail(RightBucket, "see the log of the S3 service", "the bucket cannot be queried: %s", what)
	}
	return p.passedUpTo(err)
}

func noKeys(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "retrieve credentials") || strings.Contains(err.Error(), "get identity"))
}

// unanswered determines why no response arrived. It returns true if the error itself is all that is
// known.
func (p *probing) unanswered(ctx context.Context, err error) bool {
	host := p.endpoint.Hostname()
	style := finding.Textf("set %s, so that the bucket is named in the path, not in the host name",
		finding.Ref{Key: "storage.s3.forcepathstyle", Text: "storage.s3.forcepathstyle: true"})
	var unknown *net.DNSError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case noKeys(err):
		return true
	case errors.As(err, &unknown) && p.proxy == nil && unknown.Name != host:
		p.refuse(RightName, style, "the name %s, where the bucket is expected, does not resolve", unknown.Name)
	case errors.As(err, &name) && name.Host != host:
		p.refuse(RightTLS, style, "the certificate is not valid for %s, where the bucket is expected", name.Host)
	case errors.As(err, &name), errors.As(err, &authority), errors.As(err, &record):
		p.failTLS(err)
	case !p.secure() && p.proxy == nil && p.speaksTLS(ctx):
		p.failPlain()
	default:
		p.fail(RightConnection, "check the port, and the firewalls in between", "%s accepts connections but does not answer: %s", p.endpoint.Host, brief(err))
	}
	return false
}

// stranger reports a response that does not come from an S3 service.
func (p *probing) stranger(ctx context.Context, a *answer) {
	said := fmt.Sprintf("it answered %d with %s", a.status, a.kind())
	remedy := func(more string) finding.Text {
		return finding.Textf("correct the host and the port %s: it may be the address of a console, of a web page or of something else%s",
			inKey("storage.s3.regionendpoint", ""), more)
	}
	to, err := url.Parse(a.header.Get("Location"))
	switch {
	case p.proxy != nil:
		p.fail(RightConnection, "let the proxy pass requests to the S3 service, or add its host to NO_PROXY",
			"the proxy %s answers itself, or it forwards to something that is not an S3 endpoint: %s", p.proxy.Host, said)
	case !p.secure() && (a.status/100 == 3 && err == nil && to.Scheme == "https" && to.Hostname() == p.endpoint.Hostname() || p.speaksTLS(ctx)):
		p.failPlain()
	case a.status/100 == 3 && err == nil && to.Host != "":
		p.refuse(RightConnection, remedy(", or a login page in front of it"),
			"%s is not an S3 endpoint: %s and redirects to %s", a.host, said, to.Host)
	case a.status == http.StatusUnauthorized || a.status == http.StatusProxyAuthRequired:
		p.refuse(RightConnection, remedy(", or a proxy in front of it that requires a login"), "%s is not an S3 endpoint: %s",
			a.host, said)
	case a.status >= 502 && a.status <= 504:
		p.fail(RightConnection, "check whether the S3 service behind this proxy runs", "%s does not reach the S3 service behind it: %s", a.host, said)
	default:
		p.refuse(RightConnection, remedy(""), "%s is not an S3 endpoint: %s", a.host, said)
	}
}

func (p *probing) failPlain() {
	p.refuse(RightTLS, finding.Textf("write https:// %s", inKey("storage.s3.regionendpoint", ", or secure: true")),
		"the S3 service requires TLS at this port")
}

// speaksTLS reports whether a service configured without TLS speaks it. It only does the handshake.
func (p *probing) speaksTLS(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addressOf(p.endpoint))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	t := tls.Client(conn, &tls.Config{ServerName: p.endpoint.Hostname(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // only to see whether anybody answers
	return t.HandshakeContext(ctx) == nil
}

// passedUpTo marks the checks before the failure as passed, and reports whether listing passed,
// too.
func (p *probing) passedUpTo(err error) bool {
	if _, told := p.found[RightTLS]; !told { // behind a proxy
		p.pass(RightTLS, "the S3 service answers through the proxy")
	}
	for _, right := range []string{RightClock, RightSignature, RightRegion, RightBucket, RightList} {
		if f, ok := p.found[right]; ok && !f.Passed {
			return false
		}
		switch right {
		case RightClock:
			if skew := p.c.skew(); skew.Abs() > time.Minute {
				p.pass(right, "this machine's clock is %s off the S3 service's, which is made up for; S3 refuses what is more than %s off",
					skew.Abs().Round(time.Second), mostSkew)
				continue
			}
			p.pass(right, "the clocks agree")
		case RightSignature:
			p.pass(right, "the S3 service accepts the keys")
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
