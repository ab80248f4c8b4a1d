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
	maxBatch      = 100                    // events of one request
	firstPause    = 100 * time.Millisecond // after a failure below the threshold
	longestPause  = 5 * time.Minute        // between attempts at an endpoint that is down
	stoppingGrace = 2 * time.Second        // for the request that runs when the server stops
	maxAnswer     = 64 << 10               // bytes of an answer that are read, so that its connection can be used again
)

// endpoint delivers to one webhook.
type endpoint struct {
	name   string
	queue  queue
	client *http.Client
	log    *slog.Logger
	sleep  func(ctx context.Context, d time.Duration)
	grace  time.Duration // of a request that runs when nobody waits for it any more
	wake   chan struct{} // there is something to deliver

	retire context.CancelFunc // ends run once the request that is under way has ended
	hurry  context.CancelFunc // has that request end soon
	ended  chan struct{}      // closed: nothing is delivered any more; nil: it was never begun
	idle   bool               // run has ended; of the notifier

	mu       sync.Mutex
	config   *config.Endpoint   // replaced by change, never changed
	resume   context.CancelFunc // ends the pause after a failure; nil: there was none
	stat     Stat
	failures int  // attempts in a row
	broken   bool // the queue could not be written; told once
}

// settings returns what the configuration says of this endpoint now.
func (e *endpoint) settings() *config.Endpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.config
}

// change takes other settings. They count from the next attempt on, which is made at once where the one before failed: whoever mends an
// address does not wait for the back-off of the wrong one.
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
		return true // what is queued changes, and not how it is delivered
	}
	e.failures, e.stat.Failing = 0, ""
	if e.resume != nil {
		e.resume()
	}
	return true
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	after  time.Duration // to wait, as the receiver asks (RFC 9110, section 10.2.3); 0: it does not
}

func (r *refusal) Error() string {
	text := "status " + strconv.Itoa(r.status)
	if r.status >= 300 && r.status < 400 {
		text += ", and redirects are not followed"
	}
	return text
}

// final tells whether the receiver objects to what was sent, and not to when.
func (r *refusal) final() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// wants tells whether an event is of interest.
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
		e.log.Error("events are lost: the queue of a webhook cannot be written", "endpoint", e.name, "error", err)
	case full:
		e.log.Error("events are lost: the queue of a webhook is full, the oldest go", "endpoint", e.name, "dropped", dropped)
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// taken notes that events of another process are in the queue, of which some had to go for them.
func (e *endpoint) taken(dropped int) {
	e.mu.Lock()
	e.stat.Dropped += dropped
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// begin makes what run needs. It is delivered until ctx is done, or retire is called.
func (e *endpoint) begin(ctx context.Context) (run func()) {
	stopping, hurry := context.WithCancel(ctx)
	retired, retire := context.WithCancel(stopping)
	e.hurry, e.retire, e.ended = hurry, retire, make(chan struct{})
	return func() {
		defer hurry()
		e.run(retired, stopping)
	}
}

// run delivers until ctx is done. The request that is under way then ends by itself, or soon after stopping is done.
func (e *endpoint) run(ctx, stopping context.Context) {
	alone := 0 // so many events go one by one: one of them was refused for what it is
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
		if whole := readable(lines); whole < len(lines) { // one that a receiver cannot read would spoil those beside it
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
	// A server that stops lets the request that runs come to its end, so that it need not be sent twice.
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(e.grace, cancel) })
	defer stop()
	request, err := http.NewRequestWithContext(patient, http.MethodPost, c.URL, &body)
	if err != nil {
		return errors.New("the address is not valid")
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
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // names the address, which may hold a password
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

// retryAfter is how long a receiver asks to be left alone: a number of seconds, or a moment by its own clock. 0: it does not ask.
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

var errDamaged = errors.New("its entry in the queue is damaged")

// readable counts the events before the first that is damaged.
func readable(lines [][]byte) int {
	if i := slices.IndexFunc(lines, func(line []byte) bool { return !json.Valid(line) }); i >= 0 {
		return i
	}
	return len(lines)
}

// exhausted tells whether one more failure with these settings reaches the threshold.
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

// leaveOut gives up one event.
func (e *endpoint) leaveOut(why error) {
	e.mu.Lock()
	e.failures, e.stat.Failing = 0, ""
	e.stat.Dropped++
	e.mu.Unlock()
	e.log.Error("an event cannot be delivered for what it is, it is left out", "endpoint", e.name, "error", why)
}

// failed waits after a failure: a moment at first, and from the threshold on the back-off, which doubles. A failure with settings that are
// not those of now says nothing about these.
func (e *endpoint) failed(ctx context.Context, c *config.Endpoint, why error) {
	e.client.CloseIdleConnections() // the name of the receiver may lead elsewhere by now
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
		e.log.Warn("a webhook does not take events, they wait", "endpoint", e.name, "error", why, "failures", threshold, "pending", e.queue.len())
	} else {
		e.log.Debug("a webhook did not take events", "endpoint", e.name, "error", why, "pause", pause.String())
	}
	e.sleep(pausing, pause)
}

// pauseAfter is how long to wait after a failure; beyond counts from the threshold.
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

// encode writes an event as one line.
func encode(ev *Event) ([]byte, error) { return json.Marshal(ev) }
