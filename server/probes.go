package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"packhouse/server/config"
)

// Codes of /health for the configured checks.
const (
	healthFile = "file"
	healthHTTP = "http"
	healthTCP  = "tcp"
)

// probes runs the configured health checks in the background, so that /health never waits: files
// that must not exist, addresses that must respond, and trial writes to the store.
type probes struct {
	log   *slog.Logger
	write func(context.Context) error // makes a trial write
	wrote *storeProbe                 // counts its failures
	pace  func(time.Duration)         // passes the interval to the store; nil: not supported

	mu         sync.Mutex
	conditions []*condition
	every      time.Duration      // between trial writes; 0: disabled
	retimed    chan struct{}      // every has changed
	unwrite    context.CancelFunc // stops trial writes
	ctx        context.Context    //nolint:containedctx // of run, for what comes later; nil: it was not called
	over       bool               // stopping: start nothing new
	looking    sync.WaitGroup
}

// condition is one check and its state.
type condition struct {
	code, what string
	settings   any // of the configuration
	interval   time.Duration
	threshold  int // consecutive failures before it counts
	look       func(context.Context) error

	failures int // consecutive
	quit     context.CancelFunc
}

func (c *condition) down() bool { return c.failures >= c.threshold }

// failing returns the codes of the kinds of checks that fail.
func (p *probes) failing() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var codes []string
	for _, code := range []string{healthFile, healthHTTP, healthTCP} {
		if slices.ContainsFunc(p.conditions, func(c *condition) bool { return c.code == code && c.down() }) {
			codes = append(codes, code)
		}
	}
	return codes
}

// openProbes creates the configured probes. They start with run.
func (s *Server) openProbes(h config.Health) {
	s.probed.log, s.probed.retimed, s.probed.wrote = s.log, make(chan struct{}, 1), &s.wrote
	s.probed.write = func(ctx context.Context) error { return s.asked.ask(ctx, probeDeadline, s.store.Health) }
	if store, ok := s.store.(interface{ ProbeEvery(d time.Duration) }); ok {
		s.probed.pace = store.ProbeEvery
	}
	s.takeHealth(h)
}

// takeHealth applies a new health configuration.
func (s *Server) takeHealth(h config.Health) {
	every := time.Duration(0)
	if h.StorageDriver.Enabled {
		if every = h.StorageDriver.Interval; every <= 0 {
			every = defaultProbeInterval
		}
	}
	s.probed.take(conditionsOf(h), every)
}

// startProbes starts the probes.
func (s *Server) startProbes(ctx context.Context, group *sync.WaitGroup) {
	group.Go(func() { s.probed.run(ctx) })
}

// run runs the probes until ctx is done.
func (p *probes) run(ctx context.Context) {
	p.mu.Lock()
	p.ctx = ctx
	for _, c := range p.conditions {
		p.begin(c)
	}
	p.beginWriting()
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.looking.Wait()
}

// take replaces the conditions. Unchanged ones continue. A condition with the same target but other
// settings inherits the failure count until it is checked.
func (p *probes) take(next []*condition, every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := slices.Clone(p.conditions)
	claim := func(like func(*condition) bool) *condition {
		i := slices.IndexFunc(was, like)
		if i < 0 {
			return nil
		}
		old := was[i]
		was = slices.Delete(was, i, i+1)
		return old
	}
	stays := make([]bool, len(next))
	for n, c := range next {
		if old := claim(func(o *condition) bool { return reflect.DeepEqual(o.settings, c.settings) }); old != nil {
			next[n], stays[n] = old, true
		}
	}
	for n, c := range next {
		if stays[n] {
			continue
		}
		if old := claim(func(o *condition) bool { return o.code == c.code && o.what == c.what }); old != nil {
			c.failures = old.failures
			p.end(old)
		}
		p.begin(c)
	}
	for _, old := range was {
		p.end(old)
	}
	p.conditions = next
	p.retime(every)
}

