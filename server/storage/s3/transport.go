package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

const (
	dialTimeout = 5 * time.Second
	// answerTimeout is how long one attempt may take until the response begins, plus the time to
	// send its body at the slowest rate.
	answerTimeout = 30 * time.Second
	slowest       = 256 << 10 // bytes a second
	// slowestCopy is the assumed minimum rate of server-side copies, in bytes per second.
	slowestCopy = 4 << 20
	// stallTimeout is how long a response body may stall.
	stallTimeout = 30 * time.Second
	// longestPause is the longest pause between attempts. Pauses start with up to a second and
	// double.
	longestPause = 5 * time.Second
)

// errLate means that a request was not sent because its deadline had passed.
var errLate = errors.New("too late to be sent")

// transport sends the requests of the SDK. It limits the time of each attempt and counts them.
type transport struct {
	base   http.RoundTripper
	answer time.Duration // answerTimeout
	stall  time.Duration // stallTimeout
	pause  time.Duration // longestPause
	ahead  atomic.Int64  // nanoseconds by which the S3 service's clock is ahead
	mu     sync.Mutex
	counts map[string]int64
}

func newTransport(cfg config.S3Storage, roots *x509.CertPool) *transport {
	t := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   2 * dialTimeout,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   128,
		IdleConnTimeout:       30 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.SkipVerify}, //nolint:gosec // asked for by storage.s3.skipverify
	}
	t.TLSClientConfig.RootCAs = roots
	return &transport{base: t, answer: answerTimeout, stall: stallTimeout, pause: longestPause, counts: map[string]int64{}}
}

// trusted are the CAs of connections to S3.
type trusted struct {
	roots  *x509.CertPool      // the system's, storage.s3.cafile and bundle; nil: the system's alone
	bundle []*x509.Certificate // of AWS_CA_BUNDLE, which every AWS tool reads
}

// trustedBy reads the CAs that a configuration and the environment name, each file once.
func trustedBy(cfg config.S3Storage) (trusted, error) {
	var t trusted
	for _, f := range []struct {
		name any
		path string
	}{{key("storage.s3.cafile"), cfg.CAFile}, {bundleVariable, os.Getenv(bundleVariable)}} {
		if f.path == "" {
			continue
		}
		text, err := trust.ReadConfigured(f.path, 8<<20)
		if err != nil {
			return trusted{}, finding.Errorf("read %s: %w", f.name, err)
		}
		if t.roots == nil {
			if t.roots, err = x509.SystemCertPool(); err != nil {
				t.roots = x509.NewCertPool()
			}
		}
		certificates := certificatesIn(text)
		for _, c := range certificates {
			t.roots.AddCert(c)
		}
		if f.name == any(bundleVariable) {
			t.bundle = certificates
		}
		if len(certificates) == 0 {
			return trusted{}, finding.Errorf("read %s: %s holds no certificate", f.name, f.path)
		}
	}
	return t, nil
}

// bundleVariable names a file with CAs.
const bundleVariable = "AWS_CA_BUNDLE"

// certificatesIn returns the certificates of a file in PEM format. Like
// [x509.CertPool.AppendCertsFromPEM], it skips what it cannot parse.
func certificatesIn(text []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			continue
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// forCredentials returns the options by which requests for credentials trust the bundle, as without
// them. The SDK would parse the bundle a second time, so it gets the first certificate only.
func (t trusted) forCredentials() []func(*awsconfig.LoadOptions) error {
	if len(t.bundle) == 0 {
		return nil
	}
	roots := x509.NewCertPool()
	for _, c := range t.bundle {
		roots.AddCert(c)
	}
	first := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: t.bundle[0].Raw})
	return []func(*awsconfig.LoadOptions) error{
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(h *http.Transport) {
			h.TLSClientConfig.RootCAs = roots
		})),
		awsconfig.WithCustomCABundle(bytes.NewReader(first)),
	}
}

