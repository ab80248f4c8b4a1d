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

// Codes of /health. They are stable, and all that anybody is told.
const (
	healthFull        = "storage-full"
	healthReadOnly    = "storage-read-only"
	healthUnavailable = "storage-unavailable"
)

// instanceHeader carries the nonce of the process.
const instanceHeader = "Packhouse-Instance"

// healthBody is the answer of /health: what the vendor's registry says, and codes when something is wrong.
type healthBody struct {
	Status string   `json:"status"`
	Codes  []string `json:"codes,omitempty"`
}

// health answers in constant time, from what is known already.
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

// failing returns the codes of what is wrong; none when all is well.
func (s *Server) failing(ctx context.Context) []string {
	codes := s.probed.failing()
	if code := s.failingStore(ctx); code != "" {
		codes = append(codes, code)
	}
	return codes
}

// failingStore returns the code of what is wrong with the store. That a server which was told to be read-only cannot be written is not wrong.
func (s *Server) failingStore(ctx context.Context) string {
	c := s.current.Load().config
	if !c.Health.StorageDriver.Enabled {
		return ""
	}
	err := s.store.Health(ctx)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, storage.ErrReadOnly):
		if c.Storage.Maintenance.ReadOnly.Enabled {
			return ""
		}
		return healthReadOnly
	case errors.Is(err, storage.ErrFull):
		return healthFull
	case s.wrote.tolerates(c.Health.StorageDriver.Threshold):
		return ""
	}
	return healthUnavailable
}

// storeProbe counts how often in a row the store did not take a trial write. Once is no reason to be taken out of service.
type storeProbe struct {
	mu       sync.Mutex
	looked   bool
	failures int
}

// count takes the outcome of a look. That a store is full or cannot be written by anybody is known for certain, and nothing to count.
func (p *storeProbe) count(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked = true
	if err == nil || errors.Is(err, storage.ErrFull) || errors.Is(err, storage.ErrReadOnly) {
		p.failures = 0
		return
	}
	p.failures++
}

// tolerates tells whether the failures are below the threshold.
func (p *storeProbe) tolerates(threshold int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.looked && p.failures < threshold
}

// defaultProbeInterval is that of a configuration that was made by hand.
const defaultProbeInterval = 10 * time.Second

// keepWriting has the store try a write at every interval, whether somebody asks for health or not.
func (s *Server) keepWriting(ctx context.Context) {
	interval := s.current.Load().config.Health.StorageDriver.Interval
	if interval <= 0 {
		interval = defaultProbeInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		s.wrote.count(s.store.Health(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
