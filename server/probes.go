package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
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
// background, so that /health never waits.
type probes struct {
	mu   sync.Mutex
	down map[string]int // code → how many of its kind fail
}

// failing returns the codes of the kinds of which at least one fails.
func (p *probes) failing() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var codes []string
	for _, code := range []string{healthFile, healthHTTP, healthTCP} {
		if p.down[code] > 0 {
			codes = append(codes, code)
		}
	}
	return codes
}

func (p *probes) set(code string, by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down == nil {
		p.down = map[string]int{}
	}
	p.down[code] += by
}

// probe is one of them.
type probe struct {
	code, what string
	interval   time.Duration
	threshold  int // failures in a row that count
	look       func(context.Context) error
}

// startProbes begins to look.
func (s *Server) startProbes(ctx context.Context, group *sync.WaitGroup) {
	if s.current.Load().config.Health.StorageDriver.Enabled {
		group.Go(func() { s.keepWriting(ctx) })
	}
	for _, p := range probesOf(s.current.Load().config.Health) {
		group.Go(func() { s.keepProbing(ctx, p) })
	}
}

func (s *Server) keepProbing(ctx context.Context, p probe) {
	failures, down := 0, false
	for {
		err := p.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
		default:
			failures++
		}
		if now := failures >= max(1, p.threshold); now != down {
			down = now
			if down {
				s.probed.set(p.code, 1)
				s.log.LogAttrs(ctx, slog.LevelWarn, "a condition of health fails", slog.String("what", p.what), slog.Any("error", err))
			} else {
				s.probed.set(p.code, -1)
				s.log.LogAttrs(ctx, slog.LevelInfo, "a condition of health holds again", slog.String("what", p.what))
			}
		}
		interval := p.interval
		if interval <= 0 {
			interval = 10 * time.Second
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
	}
}

// probesOf makes the probes of a configuration.
func probesOf(h config.Health) []probe {
	var all []probe
	for _, c := range h.File {
		all = append(all, probe{healthFile, c.File, c.Interval, 1, func(context.Context) error { return fileAbsent(c.File) }})
	}
	for _, c := range h.HTTP {
		all = append(all, probe{healthHTTP, c.URI, c.Interval, c.Threshold, func(ctx context.Context) error { return answers(ctx, c) }})
	}
	for _, c := range h.TCP {
		all = append(all, probe{healthTCP, c.Addr, c.Interval, c.Threshold, func(ctx context.Context) error { return accepts(ctx, c) }})
	}
	return all
}

// fileAbsent is how an operator takes a server out of service: by making a file.
func fileAbsent(path string) error {
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s is there", path)
	}
	return nil
}

func answers(ctx context.Context, c config.HTTPHealth) error {
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(c.Timeout))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, c.URI, nil)
	if err != nil {
		return err
	}
	for name, values := range c.Headers {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
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

func timeoutOf(d time.Duration) time.Duration {
	if d <= 0 {
		return 3 * time.Second
	}
	return d
}
