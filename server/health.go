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

// healthPatience is how long /health waits for the storage before it answers from what is known.
const healthPatience = 500 * time.Millisecond

// instanceHeader carries the nonce of the process.
const instanceHeader = "Packhouse-Instance"

// healthBody is the answer of /health: what the vendor's registry says, and codes when something is wrong.
type healthBody struct {
	Status string   `json:"status"`
	Codes  []string `json:"codes,omitempty"`
}

// health answers within healthPatience, whatever the storage does.
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
		_, _ = w.Write(content) // a monitor that left hears nothing
	}
	return nil
}

// debugHealth answers like the debug listener of CNCF distribution, for probes
// that were written for it: 200 and {}, or 503 and an object with one entry for
// each check that fails. The keys are the codes of /health.
func (s *Server) debugHealth(w http.ResponseWriter, r *http.Request) {
	status, failed := http.StatusOK, map[string]string{}
	for _, code := range s.failing(r.Context()) {
		status, failed[code] = http.StatusServiceUnavailable, "the check fails, the log says why"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failed) // a monitor that has left gets no answer
}

// failing returns the codes of what is wrong, or none.
func (s *Server) failing(ctx context.Context) []string {
	codes := s.probed.failing()
	if code := s.failingStore(ctx); code != "" {
		codes = append(codes, code)
	}
	return codes
}

// failingStore returns the code of what is wrong with the storage. A read-only storage is not wrong if it is configured as such.
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

// storeProbe counts how often in a row the trial write failed. One failure does not take the server out of service.
type storeProbe struct {
	mu       sync.Mutex
	looked   bool
	failures int
}

// count takes the result of a probe. Results that are certain are not counted: they are reported at once.
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

// certain reports whether err is a state of the storage that needs no second probe.
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

// defaultProbeInterval is that of a configuration that was made by hand.
const defaultProbeInterval = 10 * time.Second

// retime sets how often the store is to try a write. The caller holds the lock.
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

// beginWriting has the store try writes from now on, where run is and they are wanted. The caller holds the lock.
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

// keepWriting has the store try a write at every interval, whether somebody asks for health or not. One that changes counts from the last
// write: that it was changed is no reason to count what is known already once more.
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
