package packs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// A registry must transfer slowBytes in each slowPeriod that the client waits for it, or the whole
// body. Otherwise one that sends a byte now and then would hold a command forever.
const (
	slowBytes  = 64 << 10
	slowPeriod = time.Minute
)

var errSlow = errors.New("the transfer is too slow")

// steady ends requests whose request or response body moves too slowly. It measures only the time
// spent waiting for the registry, not for the disk or the caller. The transport below it limits the
// time for headers.
type steady struct {
	http.RoundTripper
	server string // for messages
}

// RoundTrip implements http.RoundTripper.
func (s steady) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	given := r.Body
	r = r.Clone(ctx)
	if given != nil && given != http.NoBody {
		r.Body = &sentBody{ReadCloser: given, watchdog: watchdog{slow: func() { cancel(errSlow) }}}
	}
	response, err := s.RoundTripper.RoundTrip(r)
	if err != nil {
		err = s.explain(ctx, err)
		cancel(nil)
		return nil, err
	}
	response.Body = &receivedBody{
		ReadCloser: response.Body, watchdog: watchdog{slow: func() { cancel(errSlow) }},
		explain: func(err error) error { return s.explain(ctx, err) }, end: func() { cancel(nil) },
	}
	return response, nil
}

// explain returns a *Failure if err is due to a slow transfer, and err otherwise.
func (s steady) explain(ctx context.Context, err error) error {
	if !errors.Is(context.Cause(ctx), errSlow) {
		return err
	}
	return fail(CodeServerTimeout, fmt.Sprintf("%s transfers less than %d KiB per minute", s.server, slowBytes>>10),
		"try again, and check the network and proxies in between").because(errSlow)
}

// watchdog measures how much is transferred while the client waits. It calls slow once if that is less
// than slowBytes in a slowPeriod.
type watchdog struct {
	slow func()

	mu     sync.Mutex
	began  time.Time     // of the current wait; zero: none
	waited time.Duration // in this period, before the current wait
	moved  int           // bytes in this period
	timer  *time.Timer
}

// wait begins to wait for the registry.
func (m *watchdog) wait() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.began = time.Now()
	m.timer = time.AfterFunc(slowPeriod-m.waited, m.slow)
}

// done ends the wait, in which n bytes were transferred.
func (m *watchdog) done(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.began.IsZero() {
		return
	}
	m.timer.Stop()
	m.waited += time.Since(m.began)
	m.began = time.Time{}
	if m.moved += n; m.moved >= slowBytes {
		m.moved, m.waited = 0, 0
	}
}

// receivedBody is the body of a response: the client waits while it reads.
type receivedBody struct {
	io.ReadCloser
	watchdog watchdog
	explain  func(error) error
	end      func()
}

func (b *receivedBody) Read(p []byte) (int, error) {
	b.watchdog.wait()
	n, err := b.ReadCloser.Read(p)
	b.watchdog.done(n)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader returns it bare
		err = b.explain(err)
	}
	return n, err
}

func (b *receivedBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}

// sentBody is the body of a request: between two reads of the transport, the client waits until the
// registry took what was read.
type sentBody struct {
	io.ReadCloser
	watchdog watchdog
	last     int // bytes of the last read
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.watchdog.done(b.last)
	n, err := b.ReadCloser.Read(p)
	if b.last = n; err == nil {
		b.watchdog.wait()
	}
	return n, err
}

func (b *sentBody) Close() error {
	b.watchdog.done(b.last)
	return b.ReadCloser.Close()
}
