// Package health checks in the background whether the server can do its work, and answers /health
// from the results, so that no request waits for a check.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// Codes of /health. They are stable, and the only details it reveals.
const (
	codeFull        = "storage-full"
	codeReadOnly    = "storage-read-only"
	codeUnavailable = "storage-unavailable"
	codeFile        = "file" // of the configured checks
	codeHTTP        = "http"
	codeTCP         = "tcp"
)

// patience is how long Failing waits for the storage before it uses the last known result.
const patience = 500 * time.Millisecond

// InstanceHeader is the header of /health that contains Options.Instance.
const InstanceHeader = "Packhouse-Instance"

// Options configures Checks.
type Options struct {
	// Store is the checked store. If it has a method ProbeEvery(time.Duration), that gets the
	// interval of trial writes.
	Store interface {
		Health(ctx context.Context) error // makes a trial write
	}
	ReadOnly bool   // the store is configured as read-only, and healthy as such
	Instance string // identifies the process that answers
	Log      *slog.Logger
}

// Checks runs the configured health checks: files that must not exist, addresses that must respond,
// and trial writes to the store.
type Checks struct {
	options Options
	trials  trials  // of the store
	asked   bounded // calls of Store.Health

	mu         sync.Mutex
	storage    config.StorageHealth
	conditions []*condition
	every      time.Duration      // between trial writes; 0: disabled
	retimed    chan struct{}      // every has changed
	unwrite    context.CancelFunc // stops trial writes
	ctx        context.Context    //nolint:containedctx // of Run, for what comes later; nil: it was not called
	over       bool               // stopping: start nothing new
	looking    sync.WaitGroup
}

// New returns the checks of a configuration. They start with Run.
func New(o Options, h config.Health) *Checks {
	cs := &Checks{options: o, retimed: make(chan struct{}, 1)}
	cs.Configure(h)
	return cs
}

// Configure applies a new configuration. Unchanged checks continue.
func (cs *Checks) Configure(h config.Health) {
	every := time.Duration(0)
	if h.StorageDriver.Enabled {
		if every = h.StorageDriver.Interval; every <= 0 {
			every = defaultInterval
		}
	}
	cs.mu.Lock()
	cs.storage = h.StorageDriver
	cs.mu.Unlock()
	cs.take(conditionsOf(h), every)
}

// Run runs the checks until ctx is done.
func (cs *Checks) Run(ctx context.Context) {
	cs.mu.Lock()
	cs.ctx = ctx
	for _, c := range cs.conditions {
		cs.begin(c)
	}
	cs.beginWriting()
	cs.mu.Unlock()
	<-ctx.Done()
	cs.mu.Lock()
	cs.over = true
	cs.mu.Unlock()
	cs.looking.Wait()
}

// Failing returns the codes of all failing checks.
func (cs *Checks) Failing(ctx context.Context) []string {
	codes, h := cs.failing()
	if code := cs.failingStore(ctx, h); code != "" {
		codes = append(codes, code)
	}
	return codes
}

// failing returns the codes of the kinds of conditions that do not hold, and the configuration of
// trial writes.
func (cs *Checks) failing() (codes []string, h config.StorageHealth) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for _, code := range []string{codeFile, codeHTTP, codeTCP} {
		if slices.ContainsFunc(cs.conditions, func(c *condition) bool { return c.code == code && c.down() }) {
			codes = append(codes, code)
		}
	}
	return codes, cs.storage
}

// failingStore returns the code if the storage is unhealthy, otherwise "".
func (cs *Checks) failingStore(ctx context.Context, h config.StorageHealth) string {
	if !h.Enabled {
		return ""
	}
	err := cs.asked.ask(ctx, patience, cs.options.Store.Health)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, storage.ErrReadOnly), errors.Is(err, storage.ErrUnwritable):
		if cs.options.ReadOnly {
			return ""
		}
		return codeReadOnly
	case errors.Is(err, storage.ErrFull):
		return codeFull
	case !certain(err) && cs.trials.tolerate(h.Threshold):
		return ""
	}
	return codeUnavailable
}

// body is the response of /health: the same as the vendor's registry, plus codes if something is
// wrong.
type body struct {
	Status string   `json:"status"`
	Codes  []string `json:"codes,omitempty"`
}

// Serve answers /health soon, even if the storage hangs.
func (cs *Checks) Serve(w http.ResponseWriter, r *http.Request) error {
	b, status := body{Status: "UP"}, http.StatusOK
	if codes := cs.Failing(r.Context()); len(codes) > 0 {
		b, status = body{"DOWN", codes}, http.StatusServiceUnavailable
	}
	content, err := json.Marshal(b)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("Cache-Control", "no-store")
	h.Set(InstanceHeader, cs.options.Instance)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // ignored: the client may have disconnected
	}
	return nil
}

// ServeDebug answers like the debug listener of CNCF distribution, for probes written for it: 200
// and {}, or 503 and an object with an entry per failing check. The keys are the codes of /health.
func (cs *Checks) ServeDebug(w http.ResponseWriter, r *http.Request) {
	status, failed := http.StatusOK, map[string]string{}
	for _, code := range cs.Failing(r.Context()) {
		status, failed[code] = http.StatusServiceUnavailable, "the check fails, the log says why"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failed) // ignored: the client may have disconnected
}
