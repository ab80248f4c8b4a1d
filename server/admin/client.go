package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"packhouse/printable"
	"packhouse/server/config"
	"packhouse/server/storage"
)

// ErrNotRunning reports that no server listens on an admin socket.
var ErrNotRunning = errors.New("no server is running")

// Client sends requests to a running server. Control characters in what it receives are replaced,
// so that every result can be printed.
type Client struct {
	path     string
	pid      int
	http     *http.Client
	patience time.Duration // for a whole answer that is not a stream
	prompt   time.Duration // the same for one that needs no work
	idle     time.Duration // for the next byte of a stream
}

// A process that has taken the place of the server may never answer, or never end its answer.
const (
	patience   = time.Minute
	prompt     = 10 * time.Second
	idle       = 8 * Heartbeat
	mostAnswer = 4 << 20  // bytes of an answer that is not a stream
	mostLine   = 32 << 20 // bytes of a line of a stream
)

var (
	errSlow = errors.New("it did not answer in time")
	errLong = errors.New("its answer is too long")
)

// Find connects to the server of a configuration. Beside root and the effective user, the client
// accepts a server that runs as one of the named user IDs.
//
// The error matches ErrNotRunning if there is no server, or none that this user may connect to (it
// then also matches fs.ErrPermission), and ErrUntrusted if the socket belongs to another user.
func Find(c *config.Config, users ...int) (*Client, error) {
	var refused error
	for _, path := range Paths(c) {
		client, err := Dial(path, users...)
		if err == nil {
			return client, nil
		}
		switch {
		case errors.Is(err, ErrNotRunning):
		case refused == nil || errors.Is(err, ErrUntrusted):
			refused = err
		case !errors.Is(refused, ErrUntrusted): // the server may be behind any of them
			refused = fmt.Errorf("%w; %w", refused, err)
		}
	}
	switch {
	case errors.Is(refused, ErrUntrusted):
		return nil, refused
	case refused != nil:
		return nil, fmt.Errorf("%w that this user may connect to: %w", ErrNotRunning, refused)
	}
	return nil, ErrNotRunning
}

// Dial connects to the socket at path, and accepts the same servers as Find. Every connection is
// verified before anything is sent.
func Dial(path string, users ...int) (*Client, error) {
	servers := trusting(users)
	conn, err := servers.dial(context.Background(), path)
	if err != nil {
		if absent(err) {
			return nil, fmt.Errorf("%w: nothing listens on %s", ErrNotRunning, path)
		}
		return nil, fmt.Errorf("connect to the running server: %w", err)
	}
	other, err := peerOf(conn)
	_ = conn.Close() // it only showed that a server listens
	if err != nil {
		return nil, fmt.Errorf("connect to the running server: %w", err)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return servers.dial(ctx, path) },
	}
	return &Client{path: path, pid: other.pid, http: &http.Client{Transport: transport}, patience: patience, prompt: prompt, idle: idle}, nil
}

// Path returns the path of the socket.
func (c *Client) Path() string { return c.path }

// PID returns the ID of the server's process, as the kernel of this machine reports it to this
// process, or 0 if it is unknown. The server itself reports another one if it runs in a container.
func (c *Client) PID() int { return c.pid }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status returns the state of the server.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, c.prompt, http.MethodGet, PathStatus, nil, &s)
}

// Reload makes the server load its configuration again. A refused configuration is reported in
// Reload.Error and is not an error. Because a reload can take long, Reload first verifies that the
// server answers.
func (c *Client) Reload(ctx context.Context) (Reload, error) {
	var r Reload
	if _, err := c.Status(ctx); err != nil {
		return r, err
	}
	return r, c.call(ctx, c.patience, http.MethodPost, PathReload, nil, &r)
}

// Probe returns a probe identity with a role. It is valid for one minute.
func (c *Client) Probe(ctx context.Context, role string) (user, password string, err error) {
	var id ProbeIdentity
	err = c.call(ctx, c.prompt, http.MethodPost, PathProbe, ProbeRequest{role}, &id)
	return id.User, id.Password, err
}

// Collect runs garbage collection in the server. It calls report, which may be nil, for every
// verdict.
func (c *Client) Collect(ctx context.Context, r CollectRequest, report func(storage.Verdict)) (storage.CollectReport, error) {
	var done storage.CollectReport
	return done, c.stream(ctx, PathCollect, r, &done, func(l Line) {
		if l.Verdict != nil && report != nil {
			report(*l.Verdict)
		}
	})
}

