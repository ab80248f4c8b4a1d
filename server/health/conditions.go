package health

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
	"time"

	"packhouse/server/config"
)

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

// take replaces the conditions. Unchanged ones continue. A condition with the same target but other
// settings inherits the failure count until it is checked.
func (cs *Checks) take(next []*condition, every time.Duration) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	was := slices.Clone(cs.conditions)
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
			cs.end(old)
		}
		cs.begin(c)
	}
	for _, old := range was {
		cs.end(old)
	}
	cs.conditions = next
	cs.retime(every)
}

// begin starts checking a condition if run has been called. The caller holds the lock.
func (cs *Checks) begin(c *condition) {
	if cs.ctx == nil || cs.over {
		return
	}
	ctx, quit := context.WithCancel(cs.ctx)
	c.quit = quit
	cs.looking.Go(func() {
		defer quit()
		cs.keepLooking(ctx, c)
	})
}

// end stops checking a condition. The caller holds the lock.
func (cs *Checks) end(c *condition) {
	if c.quit != nil {
		c.quit()
	}
}

func (cs *Checks) keepLooking(ctx context.Context, c *condition) {
	for {
		cs.record(ctx, c, c.look(ctx))
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.interval):
		}
	}
}

// record records the result of a check, unless the condition has been replaced.
func (cs *Checks) record(ctx context.Context, c *condition, err error) {
	cs.mu.Lock()
	if ctx.Err() != nil {
		cs.mu.Unlock()
		return
	}
	was := c.down()
	c.failures++
	if err == nil {
		c.failures = 0
	}
	is := c.down()
	cs.mu.Unlock()
	switch {
	case is && !was:
		cs.options.Log.LogAttrs(ctx, slog.LevelWarn, "a health check fails",
			slog.String("what", c.shown()), slog.Any("error", err))
	case was && !is:
		cs.options.Log.LogAttrs(ctx, slog.LevelInfo, "a health check passes again", slog.String("what", c.shown()))
	}
}

// conditionsOf creates the conditions of a configuration.
func conditionsOf(h config.Health) []*condition {
	var all []*condition
	add := func(code, what string, settings any, interval time.Duration, threshold int, look func(context.Context) error) {
		if interval <= 0 {
			interval = defaultInterval
		}
		call := &bounded{}
		all = append(all, &condition{
			code: code, what: what, settings: settings, interval: interval, threshold: max(1, threshold),
			look: func(ctx context.Context) error { return call.ask(ctx, patienceOf(settings), look) },
		})
	}
	for _, c := range h.File {
		add(codeFile, c.File, c, c.Interval, 1, func(context.Context) error { return fileAbsent(c.File) })
	}
	for _, c := range h.HTTP {
		add(codeHTTP, c.URI, c, c.Interval, c.Threshold, func(ctx context.Context) error { return answers(ctx, c) })
	}
	for _, c := range h.TCP {
		add(codeTCP, c.Addr, c, c.Interval, c.Threshold, func(ctx context.Context) error { return accepts(ctx, c) })
	}
	return all
}

// shown returns the target of a check for the log. It removes credentials from a URL.
func (c *condition) shown() string {
	if c.code != codeHTTP {
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