// begin starts checking a condition if run has been called. The caller holds the lock.
func (p *probes) begin(c *condition) {
	if p.ctx == nil || p.over {
		return
	}
	ctx, quit := context.WithCancel(p.ctx)
	c.quit = quit
	p.looking.Go(func() {
		defer quit()
		p.keepLooking(ctx, c)
	})
}

// end stops checking a condition. The caller holds the lock.
func (p *probes) end(c *condition) {
	if c.quit != nil {
		c.quit()
	}
}

func (p *probes) keepLooking(ctx context.Context, c *condition) {
	for {
		p.judge(ctx, c, c.look(ctx))
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.interval):
		}
	}
}

// judge records the result of a check, unless the condition has been replaced.
func (p *probes) judge(ctx context.Context, c *condition, err error) {
	p.mu.Lock()
	if ctx.Err() != nil {
		p.mu.Unlock()
		return
	}
	was := c.down()
	c.failures++
	if err == nil {
		c.failures = 0
	}
	is := c.down()
	p.mu.Unlock()
	switch {
	case is && !was:
		p.log.LogAttrs(ctx, slog.LevelWarn, "a condition of health fails", slog.String("what", c.shown()), slog.Any("error", err))
	case was && !is:
		p.log.LogAttrs(ctx, slog.LevelInfo, "a condition of health holds again", slog.String("what", c.shown()))
	}
}

// conditionsOf creates the conditions of a configuration.
func conditionsOf(h config.Health) []*condition {
	var all []*condition
	add := func(code, what string, settings any, interval time.Duration, threshold int, look func(context.Context) error) {
		if interval <= 0 {
			interval = defaultProbeInterval
		}
		call := &bounded{}
		all = append(all, &condition{
			code: code, what: what, settings: settings, interval: interval, threshold: max(1, threshold),
			look: func(ctx context.Context) error { return call.ask(ctx, patienceOf(settings), look) },
		})
	}
	for _, c := range h.File {
		add(healthFile, c.File, c, c.Interval, 1, func(context.Context) error { return fileAbsent(c.File) })
	}
	for _, c := range h.HTTP {
		add(healthHTTP, c.URI, c, c.Interval, c.Threshold, func(ctx context.Context) error { return answers(ctx, c) })
	}
	for _, c := range h.TCP {
		add(healthTCP, c.Addr, c, c.Interval, c.Threshold, func(ctx context.Context) error { return accepts(ctx, c) })
	}
	return all
}

// shown returns the target of a check for the log. It removes credentials from a URL.
func (c *condition) shown() string {
	if c.code != healthHTTP {
		return c.what
	}
	u, err := url.Parse(c.what)
	if err != nil {
		return "health.http"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// fileAbsent returns an error if the file exists: an operator creates it to take the server out of
// service.
func fileAbsent(path string) error {
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s is there", path)
	}
	return nil
}

var errNoAddress = errors.New("the address is not valid")

func answers(ctx context.Context, c config.HTTPHealth) error {
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(c.Timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, c.URI, nil)
	if err != nil {
		return errNoAddress
	}
	for name, values := range c.Headers {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Close = true // resolve the name again for each check, and leave no connection open
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // it contains the URL
			err = wrapped.Err
		}
		return err
	}
	answer.Body.Close()
	want := c.StatusCode
	if want == 0 {
		want = http.StatusOK
	}
	if answer.StatusCode != want {
		return fmt.Errorf("status %d, not %d", answer.StatusCode, want)
	}
	return nil
}

func accepts(ctx context.Context, c config.TCPHealth) error {
	d := net.Dialer{Timeout: timeoutOf(c.Timeout)}
	conn, err := d.DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// patienceOf returns the time limit of a probe.
func patienceOf(settings any) time.Duration {
	switch c := settings.(type) {
	case config.HTTPHealth:
		return timeoutOf(c.Timeout) + time.Second
	case config.TCPHealth:
		return timeoutOf(c.Timeout) + time.Second
	}
	return probeDeadline
}

func timeoutOf(d time.Duration) time.Duration {
	if d <= 0 {
		return 3 * time.Second
	}
	return d
}
