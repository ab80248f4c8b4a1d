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

// Codes of /health for what the configuration has looked at beside the store.
const (
	healthFile = "file"
	healthHTTP = "http"
	healthTCP  = "tcp"
)

// probes are the further conditions of health: files that must not be there, addresses that must answer. They are looked at in the
// background, so that /health never waits. So is the store, by trial writes.
type probes struct {
	log   *slog.Logger
	write func(context.Context) error // makes a trial write
	wrote *storeProbe                 // counts what came of it
	pace  func(time.Duration)         // tells the store how often one is wanted; nil: it does not ask

	mu         sync.Mutex
	conditions []*condition
	every      time.Duration      // between trial writes; 0: none are made
	retimed    chan struct{}      // every has changed
	unwrite    context.CancelFunc // ends them
	ctx        context.Context    //nolint:containedctx // of run, for what comes later; nil: it was not called
	over       bool               // nothing is begun any more
	looking    sync.WaitGroup
}

// condition is one of them, and how it stands with it.
type condition struct {
	code, what string
	settings   any // of the configuration
	interval   time.Duration
	threshold  int // failures in a row that count
	look       func(context.Context) error

	failures int // in a row
	quit     context.CancelFunc
}

func (c *condition) down() bool { return c.failures >= c.threshold }

// failing returns the codes of the kinds of which at least one fails.
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

// openProbes makes the probes of a configuration. Nothing is looked at before run.
func (s *Server) openProbes(h config.Health) {
	s.probed.log, s.probed.retimed, s.probed.wrote = s.log, make(chan struct{}, 1), &s.wrote
	s.probed.write = func(ctx context.Context) error { return s.asked.ask(ctx, probeDeadline, s.store.Health) }
	if store, ok := s.store.(interface{ ProbeEvery(d time.Duration) }); ok {
		s.probed.pace = store.ProbeEvery
	}
	s.takeHealth(h)
}

// takeHealth has another configuration of health count from now on.
func (s *Server) takeHealth(h config.Health) {
	every := time.Duration(0)
	if h.StorageDriver.Enabled {
		if every = h.StorageDriver.Interval; every <= 0 {
			every = defaultProbeInterval
		}
	}
	s.probed.take(conditionsOf(h), every)
}

// startProbes begins to look.
func (s *Server) startProbes(ctx context.Context, group *sync.WaitGroup) {
	group.Go(func() { s.probed.run(ctx) })
}

// run looks until ctx is done.
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

// take puts conditions in the place of those before. One that is the same goes on as it was. One that looks at the same file or address
// with other settings takes over the failures that were counted: it is no better than before until it was looked at.
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

// begin looks at a condition from now on, where run does. The caller holds the lock.
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

// end looks at it no more. The caller holds the lock.
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

// judge notes what came of a look, unless the condition counts no more.
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

// conditionsOf makes the conditions of a configuration.
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

// shown is what the log may tell of what is looked at: the address of a page may hold credentials.
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

// fileAbsent is how an operator takes a server out of service: by making a file.
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
	r.Close = true // each look finds out anew where the name leads, and leaves nothing open
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // names the address
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

// patienceOf returns how long a probe with these settings may take.
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
