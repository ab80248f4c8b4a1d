package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"packhouse/printable"
)

// Repositories that checks push to. They are fixed, so that checks do not leave empty repositories
// behind; the content is random, so that concurrent checks do not collide.
const (
	ProbeRepository  = "packhouse-probe/check" // local: hidden, and accessible to probe identities only
	remoteRepository = "packhouse-check/check" // remote, with a user's credentials
)

// repository returns the repository that this run pushes to.
func (s *session) repository() string {
	if s.Remote {
		return remoteRepository
	}
	return ProbeRepository
}

// probeSize is the size in bytes of the test blob.
const probeSize = 1 << 20

func proveRoles(ctx context.Context, s *session) Result {
	switch {
	case !s.reachable():
		return s.unreached()
	case s.open():
		return notProven("authentication is off")
	}
	var proven, missing []string
	for _, row := range []struct {
		role   string
		status int
		may    string
	}{
		{"reader", http.StatusForbidden, "a reader's push is refused"},
		{"writer", http.StatusAccepted, "a writer may push"},
	} {
		c, err := s.probeIdentity(ctx, row.role)
		if err != nil {
			missing = append(missing, row.role)
			continue
		}
		answer, err := s.send(ctx, http.MethodPost, "/v2/"+s.repository()+"/blobs/uploads/", c, nil, nil)
		if err != nil {
			return s.unreachable(s.address(s.hostPort()), err)
		}
		if answer.status == http.StatusAccepted {
			s.cleanUp(ctx, http.MethodDelete, answer.header.Get("Location"), c)
		}
		if answer.status != row.status {
			return failed("role-"+row.role, fmt.Sprintf("a %s's push: %d", row.role, answer.status),
				fmt.Sprintf("expected %d: %s", row.status, row.may), "correct auth.htpasswd.roles and rules in "+printable.Shell(s.ConfigPath)+", then run packhouse reload")
		}
		proven = append(proven, row.may)
	}
	switch {
	case len(proven) == 0:
		return notProven("no identity to try: %s", strings.Join(missing, ", "))
	case len(missing) > 0:
		return passed("%s; not proven: %s", strings.Join(proven, ", "), strings.Join(missing, ", "))
	}
	return passed("%s", strings.Join(proven, ", "))
}

// roundTrip pushes an artifact, reads it back by digest and deletes it.
type roundTrip struct {
	*session
	ctx     context.Context //nolint:containedctx // lives as long as one check
	as      credentials
	cleanup []string // paths to delete, last first
}

func proveRoundTrip(ctx context.Context, s *session) Result {
	if !s.reachable() {
		return s.unreached()
	}
	if s.Remote {
		if r, ok := s.mayRoundTrip(ctx); !ok {
			return r
		}
	}
	if s.Config != nil && s.Config.Storage.Maintenance.ReadOnly.Enabled {
		return notProven("the registry is read-only")
	}
	c := s.given()
	if !s.Remote {
		var err error
		if c, err = s.probeIdentity(ctx, "admin"); err != nil {
			return notProven("%v", err)
		}
	}
	t := &roundTrip{session: s, ctx: ctx, as: c}
	result := t.run()
	for _, v := range slices.Backward(t.cleanup) { // after a failure or an interruption; nothing is left after success
		s.cleanUp(ctx, http.MethodDelete, v, c)
	}
	return result
}

// cleanUp sends a request whose failure does not affect the result.
func (s *session) cleanUp(ctx context.Context, method, path string, c credentials) {
	if path != "" {
		_, _ = s.send(context.WithoutCancel(ctx), method, path, c, nil, nil)
	}
}