// Do implements the SDK's HTTP client. It does not follow redirects, because the signature would
// not match.
func (t *transport) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	limit := t.answer + time.Duration(max(r.ContentLength, 0))*time.Second/slowest
	if work, ok := r.Context().Value(workKey{}).(int64); ok {
		limit += time.Duration(work/slowestCopy) * time.Second
	}
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no answer within %v", limit)) })
	operation := middleware.GetOperationName(r.Context())
	if sent, ok := r.Context().Value(sentKey{}).(*atomic.Int32); ok {
		sent.Add(1)
	}
	t.mu.Lock()
	t.counts[operation]++
	t.mu.Unlock()
	// The request is already signed, so from now on the service itself rejects it if it arrives far
	// too late.
	if until, ok := r.Context().Value(deadlineKey{}).(time.Time); ok && late(until) {
		cancel(nil)
		timer.Stop()
		return nil, errLate
	}
	response, err := t.base.RoundTrip(r.WithContext(ctx))
	timer.Stop()
	if n, ok := r.Context().Value(unansweredKey{}).(*atomic.Int32); ok && mayArrive(response, err) {
		n.Add(1)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && r.Context().Err() == nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		cancel(nil)
		return nil, err
	}
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		// The header has a resolution of one second: add half of one as the best estimate.
		ahead := time.Until(at.Add(500 * time.Millisecond))
		if ahead.Abs() < 2*time.Second {
			ahead = 0
		}
		t.ahead.Store(int64(ahead))
	}
	response.Body = &watchedBody{ReadCloser: response.Body, cancel: cancel, stall: t.stall}
	return response, nil
}

// watchedBody aborts the request if no data arrives for a while.
type watchedBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
}

func (b *watchedBody) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.stall, func() { b.cancel(errStalled) })
	} else {
		b.timer.Reset(b.stall)
	}
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	return n, err
}

func (b *watchedBody) Close() error {
	if b.timer != nil {
		b.timer.Stop()
	}
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

var errStalled = errors.New("the response stalled")

// deadlineKey is the context key of the time until which requests may be sent.
type deadlineKey struct{}

// late reports whether a time has passed by either clock: the monotonic one stops while the machine
// sleeps, and the wall clock can be set.
func late(until time.Time) bool {
	now := time.Now()
	return !now.Before(until) || !now.Round(0).Before(until.Round(0))
}

// sendBefore returns a context whose requests fail if sent after until. An earlier deadline in ctx
// stays in force.
func sendBefore(ctx context.Context, until time.Time) context.Context {
	if sooner, ok := ctx.Value(deadlineKey{}).(time.Time); ok && sooner.Before(until) {
		return ctx
	}
	return context.WithValue(ctx, deadlineKey{}, until)
}

// unansweredKey is the context key of the counter of unanswered requests.
type unansweredKey struct{}

// unanswered returns a context that counts the requests that may still be carried out after they
// were abandoned.
func unanswered(ctx context.Context) (context.Context, *atomic.Int32) {
	n := &atomic.Int32{}
	return context.WithValue(ctx, unansweredKey{}, n), n
}

// mayArrive reports whether a request may still be carried out although it has ended: there was no
// response, or only one from a proxy that got none.
func mayArrive(response *http.Response, err error) bool {
	if err == nil {
		return response.StatusCode >= 500 && response.StatusCode != http.StatusServiceUnavailable
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return !ok || dial.Op != "dial"
}

// workKey is the context key of how many bytes the service must move before it can respond.
type workKey struct{}

// working extends the response timeout by the time that the service needs to move n bytes.
func working(ctx context.Context, n int64) context.Context {
	return context.WithValue(ctx, workKey{}, n)
}

// sentKey is the context key of the attempt counter.
type sentKey struct{}

// counted returns a context that counts attempts.
func counted(ctx context.Context) (context.Context, *atomic.Int32) {
	sent := &atomic.Int32{}
	return context.WithValue(ctx, sentKey{}, sent), sent
}

// requests returns how many requests were sent, by S3 operation.
func (t *transport) requests() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}
