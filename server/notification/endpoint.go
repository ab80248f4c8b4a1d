package notification

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"packhouse/server/config"
)

const (
	maxBatch      = 100                    // events in one request
	firstPause    = 100 * time.Millisecond // after a failure below the threshold
	longestPause  = 5 * time.Minute        // between attempts while an endpoint is down
	stoppingGrace = 2 * time.Second        // for the request that is running when the server stops
	maxAnswer     = 64 << 10               // bytes of a response that are read so that its connection can be reused
)

// endpoint delivers to one webhook.
type endpoint struct {
	name   string
	queue  queue
	client *http.Client
	log    *slog.Logger
	sleep  func(ctx context.Context, d time.Duration)
	grace  time.Duration // for the running request when delivery ends
	wake   chan struct{} // receives a value when there is something to deliver

	retire context.CancelFunc // ends run after the running request
	hurry  context.CancelFunc // cancels the running request after grace
	ended  chan struct{}      // closed when delivery has ended; nil: delivery was never started
	idle   bool               // run has ended; guarded by the notifier's lock

	mu       sync.Mutex
	config   *config.Endpoint   // replaced by change, never modified
	resume   context.CancelFunc // ends the pause after a failure; nil: there was none
	stat     Stat
	failures int  // consecutive failed attempts
	broken   bool // the queue could not be written, which is logged once
}

// settings returns the current configuration of the endpoint.
func (e *endpoint) settings() *config.Endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.config
}

// change replaces the settings from the next attempt on, and reports whether they differ. It ends the backoff of a failed
// attempt, so that a corrected address is tried at once.
func (e *endpoint) change(c config.Endpoint) (changed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.config
	if reflect.DeepEqual(*was, c) {
		return false
	}
	e.config = &c
	before := *was
	before.IgnoreActions, before.IgnoreMediaTypes = c.IgnoreActions, c.IgnoreMediaTypes
	if reflect.DeepEqual(before, c) {
		return true // only the selection of events has changed, not their delivery
	}
	e.failures, e.stat.Failing = 0, ""
	if e.resume != nil {
		e.resume()
	}
	return true
}

// refusal is the error for a response with a status other than 2xx.
type refusal struct {
	status int
	after  time.Duration // from Retry-After (RFC 9110, section 10.2.3); 0: none
}

func (r *refusal) Error() string {
	text := "status " + strconv.Itoa(r.status)
	if r.status >= 300 && r.status < 400 {
		text += ", and redirects are not followed"
	}
	return text
}

// final reports whether the receiver rejects the content, so that a retry of the same request fails again.
func (r *refusal) final() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// wants reports whether the endpoint's configuration selects an event.
func (e *endpoint) wants(ev *Event) bool {
	c := e.settings()
	return !slices.Contains(c.IgnoreActions, ev.Action) && (ev.Target.MediaType == "" || !slices.Contains(c.IgnoreMediaTypes, ev.Target.MediaType))
}

// add queues an event.
func (e *endpoint) add(line []byte) {
	dropped, err := e.queue.add(line)
	e.mu.Lock()
	first := err != nil && !e.broken
	e.broken = err != nil
	if err != nil {
		dropped++
	}
	full := dropped > 0 && e.stat.Dropped == 0 && err == nil
	e.stat.Dropped += dropped
	e.mu.Unlock()
	switch {
	case first:
		e.log.Error("dropped events: the queue of a webhook cannot be written", "endpoint", e.name, "error", err)
	case full:
		e.log.Error("dropped the oldest events: the queue of a webhook is full", "endpoint", e.name, "dropped", dropped)
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// taken records that events of another process were added to the queue, and how many older ones were dropped for them.
func (e *endpoint) taken(dropped int) {
	e.mu.Lock()
	e.stat.Dropped += dropped
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// begin returns the function that delivers until ctx is done or retire is called.
func (e *endpoint) begin(ctx context.Context) (run func()) {
	stopping, hurry := context.WithCancel(ctx)
	retired, retire := context.WithCancel(stopping)
	e.hurry, e.retire, e.ended = hurry, retire, make(chan struct{})
	return func() {
		defer hurry()
		e.run(retired, stopping)
	}
}

// run delivers until ctx is done. The running request then completes, or is canceled after grace once stopping is done.
func (e *endpoint) run(ctx, stopping context.Context) {
	alone := 0 // number of events to send one by one, because the content of one of them was rejected
	for ctx.Err() == nil {
		most := maxBatch
		if alone > 0 {
			most = 1
		}
		c := e.settings()
		lines, err := e.queue.head(most)
		if err != nil {
			e.failed(ctx, c, err)
			continue
		}
		if len(lines) == 0 {
			select {
			case <-ctx.Done():
			case <-e.wake:
			}
			continue
		}
		if whole := readable(lines); whole < len(lines) { // a damaged event would make the whole request invalid
			if lines = lines[:whole]; whole == 0 {
				e.leaveOut(errDamaged)
				alone = max(0, alone-1)
				if err = e.queue.done(1); err != nil {
					e.failed(ctx, c, err)
				}
				continue
			}
		}
		err = e.post(stopping, c, lines)
		refused, _ := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			e.delivered(len(lines))
			alone = max(0, alone-1)
			err = e.queue.done(len(lines))
		case refused != nil && refused.final() && len(lines) > 1:
			alone = len(lines)
			continue
		case refused != nil && refused.final() && e.exhausted(c):
			e.leaveOut(refused)
			alone = max(0, alone-1)
			err = e.queue.done(1)
		case ctx.Err() != nil:
			return
		}
		if err != nil {
			e.failed(ctx, c, err)
		}
	}
}

// post sends events in one request.
func (e *endpoint) post(ctx context.Context, c *config.Endpoint, lines [][]byte) error {
	var body bytes.Buffer
	body.WriteString(`{"events":[`)
	body.Write(bytes.Join(lines, []byte{','}))
	body.WriteString(`]}`)
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = time.Second
	}
	// When the server stops, let the running request complete so that it need not be sent twice.
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(e.grace, cancel) })
	defer stop()
	request, err := http.NewRequestWithContext(patient, http.MethodPost, c.URL, &body)
	if err != nil { // not the cause: it contains the address, which may contain a password
		return errors.New("the address is not a valid URL")
	}
	for name, values := range c.Headers {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	request.Header.Set("Content-Type", MediaType)
	answer, err := e.client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // contains the address, as above
			err = wrapped.Err
		}
		return fmt.Errorf("post events: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return nil
	}
	return &refusal{status: answer.StatusCode, after: retryAfter(answer.Header)}
}