func (t *roundTrip) run() Result {
	// The server discards deleted content at once if it contains the probe identity's name,
	// which only this check knows.
	name := t.as.user
	if t.Remote {
		name = "packhouse-check-" + rand.Text()
	}
	blob := make([]byte, probeSize)
	_, _ = rand.Read(blob[copy(blob, name+"\n"):]) // never fails
	config, err := json.Marshal(map[string]string{"probe": name})
	if err != nil {
		return failed("round-trip", "config", err.Error(), "")
	}
	t.doing("pushing " + humanize.IBytes(probeSize))
	for _, content := range [][]byte{blob, config} {
		if r := t.pushBlob(content); r != nil {
			return *r
		}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     manifestType,
		"artifactType":  "application/vnd.packhouse.probe",
		"config":        descriptor("application/vnd.packhouse.probe.v1+json", config),
		"layers":        []any{descriptor("application/octet-stream", blob)},
		"annotations":   map[string]string{"org.opencontainers.image.title": name},
	})
	if err != nil {
		return failed("round-trip", "manifest", err.Error(), "")
	}
	path := t.path("manifests/" + digestOf(manifest))
	t.cleanup = append(t.cleanup, path) // it may be stored although the response is lost
	if r := t.expect(http.MethodPut, path, http.Header{"Content-Type": {manifestType}}, manifest, http.StatusCreated, nil); r != nil {
		return *r
	}

	t.doing("pulling by digest")
	if r := t.expect(http.MethodGet, path, http.Header{"Accept": {manifestType}}, nil, http.StatusOK, manifest); r != nil {
		return *r
	}
	if r := t.expect(http.MethodGet, t.path("blobs/"+digestOf(blob)), nil, nil, http.StatusOK, blob); r != nil {
		return *r
	}

	t.doing("deleting")
	for len(t.cleanup) > 0 {
		last := t.cleanup[len(t.cleanup)-1]
		if r := t.expect(http.MethodDelete, last, nil, nil, http.StatusAccepted, nil); r != nil {
			return *r
		}
		t.cleanup = t.cleanup[:len(t.cleanup)-1]
	}
	if r := t.expect(http.MethodGet, path, nil, nil, http.StatusNotFound, nil); r != nil {
		return *r
	}
	return passed("pushed, pulled and deleted %s by digest", humanize.IBytes(probeSize))
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

func (t *roundTrip) path(rest string) string { return "/v2/" + t.repository() + "/" + rest }

// request sends a request and waits for its response even if ctx ends: the server could otherwise
// store the content of an interrupted request after it was deleted.
func (t *roundTrip) request(method, path string, header http.Header, body io.Reader) (answer, error) {
	if err := t.ctx.Err(); err != nil {
		return answer{}, err
	}
	return t.send(context.WithoutCancel(t.ctx), method, path, t.as, header, body)
}

// pushBlob uploads content in two requests, as most clients do.
func (t *roundTrip) pushBlob(content []byte) *Result {
	answer, err := t.request(http.MethodPost, t.path("blobs/uploads/"), nil, nil)
	if err != nil {
		r := t.unreachable(t.address(t.hostPort()), err)
		return &r
	}
	location, err := url.Parse(answer.header.Get("Location"))
	if answer.status != http.StatusAccepted || err != nil || location.String() == "" {
		return t.unexpected("starting an upload", answer, http.StatusAccepted)
	}
	query := location.Query()
	query.Set("digest", digestOf(content))
	location.RawQuery = query.Encode()
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	// The server may have stored the blob although the response is lost.
	blob := t.path("blobs/" + digestOf(content))
	t.cleanup = append(t.cleanup, blob, answer.header.Get("Location"))
	if r := t.expect(http.MethodPut, location.String(), header, content, http.StatusCreated, nil); r != nil {
		return r
	}
	t.cleanup = append(t.cleanup[:len(t.cleanup)-2], blob) // the upload is over
	return nil
}

// expect sends a request and compares the response's status and, if want is not nil, its body.
func (t *roundTrip) expect(method, path string, header http.Header, body []byte, status int, want []byte) *Result {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	answer, err := t.request(method, path, header, reader)
	if err != nil {
		r := t.unreachable(t.address(t.hostPort()), err)
		return &r
	}
	if answer.status != status {
		return t.unexpected(method+" "+strings.TrimPrefix(path, t.path("")), answer, status)
	}
	if want != nil && !bytes.Equal(answer.body, want) {
		r := failed("round-trip-content", method+" "+path, "the content that was pulled differs from what was pushed", t.there("run packhouse store scrub, which finds damaged content"))
		return &r
	}
	return nil
}

func (t *roundTrip) unexpected(what string, a answer, want int) *Result {
	cause := fmt.Sprintf("expected %d", want)
	var body struct {
		Errors []struct{ Code, Message string } `json:"errors"`
	}
	if json.Unmarshal(a.body, &body) == nil && len(body.Errors) > 0 {
		cause = fmt.Sprintf("the server says %s: %s", body.Errors[0].Code, body.Errors[0].Message)
	}
	remedy := t.readLog()
	if a.status == http.StatusInsufficientStorage {
		remedy = t.there("free space, or run packhouse store gc")
	}
	r := failed("round-trip", fmt.Sprintf("%s: %d", what, a.status), cause, remedy)
	return &r
}

func digestOf(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

func descriptor(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digestOf(content), "size": len(content)}
}
