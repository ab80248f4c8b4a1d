package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"packhouse/server/storage"
)

// Codes of /health. They are stable, and the only details it reveals.
const (
	healthFull        = "storage-full"
	healthReadOnly    = "storage-read-only"
	healthUnavailable = "storage-unavailable"
)

// healthPatience is how long /health waits for the storage before it uses the last known result.
const healthPatience = 500 * time.Millisecond

// instanceHeader carries the nonce of the process.
const instanceHeader = "Packhouse-Instance"

// healthBody is the response of /health: the same as the vendor's registry, plus codes if something
// is wrong.
type healthBody struct {
	Status string   `json:"status"`
	Codes  []string `json:"codes,omitempty"`
}

// health responds within healthPatience, even if the storage hangs.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	b, status := healthBody{Status: "UP"}, http.StatusOK
	if codes := s.failing(r.Context()); len(codes) > 0 {
		b, status = healthBody{"DOWN", codes}, http.StatusServiceUnavailable
	}
	content, err := json.Marshal(b)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "no-store")
	h.Set(instanceHeader, s.nonce)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // ignored: the client may have disconnected
	}
	return nil
}

// debugHealth responds like the debug listener of CNCF distribution, for probes written for it: 200
// and {}, or 503 and an object with an entry per failing check. The keys are the codes of /health.
func (s *Server) debugHealth(w http.ResponseWriter, r *http.Request) {
	status, failed := http.StatusOK, map[string]string{}
	for _, code := range s.failing(r.Context()) {
		status, failed[code] = http.StatusServiceUnavailable, "the check fails, the log says why"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failed) // ignored: the client may have disconnected
}

// failing returns the codes of all failing checks.
func (s *Server) failing(ctx context.Context) []string {
	codes := s.probed.failing()
	if code := s.failingStore(ctx); code != "" {
		codes = append(codes, code)
	}
	return codes
}

// failingStore returns the code if the storage is unhealthy, otherwise "". A storage configured as
// read-only is healthy.
func (s *Server) failingStore(ctx context.Context) string {
	c := s.current.Load().config
	if !c.Health.StorageDriver.Enabled {
		return ""
	}
	err := s.asked.ask(ctx, healthPatience, s.store.Health)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, storage.ErrReadOnly), errors.Is(err, storage.ErrUnwritable):
		if c.Storage.Maintenance.ReadOnly.Enabled {
			return ""
		}
		return healthReadOnly
	case errors.Is(err, storage.ErrFull):
		return healthFull
	case !certain(err) && s.wrote.tolerates(c.Health.StorageDriver.Threshold):
		return ""
	}
	return healthUnavailable
}

// storeProbe counts consecutive failures of the trial write. A single failure does not take the
// server out of service.
type storeProbe struct {
	mu       sync.Mutex
	looked   bool
	failures int
}

// count records the result of a probe. Results that are certain are reported immediately instead of
// counted.
func (p *storeProbe) count(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = true
	if err == nil || certain(err) {
		p.failures = 0
		return
	}
	p.failures++
}

// certain reports whether err is a definite state of the storage that needs no second probe.
func certain(err error) bool {
	for _, state := range []error{storage.ErrFull, storage.ErrReadOnly, storage.ErrUnwritable, storage.ErrFailing} {
		if errors.Is(err, state) {
			return true
		}
	}
	return false
}

// tolerates reports whether the failures are below the threshold.
func (p *storeProbe) tolerates(threshold int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.looked && p.failures < threshold
}

// forget resets the count.
func (p *storeProbe) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked, p.failures = false, 0
}

// defaultProbeInterval is the interval for a configuration that was not parsed from a file.
const defaultProbeInterval = 10 * time.Second

// retime sets the interval of trial writes. The caller holds the lock.
func (p *probes) retime(every time.Duration) {
	was := p.every
	if p.every = every; every == was {
		return
	}
	if every > 0 && p.pace != nil {
		p.pace(every)
	}
	switch {
	case was == 0:
		p.wrote.forget()
		p.beginWriting()
	case every > 0:
		select {
		case p.retimed <- struct{}{}:
		default:
		}
	case p.unwrite != nil:
		p.unwrite()
	}
}

// beginWriting starts trial writes if run has been called and they are enabled. The caller holds
// the lock.
func (p *probes) beginWriting() {
	if p.ctx == nil || p.over || p.every == 0 {
		return
	}
	ctx, quit := context.WithCancel(p.ctx)
	p.unwrite = quit
	p.looking.Go(func() {
		defer quit()
		p.keepWriting(ctx)
	})
}

func (p *probes) interval() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.every
}

// keepWriting makes a trial write at every interval, even if health is not requested. A changed
// interval counts from the last write, so that the change does not cause an extra one.
func (p *probes) keepWriting(ctx context.Context) {
	for {
		if err := p.write(ctx); ctx.Err() == nil {
			p.wrote.count(err)
		}
		for last, waiting := time.Now(), true; waiting; {
			due := time.NewTimer(p.interval() - time.Since(last))
			select {
			case <-ctx.Done():
				due.Stop()
				return
			case <-p.retimed:
				due.Stop()
			case <-due.C:
				waiting = false
			}
		}
	}
}