// retryAfter returns the pause that Retry-After requests, in seconds or as a date by the receiver's clock. It returns 0
// without a valid Retry-After.
func retryAfter(h http.Header) time.Duration {
	asked := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(asked); err == nil {
		return time.Duration(max(0, min(seconds, int(longestPause/time.Second)))) * time.Second
	}
	at, err := http.ParseTime(asked)
	now, bad := http.ParseTime(h.Get("Date"))
	if err != nil || bad != nil {
		return 0
	}
	return max(0, min(at.Sub(now), longestPause))
}

var errDamaged = errors.New("the entry in the queue is damaged")

// readable returns the number of events before the first damaged one.
func readable(lines [][]byte) int {
	if i := slices.IndexFunc(lines, func(line []byte) bool { return !json.Valid(line) }); i >= 0 {
		return i
	}
	return len(lines)
}

// exhausted reports whether one more failure with these settings reaches the threshold.
func (e *endpoint) exhausted(c *config.Endpoint) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.config == c && e.failures >= max(1, c.Threshold)-1
}

func (e *endpoint) delivered(n int) {
	e.mu.Lock()
	again := e.failures >= max(1, e.config.Threshold)
	e.failures, e.stat.Failing = 0, ""
	e.stat.Delivered += n
	e.mu.Unlock()
	if again {
		e.log.Info("a webhook answers again", "endpoint", e.name, "pending", e.queue.len())
	}
}

// leaveOut drops one event.
func (e *endpoint) leaveOut(why error) {
	e.mu.Lock()
	e.failures, e.stat.Failing = 0, ""
	e.stat.Dropped++
	e.mu.Unlock()
	e.log.Error("dropped an event that cannot be delivered", "endpoint", e.name, "error", why)
}

// failed waits after a failed attempt with settings c: firstPause below the threshold, then the backoff, which doubles. It
// does not wait if the settings have changed since.
func (e *endpoint) failed(ctx context.Context, c *config.Endpoint, why error) {
	e.client.CloseIdleConnections() // resolve the receiver's name again
	pausing, resume := context.WithCancel(ctx)
	defer resume()
	e.mu.Lock()
	e.stat.Failed++
	if e.config != c {
		e.mu.Unlock()
		return
	}
	e.failures++
	threshold := max(1, c.Threshold)
	beyond := e.failures - threshold
	if beyond >= 0 {
		e.stat.Failing = why.Error()
	}
	e.resume = resume
	e.mu.Unlock()
	pause := pauseAfter(beyond, c.Backoff)
	if refused, ok := errors.AsType[*refusal](why); ok {
		pause = max(pause, refused.after)
	}
	if beyond == 0 {
		e.log.Warn("a webhook fails; its events are queued", "endpoint", e.name, "error", why, "failures", threshold, "pending", e.queue.len())
	} else {
		e.log.Debug("a request to a webhook failed", "endpoint", e.name, "error", why, "pause", pause.String())
	}
	e.sleep(pausing, pause)
}

// pauseAfter returns the pause after a failure; beyond is the number of failures since the threshold, negative below it.
func pauseAfter(beyond int, backoff time.Duration) time.Duration {
	if backoff <= 0 {
		backoff = time.Second
	}
	if beyond < 0 {
		return min(firstPause, backoff)
	}
	longest := max(backoff, longestPause)
	pause := backoff
	for range beyond {
		if pause *= 2; pause >= longest {
			return longest
		}
	}
	return pause
}

// encode returns an event as one line of JSON.
func encode(ev *Event) ([]byte, error) { return json.Marshal(ev) }