// PurgeUploads makes the server remove abandoned upload sessions.
func (c *Client) PurgeUploads(ctx context.Context, r PurgeRequest) (storage.PurgeReport, error) {
	var done storage.PurgeReport
	return done, c.stream(ctx, PathPurge, r, &done, nil)
}

// Scrub makes the server verify all content against its digests. It calls report, which may be nil,
// for every damage.
func (c *Client) Scrub(ctx context.Context, r ScrubRequest, report func(storage.Damage)) (storage.ScrubReport, error) {
	var done storage.ScrubReport
	return done, c.stream(ctx, PathScrub, r, &done, func(l Line) {
		if l.Damage != nil && report != nil {
			report(*l.Damage)
		}
	})
}

// Usage returns the storage usage of each repository.
func (c *Client) Usage(ctx context.Context) (storage.Usage, error) {
	var done storage.Usage
	return done, c.stream(ctx, PathUsage, nil, &done, nil)
}

// Reindex makes the server rebuild every derived record.
func (c *Client) Reindex(ctx context.Context) (storage.ReindexReport, error) {
	var done storage.ReindexReport
	return done, c.stream(ctx, PathReindex, nil, &done, nil)
}

// Packs returns the versions of packs that Palette does not install.
func (c *Client) Packs(ctx context.Context) (PackReport, error) {
	var r PackReport
	return r, c.call(ctx, c.patience, http.MethodGet, PathPacks, nil, &r)
}

// Delete makes the server delete a manifest or a blob. Content that a tag needs is reported in the
// Deletion and is not an error.
func (c *Client) Delete(ctx context.Context, r DeleteRequest) (Deletion, error) {
	var done Deletion
	return done, c.stream(ctx, PathDelete, r, &done, nil)
}

// call sends one request and decodes the response, within a time.
func (c *Client) call(ctx context.Context, within time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errSlow)
	defer cancel()
	answer, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(&limited{r: answer, left: mostAnswer}).Decode(out); err != nil {
		return c.failure(ctx, err)
	}
	printable.Value(out)
	return nil
}

var errCutOff = errors.New("the running server stopped before it had finished")

// stream sends one request and calls each for every line of the response.
func (c *Client) stream(ctx context.Context, path string, in, done any, each func(Line)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(c.idle, func() { cancel(errSlow) })
	defer timer.Stop()
	answer, err := c.send(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	defer answer.Close()
	body := &limited{r: answer, left: mostLine, timer: timer, idle: c.idle}
	lines := json.NewDecoder(body)
	for {
		var raw json.RawMessage
		l := Line{Done: &raw}
		if err := lines.Decode(&l); err != nil {
			if errors.Is(err, io.EOF) {
				err = errCutOff
			}
			return c.failure(ctx, err)
		}
		body.left = mostLine
		switch {
		case l.Error != "":
			return errors.New(printable.Text(l.Error))
		case raw != nil:
			if err := json.Unmarshal(raw, done); err != nil {
				return c.failure(ctx, err)
			}
			printable.Value(done)
			return nil
		case each != nil:
			printable.Value(&l)
			each(l)
		}
	}
}

// failure names the socket in the cause of a request that failed.
func (c *Client) failure(ctx context.Context, err error) error {
	var (
		syntax *json.SyntaxError
		value  *json.UnmarshalTypeError
	)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSlow):
		err = errSlow
	case cause != nil:
		err = cause
	case errors.As(err, &syntax), errors.As(err, &value):
		err = errors.New("its answer is not one of a packhouse server")
	}
	return fmt.Errorf("ask the running server on %s: %w", c.path, err)
}

// limited reads at most left bytes. The timer, which may be nil, runs for idle during each read, and
// not while the caller prints.
type limited struct {
	r     io.Reader
	left  int
	timer *time.Timer
	idle  time.Duration
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLong
	}
	if l.timer != nil {
		l.timer.Reset(l.idle)
		defer l.timer.Stop()
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// send returns the body of a successful response.
func (c *Client) send(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, c.failure(ctx, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://packhouse"+path, bytes.NewReader(body))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var l Line
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&l); err != nil || l.Error == "" {
		return nil, c.failure(ctx, fmt.Errorf("it answered with status %d", answer.StatusCode))
	}
	return nil, errors.New(printable.Text(l.Error))
}
