package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// ErrNotRunning says that no server listens on an admin socket.
var ErrNotRunning = errors.New("no server is running")

// Client asks a running server.
type Client struct {
	path string
	http *http.Client
}

// Find looks for the server of a configuration. ErrNotRunning where there is none that this user may ask; the store's lock knows of the
// others.
func Find(c *config.Config) (*Client, error) {
	var refused error
	for _, path := range Paths(c) {
		client, err := Dial(path)
		if err == nil {
			return client, nil
		}
		if !errors.Is(err, ErrNotRunning) && refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return nil, fmt.Errorf("%w that this user may ask: %w", ErrNotRunning, refused)
	}
	return nil, ErrNotRunning
}

// Dial connects to the socket at path. ErrNotRunning where nobody listens.
func Dial(path string) (*Client, error) {
	conn, err := dial(context.Background(), path)
	if err != nil {
		if absent(err) {
			return nil, fmt.Errorf("%w: nobody listens on %s", ErrNotRunning, path)
		}
		return nil, fmt.Errorf("connect to the running server: %w", err)
	}
	_ = conn.Close() // it was only to see whether somebody listens
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, path) }}
	return &Client{path: path, http: &http.Client{Transport: transport}}, nil
}

// Path returns where the socket is.
func (c *Client) Path() string { return c.path }

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status asks what the server is and how it does.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.call(ctx, http.MethodGet, PathStatus, nil, &s)
}

// Reload has the server take up its configuration anew. What is wrong with it is in Reload.Error and not an error.
func (c *Client) Reload(ctx context.Context) (Reload, error) {
	var r Reload
	return r, c.call(ctx, http.MethodPost, PathReload, nil, &r)
}

// Probe asks for a one-minute identity with a role.
func (c *Client) Probe(ctx context.Context, role string) (user, password string, err error) {
	var id ProbeIdentity
	err = c.call(ctx, http.MethodPost, PathProbe, ProbeRequest{role}, &id)
	return id.User, id.Password, err
}

// Collect has the server collect garbage. Report (may be nil) hears of every verdict.
func (c *Client) Collect(ctx context.Context, r CollectRequest, report func(storage.Verdict)) (storage.CollectReport, error) {
	var done storage.CollectReport
	return done, c.stream(ctx, PathCollect, r, &done, func(l Line) {
		if l.Verdict != nil && report != nil {
			report(*l.Verdict)
		}
	})
}

// PurgeUploads has the server remove abandoned uploads.
func (c *Client) PurgeUploads(ctx context.Context, r PurgeRequest) (storage.PurgeReport, error) {
	var done storage.PurgeReport
	return done, c.stream(ctx, PathPurge, r, &done, nil)
}

// Scrub has the server read everything and compare it with its digest. Report (may be nil) hears of every damage.
func (c *Client) Scrub(ctx context.Context, r ScrubRequest, report func(storage.Damage)) (storage.ScrubReport, error) {
	var done storage.ScrubReport
	return done, c.stream(ctx, PathScrub, r, &done, func(l Line) {
		if l.Damage != nil && report != nil {
			report(*l.Damage)
		}
	})
}

// Usage asks what is stored for whom.
func (c *Client) Usage(ctx context.Context) (storage.Usage, error) {
	var done storage.Usage
	return done, c.stream(ctx, PathUsage, nil, &done, nil)
}

// Reindex has the server rebuild every derived record.
func (c *Client) Reindex(ctx context.Context) (storage.ReindexReport, error) {
	var done storage.ReindexReport
	return done, c.stream(ctx, PathReindex, nil, &done, nil)
}

// call sends one request and reads one answer.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	answer, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(out); err != nil {
		return fmt.Errorf("read answer of the running server: %w", err)
	}
	return nil
}

var errCutOff = errors.New("the running server ended before it had finished")

// stream sends one request and reads lines until the last.
func (c *Client) stream(ctx context.Context, path string, in, done any, each func(Line)) error {
	answer, err := c.send(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	defer answer.Close()
	lines := json.NewDecoder(bufio.NewReader(answer))
	for {
		var raw json.RawMessage
		l := Line{Done: &raw}
		if err := lines.Decode(&l); err != nil {
			if errors.Is(err, io.EOF) {
				err = errCutOff
			}
			return fmt.Errorf("read answer of the running server: %w", err)
		}
		switch {
		case l.Error != "":
			return errors.New(l.Error)
		case raw != nil:
			if err := json.Unmarshal(raw, done); err != nil {
				return fmt.Errorf("read answer of the running server: %w", err)
			}
			return nil
		case each != nil:
			each(l)
		}
	}
}

// send returns the body of a successful answer.
func (c *Client) send(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, fmt.Errorf("ask the running server: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://packhouse"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the running server: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the running server: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	var l Line
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&l); err != nil || l.Error == "" {
		return nil, fmt.Errorf("ask the running server: status %d", answer.StatusCode)
	}
	return nil, errors.New(l.Error)
}
