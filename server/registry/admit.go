package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"packhouse/server/manifest"
	"packhouse/server/problem"
)

const (
	// largeManifest is the size in bytes from which manifests share largeBudget. Common manifests are far smaller.
	largeManifest = 256 << 10
	// largeBudget is the number of bytes of large manifests that the server parses and stores at once. Parsing
	// needs about six times the size of a manifest.
	largeBudget = 2 * manifest.MaxSize
	// largeBodies is the number of large manifests that the server holds at once: those that it receives and those that
	// wait for largeBudget.
	largeBodies = 8
	// largeBodyTime is how long a client may send a large manifest, so that slow clients do not keep others out.
	largeBodyTime = 30 * time.Second
)

// admitManifest waits until the server may parse and store a manifest of n bytes, so that many large ones at once do
// not exhaust its memory. The caller calls release when done. It returns the context's error if ctx ends first.
func (g *Registry) admitManifest(ctx context.Context, n int64) (release func(), err error) {
	if n < largeManifest {
		return func() {}, nil
	}
	if err := g.large.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { g.large.Release(n) }, nil
}

// readManifestBody reads a body up to the maximum size of manifests. A body from largeManifest on waits for one of
// largeBodies before it is read. The caller calls release when it no longer holds the content.
func (g *Registry) readManifestBody(w http.ResponseWriter, r *http.Request) (content []byte, release func(), err error) {
	tooLarge := problem.New(http.StatusRequestEntityTooLarge, problem.ManifestInvalid, "a manifest has at most %d bytes", manifest.MaxSize)
	if r.ContentLength > manifest.MaxSize {
		return nil, nil, tooLarge
	}
	body := &timedBody{r: http.MaxBytesReader(w, r.Body, manifest.MaxSize)}
	release = func() {}
	if r.ContentLength <= 0 {
		content, err = io.ReadAll(io.LimitReader(body, largeManifest))
	}
	if err == nil && (r.ContentLength >= largeManifest || len(content) == largeManifest) {
		if err := g.bodies.Acquire(r.Context(), 1); err != nil {
			return nil, nil, err
		}
		release = func() { g.bodies.Release(1) }
		body.end = time.Now().Add(largeBodyTime)
	}
	switch {
	case err != nil:
	case r.ContentLength > 0:
		content = make([]byte, r.ContentLength)
		_, err = io.ReadFull(body, content)
	case len(content) == largeManifest:
		var rest []byte
		rest, err = io.ReadAll(body)
		content = append(content, rest...)
	}
	if err != nil {
		release()
		return nil, nil, bodyProblem(err, tooLarge)
	}
	return content, release, nil
}

// bodyProblem words why a body could not be read.
func bodyProblem(err error, tooLarge *problem.Error) error {
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge
	}
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	if errors.Is(err, errSlowBody) {
		return problem.New(http.StatusRequestTimeout, problem.ManifestInvalid,
			"a manifest of %d bytes or more must arrive within %v: push it again over a faster connection", largeManifest, largeBodyTime)
	}
	return problem.New(http.StatusBadRequest, problem.ManifestInvalid, "the body ended early: push the manifest again").Because(err)
}

var errSlowBody = errors.New("the client sends too slowly")

// timedBody is a body that fails at the first read after end. The deadline of the connection ends a read that receives
// nothing.
type timedBody struct {
	r   io.Reader
	end time.Time // zero: no limit
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	if !b.end.IsZero() && time.Now().After(b.end) {
		return 0, errSlowBody
	}
	return b.r.Read(p)
}
