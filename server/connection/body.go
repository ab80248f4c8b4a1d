package connection

import (
	"errors"
	"io"
	"os"
	"time"

	"packhouse/server/config"
	"packhouse/server/problem"
)

// Defaults of the limits of bodies, for a configuration that was not parsed from a file.
const (
	DefaultBodyStall = 5 * time.Minute
	RateWindow       = time.Minute // over which the rate of a body is averaged
)

// BodyLimits limit how slowly the body of a request may arrive.
type BodyLimits struct {
	stall time.Duration // without a byte
	rate  int64         // bytes per second, averaged over rateWindow; 0: no limit
}

// NewBodyLimits returns the limits of a configuration.
func NewBodyLimits(l config.Limits) BodyLimits {
	limits := BodyLimits{l.BodyStallTimeout, int64(l.BodyRate)}
	if limits.stall <= 0 {
		limits.stall = DefaultBodyStall
	}
	return limits
}

// body counts received bytes and ends a request whose body stalls or trickles.
type body struct {
	io.ReadCloser
	limits   BodyLimits
	deadline deadline
	pace     pace
	bytes    int64
	ended    bool // it was received completely
	failed   bool
}

// Read implements io.Reader. Its error is a *problem.Error if a limit was exceeded.
func (b *body) Read(p []byte) (int, error) {
	began := time.Now()
	if !b.ended { // afterwards a deadline would end the response: net/http keeps reading to detect disconnects
		b.deadline.move()
	}
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true // net/http removes the deadline
	case b.ended:
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.failed = true
		stalled := problem.BodyStalled("http.limits.bodystalltimeout", "no byte of the body arrived for %v", b.limits.stall)
		return n, stalled.Because(err)
	case err != nil:
		b.failed = true
	case b.pace.slow(n, time.Since(began), b.limits.rate):
		b.failed = true
		return n, problem.BodyStalled("http.limits.bodyrate",
			"less than %d bytes of the body per second arrived for %v", b.limits.rate, RateWindow)
	}
	return n, err
}

// pace measures the rate at which a body arrives. Only the time of waiting for bytes counts, not
// that of storing them.
type pace struct {
	bytes  int64
	waited time.Duration
}

// slow adds n bytes that arrived within a time, and reports whether the average over the last
// window was below rate.
func (p *pace) slow(n int, waited time.Duration, rate int64) bool {
	p.bytes += int64(n)
	p.waited += waited
	if p.waited < RateWindow {
		return false
	}
	slow := float64(p.bytes) < float64(rate)*p.waited.Seconds()
	*p = pace{}
	return slow
}
